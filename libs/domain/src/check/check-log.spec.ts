import { describe, expect, it } from '@jest/globals';
import {
  type AuditRow,
  type Event,
  type RecordedEvent,
  actorText,
  assignmentId,
  formatPosition,
  streams,
} from '@signalbox/contracts';
import { countsOfOne } from '../assignment/decide.ts';
import { LogBuilder, jobId, targetId } from '../testing/log-builder.ts';
import { assignmentViewsFromEvents, jobViewFromEvents } from '../views.ts';
import { checkLog } from './check-log.ts';
import type { Evidence } from './evidence.ts';

const recordedOf = ({ data, traceparent, ...envelope }: Event): RecordedEvent => ({
  ...envelope,
  ...(traceparent === undefined ? {} : { traceparent }),
  body: JSON.stringify(data),
});
const auditRowOf = ({ data, actor, traceparent: _trace, ...envelope }: Event): AuditRow => ({
  ...envelope,
  actor: actorText(actor),
  payload: data,
});

/** Everything that can be judged about a log, as it is when nothing is wrong. */
const evidenceOf = (events: readonly Event[], more: Partial<Evidence> = {}): Evidence => {
  const job = jobViewFromEvents(events);
  return {
    events,
    settled: true,
    now: '2026-01-31T12:01:00.000Z',
    leaseMs: 5_000,
    slackMs: 0,
    auditRows: events.map(auditRowOf),
    jobRows: job === undefined ? [] : [job],
    assignmentRows: assignmentViewsFromEvents(events),
    secrets: { values: ['hunter2'], recorded: events.map(recordedOf) },
    ...more,
  };
};

/** Violations as `invariant: text`. */
const judge = (events: readonly Event[], more: Partial<Evidence> = {}): string[] =>
  Object.values(checkLog(evidenceOf(events, more)))
    .flatMap((each) => each.violations)
    .map((each) => `${each.invariant}: ${each.text}`);

const log = () => new LogBuilder();
const simple = log().created().assigned().claimed().ended('SUCCEEDED');
const retried = log()
  .created()
  .assigned()
  .claimed()
  .lease('LeaseExpired')
  .lease('LeaseResumed')
  .again()
  .assigned(2)
  .claimed(2)
  .cancelRequested()
  .ended('CANCELED', {
    assignment: { id: assignmentId(jobId, targetId), targetId, agentId: 'agent-1', attempt: 2 },
  });
const canceledBefore = log()
  .created()
  .cancelRequested()
  .changed({
    from: 'QUEUED',
    to: 'CANCELED',
    assignment: { id: assignmentId(jobId, targetId), targetId, agentId: null, attempt: 1 },
    job: { status: 'CANCELED', counts: countsOfOne('CANCELED') },
  });

/** A log in which one event is another than it was. */
const altered = (builder: LogBuilder, index: number, change: Partial<Event>): readonly Event[] =>
  builder.events.map((event, at) => (at === index ? ({ ...event, ...change } as Event) : event));
const without = (builder: LogBuilder, index: number): readonly Event[] =>
  builder.events.filter((_, at) => at !== index);

describe('a good log', () => {
  it.each([
    ['of a simple job', simple],
    ['with another attempt, leases and a cancel', retried],
    ['of a job that was canceled before it started', canceledBefore],
  ])('%s passes', (_, builder) => {
    expect(judge(builder.events)).toEqual([]);
    for (let count = 0; count < builder.events.length; count += 1) {
      expect(judge(builder.events.slice(0, count), { settled: false })).toEqual([]);
    }
  });

  it('is looked at from every side', () => {
    const findings = checkLog(evidenceOf(retried.events));
    expect(Object.entries(findings).map(([invariant, each]) => [invariant, each.checked])).toEqual([
      ['1', 1],
      ['2', 1],
      ['3', 2],
      ['4', 20],
      ['6', 1],
      ['7', 2],
      ['8', 2],
      ['9', 10],
    ]);
  });
});

