import {
  type DataOf,
  type EndStatus,
  type Fact,
  type Reason,
  type ReasonCode,
  type Result,
  type Status,
  isEnd,
} from '@signalbox/contracts';

/** How an attempt ended, and of which agent, so that a repeated report is recognised. */
export interface EndedAttempt {
  readonly attempt: number;
  readonly agentId: string | null;
  readonly status: EndStatus;
  readonly code: ReasonCode;
  /** Tells the word of an agent, which comes with a result, from an end that was decided without it. */
  readonly isReported: boolean;
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
export type AssignmentState = (
  | { readonly status: 'QUEUED'; readonly attempts: number }
  | ({ readonly status: 'SCHEDULED'; readonly agentId: string | null } & Assigned)
  | ({ readonly status: 'IN_PROGRESS'; readonly agentId: string; readonly leaseExpired: boolean } & Assigned)
  | { readonly status: EndStatus; readonly attempts: number }
) & {
  /** Attempts that have ended, oldest first; absent before the first, and in a fold that began with a later attempt. */
  readonly ended?: readonly EndedAttempt[];
};

export const initialState: AssignmentState = { status: 'QUEUED', attempts: 0 };

export const attemptOf = (state: AssignmentState): number =>
  'attempt' in state ? state.attempt : state.attempts;

/** What an assignment keeps of its past while it goes on; at most as many as it may have attempts. */
const past = ({ ended }: AssignmentState) => (ended === undefined ? {} : { ended });

const changed = (state: AssignmentState, data: DataOf<'JobStatusChanged'>): AssignmentState => {
  const to: Status = data.to;
  const attempt = data.assignment?.attempt ?? attemptOf(state);
  const agentId = data.assignment?.agentId ?? null;
  if (to === 'IN_PROGRESS' && state.status === 'SCHEDULED' && agentId !== null) {
    const { maxAttempts, targets } = state;
    return {
      status: 'IN_PROGRESS',
      agentId,
      leaseExpired: false,
      attempt,
      maxAttempts,
      targets,
      ...past(state),
    };
  }
  const endedAs = (status: EndStatus, { code }: Reason, result: Result | null) => [
    ...(state.ended ?? []),
    { attempt, agentId, status, code, isReported: result !== null },
  ];
  if (to === 'QUEUED') {
    const { attemptEnd } = data;
    const ended =
      attemptEnd === null
        ? past(state)
        : { ended: endedAs(attemptEnd.status, attemptEnd.reason, attemptEnd.result) };
    return { status: 'QUEUED', attempts: attempt, ...ended };
  }
  if (isEnd(to)) return { status: to, attempts: attempt, ended: endedAs(to, data.reason, data.result) };
  return state;
};

export const evolve = (state: AssignmentState, fact: Fact): AssignmentState => {
  switch (fact.type) {
    case 'JobAssigned': {
      const { agentId, attempt, maxAttempts, targets } = fact.data;
      return { status: 'SCHEDULED', agentId, attempt, maxAttempts, targets, ...past(state) };
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
