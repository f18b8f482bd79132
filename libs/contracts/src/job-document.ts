import { z } from 'zod';
import { limits } from './limits.ts';

const environment = z
  .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected a variable name'), z.string().max(32_768))
  .meta({ description: 'Environment variables, added to the agent’s own' });

const stepBase = {
  name: z.string().min(1).max(128).meta({ description: 'Shown in output headers and as `failedStep`' }),
  timeoutSeconds: z
    .int()
    .min(1)
    .max(limits.runTimeoutMs / 1000)
    .optional()
    .meta({
      description: 'Longest run of this step in seconds; the run timeout of the attempt holds as well',
    }),
  ignoreStepFailure: z
    .boolean()
    .optional()
    .meta({ description: 'Go on after this step failed; default false' }),
  onInterrupt: z
    .enum(['fail', 'rerun'])
    .optional()
    .meta({
      description:
        'What follows when the agent or its machine goes down while this step runs: `fail` (default) ends the attempt with ' +
        'reason `interrupted`, since nobody knows what the step has done; `rerun` runs it again from its start, for a ' +
        'step that may run twice. Steps that had finished are never run again.',
    }),
  workingDirectory: z.string().min(1).max(4096).optional(),
  environment: environment.optional(),
};

/** `a,b\,c` → ["a", "b,c"]: the argv form of AWS IoT Device Client documents; parts are trimmed. */
export const splitArgv = (text: string): string[] =>
  text.split(/(?<!\\),/).map((part) => part.replaceAll('\\,', ',').trim());

const words = z
  .array(z.string().max(32_768))
  .min(1)
  .refine((each) => each[0] !== '', 'expected a program as first element');

const argv = z
  .union([
    words,
    z
      .string()
      .min(1)
      .transform(splitArgv)
      .pipe(
        words.refine((each) => !/\s/.test(each[0] ?? ''), {
          message:
            'expected comma-separated words without spaces in the first; use type "runShell" for a shell line',
        }),
      ),
  ])
  .meta({
    description: 'Program and arguments: an array, or one comma-separated text (`\\,` is a comma). No shell.',
  });

export const RunCommandStep = z.strictObject({
  ...stepBase,
  type: z.literal('runCommand'),
  input: z.strictObject({ command: argv }),
});

export const RunShellStep = z.strictObject({
  ...stepBase,
  type: z.literal('runShell'),
  input: z.strictObject({
    command: z.string().min(1).max(65_536).meta({ description: 'Given to `bash -c`' }),
  }),
});

export const Step = z.discriminatedUnion('type', [RunCommandStep, RunShellStep]);
export type Step = z.output<typeof Step>;

export const JobDocument = z
  .strictObject({
    version: z.literal('1.0').default('1.0'),
    steps: z.array(Step).min(1).max(limits.steps).meta({ description: 'Run one after the other' }),
    finalStep: Step.optional().meta({ description: 'Run after all steps succeeded' }),
    environment: environment.optional(),
  })
  .meta({ id: 'JobDocument', description: 'What is to be run' });
/** A normalised job document: argv as an array, defaults filled in. */
export type JobDocument = z.output<typeof JobDocument>;

const isRecorded = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  'version' in value &&
  'steps' in value &&
  Array.isArray(value.steps);

/**
 * A document as an event carries it. It was validated at the door of the version that took it, and is passed on exactly as
 * it is, in the order of its fields: a reader of another version keeps what it does not know, and the hash stays right.
 */
export const RecordedDocument = z
  .unknown()
  .refine(isRecorded, 'expected an object with `version` and `steps`')
  .meta({
    id: 'RecordedDocument',
    description: 'What is to be run, as it was accepted; see JobDocument of the HTTP API',
    type: 'object',
    required: ['version', 'steps'],
    properties: {
      version: { type: 'string' },
      steps: { type: 'array', items: { type: 'object' }, minItems: 1 },
    },
  });

/** The document of an event in the terms of this version; steps that it does not know are the agent's to refuse. */
// eslint-disable-next-line @typescript-eslint/consistent-type-assertions -- validated at the door of the version that took it
export const documentOf = (recorded: unknown): JobDocument => recorded as JobDocument;
