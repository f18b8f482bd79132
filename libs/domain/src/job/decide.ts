import { type DataOf, DomainError, type Fact } from '@signalbox/contracts';
import { evolve, initialState, type JobState } from './job.ts';

export type JobCommand =
  | { readonly type: 'CreateJob'; readonly data: DataOf<'JobCreated'> }
  | { readonly type: 'RequestCancel'; readonly jobId: string; readonly reason: string | null };

const create = (state: JobState, data: DataOf<'JobCreated'>): readonly Fact[] => {
  if (state.kind === 'none') return [{ type: 'JobCreated', data }];
  if (state.created.requestHash === data.requestHash) return [];
  throw new DomainError(
    'idempotency-key-reused',
    'expected the same request as before under this Idempotency-Key, got another; use a new key for a new job',
  );
};

const requestCancel = (state: JobState, jobId: string, reason: string | null): readonly Fact[] => {
  if (state.kind === 'none') throw new DomainError('not-found', `expected a known job, got ${jobId}`);
  if (state.cancelRequested) return [];
  return [{ type: 'JobCancelRequested', data: { jobId, reason } }];
};

/** @throws DomainError `idempotency-key-reused`, `not-found` */
const decide = (state: JobState, command: JobCommand): readonly Fact[] => {
  switch (command.type) {
    case 'CreateJob':
      return create(state, command.data);
    case 'RequestCancel':
      return requestCancel(state, command.jobId, command.reason);
    default:
      return command satisfies never;
  }
};

export const job = { initialState, evolve, decide };
