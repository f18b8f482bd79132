import type { Consumer } from '@signalbox/event-store';
import type pg from 'pg';
import { type ProjectTo, project } from './handlers/project.ts';

/** What the audit service consumes: every event, in the order of the log. */
export const consumers = (to: ProjectTo): readonly Consumer<pg.PoolClient>[] => [
  { type: '*', handler: project(to) },
];
