import type { MigrationInterface, QueryRunner } from 'typeorm';

class CreateKeys implements MigrationInterface {
  readonly name = 'CreateKeys1767225600001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table api.principals (
        principal_id text primary key,
        name text not null
      );
      create table api.keys (
        key_id text primary key,
        principal_id text not null references api.principals,
        name text not null,
        roles text[] not null,
        hash text not null unique,
        requested_by text not null,
        requested_at timestamptz not null default now(),
        issued_at timestamptz,
        revoke_requested_by text,
        revoke_requested_at timestamptz,
        revoked_at timestamptz,
        check (revoked_at is null or revoke_requested_at is not null)
      );
      create index keys_unsettled on api.keys (key_id)
        where issued_at is null or (revoke_requested_at is not null and revoked_at is null)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table api.keys; drop table api.principals');
  }
}

class RotateKeys implements MigrationInterface {
  readonly name = 'RotateKeys1767225600002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table api.keys add counts_until timestamptz;
      create index keys_overlap on api.keys (counts_until) where counts_until is not null and revoked_at is null`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table api.keys drop counts_until');
  }
}

/** Migrations of schema `api`, in order. */
export const migrations = [CreateKeys, RotateKeys];

/** As TypeORM notes them in the table `migrations` of the schema. */
export const migrationNames: readonly string[] = migrations.map((Each) => new Each().name);
