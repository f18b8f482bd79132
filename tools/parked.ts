/** `npm run parked -- audit list|redrive <stream>`: events that a projector has put aside. */
import { databaseUrl, loadMaintenance, runProgram } from './audit-maintenance.ts';

const usage = `usage: npm run parked -- audit list
       npm run parked -- audit redrive <stream>

Lists the events that could not be projected, oldest first, or projects those of one stream once the cause is
mended. The database is that of the running system, or DATABASE_URL.
`;

const mostRows = 1_000;

await runProgram(async () => {
  const [service, action, stream, ...rest] = process.argv.slice(2);
  const maintenance = await loadMaintenance();
  if (service === 'audit' && action === 'list' && stream === undefined) {
    const rows = await maintenance.parked(databaseUrl(), mostRows);
    for (const row of rows) {
      const reason = row.reason.replaceAll(/\s+/g, ' ').slice(0, 200);
      process.stdout.write(`${row.position}  ${row.stream}  ${row.type}  ${row.parkedAt}  ${reason}\n`);
    }
    process.stdout.write(`${rows.length} parked event(s)\n`);
  } else if (service === 'audit' && action === 'redrive' && stream !== undefined && rest.length === 0) {
    const { handled, left } = await maintenance.redrive(databaseUrl(), stream);
    process.stdout.write(`${handled} event(s) projected, ${left} left parked\n`);
    if (left > 0) process.exitCode = 1;
  } else {
    process.stderr.write(usage);
    process.exitCode = 2;
  }
});
