import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { type NatsConnection, createInbox } from '@nats-io/transport-node';
import { type BusUser, calls, inboxPrefixOf, renderAuthorization } from '@signalbox/contracts';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { eventually, startTestNats, type TestNats } from '@signalbox/testkit';
import { connectBus } from './connection.ts';
import { startRelay } from './relay.ts';
import { Opened } from './testing/bus.ts';
import { appendEvents } from './testing/events.ts';

/*
 * nats-server checks where a request goes, not where its sender wants the answer. What a subscriber names as the place of
 * an answer must become neither an event nor a call.
 */

let nats: TestNats;
let opened: Opened;
let store: InMemoryEventStore;
let manager: JetStreamManager;
let heard: string[];
let subscriber: NatsConnection;

const connect = async (user: BusUser): Promise<NatsConnection> => {
  const connection = await connectBus({
    url: nats.url,
    name: user,
    user,
    pass: `secret-of-${user}`,
    inboxPrefix: inboxPrefixOf(user),
  });
  opened.onClose(() => connection.close());
  return connection;
};

const untilStored = (count: number): Promise<unknown> =>
  eventually(async () => (await manager.streams.info('EVENTS')).state.messages >= count);

beforeAll(async () => {
  nats = await startTestNats({ config: renderAuthorization((user) => `"secret-of-${user}"`) });
});
afterAll(() => nats.close());
beforeEach(async () => {
  opened = new Opened();
  store = new InMemoryEventStore();
  heard = [];
  opened.add(startRelay({ nc: await connect('relay'), store, options: { pollMs: 5 } }));
  await appendEvents(store, 5);
  manager = await jetstreamManager(await connect('operator'));
  await untilStored(5);
  const scheduler = await connect('scheduler');
  scheduler.subscribe(calls.createJob.subject, {
    queue: 'scheduler',
    callback: (_error, message) => void heard.push(message.string()),
  });
  await scheduler.flush();
  subscriber = await connect('subscriber');
});
afterEach(async () => {
  await manager.streams.delete('EVENTS');
  await opened.close();
});

/** Asks as a subscriber, and waits for the answer: by then the server has answered everything before. */
const ask = (subject: string, body: unknown = ''): Promise<unknown> =>
  subscriber.request(subject, typeof body === 'string' ? body : JSON.stringify(body), { timeout: 5_000 });
const info = '$JS.API.STREAM.INFO.EVENTS';

it('an answer of JetStream that is to become an event becomes none, and the relay goes on', async () => {
  subscriber.publish(info, '', { reply: 'events.JobCreated.forged' });
  await ask(info);
  await appendEvents(store, 5);
  await untilStored(10);
  const { state } = await manager.streams.info('EVENTS', { subjects_filter: '>' });
  expect(state.messages).toBe(10);
  expect(Object.keys(state.subjects ?? {})).not.toContain('events.JobCreated.forged');
});

it('an answer of JetStream that is to become a call reaches no service', async () => {
  subscriber.publish(info, '', { reply: calls.createJob.subject });
  await ask(info);
  await (await connect('scheduler')).flush();
  const api = await connect('api');
  api.publish(calls.createJob.subject, 'the call of the api');
  await eventually(() => heard.includes('the call of the api'));
  expect(heard).toEqual(['the call of the api']);
});

it('a consumer that is to push events at a call reaches no service', async () => {
  const config = {
    name: 'aimed',
    deliver_subject: calls.createJob.subject,
    deliver_policy: 'all',
    ack_policy: 'none',
  };
  await ask('$JS.API.CONSUMER.CREATE.EVENTS.aimed', { stream_name: 'EVENTS', config });
  await appendEvents(store, 5);
  await untilStored(10);
  const { delivered } = await manager.consumers.info('EVENTS', 'aimed');
  expect(delivered.consumer_seq).toBe(0);
  expect(heard).toEqual([]);
});

it('an answer is heard in the subscriber’s own inbox', async () => {
  const inbox = createInbox(inboxPrefixOf('subscriber'));
  const answers: string[] = [];
  subscriber.subscribe(inbox, { callback: (_error, message) => void answers.push(message.string()) });
  subscriber.publish(info, '', { reply: inbox });
  await eventually(() => answers.length === 1);
  expect(answers[0]).toContain('"EVENTS"');
});
