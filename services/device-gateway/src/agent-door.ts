import type { Logger } from '@signalbox/service-kit';
import type { AgentIdentity, Credentials } from './credentials.ts';
import type { EnrolmentDeps } from './enrolment.ts';
import type { ReportDeps } from './report.ts';

/** What the agent protocol's controller needs: who speaks, and the functions' dependencies. */
export class AgentDoor {
  readonly attempts: ReportDeps;
  readonly enrolment: EnrolmentDeps;
  readonly logger: Logger;
  readonly #credentials: Credentials;
  readonly #seen = new Map<string, string>();

  constructor(deps: {
    readonly attempts: ReportDeps;
    readonly enrolment: EnrolmentDeps;
    readonly credentials: Credentials;
    readonly logger: Logger;
  }) {
    this.attempts = deps.attempts;
    this.enrolment = deps.enrolment;
    this.logger = deps.logger;
    this.#credentials = deps.credentials;
  }

  /** @throws DomainError `unauthenticated` */
  async authenticate(authorization: string | undefined): Promise<AgentIdentity> {
    const agent = await this.#credentials.authenticate(authorization);
    this.#seen.set(agent.agentId, this.attempts.now());
    return agent;
  }

  /** The agents heard of since the last call, with when: written in one go, not one by one. */
  takeSeen(): ReadonlyMap<string, string> {
    const seen = new Map(this.#seen);
    this.#seen.clear();
    return seen;
  }
}
