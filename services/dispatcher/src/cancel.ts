import {
  type CallAnswer,
  type CallContext,
  DomainError,
  assignmentId,
  isEnd,
  streams,
} from '@signalbox/contracts';
import { assignment, attemptOf, job } from '@signalbox/domain';
import { type CommandContext, type EventStore, handleCommand, load } from '@signalbox/event-store';
import { intentId } from './intents.ts';

/**
 * Records that a job is to stop, ends it in the same request where nothing runs yet, and answers what happened. What
 * runs is stopped by its agent, which the gateways tell.
 *
 * @throws DomainError `not-found`
 */
export const cancelJob = async (
  store: EventStore,
  request: { readonly jobId: string; readonly reason: string | null },
  call: CallContext,
  now: () => string,
): Promise<CallAnswer<'cancelJob'>> => {
  const { jobId, reason } = request;
  const asked = await load(store, job, streams.job(jobId));
  if (asked.state.kind === 'none') throw new DomainError('not-found', `expected a known job, got ${jobId}`);
  const { created } = asked.state;
  const targetId = created.target.ids[0];
  if (targetId === undefined)
    throw new DomainError('conflict', `expected a job with one target, got ${jobId}`);
  const stream = streams.assignment(jobId, targetId);
  const before = await load(store, assignment, stream);
  if (isEnd(before.state.status)) {
    return { jobId, position: before.position, outcome: 'already-ended', status: before.state.status };
  }
  const context: CommandContext = {
    commandId: call.commandId,
    actor: call.actor,
    correlationId: jobId,
    causationId: call.commandId,
    now: now(),
    ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
  };
  const requested = await handleCommand(
    store,
    job,
    streams.job(jobId),
    { type: 'RequestCancel', jobId, reason },
    context,
    asked,
  );
  const ended = await handleCommand(
    store,
    assignment,
    stream,
    { type: 'Cancel', jobId, targetId, targets: created.targets },
    {
      ...context,
      commandId: intentId(assignmentId(jobId, targetId), 'cancel', attemptOf(before.state)),
      causationId: requested.events[0]?.id ?? call.commandId,
      causedAt: requested.lastAt,
    },
    before,
  );
  const { status } = ended.state;
  const position = ended.position > requested.position ? ended.position : requested.position;
  if (status === 'CANCELED') return { jobId, position, outcome: 'canceled', status };
  if (isEnd(status)) return { jobId, position, outcome: 'already-ended', status };
  return { jobId, position, outcome: 'cancel-requested', status };
};
