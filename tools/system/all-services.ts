/** Runs the five services in this one process: the default of a first start, with the code that production runs. */
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { runAsMain } from '@signalbox/service-kit';
import { serviceFile, serviceNames } from '../service-files.ts';

interface Service {
  readonly start: (env: Readonly<Record<string, string>>) => Promise<{ stop(): Promise<void> }>;
}

/** Settings of each service, from a file that only we can read: a command line would show them to everybody. */
const settingsFile = process.argv[2];
if (settingsFile === undefined)
  throw new Error('expected the path of the settings file as first argument, got none');
const settings: Record<string, Record<string, string>> = JSON.parse(await readFile(settingsFile, 'utf8'));

await runAsMain(async () => {
  const running: { stop(): Promise<void> }[] = [];
  for (const name of serviceNames) {
    const service: Service = await import(pathToFileURL(serviceFile(name)).href);
    running.push(await service.start(settings[name] ?? {}));
  }
  return {
    stop: async () => {
      for (const each of running.toReversed()) await each.stop();
    },
  };
});
