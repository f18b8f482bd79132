/** A simulated device on the real agent protocol, over a pooled HTTP client: two requests for a short job. */
import { createHash } from 'node:crypto';
import type { Pool } from 'undici';

const prefix = '/api/v1/agent';

const text = 'done\n';
/** Hash chain over the one chunk that every job has: 32 zero bytes, sequence 1, stdout, the bytes. */
const outputHash = createHash('sha256')
  .update(Buffer.alloc(32))
  .update(Buffer.from([0, 0, 0, 1, 1]))
  .update(text)
  .digest('hex');

/** One request with JSON both ways. @throws Error for every answer but 2xx */
export const requestJson = async (
  pool: Pool,
  method: 'GET' | 'POST',
  path: string,
  body: unknown,
  authorization?: string,
): Promise<unknown> => {
  const answer = await pool.request({
    method,
    path,
    headers: {
      'content-type': 'application/json',
      ...(authorization === undefined ? {} : { authorization }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answered = await answer.body.text();
  if (answer.statusCode >= 300)
    throw new Error(`expected ${method} ${path} to succeed, got ${answer.statusCode}: ${answered}`);
  return JSON.parse(answered);
};

interface Offer {
  readonly jobId: string;
  readonly targetId: string;
  readonly attempt: number;
}

interface PollAnswer {
  readonly offer: Offer | null;
}

const asAnswer = (value: unknown): PollAnswer => value as PollAnswer;
const nextOf = (value: unknown): PollAnswer => (value as { readonly next: PollAnswer }).next;

export interface Device {
  readonly deviceId: string;
  readonly credential: string;
}

/** Enrols a device with a one-time token. */
export const enrolDevice = async (
  api: Pool,
  gateway: Pool,
  adminKey: string,
  name: string,
): Promise<Device> => {
  const issued = await requestJson(api, 'POST', '/api/v1/enrolment-tokens', { name }, `Bearer ${adminKey}`);
  const { token } = issued as { readonly token: string };
  const facts = { agentVersion: 'bench', os: 'linux', architecture: 'x64' };
  const enrolled = await requestJson(gateway, 'POST', `${prefix}/enrol`, { token, ...facts });
  const { agentId, credential } = enrolled as { readonly agentId: string; readonly credential: string };
  return { deviceId: agentId, credential };
};

/** What a run wants to hear of the jobs. */
export interface Heard {
  readonly offer: (jobId: string) => void;
  /** Its end was taken: it is in the log. */
  readonly end: (jobId: string) => void;
}

/** Takes jobs until `isOver`; each ends at once as succeeded with one chunk of output. */
export const runDevice = async (
  gateway: Pool,
  device: Device,
  isOver: () => boolean,
  heard: Heard,
): Promise<void> => {
  const authorization = `Bearer ${device.credential}`;
  let answer: PollAnswer = { offer: null };
  while (!isOver() || answer.offer !== null) {
    if (answer.offer === null) {
      answer = asAnswer(
        await requestJson(gateway, 'POST', `${prefix}/poll`, { waitMs: 2000 }, authorization),
      );
      continue;
    }
    const { jobId, targetId, attempt } = answer.offer;
    heard.offer(jobId);
    const path = `${prefix}/assignments/${jobId}/${targetId}/attempts/${attempt}/status`;
    const output = [{ sequence: 1, stream: 'stdout', at: new Date().toISOString(), text }];
    const ended = {
      status: 'SUCCEEDED',
      exitCode: 0,
      executedSteps: 1,
      outputBytes: text.length,
      outputHash,
    };
    const report = { ...ended, output, next: { waitMs: isOver() ? 0 : 2000 } };
    answer = nextOf(await requestJson(gateway, 'POST', path, report, authorization));
    heard.end(jobId);
  }
};
