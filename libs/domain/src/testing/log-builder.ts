import {
  type Actor,
  type DataOf,
  type EndStatus,
  type Event,
  type EventType,
  assignmentId,
  decodeEvent,
  defaultLimits,
  deriveId,
  formatPosition,
  streams,
} from '@signalbox/contracts';
import { countsOfOne } from '../assignment/decide.ts';

export const jobId = '0d3f6a52-6b0e-5f0c-9c39-8f7b0c1d2e3f';
export const targetId = 'pi-1';
const agentId = 'agent-1';
const id = assignmentId(jobId, targetId);
const documentHash = 'a'.repeat(64);

type Changed = DataOf<'JobStatusChanged'>;
const agent: Actor = { type: 'agent', id: agentId };
const dispatcher: Actor = { type: 'service', id: 'dispatcher' };

/** Writes a log as the platform would: versions, positions and instants (one second apart) in order. */
export class LogBuilder {
  readonly #events: Event[] = [];
  readonly #versions = new Map<string, number>();

  get events(): readonly Event[] {
    return this.#events;
  }

  add<T extends EventType>(type: T, stream: string, data: DataOf<T>, actor: Actor = dispatcher): this {
    const step = this.#events.length + 1;
    const streamVersion = (this.#versions.get(stream) ?? 0) + 1;
    this.#versions.set(stream, streamVersion);
    const occurredAt = new Date(Date.UTC(2026, 0, 31, 12) + step * 1000).toISOString();
    const event = decodeEvent({
      id: deriveId('log', step),
      type,
      version: 1,
      occurredAt,
      recordedAt: occurredAt,
      actor,
      correlationId: jobId,
      causationId: this.#events.at(-1)?.id ?? null,
      stream,
      streamVersion,
      position: formatPosition(step * 2),
      body: JSON.stringify(data),
    });
    this.#events.push(event);
    return this;
  }

  created(more: Partial<DataOf<'JobCreated'>> = {}): this {
    const data: DataOf<'JobCreated'> = {
      jobId,
      name: 'firmware',
      document: { version: '1.0', steps: [{ name: 'a', type: 'runShell', input: { command: 'true' } }] },
      documentHash,
      target: { type: 'device', ids: [targetId] },
      targets: 1,
      notBefore: null,
      priority: 4,
      limits: { ...defaultLimits, maxAttempts: 2, runTimeoutMs: 60_000, killGraceMs: 1_000 },
      template: null,
      retryOf: null,
      reason: null,
      requestHash: 'b'.repeat(64),
    };
    return this.add('JobCreated', streams.job(jobId), { ...data, ...more }, { type: 'principal', id: 'ada' });
  }

  cancelRequested(): this {
    const actor: Actor = { type: 'principal', id: 'ada' };
    return this.add('JobCancelRequested', streams.job(jobId), { jobId, reason: null }, actor);
  }

  assigned(attempt = 1, more: Partial<DataOf<'JobAssigned'>> = {}): this {
    return this.add('JobAssigned', streams.assignment(jobId, targetId), {
      jobId,
      targetId,
      agentId: null,
      attempt,
      maxAttempts: 2,
      runTimeoutMs: 60_000,
      killGraceMs: 1_000,
      lostAfterMs: 5_000,
      targets: 1,
      documentHash,
      ...more,
    });
  }

  changed(step: Pick<Changed, 'from' | 'to'> & Partial<Changed>, actor: Actor = agent): this {
    const data: Changed = {
      jobId,
      reason: { code: 'completed', message: '' },
      assignment: { id, targetId, agentId, attempt: 1 },
      result: null,
      attemptEnd: null,
      job: null,
      ...step,
    };
    return this.add('JobStatusChanged', streams.assignment(jobId, targetId), data, actor);
  }

  claimed(attempt = 1, who = agentId): this {
    const assignment = { id, targetId, agentId: who, attempt };
    return this.changed({ from: 'SCHEDULED', to: 'IN_PROGRESS', assignment }, { type: 'agent', id: who });
  }

  /** The attempt failed and another follows. */
  again(attempt = 1, actor: Actor = agent): this {
    const reason = { code: 'step-failed', message: '' } as const;
    const assignment = { id, targetId, agentId, attempt };
    const attemptEnd = { status: 'FAILED', reason, result: null } as const;
    return this.changed({ from: 'IN_PROGRESS', to: 'QUEUED', reason, assignment, attemptEnd }, actor);
  }

  ended(status: EndStatus, more: Partial<Changed> = {}, actor: Actor = agent): this {
    const job = { status, counts: countsOfOne(status) };
    return this.changed({ from: 'IN_PROGRESS', to: status, job, ...more }, actor);
  }

  lease(type: 'LeaseExpired' | 'LeaseResumed', attempt = 1): this {
    const actor: Actor = type === 'LeaseExpired' ? { type: 'service', id: 'gateway' } : agent;
    return this.add(type, streams.assignment(jobId, targetId), { jobId, targetId, agentId, attempt }, actor);
  }
}
