/** A report as text: what is wrong first and with advice, then what is well. */
import type { SystemCheck, SystemReport } from '@signalbox/contracts';

const nameOf = ({ id, replica }: SystemCheck): string => (replica === null ? id : `${id} (${replica})`);

const trouble = (check: SystemCheck): string =>
  [
    `${check.status.toUpperCase().padEnd(7)} ${nameOf(check)}: ${check.title}`,
    `        found   ${check.found}`,
    `        wanted  ${check.wanted}`,
    `        do      ${check.advice}`,
    '',
  ].join('\n');

/** Lines that end in a newline. */
export const reportTable = ({ status, at, replicas, checks }: SystemReport): string => {
  const well = checks.filter((each) => each.status === 'ok');
  const bad = checks.filter((each) => each.status !== 'ok');
  const width = Math.max(0, ...well.map((each) => nameOf(each).length));
  return [
    ...bad.map(trouble),
    ...well.map((each) => `ok      ${nameOf(each).padEnd(width)}  ${each.found}`),
    '',
    `${status.toUpperCase()} at ${at}: ${bad.length} of ${checks.length} checks are not ok, ${replicas.length} replica(s) answered`,
    '',
  ].join('\n');
};
