import { describe, expect, it } from '@jest/globals';
import { limits } from '../limits.ts';
import { DomainError, parseRequest } from '../problems.ts';
import { CreateJob } from './jobs.ts';

const step = { name: 'say', type: 'runCommand', input: { command: ['echo', 'hello'] } };
const document = { steps: [step] };
const target = { type: 'device', ids: ['pi-1'] };
const request = { name: 'greet', document, target };

const refused = (value: unknown): readonly string[] => {
  try {
    parseRequest(CreateJob, value);
  } catch (error) {
    if (error instanceof DomainError) return error.errors.map((each) => `${each.field}: ${each.message}`);
    throw error;
  }
  return [];
};
const withCommand = (command: unknown) => ({
  ...request,
  document: { steps: [{ ...step, input: { command } }] },
});

describe('CreateJob', () => {
  it('fills in what may be left out', () => {
    expect(parseRequest(CreateJob, { ...request, name: '  greet ' })).toEqual({
      name: 'greet',
      document: { version: '1.0', steps: [step] },
      target,
      priority: 4,
      limits: {},
    });
  });

  it('wants a document or a template, not both and not none', () => {
    const template = { id: 'echo' };
    expect(refused({ name: 'greet', template, target })).toEqual([]);
    const message = 'document: expected exactly one of `document` and `template`; remove one or add one';
    expect(refused({ ...request, template })).toEqual([message]);
    expect(refused({ name: 'greet', target })).toEqual([message]);
  });

  it.each([
    [{ ...request, prioritty: 1 }, '(body): unknown field "prioritty"'],
    [{ ...request, target: { ...target, group: 'a' } }, 'target: unknown field "group"'],
    [{ ...request, limits: { maxAttemps: 2 } }, 'limits: unknown field "maxAttemps"'],
    [{ ...request, document: { ...document, step: [] } }, 'document: unknown field "step"'],
    [
      { ...request, document: { steps: [{ ...step, timeout: 1 }] } },
      'document.steps.0: unknown field "timeout"',
    ],
  ])('names an unknown field: %#', (value, start) => {
    expect(refused(value)).toEqual([expect.stringContaining(start)]);
  });

  it.each([
    [{ ...request, name: ' ' }, 'name'],
    [{ ...request, priority: 10 }, 'priority'],
    [{ ...request, target: { type: 'fleet' } }, 'target.type'],
    [{ ...request, target: { type: 'device', ids: ['pi 1'] } }, 'target.ids.0'],
    [{ ...request, notBefore: '2026-01-31' }, 'notBefore'],
    [{ ...request, limits: { maxAttempts: limits.attempts + 1 } }, 'limits.maxAttempts'],
    [{ ...request, limits: { runTimeoutMs: limits.runTimeoutMs + 1 } }, 'limits.runTimeoutMs'],
    [{ ...request, limits: { queueTimeoutMs: 999 } }, 'limits.queueTimeoutMs'],
    [{ ...request, document: { steps: [] } }, 'document.steps'],
    [{ ...request, document: { steps: Array(limits.steps + 1).fill(step) } }, 'document.steps'],
    [{ ...request, document: { steps: [{ ...step, type: 'runBatch' }] } }, 'document.steps.0.type'],
    [{ ...request, document: { ...document, environment: { '1A': 'x' } } }, 'document.environment.1A'],
  ])('names the field that is wrong: %#', (value, field) => {
    expect(refused(value)).toEqual([expect.stringMatching(new RegExp(`^${field.replaceAll('.', '\\.')}: `))]);
  });
});

describe('the command of a step', () => {
  it('is taken as argv or as comma-separated text', () => {
    const accepted = parseRequest(CreateJob, withCommand('echo, hello\\, world'));
    expect(accepted.document?.steps[0]?.input.command).toEqual(['echo', 'hello, world']);
    expect(refused(withCommand(['my program', 'with spaces']))).toEqual([]);
  });

  it.each([['echo hello'], [' , a'], [''], [[]], [['']], [42]])('is refused as %j', (command) => {
    expect(refused(withCommand(command))).toEqual([
      expect.stringMatching(/^document\.steps\.0\.input\.command: /),
    ]);
  });

  it('says what to do when it looks like a shell line', () => {
    expect(refused(withCommand('echo hello'))[0]).toContain('use type "runShell" for a shell line');
  });
});
