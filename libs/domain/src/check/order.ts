import { type AuditRow, type Event, actorText, positionStart } from '@signalbox/contracts';
import { type Evidence, type Findings, type Violation, violation } from './evidence.ts';

const later = (event: Event, than: string): boolean => Date.parse(event.occurredAt) > Date.parse(than);

const checkEvents = (events: readonly Event[]): readonly Violation[] => {
  const found: Violation[] = [];
  const times = new Map<string, string>();
  const lastOf = new Map<string, Event>();
  let head = positionStart;
  for (const event of events) {
    const wrong = (text: string): number => found.push(violation(4, event, text));
    const last = lastOf.get(event.stream);
    const version = (last?.streamVersion ?? 0) + 1;
    if (event.streamVersion !== version)
      wrong(`expected version ${version} of the stream, got ${event.streamVersion}`);
    if (event.position <= head) wrong(`expected a position after ${head}, got ${event.position}`);
    if (times.has(event.id)) wrong(`expected an event id that is new, got ${event.id} again`);
    if (event.correlationId === '') wrong('expected a correlation id, got none');
    if (last !== undefined && !later(event, last.occurredAt)) {
      wrong(`expected an instant after the stream’s last, ${last.occurredAt}, got ${event.occurredAt}`);
    }
    const cause = event.causationId === null ? undefined : times.get(event.causationId);
    if (cause !== undefined && !later(event, cause)) {
      wrong(`expected an instant after its cause’s, ${cause}, got ${event.occurredAt}`);
    }
    times.set(event.id, event.occurredAt);
    lastOf.set(event.stream, event);
    head = event.position;
  }
  return found;
};

/** What a row of the audit log shows of an event; the payload is the event's own text. */
const shownOf = (event: Event): Readonly<Record<string, unknown>> => ({
  position: event.position,
  type: event.type,
  version: event.version,
  occurredAt: Date.parse(event.occurredAt),
  recordedAt: Date.parse(event.recordedAt),
  actor: actorText(event.actor),
  correlationId: event.correlationId,
  causationId: event.causationId,
  stream: event.stream,
  streamVersion: event.streamVersion,
});

const differing = (event: Event, row: AuditRow): readonly string[] => {
  const shown: Readonly<Record<string, unknown>> = {
    ...row,
    occurredAt: Date.parse(row.occurredAt),
    recordedAt: Date.parse(row.recordedAt),
  };
  return Object.entries(shownOf(event))
    .filter(([name, value]) => shown[name] !== value)
    .map(([name]) => name);
};

const checkAudit = (
  events: readonly Event[],
  rows: readonly AuditRow[],
  settled: boolean,
): readonly Violation[] => {
  const found: Violation[] = [];
  const left = new Map<string, AuditRow>();
  for (const row of rows) {
    if (left.has(row.id))
      found.push(violation(4, row, `expected one audit row of event ${row.id}, got another`));
    left.set(row.id, row);
  }
  const reached = rows.reduce(
    (highest, row) => (row.position > highest ? row.position : highest),
    positionStart,
  );
  for (const event of events) {
    const row = left.get(event.id);
    left.delete(event.id);
    if (row === undefined) {
      // Rows are written in order: behind the newest one, nothing may be missing.
      if (settled || event.position < reached)
        found.push(violation(4, event, `expected an audit row of ${event.id}, got none`));
      continue;
    }
    const names = differing(event, row);
    if (names.length > 0)
      found.push(violation(4, event, `expected the audit row of the event, got another ${names.join(', ')}`));
  }
  for (const row of left.values())
    found.push(violation(4, row, `expected an event of audit row ${row.id}, got none`));
  return found;
};

/** Invariant 4: versions, positions and instants in order, ids used once, and the audit log, where given, the same. */
export const checkOrder = ({ auditRows, events, settled }: Evidence): Findings => ({
  checked: events.length + (auditRows?.length ?? 0),
  violations: [
    ...checkEvents(events),
    ...(auditRows === undefined ? [] : checkAudit(events, auditRows, settled)),
  ],
});
