import { expect, it } from '@jest/globals';
import { hideSecrets } from './log-fields.ts';
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

it('hides secrets wherever they lie within three levels, and leaves the caller\u2019s record alone', () => {
  const fields = {
    jobId: 'j',
    detail: { password: 'x', deeper: { token: 'y', url: 'u' } },
    list: [{ key: 'z' }],
  };
  const before = structuredClone(fields);
  expect(hideSecrets(fields)).toEqual({
    jobId: 'j',
    detail: { password: '[hidden]', deeper: { token: '[hidden]', url: 'u' } },
    list: { 0: { key: '[hidden]' } },
  });
  expect(fields).toEqual(before);
  const harmless = { jobId: 'j', count: 1, detail: 'text' };
  expect(hideSecrets(harmless)).toBe(harmless);
});

it('hides secrets in the fields of a child, too', () => {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const slipped = { jobId: 'j', credential: 'sbc_secret' };
  createLogger({ service: 'x', level: 'info', destination }).child(slipped).info('from a child');
  expect(lines.join()).not.toContain('sbc_secret');
});
