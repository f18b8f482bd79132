import type { CheckStatus, SystemCheck } from '@signalbox/contracts';

/** A check of a service, before the replica that answers is known. */
export type Finding = Omit<SystemCheck, 'replica'> & {
  /** It is about the replica that answers, and not about what all replicas share. */
  readonly isLocal?: true;
};

/** What is looked at, whatever is found. */
export interface Subject {
  readonly id: string;
  readonly title: string;
  readonly wanted: string;
  /** What to do where it is not as wanted: one or two sentences. */
  readonly advice: string;
  readonly isLocal?: true;
}

export const finding = (subject: Subject, status: CheckStatus, found: string): Finding => ({
  ...subject,
  status,
  found,
  advice: status === 'ok' ? '' : subject.advice,
});

/** A look at one thing, or at several of a kind. Rejects when it cannot look: that is `unknown`. */
export interface Look {
  readonly subject: Subject;
  readonly look: () => Promise<readonly Finding[]> | readonly Finding[];
}

/** Looks at one thing. */
export const lookAt = (
  subject: Subject,
  judge: () => Promise<readonly [CheckStatus, string]> | readonly [CheckStatus, string],
): Look => ({ subject, look: async () => [finding(subject, ...(await judge()))] });

/** In order of severity. */
const severity: readonly CheckStatus[] = ['ok', 'unknown', 'warn', 'fail'];

/** Positive when the first is more severe. */
export const compareStatus = (one: CheckStatus, other: CheckStatus): number =>
  severity.indexOf(one) - severity.indexOf(other);

/** Which of two limits a figure has passed. */
export const beyond = (figure: number, limits: { readonly warn: number; readonly fail: number }) =>
  figure >= limits.fail ? 'fail' : figure >= limits.warn ? 'warn' : 'ok';

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;

const mebibyte = 1_048_576;
export const bytes = (count: number): string =>
  count >= 1024 * mebibyte
    ? `${(count / (1024 * mebibyte)).toFixed(1)} GiB`
    : `${(count / mebibyte).toFixed(1)} MiB`;
