import { Controller, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import {
  apiRoutes,
  type AssignmentView,
  type CancelAnswer,
  type JobAccepted,
  type JobDetail,
} from '@signalbox/contracts';
import { CallClient, describeRequest, jobIdAttribute } from '@signalbox/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { inputOf } from './http/input.ts';
import { contextOf } from './identity/gate.ts';
import { JobViews } from './jobs/job-views.ts';

/** The scheduler may have a batch before it: a create waits longer than other calls. */
const createPatience = { timeoutMs: 10_000 };

@Controller()
export class JobsController {
  readonly #calls: CallClient;
  readonly #views: JobViews;
  constructor(@Inject(CallClient) calls: CallClient, @Inject(JobViews) views: JobViews) {
    this.#calls = calls;
    this.#views = views;
  }

  @Post(apiRoutes.createJob.path)
  async create(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JobAccepted> {
    const { body, headers } = inputOf(apiRoutes.createJob, request);
    const idempotencyKey = headers['idempotency-key'] ?? null;
    const context = contextOf(request);
    const accepted = await this.#calls.call(
      'createJob',
      { request: body, idempotencyKey },
      context,
      createPatience,
    );
    describeRequest(request, { [jobIdAttribute]: accepted.jobId });
    void reply
      .status(accepted.repeated ? 200 : 201)
      .header('Location', apiRoutes.getJob.path.replace(':id', accepted.jobId));
    return accepted;
  }

  @Get(apiRoutes.listJobs.path)
  list(@Req() request: FastifyRequest) {
    const { query } = inputOf(apiRoutes.listJobs, request);
    return this.#calls.call('listJobs', query, contextOf(request));
  }

  @Get(apiRoutes.getJob.path)
  get(@Req() request: FastifyRequest): Promise<JobDetail> {
    const { params, query } = inputOf(apiRoutes.getJob, request);
    return this.#views.job({ jobId: params.id, after: query.after }, contextOf(request));
  }

  @Post(apiRoutes.cancelJob.path)
  @HttpCode(200)
  cancel(@Req() request: FastifyRequest): Promise<CancelAnswer> {
    const { params, body } = inputOf(apiRoutes.cancelJob, request);
    const question = { jobId: params.id, reason: body.reason ?? null };
    return this.#calls.call('cancelJob', question, contextOf(request));
  }

  @Get(apiRoutes.listAssignments.path)
  async assignments(@Req() request: FastifyRequest): Promise<{ readonly items: readonly AssignmentView[] }> {
    const { params, query } = inputOf(apiRoutes.listAssignments, request);
    return {
      items: await this.#views.assignments({ jobId: params.id, after: query.after }, contextOf(request)),
    };
  }
}
