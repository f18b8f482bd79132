import type { Fact } from '@signalbox/contracts';

/**
 * Stream `principal-<principalId>`. Each of its keys: none ──ApiKeyIssued──▶ counts ──ApiKeyRevoked──▶ revoked.
 * `CommandDenied` changes nothing: it is evidence.
 */
export interface PrincipalState {
  readonly keys: ReadonlyMap<string, 'counts' | 'revoked'>;
}

export const initialState: PrincipalState = { keys: new Map() };

export const evolve = (state: PrincipalState, fact: Fact): PrincipalState => {
  switch (fact.type) {
    case 'ApiKeyIssued':
      return { keys: new Map(state.keys).set(fact.data.keyId, 'counts') };
    case 'ApiKeyRevoked':
      return { keys: new Map(state.keys).set(fact.data.keyId, 'revoked') };
    default:
      return state;
  }
};
