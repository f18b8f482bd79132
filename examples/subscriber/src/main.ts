/**
 * Prints one line for every job that ends. Written against docs/asyncapi.yaml alone, as a subscriber of yours would be.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type SeenEvent, jobEndOf } from './event.ts';
import { eventsApi } from './events-api.ts';
import { Progress } from './progress.ts';
import { follow } from './subscriber.ts';

const usage = `usage: node src/main.ts --api <url> --nats <url> --key-file <file> [--state <file>] [--name <name>]

  --api       address of Signalbox, such as http://127.0.0.1:4002
  --nats      address of NATS
  --key-file  file with an API key that has the role viewer
  --state     file that keeps the position; default subscriber-state.json
  --name      name of the durable consumer; default ended-jobs
`;

const readOptions = () => {
  const { values } = parseArgs({
    options: {
      api: { type: 'string' },
      nats: { type: 'string' },
      'key-file': { type: 'string' },
      state: { type: 'string', default: 'subscriber-state.json' },
      name: { type: 'string', default: 'ended-jobs' },
    },
  });
  const { api, nats, 'key-file': keyFile, state, name } = values;
  return api === undefined || nats === undefined || keyFile === undefined
    ? undefined
    : { api, nats, keyFile, state, name };
};

/** True where a line was printed. */
const onEvent = (event: SeenEvent): boolean => {
  const end = jobEndOf(event);
  if (end === undefined) return false;
  process.stdout.write(`${end.at} job ${end.jobId} ended ${end.status}\n`);
  return true;
};

const onTrouble = (error: unknown): void => {
  process.stderr.write(`trying again: ${error instanceof Error ? error.message : String(error)}\n`);
};

const main = async (): Promise<void> => {
  const options = readOptions();
  if (options === undefined) {
    process.stderr.write(usage);
    process.exitCode = 2;
    return;
  }
  const stopping = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stopping.abort());
  const key = (await readFile(options.keyFile, 'utf8')).trim();
  const progress = await Progress.open(options.state);
  const readEvents = eventsApi(options.api, key);
  await follow(
    { natsUrl: options.nats, name: options.name, readEvents, progress, onEvent, onTrouble },
    stopping.signal,
  );
};

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
