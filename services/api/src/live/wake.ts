/** Wakes one loop; a call that comes while nobody waits is kept. */
export class Wake {
  #raised = false;
  #resolve: (() => void) | undefined;

  readonly raise = (): void => {
    this.#raised = true;
    this.#resolve?.();
  };

  /** Resolves true after a call of `raise`, false after `ms`. */
  async wait(ms: number): Promise<boolean> {
    if (!this.#raised) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#resolve = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#resolve = undefined;
    }
    const raised = this.#raised;
    this.#raised = false;
    return raised;
  }
}
