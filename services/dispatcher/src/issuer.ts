import { DomainError } from '@signalbox/contracts';
import type { EventStore, Running } from '@signalbox/event-store';
import {
  type Logger,
  type Tracing,
  assignmentIdAttribute,
  attemptAttribute,
  jobIdAttribute,
} from '@signalbox/service-kit';
import type { Pool } from 'pg';
import { issueIntent } from './intents.ts';
import type { Intent, QueueRow } from './row.ts';
import { dueTargets, expireDeadlines, idleTargets, overdueIntents, takeSlots } from './tables/queue.ts';

/** An intent that the log has not shown after this long is issued again. */
const overdueMs = 2_000;
const idleEveryMs = 10_000;

export interface IssuerDeps {
  readonly store: EventStore;
  readonly pool: Pool;
  readonly logger: Logger;
  readonly tracing: Tracing;
  readonly now: () => string;
  readonly tickMs: number;
  /** True while the reader follows: rows are then what the log says, up to a moment. */
  readonly isFollowing: () => boolean;
  /** For so long after the reader begins to follow nothing counts as lost: agents may be on their way back. */
  readonly settleMs: number;
}

/**
 * Carries intents out, and makes those that time brings: rows hold the intent, this loop re-issues it until the log shows
 * the effect. Runs while this replica leads.
 */
export class Issuer implements Running {
  readonly #deps: IssuerDeps;
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #tick: Promise<void> = Promise.resolve();
  #stopped = false;
  #idleAt = 0;
  #followingSince: number | undefined;

  constructor(deps: IssuerDeps) {
    this.#deps = deps;
  }

  start(): this {
    this.#begin();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#tick;
    await Promise.all(this.#running);
  }

  /** Issues the intents of these rows at once; what fails stays in its row for the loop. */
  readonly issue = (rows: readonly QueueRow[]): void => {
    for (const row of rows) {
      const issued = this.#issueOne(row);
      this.#running.add(issued);
      void issued.finally(() => this.#running.delete(issued));
    }
  };

  async #issueOne(row: QueueRow): Promise<void> {
    if (row.intent === null) return;
    const fields = { jobId: row.jobId, correlationId: row.jobId, targetId: row.targetId, detail: row.intent };
    try {
      const { position } = await this.#traced(row, row.intent);
      this.#deps.logger.debug('intent carried out', { ...fields, position });
    } catch (error) {
      const refused = error instanceof DomainError;
      this.#deps.logger.warn(
        refused ? 'intent refused; the log has moved on' : 'intent failed and is tried again',
        {
          ...fields,
          error,
        },
      );
    }
  }

  /** The decision in its job's trace: what the event causes follows from this span. */
  #traced(row: QueueRow, intent: Intent) {
    const { tracing, store, now } = this.#deps;
    const attributes = {
      [jobIdAttribute]: row.jobId,
      [assignmentIdAttribute]: row.assignmentId,
      [attemptAttribute]: intent === 'assign' ? row.attempts + 1 : row.attempts,
    };
    return tracing.run(intent, { parent: row.traceparent, attributes }, ({ traceparent = null }) =>
      issueIntent(store, { ...row, traceparent }, intent, now()),
    );
  }

  #begin(): void {
    this.#tick = this.#round().finally(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.#begin(), this.#deps.tickMs);
    });
  }

  async #round(): Promise<void> {
    const { pool, logger, isFollowing, settleMs } = this.#deps;
    if (!isFollowing()) {
      this.#followingSince = undefined;
      return;
    }
    this.#followingSince ??= performance.now();
    const isSettled = performance.now() - this.#followingSince >= settleMs;
    try {
      this.issue(await expireDeadlines(pool, isSettled));
      this.issue(await takeSlots(pool, await dueTargets(pool)));
      this.issue(await overdueIntents(pool, overdueMs));
      if (performance.now() - this.#idleAt < idleEveryMs) return;
      this.issue(await takeSlots(pool, await idleTargets(pool)));
      this.#idleAt = performance.now();
    } catch (error) {
      logger.warn('deadlines could not be looked at and are looked at again', { error });
    }
  }
}
