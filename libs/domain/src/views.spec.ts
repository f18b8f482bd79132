import { describe, expect, it } from '@jest/globals';
import { type DataOf, type EventType, assignmentId, decodeEvent, defaultLimits } from '@signalbox/contracts';
import {
  assignmentViewsFromEvents,
  evolveAssignmentView,
  evolveJobView,
  jobViewFromEvents,
} from './views.ts';

const jobId = '0d3f6a52-6b0e-5f0c-9c39-8f7b0c1d2e3f';
const targetId = 'device-1';
const id = assignmentId(jobId, targetId);
const at = (step: number) => `2026-01-31T12:00:${String(step).padStart(2, '0')}.000Z`;
const position = (step: number) => String(step).padStart(16, '0');

const event = <T extends EventType>(step: number, type: T, stream: string, data: DataOf<T>) =>
  decodeEvent({
    id: `00000000-0000-4000-8000-${String(step).padStart(12, '0')}`,
    type,
    version: 1,
    occurredAt: at(step),
    recordedAt: at(step),
    actor: { type: 'principal', id: 'ada' },
    correlationId: jobId,
    causationId: null,
    stream,
    streamVersion: step,
    position: position(step),
    body: JSON.stringify(data),
  });

const created = (step: number) =>
  event(step, 'JobCreated', `job-${jobId}`, {
    jobId,
    name: 'firmware',
    document: { version: '1.0', steps: [{ name: 'a', type: 'runCommand', input: { command: ['true'] } }] },
    documentHash: 'a'.repeat(64),
    target: { type: 'device', ids: [targetId] },
    targets: 1,
    notBefore: null,
    priority: 4,
    limits: defaultLimits,
    template: { id: 'echo', version: 1 },
    retryOf: null,
    reason: 'because',
    requestHash: 'b'.repeat(64),
  });

const assigned = (step: number, attempt: number, target = targetId) =>
  event(step, 'JobAssigned', `assignment-${jobId}-${target}`, {
    jobId,
    targetId: target,
    agentId: 'agent-1',
    attempt,
    maxAttempts: 2,
    runTimeoutMs: 1000,
    killGraceMs: 0,
    lostAfterMs: 1000,
    targets: 1,
    documentHash: 'a'.repeat(64),
  });

const changed = (
  step: number,
  from: DataOf<'JobStatusChanged'>['from'],
  to: DataOf<'JobStatusChanged'>['to'],
  more: Partial<DataOf<'JobStatusChanged'>> = {},
) =>
  event(step, 'JobStatusChanged', `assignment-${jobId}-${targetId}`, {
    jobId,
    from,
    to,
    reason: { code: 'completed', message: '' },
    assignment: { id, targetId, agentId: 'agent-1', attempt: 1 },
    result: null,
    attemptEnd: null,
    job: null,
    ...more,
  });

const counts = { total: 1, succeeded: 0, failed: 0, timedOut: 0, canceled: 0, rejected: 0 };
const result = {
  exitCode: 0,
  signal: null,
  executedSteps: 1,
  failedStep: null,
  outputBytes: 3,
  outputHash: 'c'.repeat(64),
};
const failure = {
  status: 'FAILED',
  reason: { code: 'step-failed', message: 'a' },
  result: { ...result, exitCode: 1 },
} as const;
const success = { result, job: { status: 'SUCCEEDED', counts: { ...counts, succeeded: 1 } } } as const;
const lease = (step: number, type: 'LeaseExpired' | 'LeaseResumed', attempt = 1) =>
  event(step, type, `assignment-${jobId}-${targetId}`, { jobId, targetId, agentId: 'agent-1', attempt });
const cancelRequested = (step: number) =>
  event(step, 'JobCancelRequested', `job-${jobId}`, { jobId, reason: 'stop' });

const fourEvents = [
  created(1),
  assigned(2, 1),
  changed(3, 'SCHEDULED', 'IN_PROGRESS', { reason: { code: 'claimed', message: '' } }),
  changed(4, 'IN_PROGRESS', 'SUCCEEDED', success),
];

