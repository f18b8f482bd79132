import { randomUUID } from 'node:crypto';
import type { JobDocument, NewEvent } from '@signalbox/contracts';

/** A valid event, ready for `append`: somebody asks for a job's cancel. Each call has new ids. */
export const newEvent = (overrides: Partial<NewEvent> = {}): NewEvent => {
  const jobId = randomUUID();
  return {
    id: randomUUID(),
    type: 'JobCancelRequested',
    version: 1,
    occurredAt: new Date().toISOString(),
    actor: { type: 'principal', id: 'tester' },
    correlationId: jobId,
    causationId: null,
    body: JSON.stringify({ jobId, reason: 'no longer needed' }),
    ...overrides,
  };
};

/** A valid, normalised job document of one shell step. */
export const sampleDocument = (command = 'echo hello'): JobDocument => ({
  version: '1.0',
  steps: [{ name: 'greet', type: 'runShell', input: { command } }],
});
