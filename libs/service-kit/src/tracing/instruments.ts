import type { Metrics } from '../metrics.ts';

/** What the semantic conventions call the operation in which a message is worked on. */
const processName = 'messaging_process_duration_seconds';

const processing = (metrics: Metrics) =>
  metrics.durations(processName, 'Time to process a message, or a batch of events in one transaction', [
    'messaging_system',
    'messaging_operation_name',
    'messaging_destination_name',
    'messaging_consumer_group_name',
    'error_type',
  ]);

/** Measures from now on how long one message is worked on; called at the end, with the kind of error if there was one. */
export const processSeconds = (
  metrics: Metrics,
  destination: string,
  group: string,
): ((errorType?: string) => void) => {
  const startedMs = performance.now();
  return (errorType) =>
    observeProcess(metrics, { destination, group, errorType }, performance.now() - startedMs);
};

/** Records how long messages were worked on together. */
export const observeProcess = (
  metrics: Metrics,
  of: { readonly destination: string; readonly group: string; readonly errorType?: string | undefined },
  durationMs: number,
): void => {
  const labels = {
    messaging_system: 'nats',
    messaging_operation_name: 'process',
    messaging_destination_name: of.destination,
    messaging_consumer_group_name: of.group,
    error_type: of.errorType ?? '',
  };
  processing(metrics).observe(labels, durationMs / 1000);
};
