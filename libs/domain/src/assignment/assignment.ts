import { type DataOf, type EndStatus, type Fact, type Status, isEnd } from '@signalbox/contracts';

/** What the last attempt that ended said, so that a repeated report is recognised. */
export interface EndedAttempt {
  readonly attempt: number;
  readonly agentId: string | null;
  readonly status: EndStatus;
}

/** Facts of the running assignment that decisions need. */
export interface Assigned {
  readonly attempt: number;
  readonly maxAttempts: number;
  /** How many targets the job has; null while open. */
  readonly targets: number | null;
}

/**
 * Stream `assignment-<jobId>-<targetId>`: one job on one target. Without any event it is queued.
 *
 *     QUEUED ─JobAssigned─▶ SCHEDULED ─Claim─▶ IN_PROGRESS ⇄ lease expired / resumed
 *        ▲                                        │
 *        └── another attempt ─────────────────────┴──▶ an end status, which is final
 */
export type AssignmentState =
  | { readonly status: 'QUEUED'; readonly attempts: number; readonly last: EndedAttempt | null }
  | ({ readonly status: 'SCHEDULED'; readonly agentId: string | null } & Assigned)
  | ({ readonly status: 'IN_PROGRESS'; readonly agentId: string; readonly leaseExpired: boolean } & Assigned)
  | { readonly status: EndStatus; readonly attempts: number; readonly last: EndedAttempt };

export const initialState: AssignmentState = { status: 'QUEUED', attempts: 0, last: null };

export const attemptOf = (state: AssignmentState): number =>
  'attempt' in state ? state.attempt : state.attempts;

const changed = (state: AssignmentState, data: DataOf<'JobStatusChanged'>): AssignmentState => {
  const to: Status = data.to;
  const attempt = data.assignment?.attempt ?? attemptOf(state);
  const agentId = data.assignment?.agentId ?? null;
  if (to === 'IN_PROGRESS' && state.status === 'SCHEDULED' && agentId !== null) {
    const { maxAttempts, targets } = state;
    return { status: 'IN_PROGRESS', agentId, leaseExpired: false, attempt, maxAttempts, targets };
  }
  if (to === 'QUEUED') {
    const ended = data.attemptEnd === null ? null : { attempt, agentId, status: data.attemptEnd.status };
    return { status: 'QUEUED', attempts: attempt, last: ended };
  }
  if (isEnd(to)) return { status: to, attempts: attempt, last: { attempt, agentId, status: to } };
  return state;
};

export const evolve = (state: AssignmentState, fact: Fact): AssignmentState => {
  switch (fact.type) {
    case 'JobAssigned': {
      const { agentId, attempt, maxAttempts, targets } = fact.data;
      return { status: 'SCHEDULED', agentId, attempt, maxAttempts, targets };
    }
    case 'JobStatusChanged':
      return changed(state, fact.data);
    case 'LeaseExpired':
      return state.status === 'IN_PROGRESS' ? { ...state, leaseExpired: true } : state;
    case 'LeaseResumed':
      return state.status === 'IN_PROGRESS' ? { ...state, leaseExpired: false } : state;
    default:
      return state;
  }
};
