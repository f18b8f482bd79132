/**
 * `npm test [-- <step>…]`: formatting, lint, types, generated files and all tests, each with its output. All steps run
 * even if one fails. The last line counts tests; a failed step without tests counts as one failure.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const root = join(import.meta.dirname, '..');

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** The step is left out where this file does not exist. */
  readonly needs?: string;
  /** Where Jest writes its result. */
  readonly resultFile?: string;
}

const results = mkdtempSync(join(tmpdir(), 'signalbox-results-'));

const jest = (kind: string): Step => {
  const resultFile = join(results, `${kind}.json`);
  const config = `jest.${kind}.config.mjs`;
  const options = ['--passWithNoTests', '--json', '--outputFile', resultFile];
  return { name: kind, command: ['jest', '-c', config, ...options], needs: config, resultFile };
};

const steps: readonly Step[] = [
  { name: 'format', command: ['prettier', '--check', '--log-level', 'warn', '.'] },
  { name: 'lint', command: ['eslint', '--max-warnings', '0', '.'], needs: 'eslint.config.mjs' },
  { name: 'unused', command: ['knip'] },
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'generated', command: ['node', 'tools/generate.ts', '--check'], needs: 'tools/generate.ts' },
  jest('unit'),
  jest('int'),
  jest('e2e'),
  jest('images'),
];

const environment = {
  ...process.env,
  PATH: [join(root, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(delimiter),
  NODE_OPTIONS:
    `${process.env['NODE_OPTIONS'] ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`.trim(),
};

let current: ChildProcess | undefined;
let isStopped = false;

/** Runs a command with our outputs; answers whether it succeeded. */
const run = ([command, ...args]: Step['command']): Promise<boolean> =>
  new Promise((settle) => {
    current = spawn(command, args, { cwd: root, env: environment, stdio: ['ignore', 'inherit', 'inherit'] });
    current.once('error', (error) => {
      process.stdout.write(`expected ${command} to start, got: ${error.message}\n`);
      settle(false);
    });
    current.once('exit', (code) => {
      settle(code === 0);
    });
  });

const numberIn = (result: unknown, name: string): number => {
  const found = typeof result === 'object' && result !== null ? Object.entries(result) : [];
  const value: unknown = found.find(([key]) => key === name)?.[1];
  return typeof value === 'number' ? value : 0;
};

/** What Jest has counted; a spec file that could not be run counts as one failure. */
const readCounts = (resultFile: string): Counts => {
  const result: unknown = JSON.parse(readFileSync(resultFile, 'utf8'));
  return {
    passed: numberIn(result, 'numPassedTests'),
    failed: numberIn(result, 'numFailedTests') + numberIn(result, 'numRuntimeErrorTestSuites'),
    skipped: numberIn(result, 'numPendingTests') + numberIn(result, 'numTodoTests'),
  };
};

const runStep = async (step: Step): Promise<Counts> => {
  process.stdout.write(`\n== ${step.name}: ${step.command.join(' ')}\n`);
  const succeeded = await run(step.command);
  const { resultFile } = step;
  const counts =
    resultFile !== undefined && existsSync(resultFile)
      ? readCounts(resultFile)
      : { passed: 0, failed: 0, skipped: 0 };
  return succeeded || counts.failed > 0 ? counts : { ...counts, failed: 1 };
};

const chosenSteps = (names: readonly string[]): readonly Step[] => {
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    throw new Error(
      `expected steps of ${steps.map((step) => step.name).join(', ')}, got ${unknown.join(', ')}`,
    );
  }
  return steps
    .filter((step) => names.length === 0 || names.includes(step.name))
    .filter((step) => step.needs === undefined || existsSync(join(root, step.needs)));
};

const main = async (): Promise<void> => {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const lines: string[] = [];
  for (const step of chosenSteps(process.argv.slice(2))) {
    if (isStopped) break;
    const started = performance.now();
    const { passed, failed, skipped } = await runStep(step);
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    lines.push(`${failed === 0 ? 'ok    ' : 'FAILED'} ${step.name} (${seconds} s)`);
  }
  process.stdout.write(`\n${lines.join('\n')}\n`);
  process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
  process.exitCode = total.failed === 0 && !isStopped ? 0 : 1;
};

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    isStopped = true;
    current?.kill(signal);
  });
}
try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  rmSync(results, { recursive: true, force: true });
}
