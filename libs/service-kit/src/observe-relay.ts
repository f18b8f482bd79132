import type { RecordedEvent } from '@signalbox/contracts';
import type { Clock } from './clock.ts';
import type { Metrics } from './metrics.ts';
import { isSampled } from './trace.ts';
import { eventAttributes } from './tracing/event-attributes.ts';
import type { Tracing } from './tracing/tracing.ts';

/**
 * Shows what the relay publishes: messages, the time to their acknowledgement, and a span for each event of a recorded
 * trace, as a child of the span that wrote the event. The message carries the event's own `traceparent`, because what is
 * published is what is stored.
 */
export const observeRelay = (kit: {
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly clock: Clock;
}): ((event: RecordedEvent, durationMs: number) => void) => {
  const labels = {
    messaging_system: 'nats',
    messaging_operation_name: 'publish',
    messaging_destination_name: 'events',
  };
  const names = Object.keys(labels);
  const sent = kit.metrics
    .counter('messaging_client_sent_messages_total', 'Events published to the bus', names)
    .labels(labels);
  const seconds = kit.metrics
    .durations(
      'messaging_client_operation_duration_seconds',
      'Time from publishing to acknowledgement',
      names,
    )
    .labels(labels);
  const { tracing, clock } = kit;
  return (event, durationMs) => {
    sent.inc();
    seconds.observe(durationMs / 1000);
    if (!tracing.isOn || !isSampled(event.traceparent)) return;
    const endMs = clock.nowMs();
    const operation = { 'messaging.operation.name': 'publish', 'messaging.operation.type': 'send' };
    tracing
      .start(`publish events.${event.type}`, {
        kind: 'client',
        parent: event.traceparent,
        startMs: endMs - durationMs,
        attributes: { ...eventAttributes(event), ...operation },
      })
      .end({ endMs });
  };
};
