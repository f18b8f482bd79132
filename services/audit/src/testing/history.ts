/** Histories of jobs for specs: what the scheduler, dispatcher and gateway would append. */
import {
  type DataOf,
  type EndStatus,
  type EventType,
  type NewEvent,
  assignmentId,
  defaultLimits,
  deriveId,
  eventTypes,
  streams,
} from '@signalbox/contracts';
import type { EventStore } from '@signalbox/event-store';

export interface Append {
  readonly stream: string;
  readonly expectedVersion: number;
  readonly events: readonly NewEvent[];
}

/** How far a job gets. `RETRIED` ends its first attempt as FAILED and its second as SUCCEEDED. */
export type Course = 'QUEUED' | 'SCHEDULED' | 'IN_PROGRESS' | 'EXPIRED' | 'RETRIED' | EndStatus;

export interface JobPlan {
  readonly number: number;
  readonly course: Course;
  /** When the job was created; each event is a second later than the one before. */
  readonly startsAtMs: number;
  readonly name?: string;
}

export const jobIdOfNumber = (number: number): string => deriveId('history', number);
export const deviceOfNumber = (number: number): string => `device-${number % 20}`;

const result = {
  exitCode: 0,
  signal: null,
  executedSteps: 1,
  failedStep: null,
  outputBytes: 12,
  outputHash: 'c'.repeat(64),
};
const noCounts = { total: 1, succeeded: 0, failed: 0, timedOut: 0, canceled: 0, rejected: 0 };
const countsOf: Readonly<Record<EndStatus, Partial<typeof noCounts>>> = {
  SUCCEEDED: { succeeded: 1 },
  FAILED: { failed: 1 },
  TIMED_OUT: { timedOut: 1 },
  CANCELED: { canceled: 1 },
  REJECTED: { rejected: 1 },
};

/** Writes the appends of one job, one event each. */
class Script {
  readonly appends: Append[] = [];
  readonly jobId: string;
  readonly targetId: string;
  readonly #plan: JobPlan;
  readonly #versions = new Map<string, number>();

  constructor(plan: JobPlan) {
    this.#plan = plan;
    this.jobId = jobIdOfNumber(plan.number);
    this.targetId = deviceOfNumber(plan.number);
  }

  add<T extends EventType>(stream: string, type: T, data: DataOf<T>): void {
    const step = this.appends.length;
    const expectedVersion = this.#versions.get(stream) ?? 0;
    this.#versions.set(stream, expectedVersion + 1);
    this.appends.push({
      stream,
      expectedVersion,
      events: [
        {
          id: deriveId('history', this.#plan.number, step),
          type,
          version: eventTypes[type].version,
          occurredAt: new Date(this.#plan.startsAtMs + step * 1000).toISOString(),
          actor: step === 0 ? { type: 'principal', id: 'ada' } : { type: 'service', id: 'dispatcher' },
          correlationId: this.jobId,
          causationId: null,
          body: JSON.stringify(data),
        },
      ],
    });
  }

  created(): void {
    this.add(streams.job(this.jobId), 'JobCreated', {
      jobId: this.jobId,
      name: this.#plan.name ?? `job ${this.#plan.number}`,
      document: {
        version: '1.0',
        steps: [{ name: 'a', type: 'runShell', input: { command: 'echo hello' } }],
      },
      documentHash: 'a'.repeat(64),
      target: { type: 'device', ids: [this.targetId] },
      targets: 1,
      notBefore: null,
      priority: 4,
      limits: defaultLimits,
      template: null,
      retryOf: null,
      reason: null,
      requestHash: 'b'.repeat(64),
    });
  }

  assigned(attempt: number): void {
    this.add(streams.assignment(this.jobId, this.targetId), 'JobAssigned', {
      jobId: this.jobId,
      targetId: this.targetId,
      agentId: `agent-${this.targetId}`,
      attempt,
      maxAttempts: 2,
      runTimeoutMs: defaultLimits.runTimeoutMs,
      killGraceMs: defaultLimits.killGraceMs,
      lostAfterMs: defaultLimits.lostAfterMs,
      targets: 1,
      documentHash: 'a'.repeat(64),
    });
  }

  changed(
    attempt: number,
    change: Pick<DataOf<'JobStatusChanged'>, 'from' | 'to'> & Partial<DataOf<'JobStatusChanged'>>,
  ): void {
    this.add(streams.assignment(this.jobId, this.targetId), 'JobStatusChanged', {
      jobId: this.jobId,
      reason: { code: 'completed', message: 'as planned' },
      assignment: {
        id: assignmentId(this.jobId, this.targetId),
        targetId: this.targetId,
        agentId: `agent-${this.targetId}`,
        attempt,
      },
      result: null,
      attemptEnd: null,
      job: null,
      ...change,
    });
  }

  ended(attempt: number, to: EndStatus): void {
    this.changed(attempt, {
      from: 'IN_PROGRESS',
      to,
      result,
      job: { status: to, counts: { ...noCounts, ...countsOf[to] } },
    });
  }
}

/** The appends of one job, in the order in which they happen. */
export const jobHistory = (plan: JobPlan): readonly Append[] => {
  const script = new Script(plan);
  const { course } = plan;
  script.created();
  if (course === 'QUEUED') return script.appends;
  script.assigned(1);
  if (course === 'SCHEDULED') return script.appends;
  script.changed(1, { from: 'SCHEDULED', to: 'IN_PROGRESS', reason: { code: 'claimed', message: '' } });
  if (course === 'IN_PROGRESS') return script.appends;
  if (course === 'EXPIRED') {
    const { jobId, targetId } = script;
    script.add(streams.assignment(jobId, targetId), 'LeaseExpired', {
      jobId,
      targetId,
      agentId: 'agent-1',
      attempt: 1,
    });
    return script.appends;
  }
  if (course !== 'RETRIED') {
    script.ended(1, course);
    return script.appends;
  }
  const reason = { code: 'step-failed', message: 'a' } as const;
  script.changed(1, { from: 'IN_PROGRESS', to: 'QUEUED', attemptEnd: { status: 'FAILED', reason, result } });
  script.assigned(2);
  script.changed(2, { from: 'SCHEDULED', to: 'IN_PROGRESS' });
  script.ended(2, 'SUCCEEDED');
  return script.appends;
};

/** Appends the histories one event at a time, taking turns between the jobs, so that they interleave in the log. */
export const appendInterleaved = async (
  store: EventStore,
  histories: readonly (readonly Append[])[],
): Promise<void> => {
  const longest = Math.max(0, ...histories.map((history) => history.length));
  for (let step = 0; step < longest; step += 1) {
    await Promise.all(
      histories.map(async (history) => {
        const next = history[step];
        if (next !== undefined) await store.append(next.stream, next.expectedVersion, next.events);
      }),
    );
  }
};
