import type { Migration } from '@signalbox/postgres';

/** The log, the identity of the store, and how far the relay has published. */
const tables = `
create table events.store (
  one boolean primary key default true check (one),
  store_id uuid not null default gen_random_uuid()
);
comment on table events.store is 'One row: identity of this store; its row lock orders the appends';
insert into events.store default values;

create table events.published (
  one boolean primary key default true check (one),
  position bigint not null
) with (fillfactor = 50);
comment on table events.published is 'One row: position up to which the relay has published';
insert into events.published (position) values (0);

create table events.log (
  position bigint primary key,
  stream text collate "C" not null,
  version integer not null check (version > 0),
  id uuid not null,
  type text collate "C" not null,
  type_version integer not null,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null,
  actor_type text collate "C" not null,
  actor_id text collate "C" not null,
  correlation_id text collate "C" not null,
  causation_id text collate "C",
  traceparent text collate "C",
  body text collate "C" not null,
  constraint log_stream_version unique (stream, version),
  constraint log_id unique (id)
);
comment on table events.log is 'Every event, in commit order; written by events.append() alone, never changed';
comment on column events.log.body is 'Exact JSON text as it was appended and is published';
`;

/** The log grows through `events.append` and changes in no other way, whoever is connected. */
const guards = `
create function events.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'expected the log to be left as it is, got % on events.log', tg_op using errcode = '42501';
end $$;

create function events.refuse_insert() returns trigger language plpgsql as $$
declare
  stack text;
begin
  get diagnostics stack = pg_context;
  if stack not like '%append(jsonb)%' then
    raise exception 'expected events.append() as the writer of events.log, got a direct insert' using errcode = '42501';
  end if;
  return null;
end $$;

create trigger log_is_final before update or delete or truncate on events.log
  for each statement execute function events.refuse_change();
create trigger log_is_appended before insert on events.log
  for each statement execute function events.refuse_insert();
alter table events.log enable always trigger log_is_final;
alter table events.log enable always trigger log_is_appended;
revoke all on events.log from public;
`;

/**
 * `events.append(appends)`: one JSON array element per event, of append `n` (from 0) and index `i` in it. Streams and
 * ids must be unique among the appends of one call; one row per append comes back.
 *
 * The row lock is held to commit, so numbers are given in commit order, and every statement after it sees all that was
 * committed before. Planner switches keep the look-ups on the indexes while statistics are young.
 */
const append = `
create function events.append(appends jsonb)
returns table (n integer, outcome text, version integer, "position" bigint, recorded_us bigint, ids uuid[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  last_position bigint;
  base timestamptz;
  base_us bigint;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'expected an append in a read committed transaction, got %',
      current_setting('transaction_isolation') using errcode = '25000';
  end if;
  if current_setting('synchronous_commit') = 'off' then
    perform set_config('synchronous_commit', 'on', true);
  end if;

  perform 1 from events.store s where s.one for update;
  select l.position, l.recorded_at into last_position, base
    from events.log l order by l.position desc limit 1;
  last_position := coalesce(last_position, 0);
  base := greatest(base, clock_timestamp());
  base_us := (extract(epoch from base) * 1000000)::bigint;

  return query
  with incoming as (
    select e.*,
      k.position as known,
      k.stream = e.stream and k.type = e.type and k.type_version = e.type_version and k.body = e.body as same,
      coalesce((select l.version from events.log l where l.stream = e.stream order by l.version desc limit 1), 0)
        as actual
    from jsonb_to_recordset(appends) as e(
      n integer, i integer, stream text, expected integer, id uuid, type text, type_version integer,
      occurred_at timestamptz, actor_type text, actor_id text, correlation_id text, causation_id text,
      traceparent text, body text)
    left join lateral (select l.* from events.log l where l.id = e.id limit 1) k on true
  ), judged as (
    select c.*,
      case
        when count(c.known) over append = 0 then
          case when c.actual = c.expected then 'stored' else 'conflict' end
        when count(*) filter (where c.same) over append = count(*) over append then 'repeated'
        else 'reused'
      end as outcome
    from incoming c window append as (partition by c.n)
  ), numbered as materialized (
    select j.*, row_number() over (partition by j.outcome order by j.n, j.i) as k from judged j
  ), inserted as (
    insert into events.log
    select last_position + s.k, s.stream, s.expected + s.i + 1, s.id, s.type, s.type_version, s.occurred_at,
      base + s.k * interval '1 microsecond', s.actor_type, s.actor_id, s.correlation_id, s.causation_id,
      s.traceparent, s.body
    from numbered s where s.outcome = 'stored' order by s.k
  )
  select r.n, min(r.outcome), min(r.actual), min(last_position + r.k), min(base_us + r.k),
    coalesce(array_agg(r.id) filter (where not r.same), array_agg(r.id) filter (where r.known is not null))
  from numbered r group by r.n order by r.n;
end $$;
revoke all on function events.append(jsonb) from public;
`;

