import { type BusFacts, type NatsConnection, inspectBus } from '@signalbox/bus-nats';
import { type Finding, type Look, beyond, bytes, finding } from './check.ts';

export interface StreamWanted {
  readonly maxAgeMs: number;
  readonly replicas: number;
}

const lowestVersion = [2, 9] as const;

const isNewEnough = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > lowestVersion[0] || (major === lowestVersion[0] && minor >= lowestVersion[1]);
};

const subjects = {
  version: {
    id: 'nats.version',
    title: 'Version of nats-server',
    wanted: `${lowestVersion.join('.')} or newer`,
    advice: 'Upgrade nats-server, one server of a cluster after the other.',
  },
  jetStream: {
    id: 'nats.jetstream',
    title: 'JetStream',
    wanted: 'enabled',
    advice:
      'Add a block "jetstream { store_dir: … }" to the configuration of nats-server and start it again; the relay fills the stream by itself.',
  },
  config: {
    id: 'stream.config',
    title: 'Settings of stream EVENTS',
    wanted:
      'as SIGNALBOX_EVENTS_MAX_AGE and SIGNALBOX_EVENTS_REPLICAS say; files, no limits of number or size',
    advice:
      'Restart the scheduler: its relay makes the stream, and sets age, window and replicas. Anything else that differs: delete the stream with the user "operator"; nothing is lost, the relay fills it from the log.',
  },
  replicas: {
    id: 'stream.replicas',
    title: 'Copies of stream EVENTS',
    wanted: 'a leader, every copy current',
    advice:
      'Start the servers of the cluster that are away, and let them catch up. Below a majority nothing is published; nothing is lost.',
  },
  storage: {
    id: 'nats.storage',
    title: 'Space of JetStream',
    wanted: 'less than 80 % of the limit of the account',
    advice:
      'Raise the limit of the account, or shorten SIGNALBOX_EVENTS_MAX_AGE: at the limit nothing is published.',
  },
  sync: {
    id: 'stream.sync',
    title: 'Flushing of JetStream',
    wanted: 'sync_interval: always is not needed',
    advice: '',
  },
} as const;

const streamFindings = (stream: BusFacts['stream'], wanted: StreamWanted): readonly Finding[] => {
  if (stream === undefined)
    return [finding(subjects.config, 'fail', 'no stream'), finding(subjects.replicas, 'fail', 'no stream')];
  const { differences, leader, peers } = stream;
  const late = peers.filter(({ isCurrent }) => !isCurrent);
  const copies = wanted.replicas === 1 ? 1 : peers.length + (leader === undefined || leader === '' ? 0 : 1);
  const areHealthy = late.length === 0 && copies >= wanted.replicas;
  const shown = late.map(({ name, lag }) => `${name} is ${lag} behind or away`).join(', ');
  return [
    differences.length === 0
      ? finding(subjects.config, 'ok', `as wanted, ${stream.messages} messages`)
      : finding(subjects.config, 'fail', differences.join('; ')),
    finding(
      subjects.replicas,
      areHealthy ? 'ok' : 'fail',
      `${copies} of ${wanted.replicas}${shown === '' ? '' : `: ${shown}`}`,
    ),
  ];
};

/** What a look at the bus means. */
export const judgeBus = (facts: BusFacts, wanted: StreamWanted): readonly Finding[] => {
  const { version, hasJetStream, storage } = facts;
  const server = finding(subjects.version, isNewEnough(version) ? 'ok' : 'fail', version);
  if (!hasJetStream || storage === undefined)
    return [server, finding(subjects.jetStream, 'fail', 'disabled')];
  const { usedBytes, limitBytes } = storage;
  const isLimited = limitBytes > 0;
  return [
    server,
    finding(subjects.jetStream, 'ok', 'enabled'),
    ...streamFindings(facts.stream, wanted),
    finding(
      subjects.storage,
      isLimited ? beyond(usedBytes / limitBytes, { warn: 0.8, fail: 0.95 }) : 'ok',
      `${bytes(usedBytes)} of ${isLimited ? bytes(limitBytes) : 'no limit of the account'}`,
    ),
    finding(subjects.sync, 'ok', 'the log is in the event store; what the bus loses is published again'),
  ];
};

/** Looks at server and stream as the relay's user. */
export const busLook = (nc: NatsConnection, wanted: StreamWanted): Look => ({
  subject: subjects.jetStream,
  look: async () => judgeBus(await inspectBus(nc, wanted), wanted),
});
