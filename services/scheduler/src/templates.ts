import type { JobDocument } from '@signalbox/contracts';

/** A job document that the product brings along. */
export interface Template {
  readonly id: string;
  readonly version: number;
  readonly description: string;
  readonly document: JobDocument;
}

const healthCheck: Template = {
  id: 'health-check',
  version: 1,
  description: 'Shows how long the machine is up, its load, memory and disks; changes nothing',
  document: {
    version: '1.0',
    steps: [
      { name: 'system', type: 'runCommand', input: { command: ['uname', '-srm'] } },
      { name: 'load', type: 'runCommand', input: { command: ['cat', '/proc/loadavg'] } },
      { name: 'memory', type: 'runCommand', input: { command: ['head', '-n', '3', '/proc/meminfo'] } },
      { name: 'disks', type: 'runCommand', input: { command: ['df', '-h', '/'] } },
    ],
  },
};

/** Built-in templates by id. */
export const templates: Readonly<Record<string, Template>> = { [healthCheck.id]: healthCheck };
