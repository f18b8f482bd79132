/** Schema `gateway`. Credentials, leases and output are the only place of what they hold; `open_assignments` is derived. */
export const migrations = [
  {
    id: '001-gateway',
    sql: `
      create table gateway.tokens (
        token_hash text primary key,
        token_id text not null unique,
        device_id text not null,
        name text,
        expires_at timestamptz not null,
        used_at timestamptz
      );
      create table gateway.agents (
        agent_id text primary key,
        kind text not null check (kind in ('device', 'worker', 'executor')),
        device_id text,
        name text not null,
        agent_version text not null,
        os text not null,
        architecture text not null,
        properties jsonb not null,
        credential_hash text not null unique,
        token_id text not null,
        enrolled_at timestamptz,
        last_seen_at timestamptz,
        revoked_at timestamptz
      );
      create table gateway.leases (
        assignment_id text not null,
        attempt integer not null,
        agent_id text not null,
        expires_at timestamptz not null,
        state text not null default 'open' check (state in ('open', 'expired')),
        logged boolean not null default false,
        primary key (assignment_id, attempt)
      );
      create index leases_expiry on gateway.leases (expires_at) where state = 'open';
      create index leases_unlogged on gateway.leases (expires_at) where state = 'expired' and not logged;
      create table gateway.open_assignments (
        assignment_id text primary key,
        job_id text not null,
        open jsonb not null
      );
      create index open_assignments_job on gateway.open_assignments (job_id);
      create table gateway.output (
        assignment_id text not null,
        attempt integer not null,
        sequence bigint not null,
        day date not null,
        stream smallint not null check (stream in (1, 2)),
        agent_at timestamptz not null,
        byte_offset bigint not null,
        bytes bytea not null,
        hash bytea not null,
        primary key (assignment_id, attempt, sequence, day)
      ) partition by range (day);
      create table gateway.evidence (
        id bigint generated always as identity primary key,
        at timestamptz not null default clock_timestamp(),
        agent_id text not null,
        assignment_id text not null,
        attempt integer not null,
        kind text not null,
        detail jsonb not null,
        unique (assignment_id, attempt, agent_id, kind)
      );
      create table gateway.heartbeat (
        name text primary key,
        at timestamptz not null,
        calm_after timestamptz not null
      );`,
  },
] as const;
