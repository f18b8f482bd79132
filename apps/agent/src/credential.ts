import { createHash, randomBytes } from 'node:crypto';
import {
  credentialPath,
  pendingPath,
  readState,
  removeState,
  requirePrivate,
  StateFileRefused,
  writeState,
} from './state-files.ts';
import type { Enrolled } from './wire.ts';

/** What enrolment left behind; the credential is a secret and never logged. */
export interface Credential {
  readonly server: string;
  readonly agentId: string;
  readonly deviceId: string;
  readonly credential: string;
}

/**
 * The credential of an earlier enrolment; null when this machine is not enrolled.
 * @throws StateFileRefused when others may read the file, or when it is damaged
 */
export const readCredential = (stateDir: string): Credential | null => {
  const path = credentialPath(stateDir);
  const fields = readState(path);
  if (fields === null) return null;
  requirePrivate(path);
  const { server, agentId, deviceId, credential } = fields;
  if (
    typeof server !== 'string' ||
    typeof agentId !== 'string' ||
    typeof deviceId !== 'string' ||
    typeof credential !== 'string' ||
    !/^[\x21-\x7e]+$/.test(credential)
  ) {
    throw new StateFileRefused(
      `${path}: expected server, agentId, deviceId and credential, got a damaged file; remove it and enrol again`,
    );
  }
  return { server, agentId, deviceId, credential };
};

/**
 * The credential to enrol with, made here and on disk before the server hears of it: when the answer is lost, the same token
 * and the same credential give it again, also after a restart. Another token gets another credential.
 */
export const pendingCredential = (stateDir: string, token: string): string => {
  const path = pendingPath(stateDir);
  const tokenHash = createHash('sha256').update(token).digest('hex');
  const kept = readState(path);
  if (kept?.tokenHash === tokenHash && typeof kept.credential === 'string') return kept.credential;
  const credential = `sba_${randomBytes(32).toString('base64url')}`;
  writeState(path, { tokenHash, credential }, true);
  return credential;
};

/** Keeps the credential, mode 600, on disk when this returns. */
export const keepCredential = (stateDir: string, server: URL, enrolled: Enrolled): Credential => {
  const kept: Credential = {
    server: server.href,
    agentId: enrolled.agentId,
    deviceId: enrolled.deviceId,
    credential: enrolled.credential,
  };
  writeState(credentialPath(stateDir), kept, true);
  removeState(pendingPath(stateDir));
  return kept;
};
