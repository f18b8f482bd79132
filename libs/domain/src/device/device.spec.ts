import { describe, it } from '@jest/globals';
import type { Fact } from '@signalbox/contracts';
import { given } from '../testing/scenario.ts';
import { device } from './decide.ts';

const deviceId = 'pi-1';
const token = { deviceId, tokenId: 'token-1', name: 'Kitchen', expiresAt: '2026-01-31T12:05:00.000Z' };
const enrolment = {
  deviceId,
  agentId: 'agent-1',
  tokenId: 'token-1',
  name: 'Kitchen',
  agentVersion: '0.1.0',
  os: 'linux',
  architecture: 'arm64',
  properties: { site: 'Berlin' },
};
const issued: Fact = { type: 'EnrolmentTokenIssued', data: token };
const enrolled: Fact = { type: 'DeviceEnrolled', data: enrolment };
const revoked: Fact = { type: 'DeviceRevoked', data: { deviceId, agentId: 'agent-1', reason: 'stolen' } };

const issue = { type: 'IssueToken', ...token } as const;
const enrol = { type: 'Enrol', now: '2026-01-31T12:04:59.999Z', ...enrolment } as const;
const revoke = { type: 'Revoke', deviceId, reason: 'stolen' } as const;
const another = { ...token, tokenId: 'token-2' };

describe('a token', () => {
  it('is issued for a new device, once per id', () => {
    given(device).when(issue).then(issued);
    given(device, issued).when(issue).thenNothing();
  });

  it('replaces one that was not used', () => {
    given(device, issued)
      .when({ ...issue, ...another })
      .then({ type: 'EnrolmentTokenIssued', data: another });
    given(device, issued, { type: 'EnrolmentTokenIssued', data: another })
      .when(enrol)
      .thenRefused('token-invalid', 'expected an unused enrolment token');
  });

  it('is refused for a device that is or was enrolled', () => {
    given(device, issued, enrolled).when(issue).thenRefused('conflict', `got ${deviceId}, which is enrolled`);
    given(device, issued, enrolled, revoked)
      .when(issue)
      .thenRefused('conflict', `got ${deviceId}, which is revoked`);
  });
});

describe('enrolment', () => {
  it('takes a token until it expires', () => {
    given(device, issued).when(enrol).then(enrolled);
    given(device, issued)
      .when({ ...enrol, now: token.expiresAt })
      .thenRefused('token-invalid', 'issue a new one');
  });

  it('is recorded once', () => {
    given(device, issued, enrolled).when(enrol).thenNothing();
  });

  it('takes a token once, and no token that was not issued', () => {
    given(device).when(enrol).thenRefused('token-invalid', 'expected an unused');
    given(device, issued, enrolled, revoked).when(enrol).thenRefused('token-invalid', 'expected an unused');
    given(device, issued)
      .when({ ...enrol, tokenId: 'token-9' })
      .thenRefused('token-invalid', 'expected an unused');
  });
});

describe('revocation', () => {
  it('names the agent that counts no more, and is recorded once', () => {
    given(device, issued, enrolled).when(revoke).then(revoked);
    given(device, issued, enrolled, revoked).when(revoke).thenNothing();
  });

  it('is refused for a device that is not enrolled', () => {
    given(device).when(revoke).thenRefused('not-found', `got ${deviceId}`);
    given(device, issued).when(revoke).thenRefused('not-found', `got ${deviceId}`);
  });
});
