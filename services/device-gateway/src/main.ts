import { checkEventStore } from '@signalbox/event-store-choice';
import { checkNatsAccess, type Env, natsAccess, runAsMain, startService } from '@signalbox/service-kit';
import { AgentDoor } from './agent-door.ts';
import { Gateway, appModule } from './app.module.ts';
import { settings } from './config.ts';
import { callTransport, projectorTransport, startFollower, startLoops } from './transports.ts';

/** Starts the device gateway: whether an agent's word counts. */
export const start = (env: Env) =>
  startService({
    name: 'device-gateway',
    settings,
    env,
    port: ({ port }) => port,
    module: appModule,
    check: (values) => [...checkNatsAccess(values), ...checkEventStore(values)],
    transports: (app, kit, values) => [
      callTransport(app.get(Gateway), app.get(AgentDoor), kit, natsAccess(values, 'device-gateway')),
    ],
    prepare: async (app, kit, values) => {
      const gateway = app.get(Gateway);
      const door = app.get(AgentDoor);
      app
        .getHttpAdapter()
        .getInstance()
        .addHook('onRequest', (request) => door.admit(request));
      app.connectMicroservice({ strategy: await projectorTransport(gateway, kit) });
      await startFollower(gateway, kit);
      await startLoops(gateway, door, kit, values);
    },
  });

if (import.meta.main) await runAsMain(start);
