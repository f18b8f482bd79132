import { expect, it } from '@jest/globals';
import { parseStatus, splitArgv, statusAliases, statuses, transitions } from './index.ts';

it('reads every alias in any case, and no other word', () => {
  for (const [word, status] of Object.entries(statusAliases)) {
    expect(parseStatus(word.toLowerCase())).toBe(status);
    expect(statuses).toContain(status);
  }
  expect(parseStatus('timed-out')).toBe('TIMED_OUT');
  expect(parseStatus('paused')).toBeUndefined();
});

it('lets no end status go anywhere', () => {
  for (const status of statuses) {
    if (['QUEUED', 'SCHEDULED', 'IN_PROGRESS'].includes(status))
      expect(transitions[status].length).toBeGreaterThan(0);
    else expect(transitions[status]).toEqual([]);
  }
});

it('splits comma-separated argv and keeps escaped commas', () => {
  expect(splitArgv('echo, a\\,b ,c')).toEqual(['echo', 'a,b', 'c']);
});
