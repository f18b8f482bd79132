import type { Event } from '@signalbox/contracts';
import { type Batch, type Handler, ack } from '@signalbox/event-store';
import type pg from 'pg';
import type { Partitions } from '../tables/partitions.ts';
import { projectEvents } from '../tables/project.ts';

export interface ProjectTo {
  readonly partitions: Partitions;
  /** Told after a batch has committed: how many events it had. */
  readonly onProjected: (count: number) => void;
}

/** Gathers the events of a batch and writes them together, just before the batch's position. */
export const project = ({ partitions, onProjected }: ProjectTo): Handler<pg.PoolClient> => {
  const gathered = new WeakMap<Batch<pg.PoolClient>, Event[]>();
  const begin = (batch: Batch<pg.PoolClient>): Event[] => {
    const events: Event[] = [];
    gathered.set(batch, events);
    batch.beforeCommit('audit.project', () => projectEvents(batch.tx, events, partitions));
    batch.afterCommit('audit.project', () => onProjected(events.length));
    return events;
  };
  return (event, batch) => {
    (gathered.get(batch) ?? begin(batch)).push(event);
    return ack;
  };
};
