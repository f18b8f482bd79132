import { z } from 'zod';
import { shellJob, stepsJob } from '../jobs.ts';
import { randomOf } from './random.ts';

/** What a simulated device does with a job; it stands in the job's command as JSON. */
export const Behaviour = z.object({
  /** How long it works on an attempt, in milliseconds, renewing its lease. */
  workMs: z.int(),
  /** Attempts 1 to this one fail. */
  failures: z.int(),
  /** In this attempt it says nothing for a while, and comes back as if nothing had been; 0 is never. */
  silentIn: z.int(),
  silentMs: z.int(),
  /** It never reports the end of its first attempt. */
  forgets: z.boolean(),
});
export type Behaviour = z.output<typeof Behaviour>;

const plain: Behaviour = { workMs: 0, failures: 0, silentIn: 0, silentMs: 0, forgets: false };

/** One job of the load. */
export interface PlannedJob {
  readonly request: Readonly<Record<string, unknown>>;
  /** Milliseconds after its acknowledgement at which it is canceled; null is never. */
  readonly cancelAfterMs: number | null;
  /** Text in the command line of the process that a real agent starts for it; null where it starts none that lasts. */
  readonly marker: string | null;
}

export interface Targets {
  readonly devices: readonly string[];
  readonly agents: readonly string[];
}

const quickLimits = { killGraceMs: 500, lostAfterMs: 1_000, runTimeoutMs: 20_000 } as const;

const simulated = (deviceId: string, behaviour: Behaviour, limits: Readonly<Record<string, number>>) =>
  shellJob(deviceId, JSON.stringify(behaviour), { limits: { ...quickLimits, ...limits } });

/** Sleeps of at least this many seconds are told apart by their length, which is no other process's. */
const longSleepSeconds = 100_000;

/**
 * The job with a number in a run: a pure function of the seed and the number. Most are over at once; some fail, run for
 * seconds, run into their timeout or are canceled; some devices fall silent for longer than their lease. Every eighth is for a real agent.
 */
export const jobOf = (seed: number, index: number, { devices, agents }: Targets): PlannedJob => {
  const random = randomOf(seed * 100_003 + index);
  const chance = random.next();
  const cancelAfterMs = random.next() < 0.12 ? random.between(0, 2_500) : null;
  if (index % 8 === 0 && agents.length > 0) return agentJob(seed, index, random.pick(agents), chance);
  const deviceId = random.pick(devices);
  const attempts = random.between(1, 3);
  const draft = (behaviour: Partial<Behaviour>, limits: Readonly<Record<string, number>>): PlannedJob => ({
    request: simulated(deviceId, { ...plain, ...behaviour }, limits),
    cancelAfterMs,
    marker: null,
  });
  if (chance < 0.5) return draft({ workMs: random.between(0, 100) }, { maxAttempts: attempts });
  if (chance < 0.7) return draft({ failures: random.between(1, 3) }, { maxAttempts: attempts });
  if (chance < 0.85) return draft({ workMs: random.between(1_000, 4_000) }, { maxAttempts: attempts });
  if (chance < 0.95)
    return draft(
      { silentIn: 1, silentMs: random.between(3_500, 6_500) },
      { maxAttempts: 2, lostAfterMs: 1_000 },
    );
  return draft({ workMs: 30_000, forgets: chance < 0.97 }, { maxAttempts: attempts, runTimeoutMs: 1_000 });
};

const agentJob = (seed: number, index: number, agentId: string, chance: number): PlannedJob => {
  const limits = { ...quickLimits, maxAttempts: 1 + (index % 2) };
  if (chance < 0.35) {
    const request = stepsJob(
      agentId,
      { first: 'echo one', second: 'for i in 1 2 3; do echo $i; sleep 0.2; done' },
      { limits },
    );
    return { request, cancelAfterMs: null, marker: null };
  }
  if (chance < 0.5)
    return { request: shellJob(agentId, 'exit 3', { limits }), cancelAfterMs: null, marker: null };
  const marker = `sleep ${longSleepSeconds + ((seed * 1_000 + index) % 800_000)}`;
  const isCanceled = chance < 0.85;
  const runTimeoutMs = isCanceled ? 20_000 : 1_500;
  const request = shellJob(agentId, marker, { limits: { ...limits, runTimeoutMs } });
  return { request, cancelAfterMs: isCanceled ? 500 + Math.floor(chance * 1_000) : null, marker };
};
