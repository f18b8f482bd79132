import type { Event } from '@signalbox/contracts';
import { type OpenAssignment, agentOf, evolveOpen, subjectOf } from './open.ts';

/** Groups of ids by a key; empty groups are dropped. */
class Index {
  readonly #groups = new Map<string, Set<string>>();

  add(key: string, id: string): void {
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, new Set([id]));
    else group.add(id);
  }

  remove(key: string, id: string): void {
    const group = this.#groups.get(key);
    group?.delete(id);
    if (group?.size === 0) this.#groups.delete(key);
  }

  of(key: string): readonly string[] {
    return [...(this.#groups.get(key) ?? [])];
  }
}

/**
 * All open attempts, in memory of each replica, kept by its own follower of the bus: an empty poll makes no database
 * query. Polls that wait are woken by what concerns their agent.
 */
export class OpenAssignments {
  readonly #byId = new Map<string, OpenAssignment>();
  readonly #byAgent = new Index();
  readonly #byJob = new Index();
  readonly #changes = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();
  #draining = false;

  get size(): number {
    return this.#byId.size;
  }

  /** Polls that wait at this moment. */
  get waiting(): number {
    let count = 0;
    for (const each of this.#waiting.values()) count += each.size;
    return count;
  }

  get(id: string): OpenAssignment | undefined {
    return this.#byId.get(id);
  }

  ofAgent(agentId: string): readonly OpenAssignment[] {
    return this.#byAgent.of(agentId).flatMap((id) => this.#byId.get(id) ?? []);
  }

  /** Folds one event of the bus, or of our own append; in any order and more than once. */
  apply(event: Event): void {
    const { id, jobId } = subjectOf(event);
    const ids = id === undefined ? this.#byJob.of(jobId ?? '') : [id];
    for (const each of ids) this.set(each, evolveOpen(this.#byId.get(each), event));
  }

  /** Puts what the store says in place of what we have; undefined where nothing is open. */
  set(id: string, open: OpenAssignment | undefined): void {
    const before = this.#byId.get(id);
    if (before === open) return;
    if (before !== undefined) this.#unlink(before);
    if (open !== undefined) this.#link(open);
    for (const each of [before, open]) {
      const agentId = each === undefined ? null : agentOf(each);
      if (agentId !== null) this.#changed(agentId);
    }
  }

  /** Forgets all; whoever waits looks again. */
  clear(): void {
    for (const id of [...this.#byId.keys()]) this.set(id, undefined);
  }

  /** Grows with every change that concerns the agent; take it before looking, give it to `wait` after. */
  changesOf(agentId: string): number {
    return this.#changes.get(agentId) ?? 0;
  }

  /** Resolves when something changed for the agent since `seen`, when the time is over, or when `signal` fires. */
  wait(agentId: string, seen: number, ms: number, signal: AbortSignal): Promise<void> {
    if (this.changesOf(agentId) !== seen || this.#draining || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(agentId) ?? new Set();
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        waiting.delete(done);
        if (waiting.size === 0) this.#waiting.delete(agentId);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      waiting.add(done);
      this.#waiting.set(agentId, waiting);
    });
  }

  /** Ends all waiting, now and from now on: the replica shuts down. */
  drain(): void {
    this.#draining = true;
    for (const each of [...this.#waiting.values()]) for (const done of [...each]) done();
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  #link(open: OpenAssignment): void {
    this.#byId.set(open.id, open);
    this.#byJob.add(open.jobId, open.id);
    const agentId = agentOf(open);
    if (agentId !== null) this.#byAgent.add(agentId, open.id);
  }

  #unlink(open: OpenAssignment): void {
    this.#byId.delete(open.id);
    this.#byJob.remove(open.jobId, open.id);
    const agentId = agentOf(open);
    if (agentId !== null) this.#byAgent.remove(agentId, open.id);
  }

  #changed(agentId: string): void {
    const waiting = this.#waiting.get(agentId);
    this.#changes.set(agentId, this.changesOf(agentId) + 1);
    for (const done of [...(waiting ?? [])]) done();
  }
}
