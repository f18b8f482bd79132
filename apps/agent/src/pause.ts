/** Resolves after `ms`, or at once when the signal fires; never rejects. Tell the two apart by `signal.aborted`. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });

/** Resolves when the signal fires. The listener stays until then: use it for signals that end with their attempt. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Milliseconds of a clock that never jumps; only differences mean anything. */
export const monotonicMs = (): number => performance.now();
