/** `npm run check-log`: judges the log of a database by the invariants of the design. */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Violation, checkLog, invariants } from '@signalbox/domain';
import { eventStoreSettings } from './audit-maintenance.ts';
import { readEvidence } from './log-evidence.ts';
import { readRun } from './run-file.ts';

const usage = `usage: npm run check-log -- [--url postgres://…] [--settled] [--lease-ms 60000] [--slack-ms 10000] [--secrets <file>]

Reads the log (and the rows of the audit service, where there are any) and checks the invariants. Exit code 1 on any
violation. The database is --url, else DATABASE_URL, else that of the running system. A log in KurrentDB is that of
SIGNALBOX_EVENT_STORE and SIGNALBOX_KURRENTDB_URL, else that of the running system.

  --settled    nothing is under way: every job must have ended and every view must show it
  --lease-ms   life of a device's lease, which an attempt may last beyond run timeout and kill grace
  --slack-ms   how much later than due a decision may be recorded
  --secrets    file with one value a line that must be in no event; the running system's admin key is always one
`;

const mostShown = 200;

const lines = (file: string | undefined): string[] =>
  file === undefined || !existsSync(file)
    ? []
    : readFileSync(file, 'utf8')
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '');

const milliseconds = (name: string, text: string): number => {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`expected --${name} in whole milliseconds, got ${text}`);
};

const options = {
  url: { type: 'string' },
  settled: { type: 'boolean', default: false },
  'lease-ms': { type: 'string', default: '60000' },
  'slack-ms': { type: 'string', default: '10000' },
  secrets: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const report = (findings: ReturnType<typeof checkLog>, more: readonly Violation[]): number => {
  const found = Object.entries(findings).flatMap(([, each]) => each.violations);
  const all = [...more, ...found];
  process.stdout.write('invariant  checked  violations\n');
  for (const [invariant, { checked }] of Object.entries(findings)) {
    const count = all.filter((each) => String(each.invariant) === invariant).length;
    const meaning = Object.entries(invariants).find(([each]) => each === invariant)?.[1] ?? '';
    process.stdout.write(
      `${invariant.padStart(9)}  ${String(checked).padStart(7)}  ${String(count).padStart(10)}  ${meaning}\n`,
    );
  }
  for (const { invariant, position, stream, text } of all.slice(0, mostShown)) {
    process.stdout.write(`\n${invariant}: ${text}\n   in ${stream} at ${position}\n`);
  }
  if (all.length > mostShown) process.stdout.write(`\nand ${all.length - mostShown} more\n`);
  return all.length;
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({ options });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const run = readRun();
  const named = values.url ?? process.env['DATABASE_URL'];
  const url = named || run.databaseUrl;
  if (url === undefined)
    throw new Error('expected --url, DATABASE_URL or a running system, got none of them');
  const { evidence, recorded, undecodable } = await readEvidence(url, eventStoreSettings(Boolean(named)));
  const secrets = [...lines(run.adminKeyFile), ...lines(values.secrets)];
  const findings = checkLog({
    ...evidence,
    settled: values.settled,
    now: new Date().toISOString(),
    leaseMs: milliseconds('lease-ms', values['lease-ms']),
    slackMs: milliseconds('slack-ms', values['slack-ms']),
    secrets: { values: secrets, recorded },
  });
  if (report(findings, undecodable) > 0) process.exitCode = 1;
};

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