describe('1, ends', () => {
  const open = log().created().assigned().claimed();
  it('finds a job that has not ended though nothing is under way', () => {
    expect(judge(open.events)).toContainEqual('1: expected the job to end, got no end');
  });

  it('finds an open job that is over its limits, and no other', () => {
    const waiting = log().created().assigned();
    expect(judge(waiting.events, { settled: false, now: '2026-02-07T12:00:01.000Z' })).toEqual([]);
    expect(judge(waiting.events, { settled: false, now: '2026-02-07T12:00:01.001Z' })).toEqual([
      '1: expected the job to end within 604800000 ms, got one that is open for 604800001 ms',
    ]);
  });

  it('finds events of a job that was never created', () => {
    expect(judge(without(simple, 0))).toContainEqual(`1: expected JobCreated of job ${jobId}, got none`);
  });
});

describe('2, paths', () => {
  it.each([
    [
      'a step that is left out',
      without(simple, 2),
      'expected a step from SCHEDULED, got one from IN_PROGRESS',
    ],
    [
      'a step that the diagram does not have',
      log().created().changed({ from: 'QUEUED', to: 'IN_PROGRESS' }).ended('SUCCEEDED').events,
      'expected a step of the diagram, got QUEUED to IN_PROGRESS',
    ],
    [
      'an event after the end',
      log().created().assigned().claimed().ended('SUCCEEDED').assigned(2).events,
      'expected nothing after SUCCEEDED, got JobAssigned',
    ],
    [
      'an assignment of what is assigned',
      log().created().assigned().assigned(2).claimed(2).events,
      'expected JobAssigned from QUEUED, got it from SCHEDULED',
    ],
    [
      'a lease before the claim',
      log().created().assigned().lease('LeaseExpired').events,
      'expected LeaseExpired while IN_PROGRESS, got it while SCHEDULED',
    ],
    [
      'a second announcement',
      log().created().assigned().claimed().ended('FAILED').ended('FAILED').events,
      'expected one end of the job, got another',
    ],
    [
      'an end that announces nothing',
      log().created().assigned().claimed().ended('FAILED', { job: null }).events,
      'expected the assignment’s end to announce the job’s, got no announcement',
    ],
    [
      'an announcement of another status',
      log()
        .created()
        .assigned()
        .claimed()
        .ended('FAILED', { job: { status: 'SUCCEEDED', counts: countsOfOne('FAILED') } }).events,
      'expected the job to end as its assignment, FAILED, got SUCCEEDED',
    ],
    [
      'counts that do not add up',
      log()
        .created()
        .assigned()
        .claimed()
        .ended('FAILED', { job: { status: 'FAILED', counts: { ...countsOfOne('FAILED'), total: 2 } } })
        .events,
      'expected counts of 1 targets, got 1 of 2',
    ],
    [
      'another correlation id',
      altered(simple, 1, { correlationId: 'other' }),
      `expected correlation id ${jobId}, got other`,
    ],
    [
      'a fifth event in the story of a simple job',
      log().created().assigned().claimed().ended('SUCCEEDED').add('DeviceRevoked', streams.device(targetId), {
        deviceId: targetId,
        agentId: 'agent-1',
        reason: null,
      }).events,
      'expected the story of a simple job in 4 events, got 5',
    ],
  ])('finds %s', (_, events, text) => expect(judge(events)).toContainEqual(`2: ${text}`));
});

