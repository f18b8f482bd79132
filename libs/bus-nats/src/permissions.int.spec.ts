import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { NatsConnection } from '@nats-io/transport-node';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { eventually, startTestNats, type TestNats } from '@signalbox/testkit';
import { connectBus } from './connection.ts';
import { startReader } from './ordered-reader.ts';
import { startRelay } from './relay.ts';
import { Opened } from './testing/bus.ts';
import { allOf, appendEvents } from './testing/events.ts';
import { positionsOf, recorder, RowsState } from './testing/rows-state.ts';

/** The permissions that README names. */
const config = `authorization { users: [
  { user: relay, password: r, permissions: {
    publish: ["events.>", "$JS.API.STREAM.INFO.EVENTS", "$JS.API.STREAM.CREATE.EVENTS", "$JS.API.STREAM.UPDATE.EVENTS",
      "$JS.API.STREAM.MSG.GET.EVENTS"],
    subscribe: ["_INBOX_relay.>", "signalbox.relay.wake"] } },
  { user: reader, password: r, permissions: {
    publish: ["$JS.API.STREAM.INFO.EVENTS", "$JS.API.CONSUMER.CREATE.EVENTS.>", "$JS.API.CONSUMER.DELETE.EVENTS.>",
      "$JS.FC.EVENTS.>", "signalbox.relay.wake"],
    subscribe: ["_INBOX_reader.>"] } } ] }`;

let nats: TestNats;
let opened: Opened;
const refused: string[] = [];

const watch = async (connection: NatsConnection): Promise<void> => {
  for await (const status of connection.status())
    if (status.type === 'error') refused.push(status.error.message);
};

const connect = async (user: string): Promise<NatsConnection> => {
  const url = nats.url.replace('nats://', `nats://${user}:r@`);
  const connection = await connectBus({ url, name: user, inboxPrefix: `_INBOX_${user}` });
  opened.onClose(() => connection.close());
  void watch(connection);
  return connection;
};

beforeEach(async () => {
  nats = await startTestNats({ config });
  opened = new Opened();
});
afterEach(async () => {
  await opened.close();
  await nats.close();
});

it('relay and reader need no permission beyond those that are named', async () => {
  const store = new InMemoryEventStore();
  const state = new RowsState();
  const relayConnection = await connect('relay');
  opened.add(startRelay({ nc: relayConnection, store, options: { inboxPrefix: '_INBOX_relay', pollMs: 5 } }));
  const nc = await connect('reader');
  const reader = opened.add(
    await startReader({
      name: 'spec',
      nc,
      store,
      state,
      consumers: [recorder],
      inboxPrefix: '_INBOX_reader',
    }),
  );
  await appendEvents(store, 2_000, undefined, 'x'.repeat(20_000));
  await eventually(() => state.rows.length === 2_000);
  expect(positionsOf(state.rows)).toEqual(positionsOf(await allOf(store)));
  await reader.stop();
  await nc.flush();
  expect(refused).toEqual([]);
});
