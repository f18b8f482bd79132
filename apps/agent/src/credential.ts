import { credentialPath, readState, requirePrivate, StateFileRefused, writeState } from './state-files.ts';
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

/** Keeps the credential, mode 600, on disk when this returns. */
export const keepCredential = (stateDir: string, server: URL, enrolled: Enrolled): Credential => {
  const kept: Credential = {
    server: server.href,
    agentId: enrolled.agentId,
    deviceId: enrolled.deviceId,
    credential: enrolled.credential,
  };
  writeState(credentialPath(stateDir), kept, true);
  return kept;
};
