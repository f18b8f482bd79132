import { EventStore } from '@signalbox/event-store';
import { CallServer, type Env, runAsMain, startService } from '@signalbox/service-kit';
import { appModule } from './app.module.ts';
import { calls } from './calls.ts';
import { settings } from './config.ts';

/** Starts the scheduler: when a job exists. */
export const start = (env: Env) =>
  startService({
    name: 'scheduler',
    settings,
    env,
    port: ({ port }) => port,
    module: appModule,
    transports: (app, kit, { natsUrl }) => [
      new CallServer({
        natsUrl,
        service: 'scheduler',
        answers: calls(app.get(EventStore), kit),
        logger: kit.logger,
      }),
    ],
  });

if (import.meta.main) await runAsMain(start);
