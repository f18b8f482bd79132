import { DomainError, agentRoutes, type Route } from '@signalbox/contracts';
import type { Logger, RequestLimits } from '@signalbox/service-kit';
import type { FastifyRequest } from 'fastify';
import type { AgentIdentity, Credentials } from './credentials.ts';
import type { EnrolmentDeps } from './enrolment.ts';
import type { ReportDeps } from './report.ts';

/** Routes that an agent's credential opens. */
const agentOnly = new Set(
  Object.values<Route>(agentRoutes)
    .filter(({ access }) => access === 'agent')
    .map(({ path }) => path),
);

/** What the agent protocol's controller needs: who speaks, and the functions' dependencies. */
export class AgentDoor {
  readonly attempts: ReportDeps;
  readonly enrolment: EnrolmentDeps;
  readonly logger: Logger;
  readonly #credentials: Credentials;
  readonly #limits: RequestLimits;
  readonly #seen = new Map<string, string>();
  readonly #admitted = new WeakMap<object, AgentIdentity>();

  constructor(deps: {
    readonly attempts: ReportDeps;
    readonly enrolment: EnrolmentDeps;
    readonly credentials: Credentials;
    readonly limits: RequestLimits;
    readonly logger: Logger;
  }) {
    this.attempts = deps.attempts;
    this.enrolment = deps.enrolment;
    this.logger = deps.logger;
    this.#credentials = deps.credentials;
    this.#limits = deps.limits;
  }

  /**
   * Decides before the body is read which agent comes in.
   *
   * @throws DomainError `unauthenticated`, `too-many-requests`
   */
  async admit(request: FastifyRequest): Promise<void> {
    if (!agentOnly.has(request.routeOptions.url ?? '')) return;
    const agent = await this.#failing(request, 'unauthenticated', () =>
      this.#credentials.authenticate(request.headers.authorization, () =>
        this.#limits.admitStranger(request),
      ),
    );
    this.#limits.admit(agent.agentId);
    this.#admitted.set(request, agent);
    this.#seen.set(agent.agentId, this.attempts.now());
  }

  /** Who sent an admitted request. @throws DomainError `unauthenticated` for a request that was not admitted */
  identityOf(request: FastifyRequest): AgentIdentity {
    const agent = this.#admitted.get(request);
    if (agent !== undefined) return agent;
    throw new DomainError('unauthenticated', 'expected the agent’s credential, got none');
  }

  /** An enrolment, while its address has not failed too often. @throws DomainError `too-many-requests` */
  async enrolling<T>(request: FastifyRequest, work: () => Promise<T>): Promise<T> {
    this.#limits.admitStranger(request);
    return this.#failing(request, 'token-invalid', work);
  }

  async #failing<T>(
    request: FastifyRequest,
    code: 'unauthenticated' | 'token-invalid',
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof DomainError && error.code === code ? this.#limits.failed(request, error) : error;
    }
  }

  /** The agents heard of since the last call, with when: written in one go, not one by one. */
  takeSeen(): ReadonlyMap<string, string> {
    const seen = new Map(this.#seen);
    this.#seen.clear();
    return seen;
  }
}
