/** `npm run parked -- audit|dispatcher|gateway list|redrive <stream>`: events that a reader has put aside. */
import { databaseUrl, loadParked, parkedServices, runProgram } from './audit-maintenance.ts';

const usage = `usage: npm run parked -- <service> list
       npm run parked -- <service> redrive <stream>

The service is audit, dispatcher or gateway. Lists the events that its reader could not process, oldest first, or
processes those of one stream once the cause is
mended. The database is that of the running system, or DATABASE_URL. Where the dispatcher runs with another SIGNALBOX_DEVICE_LEASE
than 60s, set the same for this command.
`;

const mostRows = 1_000;

await runProgram(async () => {
  const [name, action, stream, ...rest] = process.argv.slice(2);
  const service = parkedServices.find((each) => each === name);
  if (service !== undefined && action === 'list' && stream === undefined) {
    const { parked } = await loadParked(service);
    const rows = await parked(databaseUrl(), mostRows);
    for (const row of rows) {
      const reason = row.reason.replaceAll(/\s+/g, ' ').slice(0, 200);
      process.stdout.write(`${row.position}  ${row.stream}  ${row.type}  ${row.parkedAt}  ${reason}\n`);
    }
    process.stdout.write(`${rows.length} parked event(s)\n`);
  } else if (service !== undefined && action === 'redrive' && stream !== undefined && rest.length === 0) {
    const { redrive } = await loadParked(service);
    const { handled, left } = await redrive(databaseUrl(), stream);
    process.stdout.write(`${handled} event(s) processed, ${left} left parked\n`);
    if (left > 0) process.exitCode = 1;
  } else {
    process.stderr.write(usage);
    process.exitCode = 2;
  }
});
