import { Controller, Get, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { apiRoutes, type AgentRevoked, type AgentView, type TokenIssued } from '@signalbox/contracts';
import { CallClient } from '@signalbox/service-kit';
import type { FastifyRequest } from 'fastify';
import { inputOf } from './http/input.ts';
import { EnrolmentLine } from './identity/enrolment-line.ts';
import { contextOf } from './identity/gate.ts';

@Controller()
export class AgentsController {
  readonly #calls: CallClient;
  readonly #enrolment: EnrolmentLine;
  constructor(@Inject(CallClient) calls: CallClient, @Inject(EnrolmentLine) enrolment: EnrolmentLine) {
    this.#calls = calls;
    this.#enrolment = enrolment;
  }

  @Post(apiRoutes.issueToken.path)
  @HttpCode(201)
  async issueToken(@Req() request: FastifyRequest): Promise<TokenIssued> {
    const { body } = inputOf(apiRoutes.issueToken, request);
    const issued = await this.#calls.call('issueToken', body, contextOf(request));
    return { ...issued, enrolmentLine: this.#enrolment.line(issued.token) };
  }

  @Get(apiRoutes.listAgents.path)
  list(@Req() request: FastifyRequest) {
    const { query } = inputOf(apiRoutes.listAgents, request);
    return this.#calls.call('listAgents', query, contextOf(request));
  }

  @Get(apiRoutes.getAgent.path)
  get(@Req() request: FastifyRequest): Promise<AgentView> {
    const { params } = inputOf(apiRoutes.getAgent, request);
    return this.#calls.call('getAgent', { agentId: params.id }, contextOf(request));
  }

  @Post(apiRoutes.revokeAgent.path)
  @HttpCode(200)
  revoke(@Req() request: FastifyRequest): Promise<AgentRevoked> {
    const { params, body } = inputOf(apiRoutes.revokeAgent, request);
    return this.#calls.call('revokeAgent', { agentId: params.id, ...body }, contextOf(request));
  }
}
