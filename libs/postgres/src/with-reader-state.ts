import { openPool } from './pool.ts';
import { openReaderState, type PostgresReaderState } from './reader-state.ts';

/** A program beside the running service: opens a reader's state on a pool of its own for as long as `work` takes. */
export const withReaderState = async <T>(
  reader: { readonly url: string; readonly schema: string; readonly name: string },
  work: (state: PostgresReaderState) => Promise<T>,
): Promise<T> => {
  const { url, schema, name } = reader;
  const pool = openPool({ url, max: 2, applicationName: `signalbox ${name} maintenance` });
  try {
    return await work(await openReaderState({ pool, schema, name }));
  } finally {
    await pool.end();
  }
};
