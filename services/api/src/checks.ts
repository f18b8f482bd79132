import { type OwnReport, certificateLook, gatherReports, schemaLook, serveChecks } from '@signalbox/checks';
import type { SystemReport } from '@signalbox/contracts';
import type { Kit } from '@signalbox/service-kit';
import type { Pool } from 'pg';
import type { ApiSettings } from './config.ts';
import type { LiveBus } from './live/live-bus.ts';
import { migrationNames } from './tables/migrations.ts';

/** All services: of each at least one replica has to answer. */
const services = ['scheduler', 'dispatcher', 'device-gateway', 'audit', 'api'];

/** What is known of the whole system, gathered when it is asked for. */
export class SystemChecks {
  readonly #pool: Pool;
  readonly #bus: LiveBus;
  readonly #kit: Kit;
  readonly #own: OwnReport;
  /** One gathering for all who ask meanwhile. */
  #running: Promise<SystemReport> | undefined;

  constructor(parts: {
    readonly pool: Pool;
    readonly bus: LiveBus;
    readonly kit: Kit;
    readonly own: OwnReport;
  }) {
    this.#pool = parts.pool;
    this.#bus = parts.bus;
    this.#kit = parts.kit;
    this.#own = parts.own;
  }

  /** Asks all replicas. Never rejects; takes about three seconds where somebody is silent. */
  report(): Promise<SystemReport> {
    this.#running ??= this.#gather().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  #gather(): Promise<SystemReport> {
    const { clock } = this.#kit;
    return gatherReports({
      pool: this.#pool,
      nc: this.#bus.connection,
      own: this.#own,
      services,
      now: () => clock.now(),
      nowMs: () => clock.nowMs(),
    });
  }
}

export const openSystemChecks = async (
  { certificateFile }: ApiSettings,
  kit: Kit,
  pool: Pool,
  bus: LiveBus,
): Promise<SystemChecks> => {
  const looks = [
    schemaLook(pool, { schema: 'api', migrations: migrationNames, column: 'name' }),
    ...(certificateFile === undefined ? [] : [certificateLook(certificateFile, () => kit.clock.nowMs())]),
  ];
  const own = await serveChecks({ kit, pool, nc: bus.connection, looks });
  return new SystemChecks({ pool, bus, kit, own });
};
