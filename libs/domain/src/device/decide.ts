import { type DataOf, DomainError, type Fact } from '@signalbox/contracts';
import { type DeviceState, evolve, initialState } from './device.ts';

export type DeviceCommand =
  | ({ readonly type: 'IssueToken' } & DataOf<'EnrolmentTokenIssued'>)
  | ({ readonly type: 'Enrol'; readonly now: string } & DataOf<'DeviceEnrolled'>)
  | { readonly type: 'Revoke'; readonly deviceId: string; readonly reason: string | null };

const tokenInvalid = (): DomainError =>
  new DomainError(
    'token-invalid',
    'expected an unused enrolment token that is not older than 5 minutes, got one that does not count; issue a new one',
  );

const issueToken = (state: DeviceState, data: DataOf<'EnrolmentTokenIssued'>): readonly Fact[] => {
  if (state.kind === 'enrolled' || state.kind === 'revoked') {
    throw new DomainError(
      'conflict',
      `expected a device id that is free, got ${data.deviceId}, which is ${state.kind}; leave deviceId out for a new one`,
    );
  }
  if (state.kind === 'invited' && state.tokenId === data.tokenId) return [];
  return [{ type: 'EnrolmentTokenIssued', data }];
};

const enrol = (state: DeviceState, now: string, data: DataOf<'DeviceEnrolled'>): readonly Fact[] => {
  if (state.kind === 'enrolled' && state.tokenId === data.tokenId) return [];
  if (state.kind !== 'invited' || state.tokenId !== data.tokenId) throw tokenInvalid();
  if (Date.parse(state.expiresAt) <= Date.parse(now)) throw tokenInvalid();
  return [{ type: 'DeviceEnrolled', data }];
};

const revoke = (state: DeviceState, deviceId: string, reason: string | null): readonly Fact[] => {
  switch (state.kind) {
    case 'enrolled':
      return [{ type: 'DeviceRevoked', data: { deviceId, agentId: state.agentId, reason } }];
    case 'revoked':
      return [];
    case 'none':
    case 'invited':
      throw new DomainError('not-found', `expected an enrolled device, got ${deviceId}`);
    default:
      return state satisfies never;
  }
};

/** @throws DomainError `conflict`, `token-invalid`, `not-found` */
const decide = (state: DeviceState, command: DeviceCommand): readonly Fact[] => {
  switch (command.type) {
    case 'IssueToken': {
      const { type: _type, ...data } = command;
      return issueToken(state, data);
    }
    case 'Enrol': {
      const { type: _type, now, ...data } = command;
      return enrol(state, now, data);
    }
    case 'Revoke':
      return revoke(state, command.deviceId, command.reason);
    default:
      return command satisfies never;
  }
};

export const device = { initialState, evolve, decide };
