import type { Fact } from '@signalbox/contracts';

/**
 * Stream `device-<deviceId>`:
 *
 *     none ──EnrolmentTokenIssued──▶ invited ──DeviceEnrolled──▶ enrolled ──DeviceRevoked──▶ revoked
 */
export type DeviceState =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'invited';
      readonly tokenId: string;
      readonly name: string | null;
      readonly expiresAt: string;
    }
  | { readonly kind: 'enrolled'; readonly agentId: string; readonly tokenId: string }
  | { readonly kind: 'revoked'; readonly agentId: string };

export const initialState: DeviceState = { kind: 'none' };

export const evolve = (state: DeviceState, fact: Fact): DeviceState => {
  switch (fact.type) {
    case 'EnrolmentTokenIssued': {
      const { tokenId, name, expiresAt } = fact.data;
      return { kind: 'invited', tokenId, name, expiresAt };
    }
    case 'DeviceEnrolled':
      return { kind: 'enrolled', agentId: fact.data.agentId, tokenId: fact.data.tokenId };
    case 'DeviceRevoked':
      return { kind: 'revoked', agentId: fact.data.agentId };
    default:
      return state;
  }
};
