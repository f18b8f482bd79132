import { keepCredential, pendingCredential, type Credential } from './credential.ts';
import { isCredentialRefused, isPermanent, retryDelayMs, type Gateway } from './gateway.ts';
import { errorText, type Log } from './log.ts';
import { pause } from './pause.ts';
import type { Settings } from './settings.ts';

/** This machine cannot be enrolled as things stand; the message says what to do. */
export class EnrolmentRefused extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'EnrolmentRefused';
  }
}

/**
 * Exchanges the one-time token for a credential and keeps it. While the server is away it tries again.
 * @returns null when the signal fired first
 * @throws EnrolmentRefused when the token is not taken
 */
export const enrol = async (from: {
  readonly gateway: Gateway;
  readonly server: URL;
  readonly token: string;
  readonly settings: Settings;
  readonly agentVersion: string;
  readonly giveUp: AbortSignal;
  readonly log: Log;
}): Promise<Credential | null> => {
  const { gateway, server, token, settings, agentVersion, giveUp, log } = from;
  const { name, properties } = settings;
  const credential = pendingCredential(settings.stateDir, token);
  const machine = { os: process.platform, architecture: process.arch };
  for (let failures = 1; !giveUp.aborted; failures += 1) {
    try {
      const enrolled = await gateway.enrol({
        token,
        credential,
        name,
        agentVersion,
        ...machine,
        properties: { ...properties },
      });
      log.info('enrolled', { agentId: enrolled.agentId, deviceId: enrolled.deviceId });
      return keepCredential(settings.stateDir, server, enrolled);
    } catch (error) {
      if (isCredentialRefused(error)) {
        throw new EnrolmentRefused(
          'token refused: it was used already, is older than 5 minutes, or belongs to another server; ask for a new one and start again with --token',
          error,
        );
      }
      if (isPermanent(error)) throw new EnrolmentRefused(`enrolment refused: ${errorText(error)}`, error);
      log.warn('not enrolled yet', { failures, error: errorText(error) });
      await pause(retryDelayMs(error, failures), giveUp);
    }
  }
  return null;
};
