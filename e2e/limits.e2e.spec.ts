import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { agentPrefix } from '@signalbox/contracts';
import { createClient } from '@signalbox/tools/system';
import { startAgent } from './src/agents.ts';
import { enrolDevice } from './src/device.ts';
import { outputText, shellJob, untilEnd } from './src/jobs.ts';
import { type Stack, openStack } from './src/stack.ts';

/* Limits of requests with the whole system: callers reach it through the router, an agent is the real one. */

let stack: Stack;
beforeAll(async () => {
  const gateway = { SIGNALBOX_AGENT_REQUESTS_PER_SECOND: '1', SIGNALBOX_FAILED_ATTEMPTS_PER_MINUTE: '6' };
  stack = await openStack({ settings: { 'device-gateway': gateway } });
});
afterAll(async () => {
  await stack?.close();
});

const refused = async (limit: string): Promise<number> => {
  const page = await (await fetch(`${stack.system.urls['device-gateway']}/metrics`)).text();
  const [, value] =
    new RegExp(`signalbox_refused_requests_total{.*limit="${limit}".*} (\\d+)`).exec(page) ?? [];
  return Number(value ?? 0);
};

it('an agent that is told to wait waits, and loses nothing of its job', async () => {
  const { deviceId } = await startAgent(stack, 'talkative');
  const lines = Array.from({ length: 40 }, (_, index) => `line ${index}`);
  const command = `for i in $(seq 0 39); do echo "line $i"; sleep 0.1; done`;
  const { jobId } = await stack.createJob(shellJob(deviceId, command));
  expect(await untilEnd(stack.admin, jobId, 60_000)).toMatchObject({ status: 'SUCCEEDED' });
  expect((await outputText(stack.admin, jobId)).trim().split('\n')).toEqual([`$ ${command}`, ...lines]);
  expect(await refused('credential')).toBeGreaterThan(0);
});

it('who guesses credentials is refused, whatever address he claims to have; a known device goes on', async () => {
  const device = await enrolDevice(stack.system.url, stack.admin, 'neighbour');
  await device.poll({ waitMs: 0 });
  const guess = async (index: number): Promise<number> => {
    const stranger = createClient(stack.system.url, `sba_${String(index).padStart(43, '0')}`);
    const headers = { 'x-forwarded-for': `198.51.100.${index}` };
    const answer = await stranger.request('POST', `${agentPrefix}/poll`, {}, headers);
    if (answer.status === 429) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    return answer.status;
  };
  const statuses: number[] = [];
  for (let index = 0; index < 9; index += 1) statuses.push(await guess(index));
  expect(statuses).toEqual([401, 401, 401, 401, 401, 401, 429, 429, 429]);
  expect(await device.poll({ waitMs: 0 })).toMatchObject({ offer: null });
  expect(await refused('address')).toBe(3);
});
