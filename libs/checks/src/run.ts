import { withinMs } from '@signalbox/service-kit';
import { type Finding, type Look, finding } from './check.ts';

/** Longest look at one thing; the api waits somewhat longer for a replica's whole report. */
const lookMs = 2_000;

/** What an error says, as far as a line of the report takes it. */
export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message || error.name : String(error)).slice(0, 300);

/** What the work answers. @throws Error it has not answered in time; whatever the work throws */
export const within = async <T>(work: Promise<T>, ms: number): Promise<T> => {
  let done: { readonly value: T } | undefined;
  const kept = work.then((value) => {
    done = { value };
  });
  if (!(await withinMs(kept, ms)) || done === undefined)
    throw new Error(`expected an answer within ${ms} ms, got none`);
  return done.value;
};

const run = async ({ subject, look }: Look): Promise<readonly Finding[]> => {
  try {
    return await within(Promise.resolve().then(look), lookMs);
  } catch (error) {
    return [finding(subject, 'unknown', messageOf(error))];
  }
};

/** Looks at everything at once. Never rejects and never takes longer than two seconds; what cannot be seen is `unknown`. */
export const runAll = async (looks: readonly Look[]): Promise<readonly Finding[]> =>
  (await Promise.all(looks.map(run))).flat();
