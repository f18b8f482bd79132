import { type Actor, deriveId, streams } from '@signalbox/contracts';
import { type AssignmentCommand, type AssignmentState, assignment } from '@signalbox/domain';
import {
  type CommandContext,
  type EventStore,
  type Outcome,
  empty,
  handleCommand,
} from '@signalbox/event-store';
import type { Intent, QueueRow } from './row.ts';

/** The dispatcher speaks in its own name, except where a person's cancel is carried out. */
export const self: Actor = { type: 'service', id: 'dispatcher' };

/** The same intent on the same attempt has the same id, whoever issues it and however often. */
export const intentId = (assignmentIdText: string, intent: Intent, attempts: number): string =>
  deriveId('dispatcher', assignmentIdText, intent, attempts);

const commandOf = (row: QueueRow, intent: Intent): AssignmentCommand => {
  const { jobId, targetId, cancelRequested } = row;
  const { targets, documentHash, maxAttempts, runTimeoutMs, killGraceMs, lostAfterMs } = row.facts;
  const name = { jobId, targetId, targets };
  switch (intent) {
    case 'assign': {
      const limits = { maxAttempts, runTimeoutMs, killGraceMs, lostAfterMs };
      return {
        type: 'Assign',
        ...name,
        agentId: targetId,
        attempt: row.attempts + 1,
        ...limits,
        documentHash,
      };
    }
    case 'cancel':
      return { type: 'Cancel', ...name };
    case 'queue-timeout':
      return {
        type: 'QueueTimeout',
        ...name,
        wait: { attempts: row.attempts, isScheduled: row.phase === 'scheduled' },
      };
    case 'run-timeout':
      return { type: 'RunTimeout', ...name, attempt: row.attempts, cancelRequested };
    case 'lost':
      return { type: 'AgentLost', ...name, attempt: row.attempts, cancelRequested };
    case 'revoke':
      return { type: 'AgentRevoked', ...name };
    default:
      return intent satisfies never;
  }
};

/**
 * Carries a row's intent out. Harmless to repeat: ids derive from the intent, and the decider answers nothing where the
 * log has moved on.
 */
export const issueIntent = async (
  store: EventStore,
  row: QueueRow,
  intent: Intent,
  now: string,
): Promise<Outcome<AssignmentState>> => {
  const context: CommandContext = {
    commandId: intentId(row.assignmentId, intent, row.attempts),
    actor: self,
    correlationId: row.jobId,
    causationId: row.causeId,
    causedAt: row.causeAt,
    now,
    ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
  };
  const known = intent === 'assign' && row.attempts === 0 ? empty(assignment) : undefined;
  return handleCommand(
    store,
    assignment,
    streams.assignment(row.jobId, row.targetId),
    commandOf(row, intent),
    context,
    known,
  );
};