describe('the row of a job', () => {
  it('is QUEUED before an assignment, with who, why and the document', () => {
    expect(jobViewFromEvents([created(1)])).toMatchObject({
      jobId,
      status: 'QUEUED',
      createdBy: 'principal:ada',
      createdAt: at(1),
      templateId: 'echo',
      reason: 'because',
      counts: null,
      endedAt: null,
      document: { steps: [{ name: 'a' }] },
      position: position(1),
    });
  });

  it('follows its one assignment and ends with the event that says so', () => {
    const statuses = fourEvents.map((_, index) => jobViewFromEvents(fourEvents.slice(0, index + 1))?.status);
    expect(statuses).toEqual(['QUEUED', 'SCHEDULED', 'IN_PROGRESS', 'SUCCEEDED']);
    expect(jobViewFromEvents(fourEvents)).toMatchObject({
      startedAt: at(3),
      endedAt: at(4),
      counts: { total: 1, succeeded: 1 },
      position: position(4),
    });
  });

  it('goes back to QUEUED for another attempt and keeps its first start', () => {
    const events = [...fourEvents.slice(0, 3), changed(4, 'IN_PROGRESS', 'QUEUED', { attemptEnd: failure })];
    expect(jobViewFromEvents(events)).toMatchObject({ status: 'QUEUED', startedAt: at(3), endedAt: null });
    expect(jobViewFromEvents([...events, assigned(5, 2)])?.status).toBe('SCHEDULED');
  });

  it('notes the first cancel request and ends CANCELED without a start', () => {
    const assignment = { id, targetId, agentId: null, attempt: 1 };
    const events = [
      created(1),
      cancelRequested(2),
      cancelRequested(3),
      changed(4, 'QUEUED', 'CANCELED', { assignment, job: { status: 'CANCELED', counts } }),
    ];
    expect(jobViewFromEvents(events)).toMatchObject({
      status: 'CANCELED',
      cancelRequestedAt: at(2),
      startedAt: null,
      endedAt: at(4),
    });
  });

  it('ends by an event about the job as a whole', () => {
    const end = changed(3, 'SCHEDULED', 'REJECTED', {
      assignment: null,
      job: { status: 'REJECTED', counts },
    });
    expect(jobViewFromEvents([created(1), assigned(2, 1), end])).toMatchObject({
      status: 'REJECTED',
      endedAt: at(3),
    });
  });

  it('does not guess the status or counts of a job with several targets', () => {
    const many = jobViewFromEvents([created(1)]);
    if (many === undefined) throw new Error('expected a row');
    const two = { ...many, target: { ...many.target, ids: ['device-1', 'device-2'] } };
    const row = [...fourEvents.slice(1, 3), changed(4, 'IN_PROGRESS', 'SUCCEEDED', { result })].reduce(
      (view, each) => evolveJobView(view, each) ?? view,
      two,
    );
    expect(row).toMatchObject({ status: 'IN_PROGRESS', counts: null, endedAt: null });
    expect(evolveJobView(row, changed(5, 'IN_PROGRESS', 'QUEUED', { attemptEnd: failure }))?.status).toBe(
      'IN_PROGRESS',
    );
  });

  it('is the same when the streams come one after the other', () => {
    const events = [
      ...fourEvents.slice(0, 3),
      cancelRequested(4),
      changed(5, 'IN_PROGRESS', 'SUCCEEDED', success),
    ];
    const ofStream = (prefix: string) => events.filter((each) => each.stream.startsWith(prefix));
    const inOrder = jobViewFromEvents(events);
    expect(jobViewFromEvents([...ofStream('job-'), ...ofStream('assignment-')])).toEqual(inOrder);
    expect(jobViewFromEvents([...ofStream('assignment-'), ...ofStream('job-')])).toEqual(inOrder);
    expect(
      [...ofStream('job-'), ...ofStream('assignment-')].reduce<typeof inOrder>(evolveJobView, undefined),
    ).toEqual(inOrder);
  });

  it('stays final after its end, stays away without JobCreated, and ignores other jobs', () => {
    const done = jobViewFromEvents(fourEvents);
    expect(evolveJobView(done, assigned(9, 2))?.status).toBe('SUCCEEDED');
    expect(evolveJobView(undefined, assigned(2, 1))).toBeUndefined();
    if (done === undefined) throw new Error('expected a row');
    const other = { ...done, jobId: '11111111-1111-4111-8111-111111111111' };
    expect(evolveJobView(other, changed(9, 'IN_PROGRESS', 'FAILED'))).toBe(other);
  });
});

