import { z } from 'zod';

/**
 * Statuses of an assignment, and of a job rolled up from its assignments:
 *
 *     QUEUED ──JobAssigned──▶ SCHEDULED ──claim──▶ IN_PROGRESS ──▶ SUCCEEDED | FAILED | TIMED_OUT | CANCELED | REJECTED
 *       ▲  └──▶ CANCELED | TIMED_OUT | REJECTED   │ └──▶ FAILED | TIMED_OUT | CANCELED | REJECTED
 *       └────────────── another attempt follows ──┴──────── IN_PROGRESS
 */
export const statuses = [
  'QUEUED',
  'SCHEDULED',
  'IN_PROGRESS',
  'SUCCEEDED',
  'FAILED',
  'TIMED_OUT',
  'CANCELED',
  'REJECTED',
] as const;
export type Status = (typeof statuses)[number];
export const Status = z.enum(statuses);

export const endStatuses = ['SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELED', 'REJECTED'] as const;
export type EndStatus = (typeof endStatuses)[number];
export const EndStatus = z.enum(endStatuses);

export const isEnd = (status: Status): status is EndStatus => endStatuses.some((each) => each === status);

/** The steps an assignment may take; everything else is refused by the decider and found by the log checker. */
export const transitions = {
  QUEUED: ['SCHEDULED', 'CANCELED', 'TIMED_OUT', 'REJECTED'],
  SCHEDULED: ['QUEUED', 'IN_PROGRESS', 'FAILED', 'TIMED_OUT', 'CANCELED', 'REJECTED'],
  IN_PROGRESS: ['QUEUED', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELED', 'REJECTED'],
  SUCCEEDED: [],
  FAILED: [],
  TIMED_OUT: [],
  CANCELED: [],
  REJECTED: [],
} as const satisfies Record<Status, readonly Status[]>;

/** Words that other systems use, by the status they mean here. Mapped at the door that speaks them, nowhere else. */
export const statusAliases: Readonly<Record<string, Status>> = {
  PENDING: 'QUEUED',
  WAITING: 'QUEUED',
  ASSIGNED: 'SCHEDULED',
  RUNNING: 'IN_PROGRESS',
  STARTED: 'IN_PROGRESS',
  SUCCESS: 'SUCCEEDED',
  SUCCESSFUL: 'SUCCEEDED',
  COMPLETED: 'SUCCEEDED',
  FAILURE: 'FAILED',
  ERROR: 'FAILED',
  CANCELLED: 'CANCELED',
  STOPPED: 'CANCELED',
  TIMEOUT: 'TIMED_OUT',
  TIMEDOUT: 'TIMED_OUT',
};

/** Reads a status in anybody's words, in any case; undefined for a word that is not known. */
export const parseStatus = (word: string): Status | undefined => {
  const upper = word.trim().toUpperCase().replaceAll('-', '_').replaceAll(' ', '_');
  return statuses.find((status) => status === upper) ?? statusAliases[upper];
};
