/** `npm run doctor`: looks at the running system, and says what is wrong and what to do about it. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { doctor } from './doctor/examine.ts';
import { reportTable } from './doctor/table.ts';
import { readRun, runFile } from './run-file.ts';

const usage = `usage: npm run doctor -- [--json] [--url <address> ]

Asks every replica of every service of the running system, and prints one line for each thing that was looked at,
the worst first, with what to do. Ends with 0 when all is well, with 1 for warnings and what could not be seen, with 2
for failures.

  --json  the report as JSON
  --url   public address of another system; SIGNALBOX_API_KEY holds an administrator's key
`;

/** @throws Error there is neither an address nor a running system */
const placeOf = (url: string | undefined): { readonly url: string; readonly key: string } => {
  const key = process.env['SIGNALBOX_API_KEY'];
  if (url !== undefined) {
    if (key === undefined) throw new Error('expected an administrator’s key in SIGNALBOX_API_KEY, got none');
    return { url: url.replace(/\/$/, ''), key };
  }
  const run = readRun();
  if (run.apiUrl === undefined || run.adminKeyFile === undefined)
    throw new Error(
      `expected a running system (${runFile}) or --url, got neither: start it with "npm start"`,
    );
  return { url: run.apiUrl, key: key ?? readFileSync(run.adminKeyFile, 'utf8').trim() };
};

try {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      url: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) process.stdout.write(usage);
  else {
    const { report, exitCode } = await doctor(placeOf(values.url));
    process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : reportTable(report));
    process.exitCode = exitCode;
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
