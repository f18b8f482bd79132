import { join } from 'node:path';
import { freePort } from '@signalbox/embedded';
import { type ServiceName, serviceFile } from '@signalbox/tools/service-files';
import { type Program, answersOk, createProgram } from '@signalbox/tools/system';
import type { Stack } from './stack.ts';

/** Starts one more replica of a service that stands by or shares the work, and waits until it is ready. */
export const startReplica = async (
  { system }: Stack,
  name: ServiceName,
  portName: string,
  /** Arguments of its Node, such as a module to load first. */
  nodeArgs: readonly string[] = [],
): Promise<Program & { readonly url: string }> => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const program = createProgram({
    name: `${name}-2`,
    args: [...nodeArgs, '--enable-source-maps', serviceFile(name)],
    env: {
      ...system.envOf(name),
      [portName]: String(port),
    },
    logFile: join(system.stateDir, 'logs', `${name}-2.log`),
    ready: () => answersOk(`${url}/health/ready`),
  });
  await program.start();
  return Object.assign(program, { url });
};
