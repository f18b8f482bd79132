import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DomainError, type CallContext } from '@signalbox/contracts';
import { startTestNats, type TestNats } from '@signalbox/testkit';
import {
  CallClient,
  CallServer,
  answer,
  commonSettings,
  defineSettings,
  newContext,
  startService,
  systemClock,
  type Answer,
  type Service,
} from './index.ts';

const jobId = '0b1f7a52-6d5e-4c0a-9d3f-2f6f1f3a9c11';
const position = '0000000000000007';
const context: CallContext = newContext({ type: 'principal', id: 'tester' });

let nats: TestNats;
beforeAll(async () => {
  nats = await startTestNats();
});
afterAll(() => nats.close());

const start = async (
  answers: readonly Answer[],
  held = false,
): Promise<{ service: Service; calls: CallServer }> => {
  let calls: CallServer | undefined;
  const service = await startService({
    name: 'dispatcher',
    settings: defineSettings({ ...commonSettings }),
    env: { DATABASE_URL: 'postgres://u@h/d', NATS_URL: nats.url, SIGNALBOX_LOG_LEVEL: 'silent' },
    module: () => ({ module: class TestModule {} }),
    transports: (_app, kit, settings) => {
      calls = new CallServer({
        nats: { url: settings.natsUrl },
        service: kit.name,
        answers,
        kit,
        held,
      });
      return [calls];
    },
  });
  if (calls === undefined) throw new Error('expected transports to be built');
  return { service, calls };
};

const withClient = async <T>(work: (client: CallClient) => Promise<T>): Promise<T> => {
  const client = new CallClient({ nats: { url: nats.url }, service: 'test', clock: systemClock });
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.close();
  }
};

const cancel = (client: CallClient, options = {}): Promise<unknown> =>
  client.call('cancelJob', { jobId, reason: null }, context, options);

const canceled = answer('cancelJob', (request) => ({
  jobId: request.jobId,
  position,
  outcome: 'canceled' as const,
  status: 'CANCELED' as const,
}));

describe('calls between services', () => {
  it('carry request, context and answer', async () => {
    const seen: unknown[] = [];
    const { service } = await start([
      answer('cancelJob', (request, from) => {
        seen.push(request, from);
        return { jobId: request.jobId, position, outcome: 'already-ended', status: 'FAILED' };
      }),
    ]);
    await withClient(async (client) => {
      expect(await cancel(client)).toEqual({ jobId, position, outcome: 'already-ended', status: 'FAILED' });
    });
    expect(seen).toEqual([{ jobId, reason: null }, context]);
    await service.stop();
  });

  it('bring a refusal back as the error that it was', async () => {
    const { service } = await start([
      answer('cancelJob', () => {
        throw new DomainError('conflict', 'expected x, got y', { expected: { nextSequence: 3 } });
      }),
      answer('getAgent', () => {
        throw new Error('password=hunter2');
      }),
    ]);
    await withClient(async (client) => {
      await expect(cancel(client)).rejects.toMatchObject({
        code: 'conflict',
        message: 'expected x, got y',
        expected: { nextSequence: 3 },
      });
      const hidden = client.call('getAgent', { agentId: 'a' }, context);
      await expect(hidden).rejects.toMatchObject({ code: 'internal' });
      await expect(hidden).rejects.not.toMatchObject({ message: expect.stringContaining('hunter2') });
    });
    await service.stop();
  });

  it('whose request or answer is too large for a message are refused at once', async () => {
    const { service } = await start([
      answer('listAudit', () => ({ items: [], nextCursor: 'x'.repeat(1_100_000) })),
      canceled,
    ]);
    await withClient(async (client) => {
      await expect(client.call('listAudit', { limit: 1 }, context)).rejects.toMatchObject({
        code: 'invalid-request',
        errors: [{ field: 'query.limit' }],
      });
      const reason = 'x'.repeat(1_100_000);
      await expect(client.call('cancelJob', { jobId, reason }, context)).rejects.toMatchObject({
        code: 'body-too-large',
      });
    });
    await service.stop();
  });

  it('that nobody answers are unavailable', async () => {
    await withClient(async (client) => {
      await expect(cancel(client, { findMs: 200 })).rejects.toMatchObject({ code: 'unavailable' });
    });
  });

  it('that are answered too late have an unknown outcome', async () => {
    let finish: (() => void) | undefined;
    const { service } = await start([
      answer('cancelJob', async () => {
        await new Promise<void>((resolve) => (finish = resolve));
        return { jobId, position, outcome: 'canceled' as const, status: 'CANCELED' as const };
      }),
    ]);
    await withClient(async (client) => {
      await expect(cancel(client, { timeoutMs: 100 })).rejects.toThrow('the outcome is unknown');
    });
    finish?.();
    await service.stop();
  });

  it('wait for whoever leads: a held server takes none, a released one all', async () => {
    const { service, calls } = await start([canceled], true);
    await withClient(async (client) => {
      await expect(cancel(client, { findMs: 0 })).rejects.toMatchObject({ code: 'unavailable' });
      const waiting = cancel(client);
      calls.release();
      await expect(waiting).resolves.toMatchObject({ outcome: 'canceled' });
      await calls.hold();
      await expect(cancel(client, { findMs: 0 })).rejects.toMatchObject({ code: 'unavailable' });
    });
    await service.stop();
  });

  it('go on after NATS was away', async () => {
    const { service } = await start([canceled]);
    await withClient(async (client) => {
      await nats.stop();
      const waiting = cancel(client);
      await nats.start();
      await expect(waiting).resolves.toMatchObject({ outcome: 'canceled' });
    });
    await service.stop();
  });
});

describe('a service', () => {
  it('answers health, metrics and problems on its own port, and stops', async () => {
    const { service } = await start([]);
    expect((await fetch(`${service.url}/health/live`)).status).toBe(200);
    expect((await fetch(`${service.url}/health/ready`)).status).toBe(200);
    expect(await (await fetch(`${service.url}/metrics`)).text()).toContain('service="dispatcher"');
    const wrong = await fetch(`${service.url}/health/live`, { method: 'DELETE' });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toContain('GET');
    expect(wrong.headers.get('content-type')).toContain('application/problem+json');
    await service.stop();
    await expect(fetch(`${service.url}/health/live`)).rejects.toThrow();
  });
});
