import {
  type AttemptRef,
  DomainError,
  type OutputChunk,
  type OutputStored,
  type Reason,
  type ReasonCode,
  type ReportStatus,
  type StatusTaken,
  assignmentId,
  streams,
} from '@signalbox/contracts';
import { assignment } from '@signalbox/domain';
import { load } from '@signalbox/event-store';
import type { Tracing } from '@signalbox/service-kit';
import { exportAgentTrace } from './agent-trace.ts';
import { type AttemptDeps, decideOn, find, outputKeyOf, traced } from './attempt-state.ts';
import type { AgentIdentity } from './credentials.ts';
import { type OpenAssignment, isRunBy } from './open.ts';
import { stored } from './output.ts';
import type { AttemptKey, Tail } from './tables/output.ts';

export interface ReportDeps extends AttemptDeps {
  /** Spans in the name of the agents. */
  readonly agentTracing: Tracing;
  /** Keeps a word that changed nothing. */
  readonly keepEvidence: (
    agent: AgentIdentity,
    ref: AttemptRef,
    kind: string,
    detail: unknown,
  ) => Promise<void>;
}

/** The running attempt of this agent; every word names its attempt, and one from an old attempt changes nothing. */
const running = async (deps: ReportDeps, agent: AgentIdentity, ref: AttemptRef): Promise<OpenAssignment> => {
  const open = await find(deps, ref);
  if (open !== undefined && isRunBy(open, agent.agentId, ref.attempt)) return open;
  throw new DomainError(
    'attempt-ended',
    `expected an open attempt of this agent, got attempt ${ref.attempt} of assignment ` +
      `${assignmentId(ref.jobId, ref.targetId)}; stop the work and drop it`,
  );
};

/** Keeps what an agent said of an attempt that is over; of an assignment that never was there is nothing to keep. */
const keep = async (
  deps: ReportDeps,
  agent: AgentIdentity,
  ref: AttemptRef,
  kind: string,
  detail: unknown,
) => {
  const [first] = await deps.store.read(streams.assignment(ref.jobId, ref.targetId), 1, 1);
  if (first !== undefined) await deps.keepEvidence(agent, ref, kind, detail);
};

/** @throws DomainError `attempt-ended`, `output-gap` */
export const takeOutput = async (
  deps: ReportDeps,
  agent: AgentIdentity,
  ref: AttemptRef,
  chunks: readonly OutputChunk[],
): Promise<OutputStored> => {
  try {
    const open = await running(deps, agent, ref);
    return stored(await deps.output.append(outputKeyOf(open, deps.now()), chunks));
  } catch (error) {
    if (error instanceof DomainError && error.code === 'attempt-ended') {
      await keep(deps, agent, ref, 'output', {
        chunks: chunks.length,
        first: chunks[0]?.sequence ?? null,
      });
    }
    throw error;
  }
};

const usualReason: Record<ReportStatus['status'], ReasonCode> = {
  SUCCEEDED: 'completed',
  FAILED: 'step-failed',
  TIMED_OUT: 'run-timeout',
  CANCELED: 'cancel-requested',
  REJECTED: 'rejected-by-agent',
};

const reasonOf = (report: ReportStatus): Reason =>
  report.reason ?? {
    code: usualReason[report.status],
    message: report.failedStep === null ? '' : `step "${report.failedStep}" failed`,
  };

/** All output has to be here before the end counts: bytes and hash must be what the agent sent. */
const checkedTail = async (deps: ReportDeps, key: AttemptKey, report: ReportStatus): Promise<Tail> => {
  const matches = (tail: Tail): boolean =>
    (report.outputHash === undefined || report.outputHash === tail.hash.toString('hex')) &&
    (report.outputBytes === undefined || report.outputBytes === tail.bytes);
  // Without a hash nothing tells whether what this replica remembers is all there is.
  if (report.outputHash !== undefined) {
    const remembered = await deps.output.tail(key);
    if (matches(remembered)) return remembered;
  }
  const tail = await deps.output.tail(key, true);
  if (matches(tail)) return tail;
  throw new DomainError(
    'output-mismatch',
    `expected ${tail.bytes} bytes of output with hash ${tail.hash.toString('hex')}, got ${report.outputBytes ?? 'no count'} ` +
      `with ${report.outputHash ?? 'no hash'}; send the output from sequence ${tail.nextSequence} on, then the status again`,
    { expected: stored(tail) },
  );
};

/** The end of an attempt that memory does not show as running: a repeat of what the log has, or a refusal. */
const repeatOrRefuse = async (
  deps: ReportDeps,
  agent: AgentIdentity,
  ref: AttemptRef,
  report: ReportStatus,
): Promise<Omit<StatusTaken, 'next'>> => {
  const loaded = await load(deps.store, assignment, streams.assignment(ref.jobId, ref.targetId));
  const { jobId, targetId, attempt } = ref;
  const word = { jobId, targetId, attempt, agentId: agent.agentId, status: report.status };
  assignment.decide(loaded.state, { type: 'ReportEnd', ...word, reason: reasonOf(report), result: null });
  return { position: loaded.position, repeated: true };
};

const isEnded = (error: unknown): boolean => error instanceof DomainError && error.code === 'attempt-ended';

/** Last output, check of the whole output, then the event. */
const endAttempt = async (
  deps: ReportDeps,
  agent: AgentIdentity,
  report: ReportStatus,
  open: OpenAssignment,
): Promise<Omit<StatusTaken, 'next'>> => {
  const key = outputKeyOf(open, deps.now());
  if (report.output.length > 0) await deps.output.append(key, report.output);
  const tail = await checkedTail(deps, key, report);
  const { exitCode, signal, executedSteps, failedStep, status } = report;
  const result = {
    exitCode,
    signal,
    executedSteps,
    failedStep,
    outputBytes: tail.bytes,
    outputHash: tail.hash.toString('hex'),
  };
  const { jobId, targetId } = open;
  const { attempt } = open.assigned;
  const word = { jobId, targetId, attempt, agentId: agent.agentId };
  const command = { type: 'ReportEnd', ...word, status, reason: reasonOf(report), result } as const;
  const outcome = await decideOn(deps, word, command, open);
  deps.output.forget(key);
  // The row has served; the sweep takes what a failure leaves.
  deps.leases
    .drop({ assignmentId: open.id, attempt, agentId: agent.agentId })
    .catch((error: unknown) => deps.onError('lease of an ended attempt was not deleted', error));
  return { position: outcome.position, repeated: outcome.repeated };
};

/**
 * Takes the end of an attempt.
 *
 * @throws DomainError `attempt-ended`, `output-gap`, `output-mismatch`
 */
export const takeStatus = async (
  deps: ReportDeps,
  agent: AgentIdentity,
  ref: AttemptRef,
  report: ReportStatus,
): Promise<Omit<StatusTaken, 'next'>> => {
  try {
    const open = await running(deps, agent, ref);
    const taken = await traced(deps, 'status', ref, open, (within) =>
      endAttempt(deps, agent, report, within),
    );
    if (!taken.repeated) exportAgentTrace(deps, agent, ref, open, report);
    return taken;
  } catch (error) {
    if (!isEnded(error)) throw error;
  }
  try {
    return await repeatOrRefuse(deps, agent, ref, report);
  } catch (error) {
    if (isEnded(error)) {
      const { status, exitCode, signal, failedStep } = report;
      await keep(deps, agent, ref, 'status', { status, exitCode, signal, failedStep });
    }
    throw error;
  }
};