describe('the row of an assignment', () => {
  it('shows the attempt, its start, its end and its result', () => {
    expect(assignmentViewsFromEvents(fourEvents)).toEqual([
      expect.objectContaining({
        assignmentId: id,
        status: 'SUCCEEDED',
        attempt: 1,
        maxAttempts: 2,
        assignedAt: at(2),
        startedAt: at(3),
        endedAt: at(4),
        result,
        reason: { code: 'completed', message: '' },
        previousAttempts: [],
        position: position(4),
      }),
    ]);
  });

  it('keeps how former attempts ended', () => {
    const retried = [...fourEvents.slice(0, 3), changed(4, 'IN_PROGRESS', 'QUEUED', { attemptEnd: failure })];
    const former = { ...failure, attempt: 1, endedAt: at(4) };
    expect(assignmentViewsFromEvents(retried)).toMatchObject([
      { status: 'QUEUED', startedAt: null, endedAt: null, result: null, previousAttempts: [former] },
    ]);
    expect(assignmentViewsFromEvents([...retried, assigned(5, 2)])).toMatchObject([
      { status: 'SCHEDULED', attempt: 2, assignedAt: at(5), reason: null, previousAttempts: [former] },
    ]);
  });

  it('shows an expired lease until it is resumed, and only of the current attempt', () => {
    const running = assignmentViewsFromEvents(fourEvents.slice(0, 3))[0];
    const expired = evolveAssignmentView(running, lease(4, 'LeaseExpired'));
    expect(expired).toMatchObject({ leaseExpired: true, status: 'IN_PROGRESS', position: position(4) });
    expect(evolveAssignmentView(expired, lease(5, 'LeaseResumed'))?.leaseExpired).toBe(false);
    expect(evolveAssignmentView(expired, changed(5, 'IN_PROGRESS', 'SUCCEEDED', success))?.leaseExpired).toBe(
      false,
    );
    expect(evolveAssignmentView(running, lease(4, 'LeaseExpired', 7))).toBe(running);
  });

  it('exists when it was rejected, and when it ended before it was assigned', () => {
    const rejected = changed(3, 'SCHEDULED', 'REJECTED', {
      reason: { code: 'rejected-by-agent', message: 'no' },
    });
    expect(assignmentViewsFromEvents([created(1), assigned(2, 1), rejected])).toMatchObject([
      { status: 'REJECTED', startedAt: null, endedAt: at(3), reason: { code: 'rejected-by-agent' } },
    ]);
    expect(assignmentViewsFromEvents([created(1), changed(2, 'QUEUED', 'TIMED_OUT')])).toMatchObject([
      { status: 'TIMED_OUT', assignedAt: null, attempt: 1, maxAttempts: 1, endedAt: at(2) },
    ]);
  });

  it('is separate for each target, and final after its end', () => {
    const views = assignmentViewsFromEvents([...fourEvents, assigned(5, 1, 'device-2'), assigned(6, 2)]);
    expect(views.map((view) => [view.targetId, view.status])).toEqual([
      [targetId, 'SUCCEEDED'],
      ['device-2', 'SCHEDULED'],
    ]);
  });
});
