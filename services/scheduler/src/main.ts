import { EventStore } from '@signalbox/event-store';
import { CallServer, type Env, natsAccess, runAsMain, startService } from '@signalbox/service-kit';
import { appModule } from './app.module.ts';
import { calls } from './calls.ts';
import { checkSettings, settings } from './config.ts';

/** Starts the scheduler: when a job exists. */
export const start = (env: Env) =>
  startService({
    name: 'scheduler',
    settings,
    env,
    port: ({ port }) => port,
    module: appModule,
    check: checkSettings,
    transports: (app, kit, values) => [
      new CallServer({
        nats: natsAccess(values, 'scheduler'),
        service: 'scheduler',
        answers: calls(app.get(EventStore), kit),
        kit,
      }),
    ],
  });

if (import.meta.main) await runAsMain(start);
