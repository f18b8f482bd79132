import { Readable } from 'node:stream';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { DomainError, apiRoutes, type OutputPage, type ReadOutput } from '@signalbox/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { inputOf } from './http/input.ts';
import { contextOf } from './identity/gate.ts';
import { JobLog } from './jobs/job-log.ts';
import { Output } from './jobs/output.ts';

/** True when the caller prefers plain text to JSON: it names `text/plain` and does not name JSON before it. */
const wantsText = ({ headers }: FastifyRequest): boolean => {
  const accepted = (headers.accept ?? '').split(',').map((each) => each.split(';')[0]?.trim());
  const first = accepted.find((each) => each === 'text/plain' || each === 'application/json');
  return first === 'text/plain';
};

@Controller()
export class OutputController {
  readonly #output: Output;
  readonly #log: JobLog;
  constructor(@Inject(Output) output: Output, @Inject(JobLog) log: JobLog) {
    this.#output = output;
    this.#log = log;
  }

  @Get(apiRoutes.readJobOutput.path)
  async ofJob(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { params, query } = inputOf(apiRoutes.readJobOutput, request);
    const [targetId, ...others] = await this.#log.targetsOf(params.id);
    if (targetId === undefined || others.length > 0) {
      throw new DomainError(
        'invalid-request',
        `expected a job with one target, got ${others.length + 1}; read /api/v1/jobs/${params.id}/assignments/<targetId>/output`,
      );
    }
    return this.#answer({ request, reply, jobId: params.id, targetId, query });
  }

  @Get(apiRoutes.readOutput.path)
  async ofAssignment(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { params, query } = inputOf(apiRoutes.readOutput, request);
    const { id: jobId, targetId } = params;
    if (!(await this.#log.targetsOf(jobId)).includes(targetId)) {
      throw new DomainError('not-found', `expected a target of job ${jobId}, got ${targetId}`);
    }
    return this.#answer({ request, reply, jobId, targetId, query });
  }

  async #answer(ask: {
    readonly request: FastifyRequest;
    readonly reply: FastifyReply;
    readonly jobId: string;
    readonly targetId: string;
    readonly query: ReadOutput;
  }): Promise<OutputPage | Readable> {
    const { request, reply, query } = ask;
    const { jobId, targetId } = ask;
    const context = contextOf(request);
    const wanted = { ...query, jobId, targetId };
    void reply.header('X-Content-Type-Options', 'nosniff').header('Vary', 'Accept');
    const text = wantsText(request);
    const first = (await this.#output.pageIfAny(wanted, context)) ?? {
      jobId,
      targetId,
      attempt: query.attempt ?? 1,
      chunks: [],
      nextSequence: query.fromSequence,
    };
    if (!text) return first;
    void reply.header('Content-Type', 'text/plain; charset=utf-8');
    return Readable.from(this.#output.bytes(first, wanted, context), { objectMode: false });
  }
}
