import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type OutputChunk, type RecordedEvent, positionStart } from '@signalbox/contracts';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { migrate, openPool } from '@signalbox/postgres';
import { noTracing } from '@signalbox/service-kit';
import { Story, type TestDatabase, createDatabase } from '@signalbox/testkit';
import type { Pool } from 'pg';
import { claim, renew } from './attempts.ts';
import { type AgentIdentity, Credentials, hashSecret, newSecret } from './credentials.ts';
import { JobDocuments } from './job-documents.ts';
import { OpenAssignments } from './open-assignments.ts';
import { Output } from './output.ts';
import { poll } from './polls.ts';
import { type ReportDeps, takeOutput, takeStatus } from './report.ts';
import { sweepLeases } from './sweep.ts';
import { keepEvidence } from './tables/evidence.ts';
import { Leases } from './tables/leases.ts';
import { migrations } from './tables/migrations.ts';
import { OutputTable } from './tables/output.ts';

let database: TestDatabase;
let pool: Pool;
let store: PausingStore;

/** Lets a test do something between a read and its answer. */
class PausingStore extends InMemoryEventStore {
  afterRead: (() => Promise<void>) | undefined;

  override async read(stream: string, from?: number, limit?: number): Promise<readonly RecordedEvent[]> {
    const events = await super.read(stream, from, limit);
    await this.afterRead?.();
    return events;
  }
}

beforeAll(async () => {
  database = await createDatabase();
  pool = openPool({ url: database.url, applicationName: 'test' });
  await migrate(pool, 'gateway', migrations);
});

