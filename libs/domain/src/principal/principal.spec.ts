import { expect, it } from '@jest/globals';
import type { Fact } from '@signalbox/contracts';
import { principal } from './decide.ts';

const key = { principalId: 'p', keyId: 'k', name: 'ci', roles: ['operator'] };
const issued: Fact = { type: 'ApiKeyIssued', data: key };
const revoked: Fact = { type: 'ApiKeyRevoked', data: { principalId: 'p', keyId: 'k' } };
const after = (...facts: Fact[]) => facts.reduce(principal.evolve, principal.initialState);
const revoke = { type: 'RevokeKey', principalId: 'p', keyId: 'k' } as const;

it('issues a key once', () => {
  const command = { type: 'IssueKey', ...key } as const;
  expect(principal.decide(after(), command)).toEqual([issued]);
  expect(principal.decide(after(issued), command)).toEqual([]);
  expect(principal.decide(after(issued, revoked), command)).toEqual([]);
});

it('revokes an issued key once, and no other', () => {
  expect(principal.decide(after(issued), revoke)).toEqual([revoked]);
  expect(principal.decide(after(issued, revoked), revoke)).toEqual([]);
  expect(() => principal.decide(after(), revoke)).toThrow('expected an issued key');
});

it('records each denial', () => {
  const data = { principalId: 'p', command: 'job.create', subject: null, reason: 'needs operator' };
  expect(principal.decide(after(issued), { type: 'DenyCommand', ...data })).toEqual([
    { type: 'CommandDenied', data },
  ]);
});
