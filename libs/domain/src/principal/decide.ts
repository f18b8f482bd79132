import { type DataOf, DomainError, type Fact } from '@signalbox/contracts';
import { type PrincipalState, evolve, initialState } from './principal.ts';

export type PrincipalCommand =
  | ({ readonly type: 'IssueKey' } & DataOf<'ApiKeyIssued'>)
  | ({ readonly type: 'RevokeKey' } & DataOf<'ApiKeyRevoked'>)
  | ({ readonly type: 'DenyCommand' } & DataOf<'CommandDenied'>);

/** @throws DomainError `not-found` */
const decide = (state: PrincipalState, command: PrincipalCommand): readonly Fact[] => {
  switch (command.type) {
    case 'IssueKey': {
      const { type: _type, ...data } = command;
      return state.keys.has(data.keyId) ? [] : [{ type: 'ApiKeyIssued', data }];
    }
    case 'RevokeKey': {
      const { type: _type, ...data } = command;
      const key = state.keys.get(data.keyId);
      if (key === undefined) throw new DomainError('not-found', `expected an issued key, got ${data.keyId}`);
      return key === 'revoked' ? [] : [{ type: 'ApiKeyRevoked', data }];
    }
    case 'DenyCommand': {
      const { type: _type, ...data } = command;
      return [{ type: 'CommandDenied', data }];
    }
    default:
      return command satisfies never;
  }
};

export const principal = { initialState, evolve, decide };
