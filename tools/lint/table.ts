/** What a project is, by its tag `type:` in package.json. */
export type ProjectType =
  | 'contract'
  | 'domain'
  | 'port'
  | 'adapter'
  | 'kit'
  | 'choice'
  | 'client'
  | 'test'
  | 'service'
  | 'app'
  | 'tool'
  | 'example';

/** Which of our projects a project may import, by type, or by `=name` where one project is meant. */
export const mayDependOn: Readonly<Record<ProjectType, readonly string[]>> = {
  contract: [],
  domain: ['contract'],
  port: ['contract'],
  adapter: ['contract', 'port', '=@signalbox/postgres'],
  kit: ['contract'],
  // What joins adapters with the kit: the choice among them, and looks at them.
  choice: ['contract', 'port', 'adapter', 'kit'],
  client: ['contract'],
  service: ['contract', 'domain', 'port', 'adapter', 'kit', 'choice'],
  app: ['contract', 'client', '=@signalbox/domain'],
  test: ['contract', 'domain', 'port', 'adapter', 'kit', 'choice', 'client', 'test', 'tool'],
  // Tools bundle the agent.
  tool: ['contract', 'domain', 'port', 'adapter', 'kit', 'choice', 'client', 'app', 'tool'],
  example: [],
};

/** Types that run in a browser as well: none of Node's own modules. */
export const pureTypes: readonly ProjectType[] = ['contract', 'domain', 'port', 'client'];

const externalsByType: Readonly<Record<ProjectType, readonly string[]>> = {
  contract: ['zod', 'uuid'],
  domain: [],
  port: [],
  adapter: [],
  kit: [
    '@nestjs/*',
    '@opentelemetry/*',
    'fastify',
    '@fastify/proxy-addr',
    'pino',
    'prom-client',
    'reflect-metadata',
    'rxjs',
    'zod',
  ],
  choice: ['pg'],
  client: [],
  service: ['@nestjs/*', 'fastify', 'pg', 'reflect-metadata', 'rxjs', 'typeorm', 'zod'],
  app: [],
  test: ['*'],
  tool: ['*'],
  example: ['*'],
};

/** One technology for each adapter; packages that one project needs beyond its type. */
const externalsByName: Readonly<Record<string, readonly string[]>> = {
  '@signalbox/postgres': ['pg', 'typeorm'],
  '@signalbox/event-store-postgres': ['pg'],
  // Its tests have a server of their own.
  '@signalbox/event-store-kurrentdb': ['@eventstore/db-client', '@grpc/grpc-js'],
  '@signalbox/bus-nats': ['@nats-io/*', '@nestjs/common', '@nestjs/microservices', 'rxjs'],
  // Commands and queries between services travel by NATS request/reply.
  '@signalbox/service-kit': ['@nats-io/transport-node'],
  '@signalbox/service-scheduler': ['croner'],
};

/** Packages from outside that a project may import; `*` is all, a trailing `/*` a whole scope. */
export const externalsOf = (project: {
  readonly name: string;
  readonly type: ProjectType;
}): readonly string[] => [...externalsByType[project.type], ...(externalsByName[project.name] ?? [])];
