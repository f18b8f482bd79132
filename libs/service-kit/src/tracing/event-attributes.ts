import type { RecordedEvent } from '@signalbox/contracts';
import type { Attributes } from './tracing.ts';

/** Names of our own attributes. */
export const jobIdAttribute = 'signalbox.job.id';
export const assignmentIdAttribute = 'signalbox.assignment.id';
export const attemptAttribute = 'signalbox.attempt';

const assignmentPrefix = 'assignment-';
const jobPrefix = 'job-';

/** What a span says of the event that it is about. */
export const eventAttributes = (event: RecordedEvent): Attributes => {
  const isAssignment = event.stream.startsWith(assignmentPrefix);
  const isJob = isAssignment || event.stream.startsWith(jobPrefix);
  return {
    'messaging.system': 'nats',
    'messaging.destination.name': 'events',
    'messaging.message.id': event.id,
    'messaging.message.conversation_id': event.correlationId,
    'signalbox.event.type': event.type,
    'signalbox.event.position': event.position,
    [jobIdAttribute]: isJob ? event.correlationId : undefined,
    [assignmentIdAttribute]: isAssignment ? event.stream.slice(assignmentPrefix.length) : undefined,
  };
};
