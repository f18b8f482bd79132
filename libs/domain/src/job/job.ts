import type { DataOf, Fact } from '@signalbox/contracts';

/**
 * Stream `job-<jobId>`: what was asked for.
 *
 *     none ──JobCreated──▶ open ──JobCancelRequested──▶ open, cancel requested
 */
export type JobState =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'open';
      readonly created: DataOf<'JobCreated'>;
      readonly cancelRequested: boolean;
    };

export const initialState: JobState = { kind: 'none' };

export const evolve = (state: JobState, fact: Fact): JobState => {
  switch (fact.type) {
    case 'JobCreated':
      return { kind: 'open', created: fact.data, cancelRequested: false };
    case 'JobCancelRequested':
      return state.kind === 'open' ? { ...state, cancelRequested: true } : state;
    default:
      return state;
  }
};
