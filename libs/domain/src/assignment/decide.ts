import {
  type Counts,
  type DataOf,
  DomainError,
  type EndStatus,
  type Fact,
  type Reason,
  type Result,
  assignmentId,
  isEnd,
} from '@signalbox/contracts';
import { type AssignmentState, attemptOf, evolve, initialState } from './assignment.ts';

/** Names the assignment; with it every command can make complete events. */
export interface AssignmentName {
  readonly jobId: string;
  readonly targetId: string;
}

/** A word of an agent about the attempt it runs. */
export interface AgentWord extends AssignmentName {
  readonly agentId: string;
  readonly attempt: number;
}

/** An end that the dispatcher decides while the assignment may not have an attempt yet. */
export interface DispatcherWord extends AssignmentName {
  /** How many targets the job has; null while open. */
  readonly targets: number | null;
}

export type AssignmentCommand =
  | ({ readonly type: 'Assign' } & DataOf<'JobAssigned'>)
  | ({ readonly type: 'Claim' } & AgentWord)
  | ({
      readonly type: 'ReportEnd';
      readonly status: EndStatus;
      readonly reason: Reason;
      readonly result: Result | null;
    } & AgentWord)
  | ({ readonly type: 'ExpireLease' } & AgentWord)
  | ({ readonly type: 'ResumeLease' } & AgentWord)
  | ({ readonly type: 'Cancel' } & DispatcherWord)
  | ({
      readonly type: 'QueueTimeout';
      /** What the deadline was meant for; a later wait has its own. Left out: whatever waits. */
      readonly wait?: { readonly attempts: number; readonly isScheduled: boolean };
    } & DispatcherWord)
  | ({ readonly type: 'AgentRevoked' } & DispatcherWord)
  | ({
      readonly type: 'RunTimeout';
      readonly attempt: number;
      readonly cancelRequested: boolean;
    } & DispatcherWord)
  | ({
      readonly type: 'AgentLost';
      readonly attempt: number;
      readonly cancelRequested: boolean;
    } & DispatcherWord);

const countOf: Record<EndStatus, keyof Counts> = {
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  TIMED_OUT: 'timedOut',
  CANCELED: 'canceled',
  REJECTED: 'rejected',
};

/** The counts of a job with one target that ended so. */
export const countsOfOne = (status: EndStatus): Counts => ({
  total: 1,
  succeeded: 0,
  failed: 0,
  timedOut: 0,
  canceled: 0,
  rejected: 0,
  [countOf[status]]: 1,
});

const ended = (name: AssignmentName, attempt: number, state: AssignmentState): DomainError =>
  new DomainError(
    'attempt-ended',
    `expected an open attempt of assignment ${assignmentId(name.jobId, name.targetId)}, got attempt ${attempt}: ` +
      `the log is at ${state.status}, attempt ${attemptOf(state)}; stop the work and drop it`,
  );

interface End {
  readonly status: EndStatus;
  readonly reason: Reason;
  readonly result: Result | null;
  /** Whether another attempt may follow. */
  readonly mayRetry: boolean;
}

/** The one place that ends an attempt: another follows while there are any, else the assignment ends. */
const end = (state: AssignmentState, name: DispatcherWord, how: End): readonly Fact[] => {
  // An end before the first attempt names the attempt that would have been: attempts count from 1.
  const attempt = Math.max(1, attemptOf(state));
  const agentId = 'agentId' in state ? state.agentId : null;
  const { status, reason, result } = how;
  const assignment = {
    id: assignmentId(name.jobId, name.targetId),
    targetId: name.targetId,
    agentId,
    attempt,
  };
  const base = { jobId: name.jobId, from: state.status, assignment };
  const again =
    how.mayRetry &&
    'maxAttempts' in state &&
    attempt < state.maxAttempts &&
    (status === 'FAILED' || status === 'TIMED_OUT');
  if (again) {
    const attemptEnd = { status, reason, result };
    return [
      {
        type: 'JobStatusChanged',
        data: { ...base, to: 'QUEUED', reason, result: null, attemptEnd, job: null },
      },
    ];
  }
  const job = name.targets === 1 ? { status, counts: countsOfOne(status) } : null;
  return [{ type: 'JobStatusChanged', data: { ...base, to: status, reason, result, attemptEnd: null, job } }];
};

/** The attempt of the agent that speaks, or the refusal: 409 for all that the log has moved beyond. */
const heldBy = (
  state: AssignmentState,
  word: AgentWord,
): Extract<AssignmentState, { status: 'IN_PROGRESS' }> => {
  if (state.status !== 'IN_PROGRESS' || state.attempt !== word.attempt || state.agentId !== word.agentId) {
    throw ended(word, word.attempt, state);
  }
  return state;
};

const assign = (state: AssignmentState, command: DataOf<'JobAssigned'>): readonly Fact[] => {
  if (state.status !== 'QUEUED') return [];
  if (command.attempt <= state.attempts) return [];
  if (command.attempt !== state.attempts + 1 || command.attempt > command.maxAttempts) {
    throw new DomainError(
      'conflict',
      `expected attempt ${state.attempts + 1} of at most ${command.maxAttempts}, got ${command.attempt}`,
    );
  }
  return [{ type: 'JobAssigned', data: command }];
};

