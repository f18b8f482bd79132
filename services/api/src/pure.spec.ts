import { describe, expect, it } from '@jest/globals';
import { apiRoutes } from '@signalbox/contracts';
import { hashKey, keyOf, newKey } from './identity/key-text.ts';
import { grants } from './identity/rights.ts';
import { cursorStart, cursorText, parseCursor } from './live/job-cursor.ts';
import { Wake } from './live/wake.ts';
import { docsPage } from './http/docs-page.ts';

describe('keys', () => {
  it('are random, long and known by their prefix', () => {
    expect(newKey()).toMatch(/^sbk_[A-Za-z0-9_-]{43}$/);
    expect(newKey()).not.toBe(newKey());
    expect(hashKey('a')).not.toBe(hashKey('b'));
  });

  it.each([
    [{ authorization: 'Bearer abc' }, 'abc'],
    [{ authorization: 'bearer  abc ' }, 'abc'],
    [{ 'x-api-key': 'abc' }, 'abc'],
    [{ authorization: 'Basic abc' }, undefined],
    [{ authorization: 'Bearer ' }, undefined],
    [{ authorization: `Bearer ${'x'.repeat(257)}` }, undefined],
    [{}, undefined],
  ])('are read from %j', (headers, expected) => {
    expect(keyOf(headers)).toBe(expected);
  });
});

describe('roles', () => {
  it('grant what lesser roles grant, and unknown ones nothing', () => {
    expect(grants(['admin'], 'viewer')).toBe(true);
    expect(grants(['viewer'], 'operator')).toBe(false);
    expect(grants(['start', 'operator'], 'operator')).toBe(true);
    expect(grants(['root', 'Admin'], 'viewer')).toBe(false);
    expect(grants([], 'viewer')).toBe(false);
  });
});

describe('the cursor of a viewer', () => {
  it('survives its text', () => {
    const cursor = { position: '0000000000000042', attempt: 2, sequence: 7 };
    expect(parseCursor(cursorText(cursor))).toEqual(cursor);
  });

  it.each([undefined, '', '42:1:1', '0000000000000042'])(
    'that is no cursor (%s) begins at the beginning',
    (text) => {
      expect(parseCursor(text)).toEqual(cursorStart);
    },
  );
});

it('a wake that came before the wait is not lost', async () => {
  const wake = new Wake();
  wake.raise();
  expect(await wake.wait(10_000)).toBe(true);
  expect(await wake.wait(1)).toBe(false);
});

it('the page of the API loads nothing and names every route', () => {
  const page = docsPage(apiRoutes);
  expect(page).not.toMatch(/<script|src=|https?:\/\//);
  for (const { path } of Object.values(apiRoutes)) expect(page).toContain(path);
});
