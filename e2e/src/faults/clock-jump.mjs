/**
 * Loaded into an agent before its program: sets the clock that `Date` reads, as an operator or NTP would. At SIGUSR2 it reads
 * the milliseconds to be off from the file that FAULTS_CLOCK_FILE names. The monotonic clock goes on as it does.
 */
import { readFileSync } from 'node:fs';

const file = process.env.FAULTS_CLOCK_FILE;
delete process.env.FAULTS_CLOCK_FILE;
const RealDate = Date;
let offsetMs = 0;

const shifted = () => RealDate.now() + offsetMs;

globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(shifted());
    else super(...given);
  }

  static now() {
    return shifted();
  }
};

process.on('SIGUSR2', () => {
  offsetMs = Number(readFileSync(file, 'utf8'));
});