beforeEach(async () => {
  await pool.query('truncate gateway.leases, gateway.output, gateway.evidence, gateway.heartbeat');
  store = new PausingStore();
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

const agent = (agentId: string): AgentIdentity => ({ agentId, kind: 'device', deviceId: agentId });
const pi = agent('pi');
const never = new AbortController().signal;
const ask = { waitMs: 0, claim: true, accept: true, holding: [] };
const now = () => new Date().toISOString();

/** One replica of the gateway: its own memory over the shared store and tables. */
const replica = (db: Pool = pool, leaseMs = 60_000): ReportDeps => ({
  store,
  open: new OpenAssignments(),
  documents: new JobDocuments(store),
  leases: new Leases(db),
  output: new Output(new OutputTable(db), () => undefined),
  isRevoked: () => false,
  leaseMs: () => leaseMs,
  tracing: noTracing,
  agentTracing: noTracing,
  now,
  onError: (message, error) => {
    throw new Error(message, { cause: error });
  },
  keepEvidence: (who, ref, kind, detail) => keepEvidence(db, who, ref, kind, detail),
});

/** Lets a replica see all that the log has, as its follower would. */
const follow = async (deps: ReportDeps, story: Story): Promise<void> => {
  for (const event of await story.all()) deps.open.apply(event);
};

const scheduled = async (maxAttempts = 1): Promise<Story> => {
  const story = new Story(store, 'pi', Date.now() - 60_000);
  await story.create();
  await story.assign(1, maxAttempts);
  return story;
};
const refOf = (story: Story, attempt = 1) => ({ jobId: story.jobId, targetId: 'pi', attempt });
const chunk = (sequence: number, text: string): OutputChunk => ({
  sequence,
  stream: 'stdout',
  at: now(),
  text,
});
const end = { exitCode: 0, signal: null, executedSteps: 1, failedStep: null, output: [] };
const kinds = async () => (await pool.query<{ kind: string }>('select kind from gateway.evidence')).rows;

describe('a poll', () => {
  it('that finds nothing asks no database', async () => {
    const unused = openPool({ url: database.url, applicationName: 'unused' });
    const deps = replica(unused);
    for (let count = 0; count < 1000; count += 1) await poll(deps, pi, ask, never);
    expect(unused.totalCount).toBe(0);
    await unused.end();
  });

  it('claims what is offered, and answers it again when the answer was lost', async () => {
    const story = await scheduled();
    const [first, second] = [replica(), replica()];
    await follow(first, story);
    const answer = await poll(first, pi, ask, never);
    expect(answer.offer).toMatchObject({ ...refOf(story), claimed: true, resumed: false });
    await follow(second, story);
    expect((await poll(second, pi, ask, never)).offer).toMatchObject({
      ...refOf(story),
      claimed: true,
      resumed: true,
    });
    const holding = { ...ask, holding: [refOf(story)] };
    expect((await poll(second, pi, holding, never)).offer).toBeNull();
    expect((await story.all()).filter((event) => event.type === 'JobStatusChanged')).toHaveLength(1);
  });

  it('tells an agent that is back how much of its output is stored, whichever replica took it', async () => {
    const story = await scheduled();
    const [first, second] = [replica(), replica()];
    await follow(first, story);
    expect((await poll(first, pi, ask, never)).offer).not.toHaveProperty('output');
    await follow(second, story);
    const none = { nextSequence: 1, bytes: 0, hash: '0'.repeat(64) };
    expect(await claim(second, pi, refOf(story))).toMatchObject({ resumed: true, output: none });
    const stood = await takeOutput(first, pi, refOf(story), [chunk(1, 'ab'), chunk(2, 'c')]);
    expect(await claim(second, pi, refOf(story))).toMatchObject({ resumed: true, output: stood });
  });

  it('at a replica that is behind does not offer again what has ended', async () => {
    const story = await scheduled();
    const [first, unclaimed, running] = [replica(), replica(), replica()];
    await Promise.all([follow(first, story), follow(unclaimed, story)]);
    await poll(first, pi, ask, never);
    await follow(running, story);
    await takeStatus(first, pi, refOf(story), { ...end, status: 'SUCCEEDED' });
    expect((await poll(unclaimed, pi, ask, never)).offer).toBeNull();
    expect((await poll(running, pi, ask, never)).offer).toBeNull();
    await expect(claim(replica(), pi, refOf(story))).rejects.toMatchObject({ code: 'attempt-ended' });
    expect((await pool.query('select * from gateway.leases')).rows).toEqual([]);
  });

  it('does not lose the next attempt that is assigned while it looks at the store', async () => {
    const story = await scheduled(2);
    const deps = replica();
    await follow(deps, story);
    await poll(deps, pi, ask, never);
    await story.report('FAILED');
    await follow(deps, story);
    store.afterRead = async () => {
      store.afterRead = undefined;
      for (const event of await story.assign(2, 2)) deps.open.apply(event);
    };
    await poll(deps, pi, { ...ask, accept: false, holding: [refOf(story)] }, never);
    expect((await poll(deps, pi, ask, never)).offer).toMatchObject({ attempt: 2 });
  });

  it('of an agent that is revoked meanwhile claims nothing', async () => {
    const story = await scheduled();
    const deps = { ...replica(), isRevoked: () => true };
    await follow(deps, story);
    await expect(poll(deps, pi, ask, never)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('waits for an assignment and is woken by it', async () => {
    const story = new Story(store, 'pi', Date.now() - 60_000);
    const deps = replica();
    await story.create();
    const waiting = poll(deps, pi, { ...ask, waitMs: 30_000 }, never);
    for (const event of await story.assign()) deps.open.apply(event);
    expect((await waiting).offer).toMatchObject(refOf(story));
  });

  it('tells of a cancel, and of held attempts that the log has ended, also where memory is behind', async () => {
    const story = await scheduled();
    const [deps, behind] = [replica(), replica()];
    await follow(deps, story);
    await follow(behind, story);
    await poll(deps, pi, ask, never);
    const holding = { ...ask, accept: false, holding: [refOf(story)] };
    expect(await poll(behind, pi, holding, never)).toMatchObject({ cancel: [], drop: [] });
    await story.requestCancel();
    await follow(deps, story);
    expect((await poll(deps, pi, holding, never)).cancel).toEqual([refOf(story)]);
    await story.report('CANCELED');
    await follow(deps, story);
    expect((await poll(deps, pi, holding, never)).drop).toEqual([refOf(story)]);
  });

  it('claims nothing of a job whose cancel was requested before it was assigned', async () => {
    const story = new Story(store, 'pi', Date.now() - 60_000);
    await story.create();
    await story.requestCancel();
    await story.assign();
    const deps = replica();
    await follow(deps, story);
    expect((await poll(deps, pi, ask, never)).offer).toBeNull();
    expect((await story.all()).at(-1)?.type).toBe('JobAssigned');
  });
});

describe('a credential', () => {
  it('that is revoked while it is looked up does not count, nor later', async () => {
    const credential = newSecret('sba');
    await pool.query(
      `insert into gateway.agents (agent_id, kind, name, agent_version, os, architecture, properties, credential_hash,
         token_id, enrolled_at) values ('pi', 'device', 'pi', '1', 'linux', 'x64', '{}', $1, 't', now())`,
      [hashSecret(credential)],
    );
    const credentials = new Credentials(pool, () => performance.now());
    const authorization = `Bearer ${credential}`;
    const looking = credentials.authenticate(authorization);
    credentials.revoke('pi');
    await expect(looking).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(credentials.authenticate(authorization)).rejects.toMatchObject({ code: 'unauthenticated' });
    const other = new Credentials(pool, () => performance.now());
    expect(await other.authenticate(authorization)).toMatchObject({ agentId: 'pi' });
  });
});

describe('a claim', () => {
  it('by two replicas for two agents is given once', async () => {
    const story = await scheduled();
    const [first, second] = [replica(), replica()];
    await Promise.all([follow(first, story), follow(second, story)]);
    const claims = await Promise.allSettled([
      claim(first, pi, refOf(story)),
      claim(second, agent('thief'), refOf(story)),
    ]);
    expect(claims.map((each) => each.status)).toEqual(['fulfilled', 'rejected']);
    const { rows } = await pool.query('select agent_id from gateway.leases');
    expect(rows).toEqual([{ agent_id: 'pi' }]);
  });

  it('that the log refuses leaves no lease', async () => {
    const story = await scheduled();
    const deps = replica();
    await follow(deps, story);
    await story.command({ type: 'Cancel', jobId: story.jobId, targetId: 'pi', targets: 1 });
    await expect(claim(deps, pi, refOf(story))).rejects.toMatchObject({ code: 'attempt-ended' });
    expect((await pool.query('select * from gateway.leases')).rows).toEqual([]);
  });
});

describe('a lease', () => {
  const expireNow = async (deps: ReportDeps): Promise<void> => {
    await deps.leases.beat(1000, 0);
    await pool.query(`update gateway.leases set expires_at = now() - interval '1 second'`);
    await sweepLeases({
      ...deps,
      gapMs: 60_000,
      onError: (message, error) => {
        throw new Error(message, { cause: error });
      },
    });
  };

  it('that expired is in the log once, and a device that is back goes on', async () => {
    const story = await scheduled();
    const deps = replica();
    await follow(deps, story);
    await poll(deps, pi, ask, never);
    await expireNow(deps);
    await sweepLeases({ ...deps, gapMs: 60_000, onError: () => undefined });
    await follow(deps, story);
    expect(await renew(deps, pi, refOf(story))).toEqual({ leaseMs: 60_000, cancel: false });
    await renew(deps, pi, refOf(story));
    expect((await story.all()).map((event) => event.type).slice(-2)).toEqual([
      'LeaseExpired',
      'LeaseResumed',
    ]);
    expect((await pool.query('select state from gateway.leases')).rows).toEqual([{ state: 'open' }]);
  });

  it('does not expire after a gap of the gateways’ own heartbeat', async () => {
    const story = await scheduled();
    const deps = replica();
    await follow(deps, story);
    await poll(deps, pi, ask, never);
    await deps.leases.beat(1000, 0);
    await pool.query(`update gateway.heartbeat set at = now() - interval '1 hour'`);
    await pool.query(`update gateway.leases set expires_at = now() - interval '1 second'`);
    await deps.leases.beat(1000, 60_000);
    expect(await deps.leases.expire(60_000)).toEqual([]);
    await pool.query(`update gateway.heartbeat set calm_after = now()`);
    expect(await deps.leases.expire(60_000)).toHaveLength(1);
  });

  it('of an attempt that is not running goes without an event', async () => {
    const story = await scheduled();
    const deps = replica();
    await deps.leases.take({ assignmentId: `${story.jobId}-pi`, attempt: 1, agentId: 'pi' }, 1);
    await expireNow(deps);
    expect((await story.all()).at(-1)?.type).toBe('JobAssigned');
    expect((await pool.query('select * from gateway.leases')).rows).toEqual([]);
  });

  it('of an attempt that has ended is refused', async () => {
    const story = await scheduled(2);
    const deps = replica();
    await follow(deps, story);
    await poll(deps, pi, ask, never);
    await story.report('FAILED');
    await follow(deps, story);
    await expect(renew(deps, pi, refOf(story))).rejects.toMatchObject({ code: 'attempt-ended' });
  });
});

describe('output and end', () => {
  const running = async (deps: ReportDeps): Promise<Story> => {
    const story = await scheduled(2);
    await follow(deps, story);
    await poll(deps, pi, ask, never);
    return story;
  };

  it('go on at another replica, and a repeated chunk is stored once', async () => {
    const [first, second] = [replica(), replica()];
    const story = await running(first);
    await follow(second, story);
    await takeOutput(first, pi, refOf(story), [chunk(1, 'a')]);
    await takeOutput(second, pi, refOf(story), [chunk(1, 'a'), chunk(2, 'b')]);
    const stood = await takeOutput(first, pi, refOf(story), [chunk(2, 'b'), chunk(3, 'c')]);
    expect(stood).toMatchObject({ nextSequence: 4, bytes: 3 });
    const read = await first.output.read({ jobId: story.jobId, targetId: 'pi', fromSequence: 1, limit: 10 });
    expect(read.chunks.map((each) => each.text).join('')).toBe('abc');
    const wrong = { ...end, status: 'SUCCEEDED', outputBytes: 3, outputHash: 'f'.repeat(64) } as const;
    await expect(takeStatus(second, pi, refOf(story), wrong)).rejects.toMatchObject({
      code: 'output-mismatch',
      expected: { nextSequence: 4 },
    });
    const right = { ...end, status: 'SUCCEEDED', outputBytes: 3, outputHash: stood.hash } as const;
    expect(await takeStatus(second, pi, refOf(story), right)).toMatchObject({ repeated: false });
    expect(await takeStatus(first, pi, refOf(story), right)).toMatchObject({ repeated: true });
    const last = (await story.all()).at(-1);
    expect(last).toMatchObject({
      data: { to: 'SUCCEEDED', result: { outputBytes: 3, outputHash: stood.hash } },
    });
  });

  it('that went to two replicas in turns have no gap', async () => {
    const [first, second] = [replica(), replica()];
    const story = await running(first);
    await follow(second, story);
    await takeOutput(first, pi, refOf(story), [chunk(1, 'a')]);
    await takeOutput(second, pi, refOf(story), [chunk(2, 'b')]);
    expect(await takeOutput(first, pi, refOf(story), [chunk(3, 'c')])).toMatchObject({ nextSequence: 4 });
    await takeOutput(second, pi, refOf(story), [chunk(4, 'd')]);
    await takeStatus(first, pi, refOf(story), { ...end, status: 'SUCCEEDED' });
    expect((await story.all()).at(-1)).toMatchObject({ data: { result: { outputBytes: 4 } } });
  });

  it('are read in pages that fit into one message', async () => {
    const deps = replica();
    const story = await running(deps);
    const large = Array.from({ length: 5 }, (_, index) => chunk(index + 1, '\u0001'.repeat(60_000)));
    await takeOutput(deps, pi, refOf(story), large);
    let [from, pages] = [1, 0];
    while (from <= 5) {
      const page = await deps.output.read({
        jobId: story.jobId,
        targetId: 'pi',
        fromSequence: from,
        limit: 100,
      });
      expect(JSON.stringify(page).length).toBeLessThan(1_000_000);
      expect(page.chunks[0]?.sequence).toBe(from);
      from = page.nextSequence;
      pages += 1;
    }
    expect(pages).toBe(3);
  });

  it('that end an attempt are recognised again after the next attempt was claimed', async () => {
    const deps = replica();
    const story = await running(deps);
    await takeStatus(deps, pi, refOf(story), { ...end, status: 'FAILED' });
    await story.assign(2, 2);
    await follow(deps, story);
    expect((await poll(deps, pi, ask, never)).offer).toMatchObject({ attempt: 2 });
    const before = (await store.readAll(positionStart, 100)).length;
    const again = await takeStatus(deps, pi, refOf(story, 1), { ...end, status: 'FAILED' });
    expect(again).toMatchObject({ repeated: true });
    expect(await store.readAll(positionStart, 100)).toHaveLength(before);
    expect(await kinds()).toEqual([]);
  });

  it('of an old attempt change nothing and are kept as evidence', async () => {
    const deps = replica();
    const story = await running(deps);
    await takeStatus(deps, pi, refOf(story), { ...end, status: 'FAILED' });
    await story.assign(2, 2);
    await follow(deps, story);
    await poll(deps, pi, ask, never);
    const before = (await store.readAll(positionStart, 100)).length;
    await expect(takeOutput(deps, pi, refOf(story, 1), [chunk(1, 'late')])).rejects.toMatchObject({
      code: 'attempt-ended',
    });
    await expect(
      takeStatus(deps, pi, refOf(story, 1), { ...end, status: 'SUCCEEDED' }),
    ).rejects.toMatchObject({
      code: 'attempt-ended',
    });
    await expect(
      takeStatus(deps, agent('thief'), refOf(story, 2), { ...end, status: 'FAILED' }),
    ).rejects.toMatchObject({ code: 'attempt-ended' });
    const madeUp = { ...refOf(story), jobId: '00000000-0000-4000-8000-000000000000' };
    await expect(takeOutput(deps, pi, madeUp, [chunk(1, 'x')])).rejects.toMatchObject({
      code: 'attempt-ended',
    });
    expect(await store.readAll(positionStart, 100)).toHaveLength(before);
    expect(await kinds()).toEqual([{ kind: 'output' }, { kind: 'status' }, { kind: 'status' }]);
    expect((await pool.query('select * from gateway.output')).rows).toEqual([]);
  });
});
