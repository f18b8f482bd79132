/** What a run has measured: one figure a row. */
import type { IdleLatency } from './latency.ts';

/** Programs that do the same number of jobs for comparison. */
export const peerNames = ['BullMQ everysec', 'BullMQ always', 'graphile-worker'] as const;
export type PeerName = (typeof peerNames)[number];

export interface PeerValue {
  readonly bare: number;
  /** With four audit rows for each job. */
  readonly audited: number;
}

/** What a peer reaches with one obligation. */
export interface PeerRun extends IdleLatency {
  readonly jobsPerSecond: number;
}

/** What the figure should be: at least or at most this. */
export type Aim = { readonly atLeast: number } | { readonly atMost: number };

export interface Figure {
  /** Number of the measurement, as `--only` names it. */
  readonly measurement: number;
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly aim?: Aim;
  /** The same without us, on the same machine, in the same run. */
  readonly ceiling?: number;
  /** The same of a peer's run; absent where there is nothing to compare. */
  readonly ofPeer?: (run: PeerRun) => number;
  /** A text says why there is none. */
  readonly peers?: Readonly<Partial<Record<PeerName, PeerValue | string>>>;
}

/** What one measurement gives. */
export interface Measured {
  readonly figures: readonly Figure[];
  /** What explains the figures, a line each. */
  readonly notes: readonly string[];
}

export const isMet = (value: number, aim: Aim): boolean =>
  'atLeast' in aim ? value >= aim.atLeast : value <= aim.atMost;
