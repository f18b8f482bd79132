import { hostname } from 'node:os';
import type { NatsConnection } from '@signalbox/bus-nats';
import { type ReplicaReport, subjects } from '@signalbox/contracts';
import { type Kit, releaseVersion } from '@signalbox/service-kit';
import type pg from 'pg';
import type { Finding, Look } from './check.ts';
import { clockLook } from './postgres.ts';
import { announce } from './presence.ts';
import { runAll } from './run.ts';

export interface ChecksOptions {
  readonly kit: Kit;
  readonly pool: pg.Pool;
  readonly nc: NatsConnection;
  /** What the service looks at besides its clock and its readiness. */
  readonly looks: readonly Look[];
}

/** Whether the replica itself says that it is ready. */
const readyLook = ({ health }: Kit): Look => {
  const subject = {
    id: 'ready',
    title: 'Readiness',
    wanted: 'all of /health/ready',
    advice: 'What is named here keeps the replica from being ready; its log says more.',
    isLocal: true,
  } as const;
  const look = async (): Promise<readonly Finding[]> => {
    const failing = (await health.ready()).checks.filter(({ ok }) => !ok);
    const found = failing.map(({ name, detail }) => `${name}: ${detail ?? 'not ok'}`).join('; ');
    return failing.length === 0
      ? [{ ...subject, status: 'ok', found: 'ready', advice: '' }]
      : [{ ...subject, status: 'fail', found }];
  };
  return { subject, look };
};

/** This replica's report, made when it is asked for; who asks meanwhile gets the same. */
export type OwnReport = () => Promise<ReplicaReport>;

/**
 * Answers with this replica's report whoever asks on `signalbox.checks`, and writes every five seconds that it lives.
 * Both end with the service.
 */
export const serveChecks = async ({ kit, pool, nc, looks }: ChecksOptions): Promise<OwnReport> => {
  const { name: service, replica, clock, logger, lifecycle } = kit;
  const host = hostname();
  const startedAt = clock.now();
  const all = [clockLook(pool, () => clock.nowMs()), readyLook(kit), ...looks];
  const make: OwnReport = async () => {
    const found = await runAll(all);
    const checks = found.map(({ isLocal, ...each }) => ({ ...each, replica: isLocal ? replica : null }));
    return { service, replica, host, version: releaseVersion, startedAt, nowMs: clock.nowMs(), checks };
  };
  let running: Promise<ReplicaReport> | undefined;
  const report: OwnReport = () => {
    running ??= make().finally(() => (running = undefined));
    return running;
  };
  const onError = (error: unknown): void => logger.warn('a report of checks failed', { error });
  const withdraw = await announce(pool, { service, replica, host }, onError);
  lifecycle.onStop('presence', withdraw);
  const subscription = nc.subscribe(subjects.checks, {
    callback: (error, message) => {
      if (error !== null) return onError(error);
      report()
        .then((made) => message.respond(JSON.stringify(made)))
        .catch(onError);
    },
  });
  lifecycle.onDrain('checks', () => subscription.unsubscribe());
  return report;
};
