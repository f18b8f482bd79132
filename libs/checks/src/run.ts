import { withinMs } from '@signalbox/service-kit';
import { type Finding, type Look, finding } from './check.ts';

/** Longest look at one thing; the api waits somewhat longer for a replica's whole report. */
const lookMs = 2_000;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const run = async ({ subject, look }: Look): Promise<readonly Finding[]> => {
  let found: readonly Finding[] = [];
  try {
    const work = Promise.resolve()
      .then(look)
      .then((all) => {
        found = all;
      });
    if (await withinMs(work, lookMs)) return found;
    return [finding(subject, 'unknown', `no answer within ${lookMs} ms`)];
  } catch (error) {
    return [finding(subject, 'unknown', messageOf(error).slice(0, 300))];
  }
};

/** Looks at everything at once. Never rejects and never takes longer than two seconds; what cannot be seen is `unknown`. */
export const runAll = async (looks: readonly Look[]): Promise<readonly Finding[]> =>
  (await Promise.all(looks.map(run))).flat();
