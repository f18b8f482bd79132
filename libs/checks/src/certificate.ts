import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Look, lookAt } from './check.ts';

const dayMs = 86_400_000;
const warnDays = 30;
const failDays = 7;

/** How long the first certificate of a PEM file is still good. */
export const certificateLook = (file: string, nowMs: () => number): Look =>
  lookAt(
    {
      id: 'certificate',
      title: `Certificate in ${file}`,
      wanted: `good for ${warnDays} days and more`,
      advice: `Renew the certificate and put it into ${file}. Agents that cannot trust the door any more run what they have and report later.`,
      isLocal: true,
    },
    async () => {
      const until = new X509Certificate(await readFile(file)).validToDate;
      const days = Math.floor((until.getTime() - nowMs()) / dayMs);
      const status = days < failDays ? 'fail' : days < warnDays ? 'warn' : 'ok';
      return [status, `${days < 0 ? 'ended' : 'ends'} at ${until.toISOString()} (${days} days)`];
    },
  );
