/** Flags of the programs in this folder. */
import { parseArgs } from 'node:util';

export interface StartOptions {
  readonly port: number;
  readonly separate: boolean;
  readonly withAgent: boolean;
}

/** @throws Error that names the flag and what was expected */
export const startOptions = (args: readonly string[], standardPort: number): StartOptions => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: String(standardPort) },
      separate: { type: 'boolean', default: false },
      'no-agent': { type: 'boolean', default: false },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`expected --port from 0 to 65535, got ${values.port}`);
  }
  return { port, separate: values.separate, withAgent: !values['no-agent'] };
};
