import { runAsMain, startService, type Env, type Service } from '@signalbox/service-kit';
import { apiModule } from './app.module.ts';
import { checkSettings, settings, type ApiSettings } from './config.ts';
import { Gate } from './identity/gate.ts';
import { prepareKeys } from './identity/prepare-keys.ts';

export { settings } from './config.ts';

/** Starts the api: the REST door for people and programs. `alsoKnown`: variables of services in the same environment. */
export const start = (env: Env, alsoKnown?: readonly string[]): Promise<Service<ApiSettings>> =>
  startService({
    name: 'api',
    settings,
    check: checkSettings,
    env,
    alsoKnown,
    port: (each) => each.port,
    module: apiModule,
    prepare: async (app, kit, each) => {
      const gate = app.get(Gate);
      app
        .getHttpAdapter()
        .getInstance()
        .addHook('onRequest', (request) => gate.admit(request));
      await prepareKeys(app, kit, each.bootstrapAdminKey);
    },
  });

if (import.meta.main) await runAsMain(start);
