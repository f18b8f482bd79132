import { randomUUID } from 'node:crypto';
import {
  type CallAnswer,
  type CallContext,
  DomainError,
  type Enrol,
  type Enrolled,
  type IssueToken,
  deriveId,
  limits,
  streams,
} from '@signalbox/contracts';
import { device } from '@signalbox/domain';
import { type CommandContext, type EventStore, handleCommand } from '@signalbox/event-store';
import { transaction } from '@signalbox/postgres';
import type { Pool } from 'pg';
import { type Credentials, hashSecret, newSecret } from './credentials.ts';
import {
  confirmAgent,
  deleteToken,
  deleteUnconfirmedAgent,
  findAgent,
  findEnrolment,
  insertAgent,
  insertToken,
  revokeAgentRow,
  useToken,
} from './tables/agents.ts';

export interface EnrolmentDeps {
  readonly pool: Pool;
  readonly store: EventStore;
  readonly credentials: Credentials;
  readonly now: () => string;
}

const contextOf = (call: CallContext, correlationId: string, now: string): CommandContext => ({
  commandId: call.commandId,
  actor: call.actor,
  correlationId,
  causationId: call.commandId,
  now,
  ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
});

/** A one-time token for one device. @throws DomainError `conflict` the device id is taken */
export const issueToken = async (
  { pool, store, now }: EnrolmentDeps,
  request: IssueToken,
  call: CallContext,
): Promise<CallAnswer<'issueToken'>> => {
  const deviceId = request.deviceId ?? deriveId('device', call.commandId);
  const token = newSecret('sbe');
  const tokenId = randomUUID();
  const name = request.name ?? null;
  const expiresAt = await insertToken(
    pool,
    hashSecret(token),
    { tokenId, deviceId, name },
    limits.enrolmentTokenMs,
  );
  try {
    const command = { type: 'IssueToken', deviceId, tokenId, name, expiresAt } as const;
    const context = contextOf(call, deviceId, now());
    const { position } = await handleCommand(store, device, streams.device(deviceId), command, context);
    return { token, tokenId, deviceId, expiresAt, position };
  } catch (error) {
    if (error instanceof DomainError) await deleteToken(pool, tokenId);
    throw error;
  }
};

const tokenInvalid = (): DomainError =>
  new DomainError(
    'token-invalid',
    'expected an unused enrolment token that is not older than 5 minutes, got one that does not count; issue a new one',
  );

/**
 * Exchanges a one-time token for a credential. The token is used up first, the credential counts once the enrolment is
 * in the log. An agent that made its credential itself may ask again with both, whatever of the first time got lost: it goes
 * on where that ended, and gets the same answer. Without one, what breaks is mended by a new token for the same device.
 *
 * @throws DomainError `token-invalid`
 */
export const enrol = async (
  { pool, store, now }: EnrolmentDeps,
  request: Enrol,
  traceparent: string,
): Promise<Omit<Enrolled, 'leaseMs'>> => {
  const credential = request.credential ?? newSecret('sba');
  const credentialHash = hashSecret(credential);
  const { agentVersion, os, architecture, properties } = request;
  const token = await transaction(pool, async (tx) => {
    const used = await useToken(tx, hashSecret(request.token));
    if (used === undefined) {
      const before = await findEnrolment(tx, hashSecret(request.token), credentialHash);
      if (before === undefined) throw tokenInvalid();
      return before;
    }
    const name = used.name ?? request.name ?? used.deviceId;
    const facts = { name, agentVersion, os, architecture, properties };
    const ids = { agentId: used.deviceId, deviceId: used.deviceId, tokenId: used.tokenId };
    await insertAgent(tx, { ...ids, kind: 'device', ...facts, credentialHash });
    return { ...ids, ...facts };
  });
  const { agentId, deviceId, tokenId } = token;
  try {
    const context: CommandContext = {
      commandId: deriveId('enrol', tokenId),
      actor: { type: 'agent', id: agentId },
      correlationId: deviceId,
      causationId: tokenId,
      now: now(),
      traceparent,
    };
    const command = { type: 'Enrol', now: now(), ...token } as const;
    const { position, lastAt } = await handleCommand(
      store,
      device,
      streams.device(deviceId),
      command,
      context,
    );
    await confirmAgent(pool, agentId, tokenId, lastAt ?? now());
    return { agentId, deviceId, credential, position };
  } catch (error) {
    if (error instanceof DomainError) await deleteUnconfirmedAgent(pool, agentId, tokenId);
    throw error;
  }
};

/** The agent's credential counts no more, on every replica within a second. @throws DomainError `not-found` */
export const revokeAgent = async (
  { pool, store, credentials, now }: EnrolmentDeps,
  { agentId, reason }: { readonly agentId: string; readonly reason?: string | undefined },
  call: CallContext,
): Promise<CallAnswer<'revokeAgent'>> => {
  const agent = await findAgent(pool, agentId);
  if (agent === undefined) throw new DomainError('not-found', `expected a known agent, got ${agentId}`);
  const deviceId = agent.deviceId ?? agentId;
  const command = { type: 'Revoke', deviceId, reason: reason ?? null } as const;
  const context = contextOf(call, deviceId, now());
  const outcome = await handleCommand(store, device, streams.device(deviceId), command, context);
  await revokeAgentRow(pool, agentId, outcome.lastAt ?? now());
  credentials.revoke(agentId);
  return { agentId, position: outcome.position, repeated: outcome.repeated };
};