describe('3, fencing', () => {
  const ref = (agentId: string, attempt: number) => ({
    id: assignmentId(jobId, targetId),
    targetId,
    agentId,
    attempt,
  });
  const other = { type: 'agent', id: 'agent-2' } as const;
  it.each([
    [
      'an attempt that is left out',
      log().created().assigned().claimed().again().assigned(3).events,
      'expected attempt 2, got 3',
    ],
    [
      'more attempts than there are',
      log().created().assigned().claimed().again().assigned(2, { maxAttempts: 1 }).events,
      'expected at most 1 attempts, got 2',
    ],
    [
      'a second claim',
      log().created().assigned().claimed().claimed(1, 'agent-2').events,
      'expected one claim of attempt 1, got one more after agent-1',
    ],
    [
      'a claim of another attempt',
      log().created().assigned().claimed(2).events,
      'expected a claim of attempt 1, got 2',
    ],
    [
      'a claim by another than meant',
      log().created().assigned(1, { agentId: 'agent-1' }).claimed(1, 'agent-2').events,
      'expected agent agent-1, which it is assigned to, got agent-2',
    ],
    [
      'an end by another agent',
      log()
        .created()
        .assigned()
        .claimed()
        .ended('FAILED', { assignment: ref('agent-2', 1) }, other).events,
      'expected a word of agent-1, attempt 1, got one of agent-2, attempt 1',
    ],
    [
      'an end in another’s name',
      log().created().assigned().claimed().ended('FAILED', {}, other).events,
      'expected a word of agent-1, attempt 1, got one of agent-2, attempt 1',
    ],
    [
      'an end of an old attempt',
      log().created().assigned().claimed().again().assigned(2).claimed(2).ended('FAILED').events,
      'expected a word of agent-1, attempt 2, got one of agent-1, attempt 1',
    ],
    [
      'a lease of an old attempt',
      log().created().assigned().claimed().again().assigned(2).claimed(2).lease('LeaseResumed', 1).events,
      'expected a word of agent-1, attempt 2, got one of agent-1, attempt 1',
    ],
  ])('finds %s', (_, events, text) => expect(judge(events)).toContainEqual(`3: ${text}`));
});

describe('4, order', () => {
  const [first, second] = simple.events;
  it.each([
    ['a gap in a stream', without(retried, 4), 'expected version 4 of the stream, got 5'],
    ['a stream that begins late', without(simple, 1), 'expected version 1 of the stream, got 2'],
    [
      'a position twice',
      altered(simple, 1, { position: formatPosition(2) }),
      `expected a position after ${formatPosition(2)}, got ${formatPosition(2)}`,
    ],
    [
      'an id twice',
      altered(simple, 1, { id: first?.id ?? '' }),
      `expected an event id that is new, got ${first?.id} again`,
    ],
    ['no correlation id', altered(simple, 1, { correlationId: '' }), 'expected a correlation id, got none'],
    [
      'an instant that is not later than the stream’s last',
      altered(simple, 2, { occurredAt: second?.occurredAt ?? '', causationId: null }),
      `expected an instant after the stream’s last, ${second?.occurredAt}, got ${second?.occurredAt}`,
    ],
    [
      'an instant that is not later than its cause’s',
      altered(simple, 1, { occurredAt: first?.occurredAt ?? '' }),
      `expected an instant after its cause’s, ${first?.occurredAt}, got ${first?.occurredAt}`,
    ],
  ])('finds %s', (_, events, text) => expect(judge(events)).toContainEqual(`4: ${text}`));

  const rows = simple.events.map(auditRowOf);
  it.each([
    ['a missing row', rows.slice(0, 3), 'expected an audit row of '],
    ['a row twice', [...rows, ...rows.slice(0, 1)], 'expected one audit row of event '],
    [
      'a row without event',
      [...rows, ...retried.events.slice(9).map(auditRowOf)],
      'expected an event of audit row ',
    ],
    [
      'a row with another actor',
      rows.map((row, at) => (at === 1 ? { ...row, actor: 'agent:x' } : row)),
      'expected the audit row of the event, got another actor',
    ],
  ])('finds %s in the audit log', (_, auditRows, text) =>
    expect(judge(simple.events, { auditRows })).toEqual([expect.stringContaining(`4: ${text}`)]),
  );

  it('lets the audit log lag while something is under way, but not skip', () => {
    expect(judge(simple.events, { settled: false, auditRows: rows.slice(0, 2) })).toEqual([]);
    expect(judge(simple.events, { settled: false, auditRows: rows.slice(1) })).toHaveLength(1);
  });
});