/**
 * The last position recorded before an instant, 0 where there is none: some thirty index look-ups, whatever the size of
 * the log, because `recorded_at` rises with the position.
 */
const positionBefore = `
create function events.position_before(instant timestamptz) returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  low bigint := 0;
  high bigint;
  middle bigint;
  found_at bigint;
  found_recorded timestamptz;
begin
  select coalesce(max(l.position), 0) into high from events.log l;
  while low < high loop
    middle := low + (high - low + 1) / 2;
    select l.position, l.recorded_at into found_at, found_recorded
      from events.log l where l.position between low + 1 and middle order by l.position desc limit 1;
    if found_at is null or found_recorded < instant then
      low := middle;
    else
      high := found_at - 1;
    end if;
  end loop;
  select coalesce(max(l.position), 0) into found_at from events.log l where l.position <= low;
  return found_at;
end $$;
`;

/**
 * `events.try_append(appends)`: the way of almost every batch, at two thirds of the work of `events.append`, whose input it
 * takes. Stores all events, in the order of the array, or nothing: the one row that comes back holds the position and the
 * instant before the first of them; no row says that `events.append` has to judge each append by itself.
 *
 * A stream that is ahead, and an id that is known, break a unique key; a stream that is behind leaves a row out. The
 * look-up is no `exists`, which the planner may turn into a read of the whole log.
 */
const tryAppend = `
create function events.try_append(appends jsonb)
returns table ("position" bigint, recorded_us bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  last_position bigint;
  base timestamptz;
  stored integer;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'expected an append in a read committed transaction, got %',
      current_setting('transaction_isolation') using errcode = '25000';
  end if;
  if current_setting('synchronous_commit') = 'off' then
    perform set_config('synchronous_commit', 'on', true);
  end if;

  perform 1 from events.store s where s.one for update;
  select l.position, l.recorded_at into last_position, base
    from events.log l order by l.position desc limit 1;
  last_position := coalesce(last_position, 0);
  base := greatest(base, clock_timestamp());

  begin
    insert into events.log
    select last_position + e.k, e.stream, e.expected + e.i + 1, e.id, e.type, e.type_version, e.occurred_at,
      base + e.k * interval '1 microsecond', e.actor_type, e.actor_id, e.correlation_id, e.causation_id,
      e.traceparent, e.body
    from rows from (jsonb_to_recordset(appends) as (
      n integer, i integer, stream text, expected integer, id uuid, type text, type_version integer,
      occurred_at timestamptz, actor_type text, actor_id text, correlation_id text, causation_id text,
      traceparent text, body text)) with ordinality
      as e(n, i, stream, expected, id, type, type_version, occurred_at, actor_type, actor_id, correlation_id,
        causation_id, traceparent, body, k)
    where e.i > 0 or e.expected = 0
      or (select l.version from events.log l where l.stream = e.stream and l.version = e.expected) is not null
    order by e.k;
    get diagnostics stored = row_count;
    if stored <> jsonb_array_length(appends) then
      raise unique_violation;
    end if;
  exception when unique_violation then
    return;
  end;
  return query select last_position, (extract(epoch from base) * 1000000)::bigint;
end $$;
revoke all on function events.try_append(jsonb) from public;
`;

/** Schema `events`. A migration that was released is never changed: add another. */
export const migrations: readonly Migration[] = [
  { id: '001-log', sql: tables + guards },
  { id: '002-append', sql: append },
  { id: '003-position-before', sql: positionBefore },
  { id: '004-try-append', sql: tryAppend },
];
