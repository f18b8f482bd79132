import {
  AttemptParams,
  Enrol,
  type Enrolled,
  type Offer,
  type OutputStored,
  Poll,
  type PollAnswer,
  type Renewed,
  ReportStatus,
  SendOutput,
  type StatusTaken,
  type Whoami,
  agentPrefix,
  parseRequest,
} from '@signalbox/contracts';
import { Body, Controller, Get, Headers, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { continueTrace } from '@signalbox/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AgentDoor } from './agent-door.ts';
import { claim, renew } from './attempts.ts';
import { enrol } from './enrolment.ts';
import { poll } from './polls.ts';
import { takeOutput, takeStatus } from './report.ts';

const attemptPath = 'assignments/:jobId/:targetId/attempts/:attempt';

/** Fires when the agent hangs up before it has its answer. */
const goneOf = (reply: FastifyReply): AbortSignal => {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
};

/** The agent protocol: outbound only, one bearer credential, every word names its attempt. */
@Controller(agentPrefix.slice(1))
export class AgentController {
  readonly #door: AgentDoor;

  constructor(@Inject(AgentDoor) door: AgentDoor) {
    this.#door = door;
  }

  @Post('enrol')
  @HttpCode(201)
  async enrol(
    @Req() asked: FastifyRequest,
    @Body() body: unknown,
    @Headers('traceparent') traceparent: string | undefined,
  ): Promise<Enrolled> {
    const request = parseRequest(Enrol, body);
    const enrolled = await this.#door.enrolling(asked, () =>
      enrol(this.#door.enrolment, request, continueTrace(traceparent)),
    );
    return { ...enrolled, leaseMs: this.#door.attempts.leaseMs('device') };
  }

  @Get('me')
  async me(@Req() asked: FastifyRequest): Promise<Whoami> {
    const { agentId, kind, deviceId } = this.#door.identityOf(asked);
    return { agentId, kind, deviceId, leaseMs: this.#door.attempts.leaseMs(kind) };
  }

  @Post('poll')
  @HttpCode(200)
  async poll(
    @Req() asked: FastifyRequest,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PollAnswer> {
    const agent = this.#door.identityOf(asked);
    return poll(this.#door.attempts, agent, parseRequest(Poll, body ?? {}), goneOf(reply));
  }

  @Post(`${attemptPath}/claim`)
  @HttpCode(200)
  async claim(@Req() asked: FastifyRequest, @Param() path: unknown): Promise<Offer> {
    const agent = this.#door.identityOf(asked);
    return claim(this.#door.attempts, agent, parseRequest(AttemptParams, path, 'path'));
  }

  @Post(`${attemptPath}/renew`)
  @HttpCode(200)
  async renew(@Req() asked: FastifyRequest, @Param() path: unknown): Promise<Renewed> {
    const agent = this.#door.identityOf(asked);
    return renew(this.#door.attempts, agent, parseRequest(AttemptParams, path, 'path'));
  }

  @Post(`${attemptPath}/output`)
  @HttpCode(200)
  async output(
    @Req() asked: FastifyRequest,
    @Param() path: unknown,
    @Body() body: unknown,
  ): Promise<OutputStored> {
    const agent = this.#door.identityOf(asked);
    const ref = parseRequest(AttemptParams, path, 'path');
    return takeOutput(this.#door.attempts, agent, ref, parseRequest(SendOutput, body).chunks);
  }

  @Post(`${attemptPath}/status`)
  @HttpCode(200)
  async status(
    @Req() asked: FastifyRequest,
    @Param() path: unknown,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StatusTaken> {
    const agent = this.#door.identityOf(asked);
    const ref = parseRequest(AttemptParams, path, 'path');
    const report = parseRequest(ReportStatus, body);
    const taken = await takeStatus(this.#door.attempts, agent, ref, report);
    this.#door.logger.info(taken.repeated ? 'end of an attempt repeated' : 'attempt ended', {
      correlationId: ref.jobId,
      ...ref,
      agentId: agent.agentId,
      code: report.status,
      position: taken.position,
    });
    if (report.next === undefined) return { ...taken, next: null };
    const ask = { waitMs: report.next.waitMs, claim: true, accept: true, holding: [] };
    return { ...taken, next: await poll(this.#door.attempts, agent, ask, goneOf(reply)) };
  }
}
