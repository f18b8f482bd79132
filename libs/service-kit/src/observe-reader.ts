import type { RecordedEvent } from '@signalbox/contracts';
import type { Clock } from './clock.ts';
import type { Health } from './health.ts';
import type { Metrics } from './metrics.ts';
import { isSampled } from './trace.ts';
import { eventAttributes } from './tracing/event-attributes.ts';
import { observeProcess } from './tracing/instruments.ts';
import type { Tracing } from './tracing/tracing.ts';

/** What is seen of an ordered reader from outside. */
interface ObservedReader {
  lagMs(): number;
  status(): { readonly activity: string; readonly parkedStreams: number; readonly foreign: number };
}

type Find = () => ObservedReader | undefined;

/** The readers of a service by name; one gauge shows them all. */
const readers = new WeakMap<Metrics, Map<string, Find>>();

const showReaders = (metrics: Metrics, found: ReadonlyMap<string, Find>): void => {
  const show = (name: string, help: string, read: (reader: ObservedReader | undefined) => number): void => {
    metrics.gauge(name, help, ['reader'], (gauge) => {
      for (const [reader, find] of found) gauge.set({ reader }, read(find()));
    });
  };
  show(
    'signalbox_reader_lag_seconds',
    'Age of the oldest event that the reader has not processed',
    (reader) => (reader?.lagMs() ?? 0) / 1000,
  );
  show(
    'signalbox_reader_parked_streams',
    'Streams with parked events',
    (reader) => reader?.status().parkedStreams ?? 0,
  );
  show(
    'signalbox_reader_foreign_messages',
    'Messages on the bus that are no events of ours and that the reader passed over',
    (reader) => reader?.status().foreign ?? 0,
  );
  show('signalbox_reader_active', '1 in the replica where the reader runs', (reader) =>
    reader === undefined ? 0 : 1,
  );
};

/**
 * Shows a reader's lag and parked streams as metrics. `find` answers the reader while it runs in this replica; a replica
 * that stands by shows 0 and is not the active one.
 */
export const showReader = (metrics: Metrics, name: string, find: Find): void => {
  const known = readers.get(metrics);
  if (known !== undefined) {
    known.set(name, find);
    return;
  }
  const found = new Map([[name, find]]);
  readers.set(metrics, found);
  showReaders(metrics, found);
};

/**
 * Metrics and readiness of a reader.
 *
 * @param required the replica is not ready before this reader has caught up once (a follower that runs in every
 *   replica); a bus that is away later makes no replica unready, since most of its work needs none
 */
export const observeReader = (
  kit: { readonly metrics: Metrics; readonly health: Health },
  name: string,
  find: Find,
  required = false,
): void => {
  showReader(kit.metrics, name, find);
  let hasCaughtUp = false;
  kit.health.add(`reader ${name}`, () => {
    const status = find()?.status();
    if (status !== undefined && status.parkedStreams > 0) {
      throw new Error(
        `expected no parked events, got ${status.parkedStreams} parked streams; look at them and re-drive`,
      );
    }
    if (status?.activity === 'following') hasCaughtUp = true;
    if (required && !hasCaughtUp) {
      throw new Error(`expected the reader to have caught up, got ${status?.activity ?? 'none'}`);
    }
  });
};

/**
 * Hook for a reader's `on.handled`: time per committed batch, events, and, where `traced`, a span for each event of a
 * recorded trace, as a child of the span that wrote the event. All spans of a batch have its time.
 */
export const observedEvents = (
  kit: { readonly metrics: Metrics; readonly tracing: Tracing; readonly clock: Clock },
  name: string,
  traced = true,
): ((events: readonly RecordedEvent[], durationMs: number) => void) => {
  const labels = {
    messaging_system: 'nats',
    messaging_operation_name: 'process',
    messaging_destination_name: 'events',
    messaging_consumer_group_name: name,
  };
  const consumed = kit.metrics.counter(
    'messaging_client_consumed_messages_total',
    'Events that a reader has processed',
    Object.keys(labels),
  );
  const { metrics, tracing, clock } = kit;
  return (events, durationMs) => {
    if (events.length === 0) return;
    consumed.inc(labels, events.length);
    observeProcess(metrics, { destination: 'events', group: name }, durationMs);
    if (!traced || !tracing.isOn) return;
    const endMs = clock.nowMs();
    for (const event of events) {
      if (!isSampled(event.traceparent)) continue;
      const attributes = {
        ...eventAttributes(event),
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.consumer.group.name': name,
        'messaging.batch.message_count': events.length,
      };
      const started = { kind: 'consumer', parent: event.traceparent, attributes } as const;
      tracing
        .start(`process events.${event.type}`, { ...started, startMs: endMs - durationMs })
        .end({ endMs });
    }
  };
};
