import { createBatcher } from '@signalbox/postgres';
import type { Pool } from 'pg';

export interface Lease {
  readonly assignmentId: string;
  readonly attempt: number;
  readonly agentId: string;
}

interface Asked extends Lease {
  readonly lifeMs: number;
}

const recordset = `jsonb_to_recordset($1::jsonb) as asked ("assignmentId" text, attempt integer, "agentId" text, "lifeMs" integer)`;
const same = `lease.assignment_id = asked."assignmentId" and lease.attempt = asked.attempt`;
const until = (lifeMs: string): string => `now() + ${lifeMs} * interval '1 millisecond'`;

/** Takes a lease per assignment and attempt; the same agent may take over its own. Older attempts' rows go. */
const takeText = `
  with asked as (select * from ${recordset}),
  older as (
    delete from gateway.leases as lease using asked
    where lease.assignment_id = asked."assignmentId" and lease.attempt < asked.attempt
  )
  insert into gateway.leases as lease (assignment_id, attempt, agent_id, expires_at)
  select "assignmentId", attempt, "agentId", ${until('"lifeMs"')} from asked
  on conflict (assignment_id, attempt) do update set expires_at = excluded.expires_at, state = 'open', logged = false
  where lease.agent_id = excluded.agent_id
  returning assignment_id as id`;

const renewText = `
  update gateway.leases as lease set expires_at = ${until('asked."lifeMs"')} from ${recordset}
  where ${same} and lease.agent_id = asked."agentId" and lease.state = 'open'
  returning lease.assignment_id as id`;

const dropText = `
  delete from gateway.leases as lease using ${recordset} where ${same} returning lease.assignment_id as id`;

/** Rows of leases; their only clock is the database's. */
export class Leases {
  readonly take: (lease: Lease, lifeMs: number) => Promise<boolean>;
  readonly renew: (lease: Lease, lifeMs: number) => Promise<boolean>;
  readonly drop: (lease: Lease) => Promise<boolean>;
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
    this.take = this.#batched('gateway-lease-take', takeText);
    this.renew = this.#batched('gateway-lease-renew', renewText);
    const drop = this.#batched('gateway-lease-drop', dropText);
    this.drop = (lease) => drop(lease, 0);
  }

  /**
   * Marks open rows whose time is over, unless the gateways themselves were silent (no heartbeat for `gapMs`, or not yet a
   * whole period since); answers all that are not in the log.
   */
  async expire(gapMs: number): Promise<readonly Lease[]> {
    await this.#pool.query({
      name: 'gateway-lease-expire',
      text: `update gateway.leases set state = 'expired', logged = false
             where state = 'open' and expires_at < now()
               and exists (select from gateway.heartbeat where name = 'gateways' and calm_after <= now()
                             and at > now() - $1 * interval '1 millisecond')`,
      values: [gapMs],
    });
    const { rows } = await this.#pool.query<{ assignment_id: string; attempt: number; agent_id: string }>({
      name: 'gateway-lease-unlogged',
      text: `select assignment_id, attempt, agent_id from gateway.leases
             where state = 'expired' and not logged order by expires_at limit 500`,
    });
    return rows.map((row) => ({
      assignmentId: row.assignment_id,
      attempt: row.attempt,
      agentId: row.agent_id,
    }));
  }

  /** The expiry is in the log; false where the row is open again. */
  async markLogged(lease: Lease): Promise<boolean> {
    const { rowCount } = await this.#pool.query({
      name: 'gateway-lease-logged',
      text: `update gateway.leases set logged = true
             where assignment_id = $1 and attempt = $2 and agent_id = $3 and state = 'expired'`,
      values: [lease.assignmentId, lease.attempt, lease.agentId],
    });
    return rowCount === 1;
  }

  /** What the log says of this lease is about to change: the sweep looks at it again unless it is opened. */
  async unlog(lease: Lease): Promise<void> {
    await this.#pool.query({
      name: 'gateway-lease-unlogged-again',
      text: `update gateway.leases set logged = false
             where assignment_id = $1 and attempt = $2 and agent_id = $3 and state = 'expired'`,
      values: [lease.assignmentId, lease.attempt, lease.agentId],
    });
  }

  /** Deletes rows of attempts that are no longer open, and tokens that nobody can use any more. */
  async clean(): Promise<void> {
    await this.#pool.query(
      `delete from gateway.leases as lease where state = 'expired' and logged and expires_at < now() - interval '1 hour'
         and not exists (select from gateway.open_assignments as open where open.assignment_id = lease.assignment_id)`,
    );
    await this.#pool.query(`delete from gateway.tokens where expires_at < now() - interval '1 day'`);
  }

  /**
   * Says that a gateway answers. After a gap of more than `gapMs` nothing expires for one whole `periodMs`: our own
   * restart ends nobody's attempt.
   */
  async beat(gapMs: number, periodMs: number): Promise<void> {
    await this.#pool.query({
      name: 'gateway-beat',
      text: `insert into gateway.heartbeat as beat (name, at, calm_after)
             values ('gateways', now(), now() + $2 * interval '1 millisecond')
             on conflict (name) do update set at = now(), calm_after =
               case when now() - beat.at > $1 * interval '1 millisecond'
                    then now() + $2 * interval '1 millisecond' else beat.calm_after end`,
      values: [gapMs, periodMs],
    });
  }

  #batched(name: string, text: string): (lease: Lease, lifeMs: number) => Promise<boolean> {
    const batcher = createBatcher<Asked, boolean>({
      maxBatch: 500,
      keysOf: (asked) => [asked.assignmentId],
      run: async (asked) => {
        const { rows } = await this.#pool.query<{ id: string }>({
          name,
          text,
          values: [JSON.stringify(asked)],
        });
        const done = new Set(rows.map((row) => row.id));
        return asked.map((each) => done.has(each.assignmentId));
      },
    });
    return ({ assignmentId, attempt, agentId }, lifeMs) =>
      batcher.add({ assignmentId, attempt, agentId, lifeMs });
  }
}
