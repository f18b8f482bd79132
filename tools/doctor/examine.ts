/** Asks the api for its report, or says why there is none. */
import { type CheckStatus, Problem, type SystemCheck, SystemReport, apiRoutes } from '@signalbox/contracts';

export interface Examined {
  readonly report: SystemReport;
  /** 0 all is well, 1 something is to be looked at, 2 something fails. */
  readonly exitCode: 0 | 1 | 2;
}

const exitCodes: Readonly<Record<CheckStatus, Examined['exitCode']>> = {
  ok: 0,
  unknown: 1,
  warn: 1,
  fail: 2,
};

/** Gathering takes five seconds at most. */
const waitMs = 15_000;

/** A report with the one thing that is known: the api cannot say more. */
const failed = (found: string, advice: string): SystemReport => {
  const check: SystemCheck = {
    id: 'api',
    title: 'The api',
    status: 'fail',
    found,
    wanted: 'a report',
    advice,
    replica: null,
  };
  return { status: 'fail', at: new Date().toISOString(), replicas: [], checks: [check] };
};

const ask = async (url: string, key: string): Promise<SystemReport> => {
  let answer: Response;
  try {
    answer = await fetch(`${url}${apiRoutes.checkSystem.path}`, {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(waitMs),
    });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    return failed(`no answer from ${url}: ${why}`, 'Start the system, or look at its log and its address.');
  }
  const body: unknown = await answer.json().catch(() => undefined);
  if (answer.ok) return SystemReport.parse(body);
  const problem = Problem.safeParse(body);
  const what = problem.success ? `${problem.data.code}: ${problem.data.detail ?? ''}` : 'no report';
  const advice =
    answer.status === 401 || answer.status === 403
      ? 'Use a key with role admin.'
      : 'No replica of the api can look: see whether one runs, and whether Postgres does.';
  return failed(`${answer.status} ${what}`, advice);
};

/** Never rejects for what is wrong with the system: that is what the report is for. */
export const doctor = async ({
  url,
  key,
}: {
  readonly url: string;
  readonly key: string;
}): Promise<Examined> => {
  const report = await ask(url, key);
  return { report, exitCode: exitCodes[report.status] };
};
