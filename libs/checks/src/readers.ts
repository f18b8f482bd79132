import type { Position } from '@signalbox/contracts';
import type { EventStore, ReaderState } from '@signalbox/event-store';
import { type Look, beyond, lookAt, seconds } from './check.ts';

const lagLimits = { warn: 5_000, fail: 30_000 };

/** Age of the oldest event behind a position; 0 when there is none. */
const lagMs = async (store: EventStore, position: Position, nowMs: number): Promise<number> => {
  const [oldest] = await store.readAll(position, 1);
  return oldest === undefined ? 0 : Math.max(0, nowMs - Date.parse(oldest.recordedAt));
};

export interface ReaderWanted {
  readonly state: Pick<ReaderState<never>, 'name' | 'position' | 'parked' | 'parkedStreams'>;
  readonly store: EventStore;
  readonly nowMs: () => number;
  /** Name of the service in `npm run parked`. */
  readonly parkedAs: 'audit' | 'dispatcher' | 'gateway';
}

/** How far a reader is behind the log, and what it has put aside; seen from the tables, so that any replica can tell. */
export const readerLooks = ({ state, store, nowMs, parkedAs }: ReaderWanted): readonly Look[] => [
  lookAt(
    {
      id: `reader.${state.name}.lag`,
      title: `Lag of reader ${state.name}`,
      wanted: 'the oldest unprocessed event is younger than 5 s',
      advice: `If no check of NATS, the relay or the lease fails, look into the log of the service for the event that ${state.name} tries again.`,
    },
    async () => {
      const lag = await lagMs(store, await state.position(), nowMs());
      return [beyond(lag, lagLimits), lag === 0 ? 'nothing behind' : seconds(lag)];
    },
  ),
  lookAt(
    {
      id: `reader.${state.name}.parked`,
      title: `Parked events of ${state.name}`,
      wanted: 'none',
      advice: `List them with "npm run parked -- ${parkedAs} list", mend the cause, then "npm run parked -- ${parkedAs} redrive <stream>".`,
    },
    async () => {
      const [streams, [first]] = await Promise.all([state.parkedStreams(), state.parked(1)]);
      if (streams.size === 0 || first === undefined) return ['ok', 'none'];
      const { event, reason, parkedAt } = first;
      return [
        'fail',
        `${streams.size} stream(s), the first is ${event.stream} since ${parkedAt}: ${reason.slice(0, 120)}`,
      ];
    },
  ),
];

/** How far what is published is behind the log. */
export const relayLook = (store: EventStore, nowMs: () => number): Look =>
  lookAt(
    {
      id: 'relay.lag',
      title: 'Lag of the relay',
      wanted: 'the oldest unpublished event is younger than 5 s',
      advice:
        'Nothing reaches the readers. Look at the checks of NATS and of lease.relay, and for "relay halted" in the log of the scheduler.',
    },
    async () => {
      const lag = await lagMs(store, await store.published(), nowMs());
      return [beyond(lag, lagLimits), lag === 0 ? 'nothing behind' : seconds(lag)];
    },
  );
