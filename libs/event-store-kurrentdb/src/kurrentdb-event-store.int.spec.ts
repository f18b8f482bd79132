import { formatPosition, positionStart } from '@signalbox/contracts';
import { eventStoreConformance, newEvent } from '@signalbox/event-store/testing';
import { EventIdReused, VersionConflict, noStream } from '@signalbox/event-store';
import { afterEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { openKurrentDbEventStore, type KurrentDbEventStore } from './index.ts';
import { startStandIn, type StandInServer } from './testing/index.ts';

/** A suite over one server: `log` names the log, so that a real server's other logs stay as they are. */
const conformance = (name: string, start: () => Promise<{ url: string; log: string; stop: () => void }>) =>
  eventStoreConformance(name, async () => {
    const { url, log, stop } = await start();
    const stores: KurrentDbEventStore[] = [];
    const another = async () => {
      const store = await openKurrentDbEventStore({ url, log, connectionName: 'conformance' });
      stores.push(store);
      return store;
    };
    return {
      store: await another(),
      another,
      close: async () => {
        await Promise.all(stores.map((store) => store.close()));
        stop();
      },
    };
  });

conformance('KurrentDB adapter against the stand-in', async () => {
  const server = await startStandIn();
  return { url: server.url, log: 'signalbox', stop: () => server.kill() };
});

const realUrl = process.env['SIGNALBOX_TEST_KURRENTDB_URL'];
if (realUrl === undefined || realUrl === '') {
  it.skip('SKIPPED: needs SIGNALBOX_TEST_KURRENTDB_URL: passes the event store suite against a KurrentDB', () =>
    undefined);
} else {
  conformance('KurrentDB', async () => ({
    url: realUrl,
    log: `conformance-${randomUUID()}`,
    stop: () => undefined,
  }));
}

describe('event store in KurrentDB', () => {
  const stores: KurrentDbEventStore[] = [];
  const servers: StandInServer[] = [];
  const start = async (options: Parameters<typeof startStandIn>[0] = {}) => {
    const server = await startStandIn(options);
    servers.push(server);
    return server;
  };
  const open = async (url: string, log = 'signalbox') => {
    const store = await openKurrentDbEventStore({ url, connectionName: 'spec', log });
    stores.push(store);
    return store;
  };
  const refusal = (promise: Promise<unknown>) =>
    promise.then(
      () => undefined,
      (error: unknown) => error,
    );
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
    for (const server of servers.splice(0)) server.kill();
  });

  it('reads neither another log nor the system’s streams of the same server', async () => {
    const { url, log } = await start();
    log.append('$stats-127.0.0.1', 'any', [
      {
        id: 'x',
        type: '$statsCollected',
        contentType: '',
        data: new Uint8Array(),
        metadata: new Uint8Array(),
      },
    ]);
    const [one, two] = [await open(url), await open(url, 'two')];
    const { position, events } = await one.append('job-1', noStream, [newEvent()]);
    expect(await two.readAll(positionStart, 10)).toEqual([]);
    expect(await one.readAll(positionStart, 10)).toEqual(events);
    expect(await one.head()).toBe(position);
    expect(two.storeId).not.toBe(one.storeId);
    await expect(open(url, 'signalbox.two')).rejects.toThrow('expected the name of a log');
  });

  it('shows the server a body as JSON with the exact bytes, and the correlation as its projections read it', async () => {
    const { url, log } = await start();
    const body = '{ "n":10000000000000000001 , "t":"\\u00fc" }';
    const store = await open(url);
    await store.append('job-1', noStream, [newEvent({ body, correlationId: 'c-1', causationId: 'c-0' })]);
    const [kept] = log.stream('signalbox.job-1');
    expect(kept?.contentType).toBe('application/json');
    expect(new TextDecoder().decode(kept?.data)).toBe(body);
    expect(JSON.parse(new TextDecoder().decode(kept?.metadata))).toMatchObject({
      $correlationId: 'c-1',
      $causationId: 'c-0',
    });
  });

  it('stores an append once and answers it when the server’s answer was lost', async () => {
    const faults = { loseAnswers: 0 };
    const { url, log } = await start({ faults });
    const store = await open(url);
    const event = newEvent();
    for (const [version, lost] of [1, 2].entries()) {
      faults.loseAnswers = lost;
      const next = { ...event, id: randomUUID() };
      const result = await store.append('job-1', version, [next]);
      expect(result).toMatchObject({ version: version + 1, repeated: false });
      expect(faults.loseAnswers).toBe(0);
    }
    expect(log.stream('signalbox.job-1')).toHaveLength(2);
  });

  it('goes on when the server was killed and is back with its data', async () => {
    const { url, port, log, kill } = await start();
    const store = await open(url);
    const { events } = await store.append('job-1', noStream, [newEvent()]);
    kill();
    const waiting = store.read('job-1');
    await start({ log, port });
    expect(await waiting).toEqual(events);
    await store.append('job-1', 1, [newEvent()]);
    expect(await store.read('job-1')).toHaveLength(2);
  });

  it('says that the server is away when it stays away', async () => {
    const { url, kill } = await start();
    const store = await open(url);
    kill();
    const error = await refusal(store.append('job-1', noStream, [newEvent()]));
    expect(error).toMatchObject({ type: 'unavailable' });
  });

  it('leaves an id with the stream that asked for it first, also when that append was refused', async () => {
    const { url } = await start();
    const store = await open(url);
    await store.append('job-1', noStream, [newEvent()]);
    const event = newEvent();
    expect(await refusal(store.append('job-1', noStream, [event]))).toBeInstanceOf(VersionConflict);
    expect(await refusal(store.append('job-2', noStream, [event]))).toBeInstanceOf(EventIdReused);
    const decidedAgain = { ...event, body: '{"to":"FAILED"}' };
    expect(await store.append('job-1', 1, [decidedAgain])).toMatchObject({ version: 2, repeated: false });
  });

  it('knows its own append from another that the server takes for the same', async () => {
    const [first, second] = [await start(), await start()];
    const event = newEvent();
    await (await open(first.url)).append('job-1', noStream, [event]);
    // As if another process had appended between the claim and the append.
    second.log.append('signalbox.job-1', -1, first.log.stream('signalbox.job-1'));
    const store = await open(second.url);
    expect(await store.append('job-1', noStream, [event])).toMatchObject({ version: 1, repeated: true });
    const other = { ...event, body: '{"to":"FAILED"}' };
    expect(await refusal(store.append('job-1', noStream, [other]))).toBeInstanceOf(EventIdReused);
  });

  it('keeps one event for the published position, whatever moves it', async () => {
    const { url, log } = await start();
    const store = await open(url);
    for (const step of [3, 7, 5]) await store.setPublished(formatPosition(step));
    expect(log.stream('signalbox_published')).toHaveLength(1);
    expect(await store.published()).toBe(formatPosition(7));
    expect(await store.readAll(positionStart, 10)).toEqual([]);
  });

  it('reads streams and all streams over several pages', async () => {
    const { url } = await start();
    const store = await open(url);
    const events = Array.from({ length: 1100 }, () => newEvent({ body: '{}' }));
    for (let version = 0; version < events.length; version += 100) {
      await store.append('job-1', version, events.slice(version, version + 100));
    }
    const ids = events.map(({ id }) => id);
    expect((await store.read('job-1')).map(({ id }) => id)).toEqual(ids);
    expect((await store.readAll(positionStart, 5_000)).map(({ id }) => id)).toEqual(ids);
    expect(await store.readAll(positionStart, 1_050)).toHaveLength(1_050);
    const again = await store.append('job-1', 0, events.slice(0, 1));
    expect(again).toMatchObject({ version: 1, repeated: true });
  });
});
