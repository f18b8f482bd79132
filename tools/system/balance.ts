/** Which of several replicas a request goes to: in turn, and to those that are ready, as a Service of Kubernetes does. */
export interface Balance {
  /** All replicas, the one whose turn it is first; those that are not ready come last. */
  order(): readonly string[];
  /** Told when a replica refused a connection: it comes last until it is ready again. */
  failed(url: string): void;
  stop(): void;
}

const everyMs = 500;
const answerWithinMs = 1_000;

const isReady = async (url: string): Promise<boolean> => {
  try {
    const answer = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(answerWithinMs) });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    // Whatever the reason is, this replica gets no requests.
    return false;
  }
};

/** Balances over replicas and asks each of them twice a second whether it is ready. One alone is not asked: it gets all. */
export const balanceOver = (urls: readonly string[]): Balance => {
  const unready = new Set<string>();
  let turn = 0;
  const probes = (urls.length > 1 ? urls : []).map((url) => {
    let isAsked = false;
    return setInterval(() => {
      if (isAsked) return;
      isAsked = true;
      void isReady(url).then((ready) => {
        isAsked = false;
        if (ready) unready.delete(url);
        else unready.add(url);
      });
    }, everyMs).unref();
  });
  return {
    order: () => {
      turn = (turn + 1) % urls.length;
      const inTurn = [...urls.slice(turn), ...urls.slice(0, turn)];
      return inTurn.toSorted((a, b) => Number(unready.has(a)) - Number(unready.has(b)));
    },
    failed: (url) => {
      if (urls.length > 1) unready.add(url);
    },
    stop: () => probes.forEach((probe) => clearInterval(probe)),
  };
};
