import { checkEventStore } from '@signalbox/event-store-choice';
import { EventsTransport } from '@signalbox/bus-nats';
import {
  CallServer,
  checkNatsAccess,
  type Env,
  natsAccess,
  runAsMain,
  startService,
} from '@signalbox/service-kit';
import { DataSource } from 'typeorm';
import { appModule } from './app.module.ts';
import { calls } from './calls.ts';
import { settings } from './config.ts';
import { PositionWatch } from './position-watch.ts';

/** Starts the audit service: it remembers. */
export const start = (env: Env) =>
  startService({
    name: 'audit',
    settings,
    env,
    check: (values) => [...checkNatsAccess(values), ...checkEventStore(values)],
    port: ({ port }) => port,
    module: appModule,
    transports: (app, kit, values) => [
      app.get(EventsTransport),
      new CallServer({
        nats: natsAccess(values, 'audit'),
        service: 'audit',
        answers: calls(app.get(DataSource), app.get(PositionWatch)),
        kit,
      }),
    ],
  });

if (import.meta.main) await runAsMain(start);
