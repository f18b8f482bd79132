import type { EventRow, RecordedEvent } from '@signalbox/contracts';

/** An event as REST and SSE show it: the envelope as recorded, the body as JSON. */
export const eventRow = ({ body, ...envelope }: RecordedEvent): EventRow => {
  const data: unknown = JSON.parse(body);
  return {
    position: envelope.position,
    id: envelope.id,
    type: envelope.type,
    version: envelope.version,
    occurredAt: envelope.occurredAt,
    recordedAt: envelope.recordedAt,
    actor: envelope.actor,
    correlationId: envelope.correlationId,
    causationId: envelope.causationId,
    stream: envelope.stream,
    streamVersion: envelope.streamVersion,
    ...(envelope.traceparent === undefined ? {} : { traceparent: envelope.traceparent }),
    data,
  };
};
