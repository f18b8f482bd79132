import { expect, it } from '@jest/globals';
import { AttemptTrace } from '@signalbox/contracts';
import { Timings } from './attempt-trace.ts';
import { monotonicMs } from './pause.ts';

const traceparent = (flags: string): string => `00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}`;

it('tells what the contracts take: steps, output and the end', () => {
  const timings = new Timings();
  timings.step('first')(0);
  timings.step('n'.repeat(300))(null);
  timings.sent(monotonicMs(), 3);
  timings.sent(monotonicMs(), 2);
  timings.end();
  const trace = AttemptTrace.parse(timings.trace(traceparent('01')));
  expect(trace.steps.map(({ name, exitCode }) => [name.length, exitCode])).toEqual([
    [5, 0],
    [128, null],
  ]);
  expect(trace.output).toMatchObject({ requests: 2, chunks: 5 });
  expect(trace.endMs).toBeGreaterThanOrEqual(trace.output?.endMs ?? Infinity);
});

it.each([undefined, '', 'x', traceparent('00'), traceparent('02')])(
  'tells nothing where the trace %s is not recorded',
  (text) => expect(new Timings().trace(text)).toBeNull(),
);

it('counts from the beginning of an attempt that goes on', () => {
  const timings = new Timings(5_000);
  timings.step('second')(0);
  timings.end();
  const trace = timings.trace(traceparent('01'));
  expect(trace?.steps[0]?.startMs).toBeGreaterThanOrEqual(5_000);
  expect(trace?.endMs).toBeGreaterThanOrEqual(5_000);
});
