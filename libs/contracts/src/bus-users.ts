/** The users of NATS: each service is one, and may publish and hear what is in this table and nothing else. */
import { calls } from './commands.ts';
import { eventsStreamName, subjects } from './subjects.ts';

export const busUsers = [
  'api',
  'scheduler',
  'relay',
  'dispatcher',
  'device-gateway',
  'audit',
  'subscriber',
  'operator',
] as const;
export type BusUser = (typeof busUsers)[number];

export interface BusPermissions {
  /** What the user is, for the generated file. */
  readonly meaning: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** May answer each request that it receives, once, wherever the asker wants the answer. */
  readonly answers?: true;
}

/** First token of a user's inboxes. Nobody hears another user's answers; programs of others have the client's default. */
export const inboxPrefixOf = (user: BusUser): string => (user === 'subscriber' ? '_INBOX' : `_INBOX_${user}`);

const stream = eventsStreamName;
const inboxOf = (user: BusUser): string => `${inboxPrefixOf(user)}.>`;

/** First tokens of the subjects of calls: `scheduler`, `dispatcher`, `gateway`, `audit`. */
const callFamilies = [...new Set(Object.values(calls).map(({ subject }) => subject.split('.')[0] ?? ''))];
const callsTo = (family: string): string => `${family}.>`;

/** An ordered reader: it makes and removes ephemeral consumers, and answers the server's flow control. */
const reader = [
  `$JS.API.STREAM.INFO.${stream}`,
  `$JS.API.CONSUMER.CREATE.${stream}.>`,
  `$JS.API.CONSUMER.DELETE.${stream}.>`,
  `$JS.FC.${stream}.>`,
];

export const busPermissions: Readonly<Record<BusUser, BusPermissions>> = {
  api: {
    meaning: 'asks the other services, follows events and output live',
    publish: [...callFamilies.map(callsTo), subjects.relayWake, subjects.checks],
    subscribe: [inboxOf('api'), subjects.allEvents, subjects.outputGrown('*'), subjects.checks],
    answers: true,
  },
  scheduler: {
    meaning: 'answers calls; its relay is a user of its own',
    publish: [subjects.relayWake],
    subscribe: [inboxOf('scheduler'), callsTo('scheduler'), subjects.checks],
    answers: true,
  },
  relay: {
    meaning: 'the only one that publishes events',
    publish: [
      subjects.allEvents,
      `$JS.API.STREAM.INFO.${stream}`,
      `$JS.API.STREAM.CREATE.${stream}`,
      `$JS.API.STREAM.UPDATE.${stream}`,
      `$JS.API.STREAM.MSG.GET.${stream}`,
      '$JS.API.INFO',
    ],
    subscribe: [inboxOf('relay'), subjects.relayWake],
  },
  dispatcher: {
    meaning: 'reads events, answers calls',
    publish: [...reader, subjects.relayWake],
    subscribe: [inboxOf('dispatcher'), callsTo('dispatcher'), subjects.checks],
    answers: true,
  },
  'device-gateway': {
    meaning: 'reads events, answers calls, says that output has grown',
    publish: [...reader, subjects.relayWake, subjects.outputGrown('*')],
    subscribe: [inboxOf('device-gateway'), callsTo('gateway'), subjects.checks],
    answers: true,
  },
  audit: {
    meaning: 'reads events, answers calls',
    publish: reader,
    subscribe: [inboxOf('audit'), callsTo('audit'), subjects.checks],
    answers: true,
  },
  subscriber: {
    meaning: 'programs of others: reads events, with consumers of its own, and nothing else',
    publish: [
      '$JS.API.INFO',
      `$JS.API.STREAM.INFO.${stream}`,
      `$JS.API.CONSUMER.CREATE.${stream}.>`,
      `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.*`,
      `$JS.API.CONSUMER.INFO.${stream}.*`,
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
      `$JS.ACK.${stream}.>`,
      `$JS.FC.${stream}.>`,
    ],
    subscribe: [inboxOf('subscriber'), subjects.allEvents],
  },
  operator: {
    meaning: 'people with tools: looks after streams and consumers, hears events; never a service',
    publish: ['$JS.API.>', `$JS.ACK.${stream}.>`],
    subscribe: [inboxOf('operator'), subjects.allEvents],
  },
};

const list = (patterns: readonly string[]): string => patterns.map((each) => JSON.stringify(each)).join(', ');

const renderUser = (user: BusUser, password: string): readonly string[] => {
  const { meaning, publish, subscribe, answers } = busPermissions[user];
  return [
    `      # ${meaning}`,
    `      { user: "${user}", password: ${password}, permissions: {`,
    `        publish: { allow: [${list(publish)}] }`,
    `        subscribe: { allow: [${list(subscribe)}] }`,
    ...(answers === true ? ['        allow_responses: { max: 1, expires: "1m" }'] : []),
    '      } }',
  ];
};

/** Account of all users but the subscriber: it has the stream. */
const ownAccount = 'SIGNALBOX';
/** Account of programs of others: it has nothing of its own. */
const guestAccount = 'SUBSCRIBERS';
const guests: readonly BusUser[] = ['subscriber'];

/** A pull answers more than once; everything else once. */
const renderExport = (subject: string): string =>
  `      { service: "${subject}", accounts: [${guestAccount}]${subject.includes('.MSG.NEXT.') ? ', response_type: "stream"' : ''} }`;

const renderImport = (subject: string): string =>
  `      { service: { account: ${ownAccount}, subject: "${subject}" } }`;

const guestCalls = guests.flatMap((guest) => busPermissions[guest].publish);

/**
 * The block `accounts { … }` of a nats-server's configuration. The server checks where a request goes, not where its sender
 * wants the answer: only an account of his own keeps the answer from being an event or a call.
 *
 * @param passwordOf how a user's password is written there: a quoted text, a quoted bcrypt hash, or `$NAME` for a variable of
 *   the server's environment
 */
export const renderAuthorization = (passwordOf: (user: BusUser) => string): string => {
  const usersOf = (isGuest: boolean): readonly string[] =>
    busUsers
      .filter((user) => guests.includes(user) === isGuest)
      .flatMap((user) => renderUser(user, passwordOf(user)));
  return [
    'authorization { timeout: 5 }',
    'accounts {',
    `  ${ownAccount} {`,
    '    jetstream: enabled',
    '    users: [',
    ...usersOf(false),
    '    ]',
    '    exports: [',
    `      { stream: "${subjects.allEvents}", accounts: [${guestAccount}] }`,
    ...guestCalls.map(renderExport),
    '    ]',
    '  }',
    `  ${guestAccount} {`,
    '    users: [',
    ...usersOf(true),
    '    ]',
    '    imports: [',
    `      { stream: { account: ${ownAccount}, subject: "${subjects.allEvents}" } }`,
    ...guestCalls.map(renderImport),
    '    ]',
    '  }',
    '}',
    '',
  ].join('\n');
};

/** Variable of nats-server's environment that holds a user's password in the generated configuration. */
export const busPasswordVariable = (user: BusUser): string =>
  `SIGNALBOX_NATS_${user.toUpperCase().replaceAll('-', '_')}_PASSWORD`;
