import { describe, expect, it } from '@jest/globals';
import { JobDocument } from '@signalbox/contracts';
import { DocumentRejected, planOf } from './document.ts';

const command = { name: 'list', type: 'runCommand', input: { command: ['ls', '-l', ''] } };
const shell = { name: 'shell', type: 'runShell', input: { command: 'ls | wc' } };

describe('planning a job document', () => {
  it('reads every field that the contracts know', () => {
    const document = JobDocument.parse({
      environment: { A: '1', B: '1' },
      steps: [
        command,
        {
          ...shell,
          timeoutSeconds: 5,
          ignoreStepFailure: true,
          onInterrupt: 'rerun',
          workingDirectory: '/tmp',
          environment: { B: '2' },
        },
      ],
      finalStep: { ...command, input: { command: 'echo,a\\,b' } },
    });
    expect(planOf(JSON.parse(JSON.stringify(document)))).toEqual([
      {
        name: 'list',
        run: { kind: 'command', argv: ['ls', '-l', ''] },
        environment: { A: '1', B: '1' },
        workingDirectory: null,
        timeoutMs: null,
        ignoreFailure: false,
        mayRerun: false,
      },
      {
        name: 'shell',
        run: { kind: 'shell', command: 'ls | wc' },
        environment: { A: '1', B: '2' },
        workingDirectory: '/tmp',
        timeoutMs: 5000,
        ignoreFailure: true,
        mayRerun: true,
      },
      expect.objectContaining({ run: { kind: 'command', argv: ['echo', 'a,b'] } }),
    ]);
  });

  it.each([
    [
      'an unknown step type',
      { steps: [command, { ...shell, type: 'runHandler' }] },
      'steps.1.type',
      'runHandler',
    ],
    [
      'an unknown final step',
      { steps: [command], finalStep: { ...shell, type: 'reboot' } },
      'finalStep.type',
      'reboot',
    ],
    ['an unknown field of a step', { steps: [{ ...command, runAsUser: 'pi' }] }, 'steps.0', 'runAsUser'],
    ['an unknown field of the document', { steps: [command], conditions: [] }, 'document', 'conditions'],
    [
      'an unknown field of the input',
      { steps: [{ ...shell, input: { command: 'a', stdin: 'b' } }] },
      'input',
      'stdin',
    ],
    ['a newer version', { version: '2.0', steps: [command] }, 'version', '2.0'],
    ['no steps', { steps: [] }, 'steps', 'at least one'],
    [
      'argv of one text',
      { steps: [{ ...command, input: { command: 'ls,-l' } }] },
      'command',
      'list of texts',
    ],
    ['an empty program', { steps: [{ ...command, input: { command: [''] } }] }, 'command.0', 'a text'],
    ['a timeout of nothing', { steps: [{ ...command, timeoutSeconds: 0 }] }, 'timeoutSeconds', 'above 0'],
    [
      'another way to go on after an interruption',
      { steps: [{ ...command, onInterrupt: 'continue' }] },
      'steps.0.onInterrupt',
      'fail or rerun',
    ],
    ['a number as variable', { steps: [{ ...command, environment: { A: 1 } }] }, 'environment.A', 'a text'],
    ['no object', 'ls', 'document', 'an object'],
    ['nothing', undefined, 'document', 'an object'],
  ])('rejects %s and says where', (_, document, where, what) => {
    expect(() => planOf(document)).toThrow(DocumentRejected);
    expect(() => planOf(document)).toThrow(where);
    expect(() => planOf(document)).toThrow(what);
  });
});
