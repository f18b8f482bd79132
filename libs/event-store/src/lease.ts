/**
 * What must happen once is active in one replica: the holder of a lease row, whose only clock is the database's.
 * A holder renews every third of the life; one that cannot renew stops itself before the life is over.
 */
export abstract class LeaseRow {
  /** Name of what is led, such as `relay`. */
  abstract readonly name: string;

  /** Takes or renews the lease: true while this replica holds it. */
  abstract acquire(): Promise<boolean>;

  /** Gives the lease back, so that another need not wait for its end. */
  abstract release(): Promise<void>;

  /** Life of the lease in milliseconds. */
  abstract readonly lifeMs: number;
}

/** Something that runs while a lease is held. `stop` is idempotent and resolves when nothing runs any more. */
export interface Running {
  stop(): Promise<void>;
}

export interface Leadership {
  /** True while this replica leads. */
  isLeader(): boolean;
  /** Stops what runs, gives the lease back. */
  stop(): Promise<void>;
}
