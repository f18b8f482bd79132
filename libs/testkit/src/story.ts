import { randomUUID } from 'node:crypto';
import {
  type Actor,
  type DataOf,
  type EndStatus,
  type Event,
  decodeEvent,
  defaultLimits,
  positionStart,
  streams,
} from '@signalbox/contracts';
import { type AssignmentCommand, assignment, job } from '@signalbox/domain';
import { type EventStore, handleCommand } from '@signalbox/event-store';
import { sampleDocument } from './builders.ts';

/** Drives one job on one device through the real deciders, so that tests have true events. Each step answers its events. */
export class Story {
  readonly jobId = randomUUID();
  readonly targetId: string;
  readonly #store: EventStore;
  #now: number;

  /** @param at instant of the first event in milliseconds since 1970; each step is one second later */
  constructor(store: EventStore, targetId: string = randomUUID(), at = Date.parse('2026-01-31T12:00:00Z')) {
    this.#store = store;
    this.targetId = targetId;
    this.#now = at;
  }

  get stream(): string {
    return streams.assignment(this.jobId, this.targetId);
  }

  async create(overrides: Partial<DataOf<'JobCreated'>> = {}): Promise<readonly Event[]> {
    const data: DataOf<'JobCreated'> = {
      jobId: this.jobId,
      name: 'story',
      document: sampleDocument(),
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
      ...overrides,
    };
    const context = this.#context({ type: 'principal', id: 'tester' });
    const command = { type: 'CreateJob', data } as const;
    const { events } = await handleCommand(this.#store, job, streams.job(this.jobId), command, context);
    return events;
  }

  async requestCancel(): Promise<readonly Event[]> {
    const command = { type: 'RequestCancel', jobId: this.jobId, reason: null } as const;
    const context = this.#context({ type: 'principal', id: 'tester' });
    const { events } = await handleCommand(this.#store, job, streams.job(this.jobId), command, context);
    return events;
  }

  assign(attempt = 1, maxAttempts = 1): Promise<readonly Event[]> {
    const { runTimeoutMs, killGraceMs, lostAfterMs } = defaultLimits;
    return this.command({
      type: 'Assign',
      jobId: this.jobId,
      targetId: this.targetId,
      agentId: this.targetId,
      attempt,
      maxAttempts,
      runTimeoutMs,
      killGraceMs,
      lostAfterMs,
      targets: 1,
      documentHash: 'a'.repeat(64),
    });
  }

  claim(attempt = 1): Promise<readonly Event[]> {
    return this.command({ type: 'Claim', ...this.#word(attempt) });
  }

  report(status: EndStatus, attempt = 1): Promise<readonly Event[]> {
    const reason = { code: 'completed', message: '' } as const;
    return this.command({ type: 'ReportEnd', ...this.#word(attempt), status, reason, result: null });
  }

  expireLease(attempt = 1): Promise<readonly Event[]> {
    return this.command({ type: 'ExpireLease', ...this.#word(attempt) });
  }

  resumeLease(attempt = 1): Promise<readonly Event[]> {
    return this.command({ type: 'ResumeLease', ...this.#word(attempt) });
  }

  async command(command: AssignmentCommand): Promise<readonly Event[]> {
    const context = this.#context({ type: 'service', id: 'tester' });
    const { events } = await handleCommand(this.#store, assignment, this.stream, command, context);
    return events;
  }

  /** All events of the store, in order. */
  async all(): Promise<readonly Event[]> {
    return (await this.#store.readAll(positionStart, 10_000)).map(decodeEvent);
  }

  #word(attempt: number) {
    return { jobId: this.jobId, targetId: this.targetId, agentId: this.targetId, attempt };
  }

  #context(actor: Actor) {
    this.#now += 1000;
    const now = new Date(this.#now).toISOString();
    return { commandId: randomUUID(), actor, correlationId: this.jobId, causationId: null, now };
  }
}
