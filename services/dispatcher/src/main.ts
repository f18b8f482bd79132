import { checkEventStore } from '@signalbox/event-store-choice';
import { checkNatsAccess, type Env, runAsMain, startService } from '@signalbox/service-kit';
import { Dispatcher, appModule } from './app.module.ts';
import { settings } from './config.ts';
import { transports } from './transports.ts';

/** Starts the dispatcher: where jobs run, whether they may run now, when they are late. */
export const start = (env: Env) =>
  startService({
    name: 'dispatcher',
    settings,
    env,
    check: (values) => [...checkNatsAccess(values), ...checkEventStore(values)],
    port: ({ port }) => port,
    module: appModule,
    transports: (app, kit, values) => transports(app.get(Dispatcher), kit, values),
  });

if (import.meta.main) await runAsMain(start);
