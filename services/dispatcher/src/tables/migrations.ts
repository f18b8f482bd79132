/** Schema `dispatcher`: derived wholly from events, so that it can be built anew from the log. */
export const migrations = [
  {
    id: '001-queue',
    sql: `
      create table dispatcher.assignments (
        assignment_id text primary key,
        job_id text not null,
        target_id text not null,
        phase text not null check (phase in ('queued', 'scheduled', 'running')),
        attempts integer not null,
        facts jsonb not null,
        priority smallint not null,
        position text collate "C" not null,
        not_before timestamptz not null,
        delayed boolean not null,
        queue_deadline timestamptz not null,
        run_deadline timestamptz,
        lost_deadline timestamptz,
        cancel_requested boolean not null,
        intent text check (intent in ('assign', 'cancel', 'queue-timeout', 'run-timeout', 'lost', 'revoke')),
        intent_at timestamptz,
        cause_id text not null,
        cause_at text not null,
        traceparent text
      );
      create index assignments_next on dispatcher.assignments (target_id, priority desc, position)
        where phase = 'queued' and intent is null;
      create index assignments_job on dispatcher.assignments (job_id);
      create index assignments_delayed on dispatcher.assignments (not_before) where delayed;
      create index assignments_queue_deadline on dispatcher.assignments (queue_deadline) where phase <> 'running';
      create index assignments_run_deadline on dispatcher.assignments (run_deadline) where phase = 'running';
      create index assignments_lost_deadline on dispatcher.assignments (lost_deadline) where lost_deadline is not null;
      create index assignments_intent on dispatcher.assignments (intent_at) where intent is not null;
      create table dispatcher.slots (
        device_id text primary key,
        assignment_id text not null unique
      );
      create table dispatcher.revoked_devices (device_id text primary key);`,
  },
] as const;
