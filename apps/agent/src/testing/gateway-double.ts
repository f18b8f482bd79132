import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type AttemptRef,
  DomainError,
  Enrol,
  Enrolled,
  JobDocument,
  type Offer,
  OutputStored,
  Poll,
  PollAnswer,
  Renewed,
  ReportStatus,
  SendOutput,
  type StatusTaken,
  agentPrefix,
  parseRequest,
  problemOf,
} from '@signalbox/contracts';

type OutputChunk = ReportStatus['output'][number];

/** One attempt as the double keeps it. */
export class HeldAttempt {
  readonly ref: AttemptRef;
  readonly offer: Offer;
  state: 'waiting' | 'claimed' | 'ended' = 'waiting';
  isCanceled = false;
  renewals = 0;
  /** How often the lease had run out when the agent was heard of again. */
  expiries = 0;
  leaseSinceMs: number | null = null;
  end: ReportStatus | null = null;
  readonly chunks: OutputChunk[] = [];
  #hash = Buffer.alloc(32);
  #bytes = 0;

  constructor(offer: Offer) {
    this.offer = offer;
    this.ref = { jobId: offer.jobId, targetId: offer.targetId, attempt: offer.attempt };
  }

  get stored(): OutputStored {
    return { nextSequence: this.chunks.length + 1, bytes: this.#bytes, hash: this.#hash.toString('hex') };
  }

  bytesOf(stream: 'stdout' | 'stderr'): Buffer {
    return Buffer.concat(this.chunks.filter((chunk) => chunk.stream === stream).map(bytesOfChunk));
  }

  text(stream: 'stdout' | 'stderr' = 'stdout'): string {
    return this.bytesOf(stream).toString();
  }

  store(chunks: readonly OutputChunk[]): void {
    for (const chunk of chunks) {
      if (chunk.sequence <= this.chunks.length) continue;
      if (chunk.sequence > this.chunks.length + 1) {
        throw new DomainError('output-gap', 'expected the next chunk, got a later one', {
          expected: { ...this.stored },
        });
      }
      const bytes = bytesOfChunk(chunk);
      const head = Buffer.alloc(5);
      head.writeUInt32BE(chunk.sequence);
      head.writeUInt8(chunk.stream === 'stdout' ? 1 : 2, 4);
      this.#hash = createHash('sha256').update(this.#hash).update(head).update(bytes).digest();
      this.#bytes += bytes.length;
      this.chunks.push(chunk);
    }
  }

  /** Forgets the output from a sequence on, as a store does that lost its newest rows. */
  forgetFrom(sequence: number): void {
    const kept = this.chunks.slice(0, sequence - 1);
    this.chunks.length = 0;
    this.#hash = Buffer.alloc(32);
    this.#bytes = 0;
    this.store(kept);
  }
}

const bytesOfChunk = (chunk: OutputChunk): Buffer =>
  chunk.data === undefined ? Buffer.from(chunk.text ?? '') : Buffer.from(chunk.data, 'base64');

const position = '0'.repeat(16);

export interface JobSpec {
  readonly document: unknown;
  readonly runTimeoutMs?: number;
  readonly killGraceMs?: number;
  readonly leaseMs?: number;
  readonly documentHash?: string;
}

/**
 * A test double of the device gateway: the agent protocol over real HTTP, checked by the schemas of the contracts on
 * both sides, with everything kept in memory. Real in these specs: the bundled agent, its processes and files.
 * The real gateway is tested with the agent in the end-to-end tests.
 */
export class GatewayDouble {
  /** Paths of all requests, oldest first. */
  readonly requests: string[] = [];
  /** Bodies of all requests, in the same order. */
  readonly bodies: unknown[] = [];
  /** What was wrong with requests: empty when the agent kept to the protocol. */
  readonly violations: string[] = [];
  readonly attempts: HeldAttempt[] = [];
  readonly token = `token-${randomUUID()}`;
  enrolments: Enrol[] = [];
  /** So many enrolments are taken without the agent hearing of it. */
  lostAnswers = 0;
  /** Runs before each request; a thrown DomainError is the answer. */
  intercept: (path: string, body: unknown) => void = () => undefined;
  /** How long an answer takes, by path. */
  delayMs: (path: string) => number = () => 0;
  #credential: string | null = null;
  #server: Server | null = null;
  #port = 0;
  #wake = new Set<() => void>();

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    const address = server.address() as AddressInfo;
    this.#port = address.port;
  }

