import type { AgentView } from '@signalbox/contracts';
import type { ClientBase, Pool } from 'pg';

export interface TokenRow {
  readonly tokenId: string;
  readonly deviceId: string;
  readonly name: string | null;
}

export interface NewAgent {
  readonly agentId: string;
  readonly kind: AgentView['kind'];
  readonly deviceId: string | null;
  readonly name: string;
  readonly agentVersion: string;
  readonly os: string;
  readonly architecture: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly credentialHash: string;
  readonly tokenId: string;
}

interface Stored {
  readonly agent_id: string;
  readonly kind: AgentView['kind'];
  readonly device_id: string | null;
  readonly name: string;
  readonly agent_version: string;
  readonly os: string;
  readonly architecture: string;
  readonly properties: Record<string, string>;
  readonly enrolled_at: Date;
  readonly last_seen_at: Date | null;
  readonly revoked_at: Date | null;
}

const decodeFacts = (row: Stored) => ({
  agentId: row.agent_id,
  kind: row.kind,
  deviceId: row.device_id,
  name: row.name,
  agentVersion: row.agent_version,
  os: row.os,
  architecture: row.architecture,
  properties: row.properties,
});

const decode = (row: Stored): AgentView => ({
  ...decodeFacts(row),
  enrolledAt: row.enrolled_at.toISOString(),
  lastSeenAt: row.last_seen_at?.toISOString() ?? null,
  revokedAt: row.revoked_at?.toISOString() ?? null,
});

export const insertToken = async (
  pool: Pool,
  hash: string,
  token: TokenRow,
  lifeMs: number,
): Promise<string> => {
  const { rows } = await pool.query<{ expires_at: Date }>(
    `insert into gateway.tokens (token_hash, token_id, device_id, name, expires_at)
     values ($1, $2, $3, $4, now() + $5 * interval '1 millisecond') returning expires_at`,
    [hash, token.tokenId, token.deviceId, token.name, lifeMs],
  );
  return (rows[0]?.expires_at ?? new Date(0)).toISOString();
};

export const deleteToken = async (pool: Pool, tokenId: string): Promise<void> => {
  await pool.query('delete from gateway.tokens where token_id = $1', [tokenId]);
};

/** Uses a token up: one conditional update, so that of two users at once one gets it. */
export const useToken = async (tx: ClientBase, hash: string): Promise<TokenRow | undefined> => {
  const { rows } = await tx.query<{ token_id: string; device_id: string; name: string | null }>(
    `update gateway.tokens set used_at = now() where token_hash = $1 and used_at is null and expires_at > now()
     returning token_id, device_id, name`,
    [hash],
  );
  const row = rows[0];
  return row && { tokenId: row.token_id, deviceId: row.device_id, name: row.name };
};

/** The agent as it will be; it does not count before its enrolment is in the log. */
export const insertAgent = async (tx: ClientBase, agent: NewAgent): Promise<void> => {
  await tx.query(
    `insert into gateway.agents (agent_id, kind, device_id, name, agent_version, os, architecture, properties,
       credential_hash, token_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (agent_id) do update set name = excluded.name, agent_version = excluded.agent_version, os = excluded.os,
       architecture = excluded.architecture, properties = excluded.properties,
       credential_hash = excluded.credential_hash, token_id = excluded.token_id
     where agents.enrolled_at is null`,
    [
      agent.agentId,
      agent.kind,
      agent.deviceId,
      agent.name,
      agent.agentVersion,
      agent.os,
      agent.architecture,
      JSON.stringify(agent.properties),
      agent.credentialHash,
      agent.tokenId,
    ],
  );
};

export type Enrolment = Omit<NewAgent, 'kind' | 'credentialHash' | 'deviceId'> & {
  readonly deviceId: string;
};

/** What was asked with a used token and this very credential, unless it is revoked. */
export const findEnrolment = async (
  tx: ClientBase,
  tokenHash: string,
  credentialHash: string,
): Promise<Enrolment | undefined> => {
  const { rows } = await tx.query<Stored & { readonly token_id: string }>(
    `select agents.* from gateway.agents as agents join gateway.tokens using (token_id)
     where token_hash = $1 and credential_hash = $2 and revoked_at is null`,
    [tokenHash, credentialHash],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  const { agentId, deviceId, name, agentVersion, os, architecture, properties } = decodeFacts(row);
  return {
    agentId,
    deviceId: deviceId ?? agentId,
    tokenId: row.token_id,
    name,
    agentVersion,
    os,
    architecture,
    properties,
  };
};

export const deleteUnconfirmedAgent = async (pool: Pool, agentId: string, tokenId: string): Promise<void> => {
  await pool.query(
    'delete from gateway.agents where agent_id = $1 and token_id = $2 and enrolled_at is null',
    [agentId, tokenId],
  );
};

/** The enrolment is in the log: the credential counts. */
export const confirmAgent = async (db: ClientBase | Pool, agentId: string, tokenId: string, at: string) => {
  await db.query(
    'update gateway.agents set enrolled_at = $3 where agent_id = $1 and token_id = $2 and enrolled_at is null',
    [agentId, tokenId, at],
  );
};

export const revokeAgentRow = async (db: ClientBase | Pool, agentId: string, at: string): Promise<void> => {
  await db.query('update gateway.agents set revoked_at = $2 where agent_id = $1 and revoked_at is null', [
    agentId,
    at,
  ]);
};

export const findByCredential = async (pool: Pool, hash: string): Promise<AgentView | undefined> => {
  const { rows } = await pool.query<Stored>({
    name: 'gateway-credential',
    text: `select * from gateway.agents
           where credential_hash = $1 and enrolled_at is not null and revoked_at is null`,
    values: [hash],
  });
  return rows[0] && decode(rows[0]);
};

export const findAgent = async (pool: Pool, agentId: string): Promise<AgentView | undefined> => {
  const { rows } = await pool.query<Stored>(
    'select * from gateway.agents where agent_id = $1 and enrolled_at is not null',
    [agentId],
  );
  return rows[0] && decode(rows[0]);
};

/** In order of agent id, after a given one. */
export const listAgentRows = async (pool: Pool, afterId: string, limit: number): Promise<AgentView[]> => {
  const { rows } = await pool.query<Stored>(
    'select * from gateway.agents where enrolled_at is not null and agent_id > $1 order by agent_id limit $2',
    [afterId, limit],
  );
  return rows.map(decode);
};

export const writeLastSeen = async (pool: Pool, seen: ReadonlyMap<string, string>): Promise<void> => {
  if (seen.size === 0) return;
  await pool.query({
    name: 'gateway-last-seen',
    text: `update gateway.agents as agent set last_seen_at = greatest(agent.last_seen_at, seen.at)
           from unnest($1::text[], $2::timestamptz[]) as seen (agent_id, at) where agent.agent_id = seen.agent_id`,
    values: [[...seen.keys()], [...seen.values()]],
  });
};

/** How many agents that count run which release. */
export const countVersions = async (
  pool: Pool,
): Promise<readonly { readonly version: string; readonly count: number }[]> => {
  const { rows } = await pool.query<{ version: string; count: number }>(
    `select agent_version as version, count(*)::int as count from gateway.agents
     where enrolled_at is not null and revoked_at is null group by 1 order by 1 desc limit 20`,
  );
  return rows;
};
