import { isRecord, type Fields } from './answers.ts';

/** One step, ready to be run. */
export interface PlannedStep {
  readonly name: string;
  readonly run:
    | { readonly kind: 'command'; readonly argv: readonly [string, ...string[]] }
    | { readonly kind: 'shell'; readonly command: string };
  /** Variables of the document and of this step; the step's win. */
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string | null;
  readonly timeoutMs: number | null;
  readonly ignoreFailure: boolean;
  /** Whether it is run again when the agent or the machine went down while it ran. */
  readonly mayRerun: boolean;
}

/** The steps in their order; the document's final step is the last of them. */
export type Plan = readonly PlannedStep[];

/** The document asks for something that this agent does not know. It is refused as a whole: half a job is no job. */
export class DocumentRejected extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DocumentRejected';
  }
}

const reject = (where: string, expected: string, got: unknown): never => {
  const shown =
    typeof got === 'string' ? JSON.stringify(got.slice(0, 64)) : got === null ? 'null' : typeof got;
  throw new DocumentRejected(`${where}: expected ${expected}, got ${shown}`);
};

const fieldsOf = (value: unknown, where: string, known: readonly string[]): Fields => {
  if (!isRecord(value)) return reject(where, 'an object', value);
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) reject(where, `fields that this agent knows (${known.join(', ')})`, key);
  }
  return value;
};

const textOf = (value: unknown, where: string): string =>
  typeof value === 'string' && value.length > 0 ? value : reject(where, 'a text', value);

const environmentOf = (value: unknown, where: string): Readonly<Record<string, string>> => {
  if (value === undefined) return {};
  if (!isRecord(value)) return reject(where, 'an object', value);
  const into: Record<string, string> = {};
  for (const [name, text] of Object.entries(value)) {
    into[name] = typeof text === 'string' ? text : reject(`${where}.${name}`, 'a text', text);
  }
  return into;
};

const runOf = (type: unknown, input: unknown, where: string): PlannedStep['run'] => {
  if (type !== 'runCommand' && type !== 'runShell') {
    return reject(`${where}.type`, 'a step type that this agent knows (runCommand, runShell)', type);
  }
  const { command } = fieldsOf(input, `${where}.input`, ['command']);
  if (type === 'runShell') return { kind: 'shell', command: textOf(command, `${where}.input.command`) };
  if (!Array.isArray(command)) return reject(`${where}.input.command`, 'a list of texts', command);
  const [program, ...words] = command.map((word: unknown) =>
    typeof word === 'string' ? word : reject(`${where}.input.command`, 'a list of texts', word),
  );
  return { kind: 'command', argv: [textOf(program, `${where}.input.command.0`), ...words] };
};

const stepFields = [
  'name',
  'type',
  'input',
  'timeoutSeconds',
  'ignoreStepFailure',
  'onInterrupt',
  'workingDirectory',
  'environment',
];

const stepOf = (value: unknown, where: string, shared: Readonly<Record<string, string>>): PlannedStep => {
  const step = isRecord(value) ? value : fieldsOf(value, where, []);
  const run = runOf(step.type, step.input, where);
  fieldsOf(step, where, stepFields);
  const { timeoutSeconds, ignoreStepFailure, onInterrupt, workingDirectory } = step;
  if (timeoutSeconds !== undefined && (typeof timeoutSeconds !== 'number' || !(timeoutSeconds > 0))) {
    return reject(`${where}.timeoutSeconds`, 'a number above 0', timeoutSeconds);
  }
  if (onInterrupt !== undefined && onInterrupt !== 'fail' && onInterrupt !== 'rerun') {
    return reject(`${where}.onInterrupt`, 'fail or rerun', onInterrupt);
  }
  return {
    name: textOf(step.name, `${where}.name`),
    run,
    environment: { ...shared, ...environmentOf(step.environment, `${where}.environment`) },
    workingDirectory:
      workingDirectory === undefined ? null : textOf(workingDirectory, `${where}.workingDirectory`),
    timeoutMs: timeoutSeconds === undefined ? null : timeoutSeconds * 1000,
    ignoreFailure: ignoreStepFailure === true,
    mayRerun: onInterrupt === 'rerun',
  };
};

/**
 * Reads a job document into steps.
 * @throws DocumentRejected naming the first place that this agent does not understand, such as a field of a newer version
 */
export const planOf = (document: unknown): Plan => {
  const fields = fieldsOf(document, 'document', ['version', 'steps', 'finalStep', 'environment']);
  if (fields.version !== undefined && fields.version !== '1.0') {
    reject('document.version', '"1.0"', fields.version);
  }
  if (!Array.isArray(fields.steps) || fields.steps.length === 0) {
    return reject('document.steps', 'at least one step', fields.steps);
  }
  const shared = environmentOf(fields.environment, 'document.environment');
  const steps = fields.steps.map((step: unknown, index) => stepOf(step, `document.steps.${index}`, shared));
  return fields.finalStep === undefined
    ? steps
    : [...steps, stepOf(fields.finalStep, 'document.finalStep', shared)];
};