  /** Goes away: refuses connections and cuts those that are open. `start` brings it back at the same address. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    this.#wakeAll();
    await closed;
  }

  enqueue(job: JobSpec): HeldAttempt {
    const normal = JobDocument.safeParse(job.document);
    const document = normal.success ? normal.data : job.document;
    const runTimeoutMs = job.runTimeoutMs ?? 60_000;
    const held = new HeldAttempt({
      jobId: randomUUID(),
      targetId: 'device-1',
      attempt: 1,
      maxAttempts: 1,
      claimed: true,
      resumed: false,
      name: 'a job',
      document: document as JobDocument,
      documentHash: job.documentHash ?? createHash('sha256').update(JSON.stringify(document)).digest('hex'),
      runTimeoutMs,
      remainingMs: runTimeoutMs,
      killGraceMs: job.killGraceMs ?? 500,
      leaseMs: job.leaseMs ?? 60_000,
    });
    this.attempts.push(held);
    this.#wakeAll();
    return held;
  }

  /** A job of several shell steps. */
  steps(
    steps: readonly (readonly [string, string, object?])[],
    more: Omit<JobSpec, 'document'> = {},
  ): HeldAttempt {
    const all = steps.map(([name, command, fields]) => ({
      name,
      type: 'runShell',
      input: { command },
      ...fields,
    }));
    return this.enqueue({ ...more, document: { version: '1.0', steps: all } });
  }

  /** A job of one shell line. */
  shell(command: string, more: Omit<JobSpec, 'document'> = {}): HeldAttempt {
    const steps = [{ name: 'only', type: 'runShell', input: { command } }];
    return this.enqueue({ ...more, document: { version: '1.0', steps } });
  }

  cancel(held: HeldAttempt): void {
    held.isCanceled = true;
    this.#wakeAll();
  }

  /** Ends an attempt in the log without the agent, as a lost lease does. */
  endElsewhere(held: HeldAttempt): void {
    held.state = 'ended';
    this.#wakeAll();
  }

  /** Knows nothing of any attempt from now on, as after a restore of an older log. */
  forget(): void {
    this.attempts.length = 0;
  }

  /** Notes whether the lease ran out before this word of the agent, and begins it anew. */
  expireLate(held: HeldAttempt): void {
    const now = performance.now();
    if (held.leaseSinceMs !== null && now - held.leaseSinceMs > held.offer.leaseMs) held.expiries += 1;
    held.leaseSinceMs = now;
  }

  #wakeAll(): void {
    for (const wake of this.#wake) wake();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').slice(agentPrefix.length);
    try {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const body: unknown = JSON.parse(Buffer.concat(parts).toString());
      this.requests.push(path);
      this.bodies.push(body);
      this.intercept(path, body);
      const isKnown = request.headers.authorization === `Bearer ${this.#credential}`;
      if (path !== '/enrol' && !isKnown)
        throw new DomainError('unauthenticated', 'expected a known credential');
      const answer = await this.#handle(path, body, response);
      await pause(this.delayMs(path));
      this.#answer(response, 200, answer);
    } catch (error) {
      if (error instanceof DomainError) {
        if (error.code === 'invalid-request') this.violations.push(`${path}: ${error.message}`);
        this.#answer(response, problemOf(error).status, problemOf(error));
      } else if (this.#server !== null && !request.destroyed) {
        this.violations.push(`${path}: ${String(error)}`);
        this.#answer(response, 500, {});
      }
    }
  }

  #answer(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }

