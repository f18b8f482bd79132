import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { PermissionViolationError, type NatsConnection } from '@nats-io/transport-node';
import {
  type BusUser,
  busPasswordVariable,
  busPermissions,
  busUsers,
  calls,
  inboxPrefixOf,
  renderAuthorization,
} from '@signalbox/contracts';
import { InMemoryEventStore } from '@signalbox/event-store/testing';
import { eventually, startTestNats, type TestNats } from '@signalbox/testkit';
import { connectBus } from './connection.ts';
import { startReader } from './ordered-reader.ts';
import { startRelay } from './relay.ts';
import { Opened } from './testing/bus.ts';
import { allOf, appendEvents } from './testing/events.ts';
import { positionsOf, recorder, RowsState } from './testing/rows-state.ts';

let nats: TestNats;
let opened: Opened;
let violations: PermissionViolationError[];

beforeAll(async () => {
  nats = await startTestNats({ config: renderAuthorization((user) => `"secret-of-${user}"`) });
});
afterAll(() => nats.close());
beforeEach(() => {
  opened = new Opened();
  violations = [];
});
afterEach(() => opened.close());

const watch = async (connection: NatsConnection, into: PermissionViolationError[]): Promise<void> => {
  for await (const status of connection.status())
    if (status.type === 'error' && status.error instanceof PermissionViolationError) into.push(status.error);
};

const connect = async (user: BusUser, inboxPrefix = inboxPrefixOf(user)): Promise<NatsConnection> => {
  const connection = await connectBus({
    url: nats.url,
    name: user,
    user,
    pass: `secret-of-${user}`,
    inboxPrefix,
  });
  opened.onClose(() => connection.close());
  void watch(connection, violations);
  return connection;
};

