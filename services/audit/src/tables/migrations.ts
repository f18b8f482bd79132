import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The log as rows. Partitioned by month of `occurred_at` from the beginning, without a default partition: the projector
 * makes each month's partition itself, so that a row can never land where nobody looks for it.
 */
class CreateAuditLogs implements MigrationInterface {
  readonly name = 'CreateAuditLogs1767225600001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table audit.audit_logs (
        occurred_at timestamptz not null,
        event_type text not null,
        actor text not null,
        payload jsonb not null,
        correlation_id text not null,
        position text collate "C" not null,
        id uuid not null,
        version int not null,
        recorded_at timestamptz not null,
        causation_id text,
        stream text not null,
        stream_version int not null,
        actor_type text not null,
        actor_id text not null,
        job_id text,
        target_id text,
        traceparent text,
        primary key (position, occurred_at),
        unique (stream, stream_version, occurred_at)
      ) partition by range (occurred_at);
      create index audit_logs_occurred on audit.audit_logs (occurred_at);
      create index audit_logs_correlation on audit.audit_logs (correlation_id, occurred_at);
      create index audit_logs_type on audit.audit_logs (event_type, position) include (correlation_id);
      create index audit_logs_actor on audit.audit_logs (actor, position);
      create index audit_logs_target on audit.audit_logs (target_id, position) where target_id is not null;
      create index audit_logs_job on audit.audit_logs (job_id, position) where job_id is not null`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table audit.audit_logs');
  }
}

/**
 * Rows of jobs. `view` and `document` are `json`, not `jsonb`: they give back every character as it was written, also
 * those that `jsonb` refuses.
 */
class CreateJobRows implements MigrationInterface {
  readonly name = 'CreateJobRows1767225600002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table audit.job_rows (
        job_id text primary key,
        name text not null,
        name_lower text not null,
        status text not null,
        target_type text not null,
        target_ids text[] not null,
        priority int not null,
        not_before timestamptz,
        max_attempts int not null,
        run_timeout_ms bigint not null,
        queue_timeout_ms bigint not null,
        kill_grace_ms bigint not null,
        lost_after_ms bigint not null,
        template_id text,
        document_hash text not null,
        created_at timestamptz not null,
        created_by text not null,
        started_at timestamptz,
        ended_at timestamptz,
        cancel_requested_at timestamptz,
        retry_of text,
        reason text,
        targets_total bigint,
        targets_succeeded bigint,
        targets_failed bigint,
        targets_timed_out bigint,
        targets_canceled bigint,
        targets_rejected bigint,
        position text collate "C" not null,
        view json not null,
        document json not null
      );
      create index job_rows_created on audit.job_rows (created_at, job_id);
      create index job_rows_status on audit.job_rows (status, created_at, job_id);
      create index job_rows_created_by on audit.job_rows (created_by, created_at, job_id);
      create index job_rows_targets on audit.job_rows using gin (target_ids);
      create index job_rows_open on audit.job_rows (created_at) where ended_at is null`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table audit.job_rows');
  }
}

/** Rows of assignments; `view` as above. */
class CreateAssignmentRows implements MigrationInterface {
  readonly name = 'CreateAssignmentRows1767225600003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table audit.assignment_rows (
        assignment_id text primary key,
        job_id text not null,
        target_id text not null,
        agent_id text,
        status text not null,
        attempt int not null,
        max_attempts int not null,
        assigned_at timestamptz,
        started_at timestamptz,
        ended_at timestamptz,
        changed_at timestamptz,
        lease_expired boolean not null,
        reason_code text,
        reason_message text,
        exit_code bigint,
        signal text,
        executed_steps bigint,
        failed_step text,
        output_bytes bigint,
        output_hash text,
        previous_attempts jsonb not null,
        position text collate "C" not null,
        view json not null
      );
      create index assignment_rows_job on audit.assignment_rows (job_id, target_id);
      create index assignment_rows_target on audit.assignment_rows (target_id, job_id);
      create index assignment_rows_open on audit.assignment_rows (changed_at) where ended_at is null`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table audit.assignment_rows');
  }
}

/** The views through which SQL sees the rows: these are the contract, the tables behind them are not. */
class CreateViews implements MigrationInterface {
  readonly name = 'CreateViews1767225600004';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create view audit.jobs as
        select job_id, name, status, target_type, target_ids, priority, not_before, max_attempts, run_timeout_ms,
               queue_timeout_ms, kill_grace_ms, lost_after_ms, template_id, document, document_hash, created_at,
               created_by, started_at, ended_at, cancel_requested_at, retry_of, reason, targets_total,
               targets_succeeded, targets_failed, targets_timed_out, targets_canceled, targets_rejected, position
        from audit.job_rows;
      create view audit.assignments as
        select assignment_id, job_id, target_id, agent_id, status, attempt, max_attempts, assigned_at, started_at,
               ended_at, changed_at, lease_expired, reason_code, reason_message, exit_code, signal, executed_steps,
               failed_step, output_bytes, output_hash, previous_attempts, position
        from audit.assignment_rows`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop view audit.assignments, audit.jobs');
  }
}

/** Open jobs that should have moved on: one row for each reason. */
class CreateStuckJobs implements MigrationInterface {
  readonly name = 'CreateStuckJobs1767225600005';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create view audit.stuck_jobs as
        select j.job_id, j.name, null::text as target_id, null::text as agent_id, j.status, null::int as attempt,
               'not-assigned' as why, greatest(j.created_at, j.not_before) as since, j.created_at
        from audit.job_rows j
        where j.ended_at is null
          and greatest(j.created_at, j.not_before) < now() - interval '5 minutes'
          and not exists (select from audit.assignment_rows a where a.job_id = j.job_id)
        union all
        select j.job_id, j.name, a.target_id, a.agent_id, a.status, a.attempt, w.why, w.since, j.created_at
        from audit.assignment_rows a
        join audit.job_rows j on j.job_id = a.job_id
        cross join lateral (values
          ('not-assigned', a.changed_at, a.status = 'QUEUED' and a.changed_at < now() - interval '5 minutes'),
          ('not-claimed', a.changed_at, a.status = 'SCHEDULED' and a.changed_at < now() - interval '5 minutes'),
          ('past-run-timeout', a.started_at + j.run_timeout_ms * interval '1 millisecond',
           a.status = 'IN_PROGRESS' and a.started_at + j.run_timeout_ms * interval '1 millisecond' < now())
        ) as w (why, since, holds)
        where a.ended_at is null and j.ended_at is null and w.holds
        union all
        select j.job_id, j.name, a.target_id, a.agent_id, a.status, a.attempt, 'lease-expired',
               (select max(l.occurred_at) from audit.audit_logs l
                where l.correlation_id = a.job_id and l.event_type = 'LeaseExpired' and l.target_id = a.target_id),
               j.created_at
        from audit.assignment_rows a
        join audit.job_rows j on j.job_id = a.job_id
        where a.ended_at is null and j.ended_at is null and a.lease_expired`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop view audit.stuck_jobs');
  }
}

/** Every migration of schema `audit`, oldest first. A published one is never changed; a new one follows. */
export const migrations = [
  CreateAuditLogs,
  CreateJobRows,
  CreateAssignmentRows,
  CreateViews,
  CreateStuckJobs,
];

/** As TypeORM notes them in the table `migrations` of the schema. */
export const migrationNames: readonly string[] = migrations.map((Each) => new Each().name);
