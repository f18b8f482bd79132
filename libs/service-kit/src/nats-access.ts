import { readFileSync } from 'node:fs';
import { type Authenticator, credsAuthenticator } from '@nats-io/transport-node';
import { type BusUser, inboxPrefixOf, parseBusAddress } from '@signalbox/contracts';
import type { SettingsProblem } from './settings.ts';

/** How one user reaches NATS: address, proof, trust, inboxes. Spread it into the options of `connectBus`. */
export interface NatsAccess {
  /** Address, or several separated by commas; may carry user and password. */
  readonly url: string;
  readonly user?: string;
  readonly pass?: string;
  readonly authenticator?: Authenticator;
  readonly tls?: { readonly caFile?: string };
  readonly inboxPrefix?: string;
}

interface Credentials {
  readonly natsUrl: string;
  readonly natsUser?: string | undefined;
  readonly natsPassword?: string | undefined;
  readonly natsCredsFile?: string | undefined;
  readonly natsCaFile?: string | undefined;
}

/**
 * How a service reaches NATS as one of the users of `busPermissions`.
 *
 * @throws Error a file that the settings name cannot be read
 */
export const natsAccess = (values: Credentials, user: BusUser): NatsAccess => {
  const { natsUrl: url, natsUser, natsPassword: pass, natsCredsFile, natsCaFile } = values;
  return {
    url,
    inboxPrefix: inboxPrefixOf(user),
    ...(pass === undefined ? {} : { user: natsUser ?? user, pass }),
    ...(natsCredsFile === undefined
      ? {}
      : { authenticator: credsAuthenticator(readFileSync(natsCredsFile)) }),
    ...(natsCaFile === undefined ? {} : { tls: { caFile: natsCaFile } }),
  };
};

/** Contradictions between the settings of one user of NATS. */
export const checkNatsAccess = (values: Credentials, prefix = 'SIGNALBOX_'): readonly SettingsProblem[] => {
  const { natsUser, natsPassword, natsCredsFile } = values;
  const problems: SettingsProblem[] = [];
  if (natsUser !== undefined && natsPassword === undefined)
    problems.push({
      env: `${prefix}NATS_PASSWORD`,
      message: `expected a password for ${prefix}NATS_USER, got none`,
    });
  if (natsPassword !== undefined && natsCredsFile !== undefined)
    problems.push({
      env: `${prefix}NATS_CREDS_FILE`,
      message: `expected a password or a credentials file, got both; remove one`,
    });
  return problems;
};

/** How every connection of Nest's transport to NATS behaves: it waits for the server at start and reconnects for ever. */
export const natsOptions = (access: NatsAccess, name: string) => {
  const { url, ...given } = access;
  return {
    ...parseBusAddress(url),
    ...given,
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    waitOnFirstConnect: true,
    pingInterval: 10_000,
    // A stack for each request would cost more than the request; errors name the call.
    noAsyncTraces: true,
  };
};