/** One subject of every family: events, signals, calls, JetStream, inboxes, the server's own. */
const families: readonly string[] = [
  'events.JobCreated.a',
  'events.x',
  'signalbox.relay.wake',
  'signalbox.output.a',
  'signalbox.other',
  ...Object.values(calls).map(({ subject }) => subject),
  '$JS.API.INFO',
  ...['INFO', 'CREATE', 'UPDATE', 'DELETE', 'PURGE', 'SNAPSHOT', 'RESTORE', 'MSG.GET', 'MSG.DELETE'].flatMap(
    (verb) => [`$JS.API.STREAM.${verb}.EVENTS`, `$JS.API.STREAM.${verb}.OTHER`],
  ),
  '$JS.API.STREAM.NAMES',
  '$JS.API.STREAM.LIST',
  ...['EVENTS', 'OTHER'].flatMap((stream) => [
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.c`,
    `$JS.API.CONSUMER.CREATE.${stream}.c.events.x`,
    `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.c`,
    `$JS.API.CONSUMER.DELETE.${stream}.c`,
    `$JS.API.CONSUMER.INFO.${stream}.c`,
    `$JS.API.CONSUMER.NAMES.${stream}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.c`,
    `$JS.ACK.${stream}.c.1.1.1.1.1`,
    `$JS.FC.${stream}.c.x`,
    `$JS.API.DIRECT.GET.${stream}`,
  ]),
  ...busUsers.map((user) => `${inboxPrefixOf(user)}.a`),
  '$SYS.REQ.SERVER.PING',
  'anything.else',
];

const matches = (pattern: string, subject: string): boolean => {
  const wanted = pattern.split('.');
  const given = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return given.length > index;
    if (given[index] === undefined || (token !== '*' && token !== given[index])) return false;
  }
  return wanted.length === given.length;
};

const refusedOf = (user: BusUser, way: 'publish' | 'subscribe', subjects: readonly string[]): string[] =>
  subjects.filter((subject) => !busPermissions[user][way].some((pattern) => matches(pattern, subject)));

const wildcards = [
  '>',
  'events.*.a',
  'events.>',
  '_INBOX.>',
  '$JS.>',
  '$JS.EVENT.>',
  '$SYS.>',
  '*.job.create',
];

describe.each([...busUsers])('user %s', (user) => {
  it('is refused every publish that the table does not name, and no other', async () => {
    const nc = await connect(user);
    for (const subject of families) nc.publish(subject, '');
    await nc.flush();
    const refused = refusedOf(user, 'publish', families);
    await eventually(() => violations.length >= refused.length);
    expect(new Set(violations.map(({ operation, subject }) => `${operation} ${subject}`))).toEqual(
      new Set(refused.map((subject) => `publish ${subject}`)),
    );
  });

  it('is refused every subscription that the table does not name, and no other', async () => {
    const nc = await connect(user);
    const heard: string[] = [];
    const tried = [...families, ...wildcards];
    for (const subject of tried) {
      const callback = (error: Error | null): void => {
        if (error instanceof PermissionViolationError) heard.push(subject);
      };
      nc.subscribe(subject, { callback });
    }
    await nc.flush();
    const refused = tried.filter((subject) => {
      const { subscribe } = busPermissions[user];
      return !subscribe.some((pattern) => pattern === subject || matches(pattern, subject));
    });
    await eventually(() => heard.length >= refused.length);
    expect(new Set(heard)).toEqual(new Set(refused));
  });
});

describe('what the table must say, whoever edits it', () => {
  const covers = (user: BusUser, way: 'publish' | 'subscribe', subject: string): boolean =>
    busPermissions[user][way].some((pattern) => matches(pattern, subject));
  const whoever = (way: 'publish' | 'subscribe', subject: string): BusUser[] =>
    busUsers.filter((user) => covers(user, way, subject));

  it('only the relay publishes events', () => {
    expect(whoever('publish', 'events.JobCreated.a')).toEqual(['relay']);
  });
  it('only the api asks, and each service hears its own calls', () => {
    expect(whoever('publish', calls.createJob.subject)).toEqual(['api']);
    expect(whoever('publish', calls.revokeAgent.subject)).toEqual(['api']);
    expect(whoever('subscribe', calls.createJob.subject)).toEqual(['scheduler']);
    expect(whoever('subscribe', calls.cancelJob.subject)).toEqual(['dispatcher']);
    expect(whoever('subscribe', calls.revokeAgent.subject)).toEqual(['device-gateway']);
    expect(whoever('subscribe', calls.listAudit.subject)).toEqual(['audit']);
  });
  it('only the operator deletes or purges', () => {
    for (const verb of ['DELETE', 'PURGE', 'MSG.DELETE', 'RESTORE'])
      expect(whoever('publish', `$JS.API.STREAM.${verb}.EVENTS`)).toEqual(['operator']);
  });
  it('nobody hears the inbox of another', () => {
    for (const user of busUsers) expect(whoever('subscribe', `${inboxPrefixOf(user)}.a`)).toEqual([user]);
  });
  it('a subscriber publishes to JetStream only', () => {
    expect(busPermissions.subscriber.publish.filter((each) => !each.startsWith('$JS.'))).toEqual([]);
    expect(busPermissions.subscriber.answers).toBeUndefined();
  });
});

describe('working with the permissions', () => {
  it('relay and readers need no more', async () => {
    const store = new InMemoryEventStore();
    opened.add(startRelay({ nc: await connect('relay'), store, options: { pollMs: 5 } }));
    await appendEvents(store, 2_000, undefined, 'x'.repeat(20_000));
    for (const user of ['audit', 'dispatcher', 'device-gateway'] as const) {
      const state = new RowsState();
      const nc = await connect(user);
      const reader = opened.add(await startReader({ name: user, nc, store, state, consumers: [recorder] }));
      await eventually(() => state.rows.length === 2_000);
      expect(positionsOf(state.rows)).toEqual(positionsOf(await allOf(store)));
      await reader.stop();
      await nc.flush();
    }
    expect(violations).toEqual([]);
  });

  it('a call is answered, and nobody may answer without having been asked', async () => {
    const scheduler = await connect('scheduler');
    const api = await connect('api');
    scheduler.subscribe(calls.createJob.subject, {
      callback: (_error, message) => void message.respond('yes'),
    });
    await scheduler.flush();
    const answer = await api.request(calls.createJob.subject, '', { timeout: 5_000 });
    expect(answer.string()).toBe('yes');
    expect(violations).toEqual([]);
    scheduler.publish(`${inboxPrefixOf('api')}.guess`, 'forged');
    await scheduler.flush();
    await eventually(() => violations.length === 1);
  });

  it('a subscriber with the client’s defaults follows with a durable consumer', async () => {
    const nc = await connect('subscriber', '_INBOX');
    const manager = await jetstreamManager(nc);
    await manager.consumers.add('EVENTS', { durable_name: 'mine', ack_policy: AckPolicy.Explicit });
    const consumer = await jetstream(nc).consumers.get('EVENTS', 'mine');
    const message = await consumer.next({ expires: 5_000 });
    expect(message?.subject).toMatch(/^events\./);
    expect(await message?.ackAck()).toBe(true);
    expect(violations).toEqual([]);
  });

  it('a wrong password and no password are refused', async () => {
    for (const pass of ['wrong', ''])
      await expect(connectBus({ url: nats.url, name: 'x', user: 'api', pass })).rejects.toThrow(/auth/i);
    await expect(connectBus({ url: nats.url, name: 'x' })).rejects.toThrow(/auth/i);
  });
});

it('the generated configuration takes passwords from variables', async () => {
  const variables = busUsers.map((user) => `${busPasswordVariable(user)}: "from-a-variable-${user}"`);
  const authorization = renderAuthorization((user) => `$${busPasswordVariable(user)}`);
  const other = await startTestNats({ config: [...variables, authorization].join('\n') });
  try {
    for (const user of busUsers) {
      const pass = `from-a-variable-${user}`;
      const nc = await connectBus({ url: other.url, name: user, user, pass });
      await nc.close();
    }
  } finally {
    await other.close();
  }
});
