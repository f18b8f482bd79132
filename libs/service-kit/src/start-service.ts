import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import type { DynamicModule, INestApplicationContext, Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CustomTransportStrategy } from '@nestjs/microservices';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Clock, systemClock } from './clock.ts';
import { Health } from './health.ts';
import { ProblemFilter } from './http-problems.ts';
import { addOperationsRoutes, createHttp } from './http.ts';
import { Lifecycle } from './lifecycle.ts';
import { Logger, createLogger, nestLogger, type LogLevel } from './logger.ts';
import { Metrics } from './metrics.ts';
import type { Setting } from './setting.ts';
import { startTracing } from './tracing/start-tracing.ts';
import { type Tracing } from './tracing/tracing.ts';
import type { TracingTable } from './tracing/tracing-settings.ts';
import {
  loadSettings,
  type Env,
  type SettingsOf,
  type SettingsProblem,
  type SettingsTable,
} from './settings.ts';

/** What the kit gives to a service's factories. */
export interface Kit {
  readonly name: string;
  /** This start of this service: its name and a random part. */
  readonly replica: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: Health;
  readonly lifecycle: Lifecycle;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
}

/** The kit as Nest providers: the abstract classes are the tokens. */
export const kitProviders = (kit: Kit): Provider[] => [
  { provide: Clock, useValue: kit.clock },
  { provide: Logger, useValue: kit.logger },
  { provide: Health, useValue: kit.health },
  { provide: Lifecycle, useValue: kit.lifecycle },
  { provide: Metrics, useValue: kit.metrics },
];

/** A table that has at least what the kit itself reads; spread `commonSettings` into it. */
export type ServiceSettings = SettingsTable &
  TracingTable & {
    readonly listenHost: Setting<string>;
    readonly logLevel: Setting<LogLevel>;
  };

export interface ServiceDefinition<T extends ServiceSettings> {
  readonly name: string;
  readonly settings: T;
  readonly env: Env;
  /** Variables of other services that share the environment. */
  readonly alsoKnown?: readonly string[] | undefined;
  readonly check?: (settings: SettingsOf<T>) => readonly SettingsProblem[];
  /** HTTP port; without it a free one is taken. */
  readonly port?: (settings: SettingsOf<T>) => number;
  /** The one Nest module of the process. What it opens it registers with `kit.lifecycle.onStop`. */
  readonly module: (settings: SettingsOf<T>, kit: Kit) => DynamicModule | Promise<DynamicModule>;
  /** Transports to connect, such as a `CallServer`; built when all providers exist. */
  readonly transports?: (
    app: INestApplicationContext,
    kit: Kit,
    settings: SettingsOf<T>,
  ) => readonly CustomTransportStrategy[];
  /** Last step before the service listens: start readers, add routes that are no controllers. */
  readonly prepare?: (app: NestFastifyApplication, kit: Kit, settings: SettingsOf<T>) => void | Promise<void>;
}

/** A service that runs. */
export interface Service<S = unknown> {
  readonly name: string;
  /** Address of its HTTP port, without a slash at the end. */
  readonly url: string;
  readonly settings: S;
  readonly app: NestFastifyApplication;
  /** Drains and stops all within 10 s. Idempotent; never rejects. */
  stop(): Promise<void>;
}

const addressOf = (app: NestFastifyApplication, host: string): string => {
  const address: unknown = app.getHttpServer().address();
  if (typeof address !== 'object' || address === null || !('port' in address))
    throw new Error('expected a port, got none');
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${String(address.port)}`;
};

/** Long requests have ended by now or are cut. */
const closeConnectionsAfterMs = 3_000;

const closeApp = async (app: NestFastifyApplication): Promise<void> => {
  const cut = setTimeout(
    () => app.getHttpAdapter().getInstance().server.closeAllConnections(),
    closeConnectionsAfterMs,
  );
  try {
    await app.close();
  } finally {
    clearTimeout(cut);
  }
};

type KitSettings = Pick<ServiceSettings, 'listenHost' | 'logLevel' | keyof TracingTable>;

const createKit = async (name: string, settings: SettingsOf<KitSettings>): Promise<Kit> => {
  const logger = createLogger({ service: name, level: settings.logLevel });
  const health = new Health();
  const lifecycle = new Lifecycle(systemClock, logger);
  const metrics = new Metrics(name);
  const replica = `${name}-${randomBytes(4).toString('hex')}`;
  const tracing = await startTracing({ service: name, instance: replica }, settings, logger);
  lifecycle.onStop('tracing', () => tracing.close());
  lifecycle.onStop('metrics', () => metrics.close());
  lifecycle.onDrain('readiness', () => health.drain());
  return { name, replica, clock: systemClock, logger, health, lifecycle, metrics, tracing };
};

const createApp = async <T extends ServiceSettings>(
  definition: ServiceDefinition<T>,
  settings: SettingsOf<T>,
  kit: Kit,
): Promise<NestFastifyApplication> => {
  const { adapter, routes } = createHttp(kit.metrics, kit.tracing);
  const module = await definition.module(settings, kit);
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: nestLogger(kit.logger),
    bodyParser: false,
    abortOnError: false,
  });
  kit.lifecycle.onStop('http and calls', () => closeApp(app));
  app.useGlobalFilters(new ProblemFilter(kit.logger, routes));
  addOperationsRoutes(app.getHttpAdapter().getInstance(), kit.name, kit.health, kit.metrics);
  for (const strategy of definition.transports?.(app, kit, settings) ?? [])
    app.connectMicroservice({ strategy });
  await definition.prepare?.(app, kit, settings);
  await app.startAllMicroservices();
  return app;
};

/**
 * Starts one service: reads its settings, builds its module, connects its transports and listens. Several services may
 * run in one process. Signals are not handled here; see `runAsMain`.
 *
 * @throws SettingsError the environment is not valid; nothing was started
 * @throws whatever the module's factories throw; what had been opened is closed again
 */
export const startService = async <const T extends ServiceSettings>(
  definition: ServiceDefinition<T>,
): Promise<Service<SettingsOf<T>>> => {
  const { name, env, alsoKnown = [], check } = definition;
  const settings = loadSettings(definition.settings, env, {
    service: name,
    alsoKnown,
    ...(check === undefined ? {} : { check }),
  });
  const common: SettingsOf<KitSettings> = settings;
  const kit = await createKit(name, common);
  try {
    const app = await createApp(definition, settings, kit);
    await app.listen(definition.port?.(settings) ?? 0, common.listenHost);
    const url = addressOf(app, common.listenHost);
    kit.logger.info('service started', { url });
    return { name, url, settings, app, stop: () => kit.lifecycle.stop() };
  } catch (error) {
    await kit.lifecycle.stop();
    throw error;
  }
};
