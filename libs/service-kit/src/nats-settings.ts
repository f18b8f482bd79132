import { setting } from './setting.ts';

/** Settings of every service about NATS. */
export const natsSettings = {
  natsUrl: setting.url({
    env: 'NATS_URL',
    meaning: 'nats-server with JetStream; `tls://` asks for TLS; user and password may be part of the URL',
    protocols: ['nats', 'tls'],
  }),
  natsUser: setting.text({
    env: 'SIGNALBOX_NATS_USER',
    meaning: 'User of NATS where SIGNALBOX_NATS_PASSWORD is given; without it the name of the service',
    optional: true,
  }),
  natsPassword: setting.secret({
    env: 'SIGNALBOX_NATS_PASSWORD',
    meaning: 'Password of the service’s user of NATS; what it may do is in deploy/nats/authorization.conf',
    optional: true,
  }),
  natsCredsFile: setting.text({
    env: 'SIGNALBOX_NATS_CREDS_FILE',
    meaning: 'File with a JWT and a seed (`.creds`) instead of user and password',
    optional: true,
  }),
  natsCaFile: setting.text({
    env: 'SIGNALBOX_NATS_CA_FILE',
    meaning: 'File in PEM with the authority that signed nats-server’s certificate; it asks for TLS',
    optional: true,
  }),
} as const;
