import {
  decodeEnrolled,
  decodeOffer,
  decodeOutputStored,
  decodePollAnswer,
  decodeRenewed,
  decodeStatusTaken,
  isRecord,
} from './answers.ts';
import { backoffMs, outageBackoff, refusalBackoff } from './backoff.ts';
import { type HttpAnswer, type HttpClient, type Lane } from './http-client.ts';
import {
  agentPrefix,
  type AttemptRef,
  type Enrol,
  type Enrolled,
  type Offer,
  type OutputChunk,
  type OutputStored,
  type Poll,
  type PollAnswer,
  type Renewed,
  type ReportStatus,
  type StatusTaken,
} from './wire.ts';

/** The server answered with a problem. `code` is the product's stable word, empty when something else answered. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs: number | null;
  /** What the server wants next of the output, where it says so. */
  readonly nextSequence: number | null;
  constructor(what: string, answer: HttpAnswer) {
    const problem = isRecord(answer.body) ? answer.body : {};
    const expected = isRecord(problem.expected) ? problem.expected : {};
    const detail = typeof problem.detail === 'string' ? problem.detail : 'no detail given';
    const code = typeof problem.code === 'string' ? problem.code : '';
    super(`${what}: expected success, got ${answer.status} ${code}: ${detail}`);
    this.name = 'Refused';
    this.status = answer.status;
    this.code = code;
    this.retryAfterMs = answer.retryAfterMs;
    this.nextSequence = typeof expected.nextSequence === 'number' ? expected.nextSequence : null;
  }
}

export const isAttemptEnded = (error: unknown): boolean =>
  error instanceof Refused && error.code === 'attempt-ended';

export const isOutputRefused = (error: unknown): error is Refused =>
  error instanceof Refused && (error.code === 'output-gap' || error.code === 'output-mismatch');

export const isCredentialRefused = (error: unknown): boolean =>
  error instanceof Refused && error.status === 401;

/** The server will not take this, however often it is sent. */
export const isPermanent = (error: unknown): boolean =>
  error instanceof Refused && [400, 403, 404, 405, 413, 415, 422].includes(error.status);

/** How long to wait before the next try after this failure, the `failures`th in a row. */
export const retryDelayMs = (error: unknown, failures: number): number =>
  backoffMs(
    isCredentialRefused(error) ? refusalBackoff : outageBackoff,
    failures,
    Math.random(),
    error instanceof Refused ? error.retryAfterMs : null,
  );

/** How long a request without a wait may take, and one with a wait beyond it. */
const answerMs = 15_000;

/** The doors of the agent protocol. Every method throws `Refused`, `Unreachable` or `UnexpectedAnswer`. */
export class Gateway {
  readonly #client: HttpClient;
  readonly #credential: string | null;
  constructor(client: HttpClient, credential: string | null) {
    this.#client = client;
    this.#credential = credential;
  }

  async enrol(body: Enrol): Promise<Enrolled> {
    return decodeEnrolled(await this.#post('work', '/enrol', body));
  }

  async poll(body: Poll, signal: AbortSignal): Promise<PollAnswer> {
    return decodePollAnswer(await this.#post('poll', '/poll', body, body.waitMs, signal));
  }

  async claim(ref: AttemptRef, signal?: AbortSignal): Promise<Offer> {
    return decodeOffer(await this.#post('work', `${pathOf(ref)}/claim`, {}, 0, signal));
  }

  async renew(ref: AttemptRef, signal: AbortSignal): Promise<Renewed> {
    return decodeRenewed(await this.#post('lease', `${pathOf(ref)}/renew`, {}, 0, signal));
  }

  async sendOutput(
    ref: AttemptRef,
    chunks: readonly OutputChunk[],
    signal?: AbortSignal,
  ): Promise<OutputStored> {
    return decodeOutputStored(await this.#post('work', `${pathOf(ref)}/output`, { chunks }, 0, signal));
  }

  async report(ref: AttemptRef, body: ReportStatus, signal: AbortSignal): Promise<StatusTaken> {
    const waitMs = body.next?.waitMs ?? 0;
    return decodeStatusTaken(await this.#post('work', `${pathOf(ref)}/status`, body, waitMs, signal));
  }

  async #post(lane: Lane, path: string, body: unknown, waitMs = 0, signal?: AbortSignal): Promise<unknown> {
    const answer = await this.#client.post({
      lane,
      path: `${agentPrefix}${path}`,
      body,
      timeoutMs: waitMs + answerMs,
      credential: this.#credential,
      ...(signal === undefined ? {} : { signal }),
    });
    if (answer.status < 200 || answer.status > 299) throw new Refused(`POST ${path}`, answer);
    return answer.body;
  }
}

const pathOf = (ref: AttemptRef): string =>
  `/assignments/${ref.jobId}/${ref.targetId}/attempts/${ref.attempt}`;
