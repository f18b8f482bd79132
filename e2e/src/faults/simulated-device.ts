import { setTimeout as pause } from 'node:timers/promises';
import { type AttemptRef, type Offer, PollAnswer, agentPrefix, assignmentId } from '@signalbox/contracts';
import { type Answer, field } from '@signalbox/tools/system';
import { type Device, chunk } from '../device.ts';
import { Behaviour } from './load.ts';
import type { Word } from './observed.ts';

const retryMs = 100;
const pollMs = 3_000;
/** Every so many-th attempt another device speaks about it as if it were its own. */
const foreignEvery = 9;

type WordKind = 'renew' | 'output' | 'status';

/** How long to wait before the next try: as long as the platform says, if it says so. */
const waitMsAfter = (answer: Answer | undefined): number => {
  const seconds = Number(answer?.headers.get('retry-after') ?? 0);
  return Math.max(retryMs, seconds * 1_000);
};

/** Simulated devices of one run, with what they saw. */
export interface Devices {
  readonly words: readonly Word[];
  stop(): Promise<void>;
}

const nameOf = ({ jobId, targetId, attempt }: AttemptRef): string =>
  `${assignmentId(jobId, targetId)} ${attempt}`;

const behaviourOf = ({ document }: Offer): Behaviour => {
  const [step] = document.steps;
  return Behaviour.parse(JSON.parse(String(field(step?.input, 'command'))));
};

/** A device that works like an agent, falls silent now and then, and comes back with words about what it had left. */
class SimulatedDevice {
  readonly #device: Device;
  readonly #words: Word[];
  readonly #stranger: () => Device;
  readonly #stop: AbortSignal;
  /** Attempts that it fell silent in, and of these the ones that it was not offered again so far. */
  readonly #silences = new Set<string>();
  readonly #left = new Map<string, Offer>();
  #runs = 0;

  constructor(device: Device, words: Word[], stranger: () => Device, stop: AbortSignal) {
    this.#device = device;
    this.#words = words;
    this.#stranger = stranger;
    this.#stop = stop;
  }

  async work(): Promise<void> {
    while (!this.#stop.aborted) {
      const sentMs = performance.now();
      const answer = await this.#device.client
        .request('POST', `${agentPrefix}/poll`, { waitMs: pollMs })
        .catch((): Answer | undefined => undefined);
      const offer = answer?.status === 200 ? PollAnswer.parse(answer.body).offer : null;
      if (offer === null) {
        await pause(waitMsAfter(answer));
        continue;
      }
      this.#note('claim', offer, 'own', { sentMs, answer: { status: 200, body: offer } });
      this.#left.delete(nameOf(offer));
      await Promise.all([this.#comeBack(), this.#run(offer)]);
    }
  }

  #note(
    kind: Word['kind'],
    { jobId, targetId, attempt }: AttemptRef,
    meant: Word['meant'],
    said: {
      readonly sentMs: number;
      readonly answer: Pick<Answer, 'status' | 'body'> | undefined;
      readonly by?: Device;
      readonly body?: unknown;
    },
  ): void {
    const { sentMs, answer, by = this.#device, body } = said;
    const reported = field(body, 'status');
    const chunks = field(body, 'chunks') ?? field(body, 'output');
    this.#words.push({
      kind,
      ref: { jobId, targetId, attempt },
      agentId: by.agentId,
      meant,
      sentMs,
      answeredMs: performance.now(),
      status: answer?.status ?? 0,
      ...(typeof reported === 'string' ? { reported } : {}),
      ...(field(answer?.body, 'repeated') === true ? { repeated: true } : {}),
      ...(Array.isArray(chunks) ? { sequences: chunks.map((each) => Number(field(each, 'sequence'))) } : {}),
    });
  }

  /** Says a word until it is answered by more than an outage; answers undefined once all is to end. */
  async #say(kind: WordKind, ref: AttemptRef, body: unknown, meant: Word['meant'], by = this.#device) {
    while (!this.#stop.aborted) {
      const sentMs = performance.now();
      const answer = await by.say(ref, kind, body).catch((): Answer | undefined => undefined);
      this.#note(kind, ref, meant, { sentMs, answer, by, body });
      if (answer !== undefined && answer.status < 500 && answer.status !== 429) return answer;
      await pause(waitMsAfter(answer));
    }
    return undefined;
  }

  async #run(offer: Offer): Promise<void> {
    const { workMs, failures, silentIn, silentMs, forgets } = behaviourOf(offer);
    const { attempt } = offer;
    this.#runs += 1;
    if (this.#runs % foreignEvery === 0) await this.#lie(offer);
    // What was sent before an interruption is sent again: the platform passes over what it has.
    const sent = await this.#say('output', offer, { chunks: [chunk(1, `attempt ${attempt}\n`)] }, 'own');
    if (sent === undefined || sent.status >= 300) return;
    if (attempt === silentIn && !this.#silences.has(nameOf(offer))) {
      this.#silences.add(nameOf(offer));
      await pause(silentMs, undefined, { signal: this.#stop }).catch(() => undefined);
      this.#left.set(nameOf(offer), offer);
      return;
    }
    const until = Math.min(workMs, offer.remainingMs);
    const how = await this.#last(offer, until);
    if (how === 'dropped' || (forgets && attempt === 1)) return;
    const timedOut = workMs > offer.remainingMs;
    const status =
      how === 'canceled' ? 'CANCELED' : timedOut ? 'TIMED_OUT' : attempt <= failures ? 'FAILED' : 'SUCCEEDED';
    await this.#say('status', offer, { status, executedSteps: 1, output: [chunk(2, 'done\n')] }, 'own');
  }

  /** Works for a time, renewing the lease; hears there of a cancel, or that the attempt is not its own any more. */
  async #last(offer: Offer, forMs: number): Promise<'done' | 'canceled' | 'dropped'> {
    const end = performance.now() + forMs;
    while (performance.now() < end && !this.#stop.aborted) {
      await pause(Math.min(offer.leaseMs / 3, end - performance.now()));
      if (performance.now() >= end) break;
      const answer = await this.#say('renew', offer, undefined, 'own');
      if (answer === undefined || answer.status >= 300) return 'dropped';
      if (field(answer.body, 'cancel') === true) return 'canceled';
    }
    return 'done';
  }

  /** Says what it has to say about attempts that it had left, now that it has been given another. */
  async #comeBack(): Promise<void> {
    const left = [...this.#left.values()];
    this.#left.clear();
    for (const offer of left) {
      await this.#say('renew', offer, undefined, 'old');
      await this.#say('output', offer, { chunks: [chunk(2, 'late\n')] }, 'old');
      await this.#say('status', offer, { status: 'SUCCEEDED', executedSteps: 1 }, 'old');
    }
  }

  /** Another device says that this attempt is its own. */
  async #lie(offer: Offer): Promise<void> {
    const stranger = this.#stranger();
    if (stranger.agentId === this.#device.agentId) return;
    await this.#say('output', offer, { chunks: [chunk(1, 'foreign\n')] }, 'foreign', stranger);
    await this.#say('status', offer, { status: 'SUCCEEDED', executedSteps: 1 }, 'foreign', stranger);
  }
}

/** Lets devices work until they are stopped. */
export const startDevices = (devices: readonly Device[]): Devices => {
  const stop = new AbortController();
  const words: Word[] = [];
  const working = devices.map((device, index) => {
    const stranger = devices[(index + 1) % devices.length] ?? device;
    return new SimulatedDevice(device, words, () => stranger, stop.signal).work();
  });
  return {
    words,
    stop: async () => {
      stop.abort();
      await Promise.all(working);
    },
  };
};
