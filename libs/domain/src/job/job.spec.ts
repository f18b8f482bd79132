import { it } from '@jest/globals';
import { type DataOf, type Fact, defaultLimits } from '@signalbox/contracts';
import { given } from '../testing/scenario.ts';
import { job } from './decide.ts';

const jobId = '0d3f6a52-6b0e-5f0c-9c39-8f7b0c1d2e3f';
const data: DataOf<'JobCreated'> = {
  jobId,
  name: 'firmware',
  document: { version: '1.0', steps: [{ name: 'a', type: 'runShell', input: { command: 'true' } }] },
  documentHash: 'a'.repeat(64),
  target: { type: 'device', ids: ['pi-1'] },
  targets: 1,
  notBefore: null,
  priority: 4,
  limits: defaultLimits,
  template: null,
  retryOf: null,
  reason: null,
  requestHash: 'b'.repeat(64),
};
const created: Fact = { type: 'JobCreated', data };
const cancelRequested: Fact = { type: 'JobCancelRequested', data: { jobId, reason: 'wrong image' } };
const create = { type: 'CreateJob', data } as const;
const cancel = { type: 'RequestCancel', jobId, reason: 'wrong image' } as const;

it('creates a job', () => given(job).when(create).then(created));

it('creates it once, however often the same request comes', () => {
  given(job, created).when(create).thenNothing();
  given(job, created, cancelRequested).when(create).thenNothing();
});

it('refuses another request under the same id', () =>
  given(job, created)
    .when({ type: 'CreateJob', data: { ...data, requestHash: 'c'.repeat(64) } })
    .thenRefused('idempotency-key-reused', 'use a new key for a new job'));

it('records the first cancel request only', () => {
  given(job, created).when(cancel).then(cancelRequested);
  given(job, created, cancelRequested)
    .when({ ...cancel, reason: 'another reason' })
    .thenNothing();
});

it('refuses to cancel a job that does not exist', () =>
  given(job).when(cancel).thenRefused('not-found', `expected a known job, got ${jobId}`));