const claim = (state: AssignmentState, word: AgentWord): readonly Fact[] => {
  const { jobId, targetId, agentId, attempt } = word;
  if (state.status === 'IN_PROGRESS' && state.attempt === attempt && state.agentId === agentId) return [];
  if (state.status === 'IN_PROGRESS' && state.attempt === attempt) {
    throw new DomainError('not-claimable', `expected a free attempt, got one that another agent has claimed`);
  }
  if (state.status !== 'SCHEDULED' || state.attempt !== attempt) throw ended(word, attempt, state);
  if (state.agentId !== null && state.agentId !== agentId) {
    throw new DomainError('not-claimable', 'expected the agent that the attempt is assigned to, got another');
  }
  const assignment = { id: assignmentId(jobId, targetId), targetId, agentId, attempt };
  const reason: Reason = { code: 'claimed', message: 'the agent took the attempt' };
  const data = { jobId, from: 'SCHEDULED', to: 'IN_PROGRESS', reason, assignment } as const;
  return [{ type: 'JobStatusChanged', data: { ...data, result: null, attemptEnd: null, job: null } }];
};

const reportEnd = (
  state: AssignmentState,
  command: Extract<AssignmentCommand, { type: 'ReportEnd' }>,
): readonly Fact[] => {
  // The answer to this same report was lost; the log may have gone on to later attempts since.
  const isRepeated = state.ended?.some(
    (ended) =>
      ended.isReported &&
      ended.attempt === command.attempt &&
      ended.agentId === command.agentId &&
      ended.status === command.status &&
      ended.code === command.reason.code,
  );
  if (isRepeated === true) return [];
  const { targets } = heldBy(state, command);
  const { jobId, targetId, status, reason, result } = command;
  return end(state, { jobId, targetId, targets }, { status, reason, result, mayRetry: true });
};

const leaseFact = ({ jobId, targetId, agentId, attempt }: AgentWord) => ({
  jobId,
  targetId,
  agentId,
  attempt,
});

const final = (status: EndStatus, code: Reason['code'], message: string): End => ({
  status,
  reason: { code, message },
  result: null,
  mayRetry: false,
});

/** An attempt that nobody answers for: a requested cancel that was never confirmed ends CANCELED, and says so. */
const unanswered = (
  state: AssignmentState,
  command: Extract<AssignmentCommand, { type: 'RunTimeout' | 'AgentLost' }>,
): readonly Fact[] => {
  if (state.status !== 'IN_PROGRESS' || state.attempt !== command.attempt) return [];
  if (command.type === 'AgentLost' && !state.leaseExpired) return [];
  if (command.cancelRequested) {
    const message = 'cancel was requested and not confirmed: whether the process still runs is not known';
    return end(state, command, final('CANCELED', 'process-state-unknown', message));
  }
  const how =
    command.type === 'RunTimeout'
      ? final('TIMED_OUT', 'run-timeout', 'the run timeout passed and the agent did not report')
      : final('FAILED', 'agent-lost', 'the agent was not heard of for too long');
  return end(state, command, { ...how, mayRetry: true });
};

/** @throws DomainError `attempt-ended`, `not-claimable`, `conflict` */
const decide = (state: AssignmentState, command: AssignmentCommand): readonly Fact[] => {
  switch (command.type) {
    case 'Assign': {
      const { type: _type, ...data } = command;
      return assign(state, data);
    }
    case 'Claim':
      return claim(state, command);
    case 'ReportEnd':
      return reportEnd(state, command);
    case 'ExpireLease': {
      const open = state.status === 'IN_PROGRESS' && state.attempt === command.attempt && !state.leaseExpired;
      return open && state.agentId === command.agentId
        ? [{ type: 'LeaseExpired', data: leaseFact(command) }]
        : [];
    }
    case 'ResumeLease':
      return heldBy(state, command).leaseExpired ? [{ type: 'LeaseResumed', data: leaseFact(command) }] : [];
    case 'Cancel': {
      if (state.status === 'IN_PROGRESS' || isEnd(state.status)) return [];
      return end(state, command, final('CANCELED', 'cancel-requested', 'canceled before it started'));
    }
    case 'QueueTimeout': {
      if (state.status === 'IN_PROGRESS' || isEnd(state.status)) return [];
      const { wait } = command;
      const isAnother =
        wait !== undefined &&
        (attemptOf(state) !== wait.attempts || (state.status === 'SCHEDULED') !== wait.isScheduled);
      if (isAnother) return [];
      return end(
        state,
        command,
        final('TIMED_OUT', 'queue-timeout', 'it did not start within the queue timeout'),
      );
    }
    case 'AgentRevoked': {
      if (isEnd(state.status)) return [];
      const status = state.status === 'IN_PROGRESS' ? 'FAILED' : 'REJECTED';
      return end(state, command, final(status, 'agent-revoked', 'the device’s credential was revoked'));
    }
    case 'RunTimeout':
    case 'AgentLost':
      return unanswered(state, command);
    default:
      return command satisfies never;
  }
};

export const assignment = { initialState, evolve, decide };
