import type { Metrics } from './metrics.ts';

/** What a statement does, as far as it is told apart; everything else is `OTHER`. */
const operations = new Set([
  'BEGIN',
  'COMMIT',
  'DELETE',
  'INSERT',
  'ROLLBACK',
  'SELECT',
  'SET',
  'SHOW',
  'UPDATE',
  'WITH',
]);

const operationOf = (statement: string): string => {
  const word = /^\s*([a-z]+)/i.exec(statement)?.[1]?.toUpperCase() ?? '';
  return operations.has(word) ? word : 'OTHER';
};

/** Shows how long statements take: give it to a pool as `onQuery`. */
export const observeDatabase = (
  metrics: Metrics,
): ((statement: string, durationMs: number, error: unknown) => void) => {
  const seconds = metrics.durations(
    'db_client_operation_duration_seconds',
    'Time of a statement to Postgres',
    ['db_system_name', 'db_operation_name', 'error_type'],
  );
  return (statement, durationMs, error) => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const failure = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : 'other';
    const labels = {
      db_system_name: 'postgresql',
      db_operation_name: operationOf(statement),
      error_type: error === undefined ? '' : failure,
    };
    seconds.observe(labels, durationMs / 1000);
  };
};
