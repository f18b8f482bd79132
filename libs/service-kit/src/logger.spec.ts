import { expect, it } from '@jest/globals';
import { createLogger } from './logger.ts';

it('writes one JSON line with stable keys, and hides what looks like a secret', () => {
  const lines: string[] = [];
  const logger = createLogger({
    service: 'x',
    level: 'info',
    destination: { write: (line) => void lines.push(line) },
  });
  const slipped = { jobId: 'j', token: 'sbk_secret', error: new Error('broken') };
  logger.child({ correlationId: 'c' }).warn('something odd', slipped);
  logger.debug('not written');
  expect(lines).toHaveLength(1);
  const line: unknown = JSON.parse(lines[0] ?? '');
  expect(line).toMatchObject({
    level: 'warn',
    service: 'x',
    msg: 'something odd',
    correlationId: 'c',
    jobId: 'j',
    token: '[hidden]',
    error: { message: 'broken' },
  });
});
