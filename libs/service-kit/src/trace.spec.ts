import { expect, it } from '@jest/globals';
import { continueTrace, newContext, traceIdOf } from './trace.ts';

const incoming = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

it('goes on with a valid trace under a new span', () => {
  const next = continueTrace(incoming);
  expect(traceIdOf(next)).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
  expect(next).not.toBe(incoming);
});

it.each([
  undefined,
  'x',
  incoming.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
  `${incoming}-x`,
])('begins a new trace instead of %s', (text) => {
  expect(traceIdOf(continueTrace(text))).toMatch(/^[0-9a-f]{32}$/);
  expect(traceIdOf(continueTrace(text))).not.toBe(traceIdOf(continueTrace(text)));
});

it('gives each command its own id', () => {
  const actor = { type: 'service', id: 'api' } as const;
  expect(newContext(actor).commandId).not.toBe(newContext(actor).commandId);
});
