import { withinMs } from './lifecycle.ts';

/** A check passes when it resolves; its error's message is shown to operators, so it names no secret. */
export type Check = () => Promise<void> | void;

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
}

const checkMs = 2_000;

/** Named checks behind `/health/ready`. A service is ready when all of them pass and it is not shutting down. */
export class Health {
  readonly #checks = new Map<string, Check>();
  #draining = false;

  add(name: string, check: Check): void {
    this.#checks.set(name, check);
  }

  /** From now on the service is not ready: load balancers send nothing more. */
  drain(): void {
    this.#draining = true;
  }

  async ready(): Promise<{ readonly ok: boolean; readonly checks: readonly CheckResult[] }> {
    const checks = await Promise.all([...this.#checks].map(([name, check]) => this.#run(name, check)));
    if (this.#draining) checks.unshift({ name: 'running', ok: false, detail: 'shutting down' });
    return { ok: checks.every((each) => each.ok), checks };
  }

  async #run(name: string, check: Check): Promise<CheckResult> {
    try {
      const done = await withinMs(Promise.resolve().then(check), checkMs);
      return done
        ? { name, ok: true }
        : { name, ok: false, detail: `expected an answer within ${checkMs} ms, got none` };
    } catch (error) {
      return { name, ok: false, detail: error instanceof Error ? error.message : String(error) };
    }
  }
}
