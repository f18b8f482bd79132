import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { millis, nanos } from '@nats-io/transport-node';
import { eventsStreamName, subjects } from '@signalbox/contracts';

export interface EventsStreamOptions {
  /** How long the stream keeps an event, in milliseconds; default 24 hours. Older ones come from the store. */
  readonly maxAgeMs?: number;
  /** Copies of the stream in a NATS cluster; default 1. */
  readonly replicas?: number;
  /** How long the server knows the ids it has stored, in milliseconds; default 2 minutes, never more than the age. */
  readonly duplicateWindowMs?: number;
}

export const defaultMaxAgeMs = 86_400_000;
const defaultDuplicateWindowMs = 120_000;

/** Thrown when the stream on the server is not the one that Signalbox needs and cannot be made so. */
export class StreamContradiction extends Error {
  readonly differences: readonly string[];
  constructor(differences: readonly string[]) {
    super(`expected stream ${eventsStreamName} with other settings: ${differences.join('; ')}`);
    this.name = 'StreamContradiction';
    this.differences = differences;
  }
}

type Wanted = Pick<
  StreamConfig,
  | 'subjects'
  | 'retention'
  | 'storage'
  | 'discard'
  | 'max_msgs'
  | 'max_bytes'
  | 'max_msgs_per_subject'
  | 'max_age'
  | 'num_replicas'
  | 'duplicate_window'
  | 'no_ack'
>;

const wantedSettings = (options: EventsStreamOptions): Wanted => {
  const maxAgeMs = options.maxAgeMs ?? defaultMaxAgeMs;
  const windowMs = Math.min(options.duplicateWindowMs ?? defaultDuplicateWindowMs, maxAgeMs);
  return {
    subjects: [subjects.allEvents],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_msgs: -1,
    max_bytes: -1,
    max_msgs_per_subject: -1,
    max_age: nanos(maxAgeMs),
    num_replicas: options.replicas ?? 1,
    duplicate_window: nanos(windowMs),
    no_ack: false,
  };
};

const durations = new Set<string>(['max_age', 'duplicate_window']);
const show = (name: string, value: unknown): string =>
  durations.has(name) && typeof value === 'number' ? `${millis(value)} ms` : JSON.stringify(value);

const differences = (wanted: Wanted, actual: StreamConfig): readonly string[] => {
  const found = new Map<string, unknown>(Object.entries(actual));
  return (
    Object.entries(wanted)
      // The server leaves out what is false.
      .filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(found.get(name) ?? false))
      .map(([name, value]) => `expected ${name} ${show(name, value)}, got ${show(name, found.get(name))}`)
  );
};

/** Settings that others can make and that would lose or change events; unset on a stream of ours. */
const unwantedSettings = [
  'sealed',
  'mirror',
  'sources',
  'republish',
  'subject_transform',
  'discard_new_per_subject',
];
const unlimited = ['max_msg_size', 'max_consumers'];

/** How a stream differs from the wanted one: every wanted setting, and what should not be set at all. */
export const streamDifferences = (options: EventsStreamOptions, actual: StreamConfig): readonly string[] => {
  const found = new Map<string, unknown>(Object.entries(actual));
  const set = (name: string): boolean =>
    !['null', 'false', '[]'].includes(show(name, found.get(name) ?? null));
  return [
    ...differences(wantedSettings(options), actual),
    ...unwantedSettings.filter(set).map((name) => `expected no ${name}, got ${show(name, found.get(name))}`),
    ...unlimited
      .filter((name) => (found.get(name) ?? -1) !== -1)
      .map((name) => `expected ${name} -1, got ${show(name, found.get(name))}`),
  ];
};

/** State and settings of the events stream; undefined while there is none. */
export const eventsStreamInfo = async (jsm: JetStreamManager): Promise<StreamInfo | undefined> => {
  try {
    return await jsm.streams.info(eventsStreamName);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
      return undefined;
    throw error;
  }
};

/**
 * Creates the events stream, or brings an existing one to the wanted age, window and replicas. The settings that the
 * server then reports are compared with the wanted ones, since old servers drop what they do not know without a word.
 *
 * @throws StreamContradiction the stream exists and something else about it differs
 */
export const ensureEventsStream = async (
  jsm: JetStreamManager,
  options: EventsStreamOptions = {},
): Promise<StreamInfo> => {
  const wanted = wantedSettings(options);
  const existing = await eventsStreamInfo(jsm);
  if (existing === undefined) {
    const made = await jsm.streams.add({ name: eventsStreamName, ...wanted });
    return compared(wanted, made);
  }
  if (differences(wanted, existing.config).length === 0) return existing;
  const { max_age, num_replicas, duplicate_window } = wanted;
  compared(wanted, { ...existing, config: { ...existing.config, max_age, num_replicas, duplicate_window } });
  return compared(
    wanted,
    await jsm.streams.update(eventsStreamName, { max_age, num_replicas, duplicate_window }),
  );
};

const compared = (wanted: Wanted, info: StreamInfo): StreamInfo => {
  const found = differences(wanted, info.config);
  if (found.length > 0) throw new StreamContradiction(found);
  return info;
};
