import { setTimeout as pause } from 'node:timers/promises';
import type { Offer, PollAnswer } from '@signalbox/contracts';
import { field } from '@signalbox/tools/system';
import { type Device, chunk } from './device.ts';

/** Simulated devices that work until they are stopped. */
export interface Fleet {
  /** Attempts that a device ended, by how the platform answered. */
  readonly ended: ReadonlyMap<'taken' | 'repeated' | 'refused', number>;
  stop(): Promise<void>;
}

const retryMs = 100;
const pollMs = 5_000;

/** Repeats a request while it fails by an outage; answers the body, or undefined after a refusal. */
const insist = async (
  send: () => Promise<{ status: number; body: unknown }>,
  stop: AbortSignal,
): Promise<unknown> => {
  while (!stop.aborted) {
    const answer = await send().catch(() => undefined);
    if (answer !== undefined && answer.status < 300) return answer.body;
    if (answer !== undefined && answer.status < 500) return undefined;
    await pause(retryMs);
  }
  return undefined;
};

/**
 * Lets devices poll, run and report by HTTP. Every fifth attempt of a job that has more of them fails. What a device
 * once began to report it reports until it has an answer, as a real agent does.
 */
export const startFleet = (devices: readonly Device[]): Fleet => {
  const stop = new AbortController();
  const ended = new Map<'taken' | 'repeated' | 'refused', number>();
  let count = 0;

  const run = async (device: Device, offer: Offer): Promise<unknown> => {
    const { attempt, maxAttempts } = offer;
    count += 1;
    const fails = attempt < maxAttempts && count % 5 === 0;
    const sent = await insist(
      () => device.say(offer, 'output', { chunks: [chunk(1, `attempt ${attempt}\n`)] }),
      stop.signal,
    );
    if (sent === undefined) return undefined;
    const end = {
      ...(fails
        ? { status: 'FAILED', exitCode: 1, failedStep: 'run' }
        : { status: 'SUCCEEDED', exitCode: 0 }),
      executedSteps: 1,
      output: [chunk(2, 'done\n')],
    };
    const taken = await insist(() => device.say(offer, 'status', end), stop.signal);
    const how = taken === undefined ? 'refused' : field(taken, 'repeated') === true ? 'repeated' : 'taken';
    ended.set(how, (ended.get(how) ?? 0) + 1);
    return taken;
  };

  const work = async (device: Device): Promise<void> => {
    while (!stop.signal.aborted) {
      const answer = await device.poll({ waitMs: pollMs }).catch((): PollAnswer | undefined => undefined);
      if (answer?.offer !== undefined && answer.offer !== null) await run(device, answer.offer);
      else if (answer === undefined || answer.pollAfterMs > 0) await pause(retryMs);
    }
  };
  const working = devices.map(work);
  return {
    ended,
    stop: async () => {
      stop.abort();
      await Promise.all(working);
    },
  };
};
