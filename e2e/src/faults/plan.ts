import { serviceNames } from '@signalbox/tools/service-files';
import { type Random, randomOf } from './random.ts';

/**
 * What is done to a victim. `kill` is SIGKILL and a later start, `pause` SIGSTOP and SIGCONT, `restart` SIGTERM and a
 * start. `stall` and `reset` cut its connections: silently, or with an error. `wipe` empties the store of nats-server while
 * it is down, `delete-stream` takes the stream from a running one, `disk-full` leaves it no space, `clock` sets an agent's clock.
 */
export const faultKinds = [
  'kill',
  'pause',
  'restart',
  'stall',
  'reset',
  'wipe',
  'delete-stream',
  'disk-full',
  'clock',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Who must run once: whichever replica holds the lease when the fault comes is the victim. */
export const holders = {
  relay: 'scheduler',
  dispatcher: 'dispatcher',
  open: 'device-gateway',
  audit: 'audit',
} as const;
export type HolderName = keyof typeof holders;

export type Victim =
  | { readonly type: 'service'; readonly program: string }
  | { readonly type: 'holder'; readonly holder: HolderName }
  | { readonly type: 'agent'; readonly number: number }
  /** Simulated devices that share one road to the platform. */
  | { readonly type: 'devices'; readonly group: number }
  | { readonly type: 'nats' }
  | { readonly type: 'postgres' };

export interface Fault {
  /** 1, 2, 3 … in order of time. */
  readonly number: number;
  readonly kind: FaultKind;
  readonly victim: Victim;
  /** Which of a service's roads is cut. */
  readonly road: 'nats' | 'postgres' | null;
  /** Milliseconds from the start of the load. */
  readonly atMs: number;
  /** Milliseconds until it is mended. */
  readonly forMs: number;
  /** How far an agent's clock is set; 0 for other faults. */
  readonly jumpMs: number;
}

export interface PlanOptions {
  readonly seed: number;
  /** Length of the load in milliseconds; every fault is mended within it. */
  readonly loadMs: number;
  readonly agents: number;
  readonly groups: number;
}

type Draft = Omit<Fault, 'number' | 'atMs'>;

const replicas = serviceNames.flatMap((name) => [name, `${name}-2`]);
const holderNames = Object.keys(holders).flatMap((name) => (name in holders ? [name as HolderName] : []));

/** Longer than a lease of three seconds, so that another takes over what the paused one believes to hold. */
const pauseMs = [4_000, 7_000] as const;

const ofProcess = (random: Random, victim: Victim): Draft => {
  const kind = random.pick(['kill', 'kill', 'pause', 'pause', 'restart', 'stall', 'stall', 'reset'] as const);
  const road = kind === 'stall' || kind === 'reset' ? random.pick(['nats', 'postgres'] as const) : null;
  const forMs =
    kind === 'pause'
      ? random.between(...pauseMs)
      : kind === 'stall'
        ? random.between(3_000, 8_000)
        : random.between(200, 4_000);
  return { kind, victim, road, forMs, jumpMs: 0 };
};

const ofAgent = (random: Random, victim: Victim): Draft => {
  const kind = random.pick(['kill', 'pause', 'restart', 'stall', 'reset', 'clock'] as const);
  const jumpMs = kind === 'clock' ? random.pick([-1, 1]) * random.between(60_000, 86_400_000) : 0;
  const forMs =
    kind === 'pause' || kind === 'stall' ? random.between(...pauseMs) : random.between(500, 4_000);
  return { kind, victim, road: null, forMs, jumpMs };
};

const ofDevices = (random: Random, victim: Victim): Draft => ({
  kind: random.pick(['stall', 'reset']),
  victim,
  road: null,
  forMs: random.between(2_000, 7_000),
  jumpMs: 0,
});

const ofNats = (random: Random): Draft => ({
  kind: random.pick(['kill', 'pause', 'restart', 'wipe', 'wipe', 'delete-stream', 'disk-full']),
  victim: { type: 'nats' },
  road: null,
  forMs: random.between(200, 4_000),
  jumpMs: 0,
});

const ofPostgres = (random: Random): Draft => ({
  kind: random.pick(['kill', 'pause', 'restart']),
  victim: { type: 'postgres' },
  road: null,
  forMs: random.between(200, 4_000),
  jumpMs: 0,
});

const draft = (random: Random, { agents, groups }: PlanOptions): Draft => {
  const chance = random.next();
  if (chance < 0.34) return ofProcess(random, { type: 'service', program: random.pick(replicas) });
  if (chance < 0.56) return ofProcess(random, { type: 'holder', holder: random.pick(holderNames) });
  if (chance < 0.7) return ofAgent(random, { type: 'agent', number: random.between(1, agents) });
  if (chance < 0.76) return ofDevices(random, { type: 'devices', group: random.between(1, groups) });
  if (chance < 0.91) return ofNats(random);
  return ofPostgres(random);
};

/** What a fault keeps others from touching: of a service whose holder is the victim, both replicas. */
const claimsOf = ({ victim }: Pick<Fault, 'victim'>): readonly string[] => {
  switch (victim.type) {
    case 'service':
      return [victim.program];
    case 'holder':
      return [holders[victim.holder], `${holders[victim.holder]}-2`];
    case 'agent':
      return [`agent ${victim.number}`];
    case 'devices':
      return [`devices ${victim.group}`];
    case 'nats':
    case 'postgres':
      return [victim.type];
    default:
      return victim satisfies never;
  }
};

/** A victim that has just been mended gets this long for itself, because a process takes its time to start. */
const restMs = 3_000;

const collides = (fault: Draft, atMs: number, planned: readonly Fault[]): boolean => {
  const claims = claimsOf(fault);
  return planned.some(
    (other) =>
      other.atMs + other.forMs + restMs > atMs && claimsOf(other).some((claim) => claims.includes(claim)),
  );
};

/**
 * The faults of a run: a pure function of the seed and the size of the run, so that a seed that failed is injected again.
 * Faults overlap, but no victim is in two at once.
 */
export const planOf = (options: PlanOptions): readonly Fault[] => {
  const random = randomOf(options.seed);
  const plan: Fault[] = [];
  for (let atMs = random.between(500, 2_000); ; atMs += random.between(800, 3_200)) {
    const fault = draft(random, options);
    if (atMs + 200 >= options.loadMs) return plan;
    const forMs = Math.min(fault.forMs, options.loadMs - atMs);
    if (collides(fault, atMs, plan)) continue;
    plan.push({ ...fault, number: plan.length + 1, atMs, forMs });
  }
};

export const victimText = (victim: Victim): string => {
  switch (victim.type) {
    case 'service':
      return victim.program;
    case 'holder':
      return `holder of ${victim.holder}`;
    case 'agent':
      return `agent ${victim.number}`;
    case 'devices':
      return `devices of group ${victim.group}`;
    case 'nats':
      return 'nats-server';
    case 'postgres':
      return 'Postgres';
    default:
      return victim satisfies never;
  }
};

/** One line that says all of a fault. */
export const faultText = (fault: Fault): string => {
  const { number, kind, victim, road, atMs, forMs, jumpMs } = fault;
  const at = `${(atMs / 1_000).toFixed(1)} s`;
  const more = `${road === null ? '' : ` from ${road}`}${jumpMs === 0 ? '' : ` by ${jumpMs} ms`}`;
  return `${number}. at ${at}: ${kind} ${victimText(victim)}${more}, for ${forMs} ms`;
};
