import {
  type AttemptRef,
  Enrolled,
  Offer,
  OutputStored,
  type Poll,
  PollAnswer,
  Renewed,
  StatusTaken,
  TokenIssued,
  agentPrefix,
} from '@signalbox/contracts';
import { type Answer, type Client, createClient } from '@signalbox/tools/system';

/** Facts that every machine tells at its enrolment. */
export const machine = { agentVersion: '1.0.0', os: 'linux', architecture: 'arm64' } as const;

/** A device that speaks the agent protocol by plain HTTP, as somebody with curl would. */
export interface Device {
  readonly deviceId: string;
  readonly agentId: string;
  readonly credential: string;
  readonly leaseMs: number;
  /** With the device's credential; any path. */
  readonly client: Client;
  poll(request?: Partial<Poll>): Promise<PollAnswer>;
  /** Path of a word about an attempt. */
  path(ref: AttemptRef, word: 'claim' | 'renew' | 'output' | 'status'): string;
  say(ref: AttemptRef, word: 'claim' | 'renew' | 'output' | 'status', body?: unknown): Promise<Answer>;
  claim(ref: AttemptRef): Promise<Offer>;
  renew(ref: AttemptRef): Promise<Renewed>;
  send(ref: AttemptRef, chunks: readonly unknown[]): Promise<OutputStored>;
  report(ref: AttemptRef, status: Readonly<Record<string, unknown>>): Promise<StatusTaken>;
}

const attemptPath = ({ jobId, targetId, attempt }: AttemptRef): string =>
  `${agentPrefix}/assignments/${jobId}/${targetId}/attempts/${attempt}`;

/** A device by its credential; its requests fail after `timeoutMs` milliseconds where that is given. */
export const deviceOf = (
  url: string,
  enrolled: Pick<Device, 'deviceId' | 'agentId' | 'credential' | 'leaseMs'>,
  timeoutMs?: number,
): Device => {
  const client = createClient(url, enrolled.credential, timeoutMs);
  const path: Device['path'] = (ref, word) => `${attemptPath(ref)}/${word}`;
  const post = (ref: AttemptRef, word: 'claim' | 'renew' | 'output' | 'status', body?: unknown) =>
    client.post(path(ref, word), body);
  return {
    ...enrolled,
    client,
    path,
    poll: async (request = {}) => PollAnswer.parse(await client.post(`${agentPrefix}/poll`, request)),
    say: (ref, word, body) => client.request('POST', path(ref, word), body),
    claim: async (ref) => Offer.parse(await post(ref, 'claim')),
    renew: async (ref) => Renewed.parse(await post(ref, 'renew')),
    send: async (ref, chunks) => OutputStored.parse(await post(ref, 'output', { chunks })),
    report: async (ref, status) => StatusTaken.parse(await post(ref, 'status', status)),
  };
};

export const issueToken = async (admin: Client, request: Readonly<Record<string, unknown>> = {}) =>
  TokenIssued.parse(await admin.post('/api/v1/enrolment-tokens', request));

/** Enrols a new device with a fresh token. */
export const enrolDevice = async (url: string, admin: Client, name: string): Promise<Device> => {
  const { token } = await issueToken(admin, { name });
  const anonymous = createClient(url, 'none');
  return deviceOf(url, Enrolled.parse(await anonymous.post(`${agentPrefix}/enrol`, { token, ...machine })));
};

/** One chunk of output, stamped now. */
export const chunk = (sequence: number, text: string, stream: 'stdout' | 'stderr' = 'stdout') => ({
  sequence,
  stream,
  at: new Date().toISOString(),
  text,
});