  async #handle(path: string, body: unknown, response: ServerResponse): Promise<unknown> {
    if (path === '/enrol') {
      const enrolled = this.#enrol(parseRequest(Enrol, body));
      if (this.lostAnswers > 0) {
        this.lostAnswers -= 1;
        response.destroy();
      }
      return enrolled;
    }
    if (path === '/poll') return this.#poll(parseRequest(Poll, body), response);
    const [, jobId, , attempt, verb] =
      /^\/assignments\/([^/]+)\/([^/]+)\/attempts\/(\d+)\/(\w+)$/.exec(path) ?? [];
    const held = this.attempts.find(
      (each) => each.ref.jobId === jobId && String(each.ref.attempt) === attempt,
    );
    if (held === undefined)
      throw new DomainError('attempt-ended', `expected an open attempt of this agent, got ${path}`);
    if (verb === 'status') return this.#status(held, parseRequest(ReportStatus, body), response);
    if (held.state === 'ended')
      throw new DomainError('attempt-ended', 'expected an open attempt, got an ended one');
    if (verb === 'output') {
      held.store(parseRequest(SendOutput, body).chunks);
      return OutputStored.parse(held.stored);
    }
    if (verb === 'claim') {
      this.expireLate(held);
      return { ...held.offer, claimed: true, resumed: true, output: held.stored };
    }
    if (verb !== 'renew') throw new DomainError('not-found', `expected a known path, got ${path}`);
    held.renewals += 1;
    this.expireLate(held);
    return Renewed.parse({ leaseMs: held.offer.leaseMs, cancel: held.isCanceled });
  }

  #enrol(enrol: Enrol): Enrolled {
    const isRepeated = this.#credential !== null && enrol.credential === this.#credential;
    if (enrol.token !== this.token || (this.#credential !== null && !isRepeated)) {
      throw new DomainError('token-invalid', 'expected a fresh token');
    }
    this.enrolments.push(enrol);
    this.#credential = enrol.credential ?? createHash('sha256').update(enrol.token).digest('base64url');
    return Enrolled.parse({
      agentId: 'agent-1',
      deviceId: 'device-1',
      credential: this.#credential,
      leaseMs: 60_000,
      position,
    });
  }

  async #poll(poll: Poll, response: ServerResponse): Promise<PollAnswer> {
    const deadline = performance.now() + poll.waitMs;
    for (;;) {
      const answer = this.#look(poll);
      const leftMs = deadline - performance.now();
      if (answer.offer !== null || answer.cancel.length > 0 || answer.drop.length > 0 || leftMs <= 0)
        return answer;
      if (response.destroyed || this.#server === null) throw new DomainError('unavailable', 'gone');
      await this.#change(leftMs, response);
    }
  }

  #change(ms: number, response: ServerResponse): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake.delete(done);
        response.off('close', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake.add(done);
      response.on('close', done);
    });
  }

  #look(poll: Poll): PollAnswer {
    const holds = (held: HeldAttempt) => poll.holding.some((each) => each.jobId === held.ref.jobId);
    const lost = this.attempts.find((held) => held.state === 'claimed' && !holds(held));
    const fresh = poll.accept ? this.attempts.find((held) => held.state === 'waiting') : undefined;
    const chosen = lost?.isCanceled === true ? fresh : (lost ?? fresh);
    if (chosen !== undefined) {
      chosen.state = 'claimed';
      chosen.leaseSinceMs = performance.now();
    }
    const resumed = chosen !== undefined && chosen === lost;
    const answer = {
      offer:
        chosen === undefined
          ? null
          : { ...chosen.offer, resumed, ...(resumed ? { output: chosen.stored } : {}) },
      cancel: this.attempts
        .filter((held) => held.isCanceled && held.state === 'claimed')
        .map((held) => held.ref),
      drop: this.attempts.filter((held) => holds(held) && held.state === 'ended').map((held) => held.ref),
      pollAfterMs: 0,
    };
    // A document of a newer version is sent as it is; all else has to be an answer that the contracts allow.
    if (answer.offer === null || JobDocument.safeParse(answer.offer.document).success)
      PollAnswer.parse(answer);
    return answer;
  }

  async #status(held: HeldAttempt, report: ReportStatus, response: ServerResponse): Promise<StatusTaken> {
    const isRepeated = held.end !== null && held.end.status === report.status;
    if (held.state === 'ended' && !isRepeated)
      throw new DomainError('attempt-ended', 'expected an open attempt');
    if (!isRepeated) {
      this.expireLate(held);
      held.store(report.output);
      const { bytes, hash } = held.stored;
      if (report.outputHash !== undefined && (report.outputHash !== hash || report.outputBytes !== bytes)) {
        throw new DomainError('output-mismatch', 'expected the hash of what is stored', {
          expected: { ...held.stored },
        });
      }
      held.state = 'ended';
      held.end = report;
    }
    held.state = 'ended';
    const { next } = report;
    const poll = { claim: true, accept: true, holding: [] };
    const answer = next === undefined ? null : await this.#poll({ ...poll, waitMs: next.waitMs }, response);
    return { position, repeated: isRepeated, next: answer };
  }
}
