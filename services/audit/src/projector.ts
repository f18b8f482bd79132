import { EventsTransport } from '@signalbox/bus-nats';
import type { EventStore } from '@signalbox/event-store';
import { type PostgresReaderState, lead, openLease } from '@signalbox/postgres';
import { type Kit, observedEvents, showReader } from '@signalbox/service-kit';
import type pg from 'pg';
import { consumers } from './consumers.ts';
import type { PositionWatch } from './position-watch.ts';
import { Partitions } from './tables/partitions.ts';
import { projectorName } from './tables/rebuild.ts';

export type Projector = EventsTransport<pg.PoolClient>;

export interface ProjectorOptions {
  readonly pool: pg.Pool;
  readonly nc: ConstructorParameters<typeof EventsTransport>[0]['nc'];
  readonly store: EventStore;
  readonly state: PostgresReaderState;
  readonly watch: PositionWatch;
  readonly batchSize: number;
  readonly kit: Kit;
}

const addMetrics = ({ kit: { metrics } }: ProjectorOptions, projector: () => Projector | undefined) => {
  showReader(metrics, projectorName, () => projector()?.reader());
  const events = metrics.counter('signalbox_audit_events_total', 'Events written');
  const batches = metrics.counter(
    'signalbox_audit_batches_total',
    'Transactions in which events were written',
  );
  return (count: number): void => {
    events.inc(count);
    batches.inc();
  };
};

/** Ready means here: nothing is parked, and the replica that projects follows the bus. */
const addChecks = ({ kit: { health }, state }: ProjectorOptions, projector: Projector): void => {
  health.add('parked events', async () => {
    const streams = await state.parkedStreams();
    if (streams.size > 0) throw new Error(`expected no parked events, got some of ${streams.size} stream(s)`);
  });
  health.add('projector', () => {
    const activity = projector.reader()?.status().activity ?? 'following';
    if (activity !== 'following')
      throw new Error(`expected the projector to follow the bus, got ${activity}`);
  });
};

/** One ordered reader of all events, active in the replica that holds the lease `audit-projector`. */
export const createProjector = async (options: ProjectorOptions): Promise<Projector> => {
  const { pool, nc, store, state, watch, batchSize, kit } = options;
  const lease = await openLease({ pool, name: projectorName, holder: kit.replica });
  const onProjected = addMetrics(options, () => projector);
  const projector: Projector = new EventsTransport<pg.PoolClient>({
    name: projectorName,
    nc,
    store,
    state,
    batchSize,
    consumers: consumers({ partitions: new Partitions(), onProjected }),
    log: kit.logger,
    now: () => kit.clock.nowMs(),
    on: { moved: (position) => watch.advance(position), handled: observedEvents(kit, projectorName) },
    run: (start) =>
      lead({
        lease,
        onLead: (term) => start((error) => term.fail(error)),
        onError: (error) =>
          kit.logger.warn('the projector has stopped and starts again', { lease: lease.name, error }),
      }),
  });
  addChecks(options, projector);
  return projector;
};
