/** `npm run rebuild-audit`: builds the audit tables anew from the event store, while the services may run. */
import { databaseUrl, eventStoreSettings, loadMaintenance, runProgram } from './audit-maintenance.ts';

const usage = `usage: npm run rebuild-audit

Builds audit_logs, jobs and assignments anew from the event store, in one transaction: queries see the old
rows until the new ones are complete. The database is that of the running system, or DATABASE_URL.
`;

await runProgram(async () => {
  if (process.argv.length > 2) {
    process.stdout.write(usage);
    if (!['-h', '--help'].includes(process.argv[2] ?? '')) process.exitCode = 2;
    return;
  }
  const { rebuild } = await loadMaintenance();
  const startedMs = performance.now();
  let shownMs = startedMs;
  const done = await rebuild(databaseUrl(), eventStoreSettings(), ({ events, position, head }) => {
    if (performance.now() - shownMs < 1_000) return;
    shownMs = performance.now();
    process.stderr.write(`${events} events, at position ${position} of ${head}\n`);
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(`rebuilt from ${done.events} events in ${seconds} s, ${done.parked} parked\n`);
});
