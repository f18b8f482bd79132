import type { Health } from './health.ts';
import type { Metrics } from './metrics.ts';

/** What is seen of an ordered reader from outside. */
interface ObservedReader {
  lagMs(): number;
  status(): { readonly activity: string; readonly parkedStreams: number; readonly foreign: number };
}

/**
 * Shows a reader's lag and parked streams as metrics. `find` answers the reader while it runs in this replica; a replica
 * that stands by shows 0 and is not the active one.
 *
 * @param required the replica is not ready before this reader has caught up once (a follower that runs in every
 *   replica); a bus that is away later makes no replica unready, since most of its work needs none
 */
export const observeReader = (
  kit: { readonly metrics: Metrics; readonly health: Health },
  name: string,
  find: () => ObservedReader | undefined,
  required = false,
): void => {
  const metric = `signalbox_reader_${name.replaceAll('-', '_')}`;
  kit.metrics.gauge(
    `${metric}_lag_seconds`,
    `Age of the oldest event that reader ${name} has not processed`,
    [],
    (gauge) => gauge.set((find()?.lagMs() ?? 0) / 1000),
  );
  kit.metrics.gauge(`${metric}_parked_streams`, `Streams with parked events of reader ${name}`, [], (gauge) =>
    gauge.set(find()?.status().parkedStreams ?? 0),
  );
  kit.metrics.gauge(
    `${metric}_foreign_messages`,
    `Messages on the bus that are no events of ours and that reader ${name} passed over`,
    [],
    (gauge) => gauge.set(find()?.status().foreign ?? 0),
  );
  kit.metrics.gauge(`${metric}_active`, `1 in the replica where reader ${name} runs`, [], (gauge) =>
    gauge.set(find() === undefined ? 0 : 1),
  );
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