describe('6, cancels', () => {
  const service = { type: 'service', id: 'dispatcher' } as const;
  const canceling = () => log().created().assigned().claimed().cancelRequested();
  it('finds a cancel without end', () => {
    expect(judge(canceling().events)).toContainEqual('6: expected an end after the cancel request, got none');
    expect(judge(canceling().events, { settled: false })).toEqual([]);
  });

  it('finds another attempt after the request', () => {
    expect(judge(canceling().again().assigned(2).events)).toContainEqual(
      '6: expected no further attempt after a cancel request, got one',
    );
  });

  it('finds an end that the platform decided as if nobody had asked', () => {
    const reason = { code: 'agent-lost', message: '' } as const;
    const late = canceling()
      .lease('LeaseExpired')
      .lease('LeaseResumed')
      .lease('LeaseExpired')
      .lease('LeaseResumed')
      .lease('LeaseExpired');
    expect(judge(late.ended('FAILED', { reason }, service).events)).toEqual([
      '6: expected CANCELED (process-state-unknown) after the cancel request, got FAILED (agent-lost)',
    ]);
  });

  it('accepts an end that the agent reported first, and one that was decided in the same moment', () => {
    const reason = { code: 'agent-lost', message: '' } as const;
    expect(judge(canceling().ended('SUCCEEDED').events)).toEqual([]);
    expect(judge(canceling().ended('FAILED', { reason }, service).events)).toEqual([]);
  });
});

describe('7, limits', () => {
  const limits = { runTimeoutMs: 1_000, killGraceMs: 500 };
  const running = () => log().created().assigned(1, limits).claimed();
  it('finds an attempt that ended too late', () => {
    const late = running().lease('LeaseExpired').ended('TIMED_OUT');
    expect(judge(late.events, { leaseMs: 500 })).toEqual([]);
    expect(judge(late.events, { leaseMs: 499 })).toEqual([
      '7: expected the attempt to end within 1999 ms, got one that ended after 2000 ms',
    ]);
    expect(judge(late.events, { leaseMs: 499, slackMs: 1 })).toEqual([]);
  });

  it('finds an attempt that is open for too long', () => {
    expect(judge(running().events, { settled: false, now: '2026-01-31T12:00:10.000Z' })).toEqual([
      '7: expected the attempt to end within 6500 ms, got one that is still open after 7000 ms',
    ]);
  });
});

describe('8, projections', () => {
  const [assignmentRow] = assignmentViewsFromEvents(simple.events);
  const jobRow = jobViewFromEvents(simple.events);
  if (assignmentRow === undefined || jobRow === undefined) throw new Error('expected rows, got none');

  it.each([
    [
      'a job’s row that differs',
      { jobRows: [{ ...jobRow, startedAt: null, limits: { ...jobRow.limits, maxAttempts: 9 } }] },
      'expected the row as built anew, got another limits.maxAttempts, startedAt',
    ],
    ['a missing row of a job', { jobRows: [] }, 'expected a row of the job, got none'],
    [
      'a row of no job',
      { jobRows: [jobRow, { ...jobRow, jobId: '11111111-1111-4111-8111-111111111111' }] },
      'expected no row, because the log has no such thing, got one',
    ],
    [
      'an assignment’s row that differs',
      { assignmentRows: [{ ...assignmentRow, agentId: null }] },
      'expected the row as built anew, got another agentId',
    ],
    ['a missing row of an assignment', { assignmentRows: [] }, 'expected a row of the assignment, got none'],
  ])('finds %s', (_, rows, text) => expect(judge(simple.events, rows)).toEqual([`8: ${text}`]));

  it('compares a row with what it shows while something is under way', () => {
    const jobRows = [jobViewFromEvents(simple.events.slice(0, 3)) ?? jobRow];
    expect(judge(simple.events, { jobRows, settled: false })).toEqual([]);
    expect(judge(simple.events, { jobRows })).not.toEqual([]);
  });
});

describe('9, secrets', () => {
  it('finds a secret in any part of an event, also where JSON escapes it, and does not repeat it', () => {
    const value = 'a"b\nc';
    const events = log()
      .created({ reason: `because ${value}` })
      .assigned()
      .claimed()
      .ended('SUCCEEDED').events;
    const found = judge(events, { secrets: { values: [value, ''], recorded: events.map(recordedOf) } });
    expect(found).toEqual(['9: expected no secret in JobCreated, got one']);
    expect(judge(altered(simple, 3, { actor: { type: 'agent', id: 'hunter2' } }))).toContainEqual(
      '9: expected no secret in JobStatusChanged, got one',
    );
  });
});
