/** Enrols a device, runs a job as that device through api and device-gateway, and revokes it. Fails where a step fails. */
import { readFileSync } from 'node:fs';

const { API_URL, GATEWAY_URL, ADMIN_KEY_FILE } = process.env;
const key = readFileSync(ADMIN_KEY_FILE, 'utf8').trim();

const request = async (method, url, bearer, body) => {
  const answer = await fetch(url, {
    method,
    headers: {
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    signal: AbortSignal.timeout(60_000),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`expected ${method} ${url} to succeed, got ${answer.status}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
};
const api = (method, path, body) => request(method, `${API_URL}/api/v1${path}`, key, body);
const agent = (path, bearer, body) => request('POST', `${GATEWAY_URL}/api/v1/agent${path}`, bearer, body);

const { token } = await api('POST', '/enrolment-tokens', { name: 'helm-test' });
const machine = { agentVersion: '1.0.0', os: 'linux', architecture: 'x64' };
const { deviceId, agentId, credential } = await agent('/enrol', undefined, { token, ...machine });
try {
  const { jobId } = await api('POST', '/jobs', {
    name: 'helm test',
    target: { type: 'device', ids: [deviceId] },
    document: { steps: [{ name: 'say', type: 'runShell', input: { command: 'echo hello' } }] },
  });
  const { offer } = await agent('/poll', credential, { waitMs: 20_000 });
  if (offer?.jobId !== jobId)
    throw new Error(`expected an offer of job ${jobId}, got ${JSON.stringify(offer)}`);
  const { position } = await agent(`/assignments/${jobId}/${deviceId}/attempts/1/status`, credential, {
    status: 'SUCCEEDED',
    exitCode: 0,
    executedSteps: 1,
  });
  const { status } = await api('GET', `/jobs/${jobId}?after=${position}`);
  if (status !== 'SUCCEEDED') throw new Error(`expected job ${jobId} to be SUCCEEDED, got ${status}`);
  process.stdout.write(`job ${jobId} SUCCEEDED\n`);
} finally {
  await api('POST', `/agents/${agentId}/revoke`, { reason: 'end of the test' });
}
