import {
  DomainError,
  apiRoutes,
  idPattern,
  type ApiRole,
  type CallContext,
  type Route,
} from '@signalbox/contracts';
import { type Logger, type RequestLimits, newContext, traceparentOf } from '@signalbox/service-kit';
import type { FastifyRequest } from 'fastify';
import { type Authenticator, type Identity } from './authenticator.ts';
import { keyOf } from './key-text.ts';
import { type PrincipalLog } from './principal-log.ts';
import { grants } from './rights.ts';

/** Paths of the kit that carry no data of ours and need no key. */
const openPaths = new Set(['/health/live', '/health/ready', '/metrics']);

const routes = new Map<string, Route>(
  Object.values(apiRoutes).map((route) => [`${route.method} ${route.path}`, route]),
);

/** The entry of the route table that a request is for; HEAD is answered as GET. */
const routeOf = (request: FastifyRequest): Route | undefined =>
  routes.get(`${request.method === 'HEAD' ? 'GET' : request.method} ${request.routeOptions.url ?? ''}`);

const identities = new WeakMap<object, Identity>();

/** Who sent an admitted request. Throws `unauthenticated` for a request that never passed the gate. */
export const identityOf = (request: FastifyRequest): Identity => {
  const identity = identities.get(request);
  if (identity === undefined) throw new DomainError('unauthenticated', 'expected an API key, got none');
  return identity;
};

/** Context of the command or query that a request makes. */
export const contextOf = (request: FastifyRequest): CallContext =>
  newContext({ type: 'principal', id: identityOf(request).principalId }, traceparentOf(request));

/**
 * Decides at the door, before the body is read, who comes in. Deny is the default: a route that is not in the table lets
 * nobody in.
 */
export class Gate {
  readonly #authenticator: Authenticator;
  readonly #log: PrincipalLog;
  readonly #limits: RequestLimits;
  readonly #logger: Logger;
  constructor(authenticator: Authenticator, log: PrincipalLog, limits: RequestLimits, logger: Logger) {
    this.#authenticator = authenticator;
    this.#log = log;
    this.#limits = limits;
    this.#logger = logger;
  }

  /** @throws DomainError `unauthenticated`, `forbidden` (then a refused command is in the log), `too-many-requests`, `unavailable` */
  async admit(request: FastifyRequest): Promise<void> {
    if (request.is404 || openPaths.has(request.routeOptions.url ?? '')) return;
    const route = routeOf(request);
    if (route?.access === 'public') return;
    const identity = await this.#identify(request, route?.admitsKnownKeys === true);
    this.#limits.admit(identity.keyId);
    if (route === undefined || route.access === 'agent' || route.access === 'enrolment-token') {
      throw new DomainError('forbidden', 'expected a route for people and programs, got another one');
    }
    if (!grants(identity.roles, route.access)) throw await this.#deny(request, route, route.access, identity);
    identities.set(request, identity);
  }

  async #identify(request: FastifyRequest, admitsKnownKeys: boolean): Promise<Identity> {
    const key = keyOf(request.headers);
    if (key === undefined) {
      throw this.#unauthenticated(
        request,
        'expected an API key in "Authorization: Bearer …" or X-API-Key, got none',
      );
    }
    let identity: Identity | undefined;
    try {
      identity = await this.#authenticator.identify(key, () => this.#limits.admitStranger(request));
    } catch (error) {
      const known = admitsKnownKeys ? this.#authenticator.lastKnown(key) : undefined;
      if (known !== undefined) return known;
      if (error instanceof DomainError) throw error;
      this.#logger.error('keys cannot be read', { error });
      throw new DomainError('unavailable', 'expected to read API keys, got no answer from the database', {
        cause: error,
      });
    }
    if (identity === undefined) {
      throw this.#unauthenticated(
        request,
        'expected an API key that counts, got one that is unknown or revoked',
      );
    }
    return identity;
  }

  #unauthenticated(request: FastifyRequest, message: string): DomainError {
    return this.#limits.failed(request, new DomainError('unauthenticated', message));
  }

  async #deny(
    request: FastifyRequest,
    route: Route,
    needed: ApiRole,
    identity: Identity,
  ): Promise<DomainError> {
    const reason = `expected role ${needed}, got ${identity.roles.join(', ')}`;
    if (route.command !== null) {
      const { principalId } = identity;
      const { commandId, actor } = newContext({ type: 'principal', id: principalId });
      const data = {
        principalId,
        command: route.command,
        subject: subjectOf(request),
        reason: reason.slice(0, 1024),
      };
      await this.#log.denyCommand(data, { commandId, actor, traceparent: traceparentOf(request) });
    }
    return new DomainError('forbidden', `${reason}; ask an administrator for a key with that role`);
  }
}

/** What a refused command was about, when it is an id. */
const subjectOf = ({ params }: FastifyRequest): string | null => {
  const id = typeof params === 'object' && params !== null && 'id' in params ? params.id : undefined;
  return typeof id === 'string' && idPattern.test(id) ? id : null;
};
