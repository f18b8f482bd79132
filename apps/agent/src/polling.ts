import { isCredentialRefused, retryDelayMs, type Gateway } from './gateway.ts';
import { errorText, type Log } from './log.ts';
import { pause } from './pause.ts';
import type { Poll, PollAnswer } from './wire.ts';

/** Answers that come faster than this do not lead to faster polls. */
const leastPaceMs = 1_000;

/**
 * How long to wait before the next poll: what the server says, and never a busy loop when it answers at once, as it
 * does while a cancel that the agent already knows is being carried out.
 */
export const paceMs = (answer: PollAnswer, elapsedMs: number): number =>
  Math.max(answer.pollAfterMs, Math.ceil(leastPaceMs - elapsedMs), 0);

/** Polls until there is an answer, with back-off while there is none. */
export class Polling {
  readonly #gateway: Gateway;
  readonly #log: Log;
  constructor(gateway: Gateway, log: Log) {
    this.#gateway = gateway;
    this.#log = log;
  }

  /**
   * @param onRefused called when the credential is refused a second time in a row
   * @returns null when the signal fired first
   */
  async ask(body: Poll, signal: AbortSignal, onRefused?: () => void): Promise<PollAnswer | null> {
    let refusals = 0;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        const answer = await this.#gateway.poll(body, signal);
        if (failures > 1) this.#log.info('server answers again', { failures });
        return answer;
      } catch (error) {
        if (signal.aborted) return null;
        this.#tell(error, failures);
        refusals = isCredentialRefused(error) ? refusals + 1 : 0;
        if (refusals === 2) onRefused?.();
        await pause(retryDelayMs(error, failures), signal);
      }
    }
    return null;
  }

  #tell(error: unknown, failures: number): void {
    const fields = { failures, error: errorText(error) };
    if (isCredentialRefused(error)) {
      this.#log.error(
        'credential refused: it was revoked or belongs to another server; enrol again with a new token',
        fields,
      );
    } else {
      this.#log.warn('server does not answer', fields);
    }
  }
}
