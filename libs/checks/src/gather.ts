import { type NatsConnection, askAll } from '@signalbox/bus-nats';
import { ReplicaReport, subjects, type SystemCheck, type SystemReport } from '@signalbox/contracts';
import type pg from 'pg';
import { type Finding, compareStatus, finding, seconds } from './check.ts';
import { type Announced, announced } from './presence.ts';
import { messageOf, within } from './run.ts';
import type { OwnReport } from './serve.ts';

/** Longest wait for the reports of all replicas, in milliseconds: a look may take two seconds. */
const gatherMs = 3_000;
/** A replica whose clock is further away from ours than this, beyond the time that its answer took. */
const skewMs = 1_000;

export interface GatherOptions {
  readonly pool: pg.Pool;
  readonly nc: NatsConnection;
  /** The report of the replica that gathers: it is there without NATS. */
  readonly own: OwnReport;
  /** Services of which at least one replica has to answer. */
  readonly services: readonly string[];
  readonly now: () => string;
  readonly nowMs: () => number;
}

const shared = (check: Finding, replica: string | null = null): SystemCheck => {
  const { isLocal: _isLocal, ...rest } = check;
  return { ...rest, replica };
};

const natsCheck = (failure: string | undefined): SystemCheck => {
  const subject = {
    id: 'nats.connection',
    title: 'NATS',
    wanted: 'every replica can be asked',
    advice:
      'NATS is away, or refuses the user "api": start nats-server, and look at NATS_URL and the password. Nothing is lost meanwhile; commands are answered 503.',
  };
  return shared(failure === undefined ? finding(subject, 'ok', 'asked') : finding(subject, 'fail', failure));
};

const postgresCheck = (failure: string | undefined): SystemCheck => {
  const subject = {
    id: 'postgres.connection',
    title: 'Postgres',
    wanted: 'answers',
    advice:
      'Postgres is away, or refuses us: start it, and look at DATABASE_URL, its limit of connections and its log. Nothing is accepted meanwhile; agents go on.',
  };
  return shared(
    failure === undefined ? finding(subject, 'ok', 'answers') : finding(subject, 'fail', failure),
  );
};

const settle = async <T>(work: Promise<T>): Promise<{ readonly value?: T; readonly failure?: string }> => {
  try {
    return { value: await work };
  } catch (error) {
    return { failure: messageOf(error) };
  }
};

/** Whether anybody of a service has answered. */
const serviceCheck = (service: string, reports: readonly ReplicaReport[]): SystemCheck => {
  const answered = reports.filter((each) => each.service === service);
  const subject = {
    id: `replicas.${service}`,
    title: `Replicas of ${service}`,
    wanted: 'at least one answers',
    advice: `No ${service} answers: start it, or look into its log if it runs.`,
  };
  return shared(finding(subject, answered.length > 0 ? 'ok' : 'fail', `${answered.length} answered`));
};

/** A replica that has not said that it stops, and is silent. */
const silentCheck = ({ service, replica, host, seenAgoMs }: Announced): SystemCheck => {
  const subject = {
    id: 'replica.silent',
    title: `A replica of ${service}`,
    wanted: 'an answer',
    advice: `It hangs, is cut off from NATS, or has ended without a stop: look at ${host}. One that has ended is forgotten after 15 minutes.`,
  };
  return shared(
    finding(subject, 'fail', `no answer; last heartbeat in Postgres ${seconds(seenAgoMs)} ago`),
    replica,
  );
};

const skewCheck = (report: ReplicaReport, askedMs: number, nowMs: number): SystemCheck | undefined => {
  const apart = Math.max(askedMs - report.nowMs, report.nowMs - nowMs);
  if (apart < skewMs) return undefined;
  const subject = {
    id: 'clock.replica',
    title: `Clock of a replica of ${report.service}`,
    wanted: `less than ${seconds(skewMs)} from the clock of this api`,
    advice: `Let NTP set the clock of ${report.host}; if several replicas are named, that of the api.`,
  };
  return shared(finding(subject, 'fail', `at least ${seconds(apart)} away`), report.replica);
};

const versionCheck = (reports: readonly ReplicaReport[]): SystemCheck => {
  const versions = [...new Set(reports.map(({ version }) => version))].toSorted();
  const subject = {
    id: 'replicas.version',
    title: 'Release of the services',
    wanted: 'the same everywhere',
    advice: 'Finish the upgrade: bring the remaining replicas to the new release.',
  };
  return shared(finding(subject, versions.length > 1 ? 'warn' : 'ok', versions.join(', ')));
};

/** One line for what all replicas of a service see: the most severe. */
const merge = (checks: readonly SystemCheck[]): readonly SystemCheck[] => {
  const merged = new Map<string, SystemCheck>();
  for (const each of checks) {
    const key = `${each.id} ${each.replica ?? ''}`;
    const known = merged.get(key);
    if (known === undefined || compareStatus(each.status, known.status) > 0) merged.set(key, each);
  }
  return [...merged.values()].toSorted(
    (one, other) =>
      compareStatus(other.status, one.status) ||
      one.id.localeCompare(other.id) ||
      (one.replica ?? '').localeCompare(other.replica ?? ''),
  );
};

const parse = (text: string): readonly ReplicaReport[] => {
  try {
    const report = ReplicaReport.safeParse(JSON.parse(text));
    return report.success ? [report.data] : [];
  } catch {
    return [];
  }
};

/**
 * Asks every replica of every service, and says who is silent. Takes five seconds at most: two for the list of replicas
 * from Postgres, three for their reports. Never rejects: while NATS or Postgres is away that is what it says, together with what this replica sees.
 */
export const gatherReports = async (options: GatherOptions): Promise<SystemReport> => {
  const { pool, nc, own, services, now, nowMs } = options;
  const askedMs = nowMs();
  const rows = await settle(within(announced(pool), 2_000));
  const known = rows.value ?? [];
  const isComplete = (answers: readonly string[]): boolean => {
    const heard = new Set(answers.flatMap(parse).map(({ replica }) => replica));
    return rows.failure === undefined && known.length > 0 && known.every(({ replica }) => heard.has(replica));
  };
  const [mine, asked] = await Promise.all([
    own(),
    settle(askAll(nc, subjects.checks, { waitMs: gatherMs, isComplete })),
  ]);
  const others = (asked.value ?? []).flatMap(parse).filter(({ replica }) => replica !== mine.replica);
  const reports = [mine, ...others];
  const heard = new Set(reports.map(({ replica }) => replica));
  const canAsk = asked.failure === undefined;
  const checks = merge([
    natsCheck(asked.failure),
    postgresCheck(rows.failure),
    ...(canAsk ? services.map((service) => serviceCheck(service, reports)) : []),
    ...known.filter(({ replica }) => canAsk && !heard.has(replica)).map(silentCheck),
    ...others.flatMap((report) => skewCheck(report, askedMs, nowMs()) ?? []),
    versionCheck(reports),
    ...reports.flatMap((report) => report.checks),
  ]);
  return {
    status: checks[0]?.status ?? 'unknown',
    at: now(),
    replicas: reports.map(({ checks: _checks, nowMs: _nowMs, ...rest }) => rest),
    checks: [...checks],
  };
};
