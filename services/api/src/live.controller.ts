import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { DomainError, apiRoutes, positionPattern } from '@signalbox/contracts';
import { EventStore } from '@signalbox/event-store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { inputOf } from './http/input.ts';
import { contextOf } from './identity/gate.ts';
import { JobLog } from './jobs/job-log.ts';
import { Output } from './jobs/output.ts';
import { EventFollower } from './live/event-follower.ts';
import { parseCursor } from './live/job-cursor.ts';
import { JobFollower } from './live/job-follower.ts';
import { LiveBus } from './live/live-bus.ts';
import { SseStreams } from './live/sse.ts';

@Controller()
export class LiveController {
  readonly #streams: SseStreams;
  readonly #store: EventStore;
  readonly #bus: LiveBus;
  readonly #log: JobLog;
  readonly #output: Output;
  constructor(
    @Inject(SseStreams) streams: SseStreams,
    @Inject(EventStore) store: EventStore,
    @Inject(LiveBus) bus: LiveBus,
    @Inject(JobLog) log: JobLog,
    @Inject(Output) output: Output,
  ) {
    this.#streams = streams;
    this.#store = store;
    this.#bus = bus;
    this.#log = log;
    this.#output = output;
  }

  @Get(apiRoutes.followJob.path)
  async job(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { params, query, headers } = inputOf(apiRoutes.followJob, request);
    const jobId = params.id;
    const [targetId] = await this.#log.targetsOf(jobId);
    if (targetId === undefined)
      throw new DomainError('conflict', `expected a job with a target, got ${jobId}`);
    const options = {
      store: this.#store,
      bus: this.#bus,
      output: this.#output,
      context: contextOf(request),
      jobId,
      targetId,
      cursor: parseCursor(headers['last-event-id'] ?? query.after),
    };
    await this.#streams.run(reply, (stream) => new JobFollower(options, stream).run());
  }

  @Get(apiRoutes.followEvents.path)
  async events(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { query, headers } = inputOf(apiRoutes.followEvents, request);
    const last = headers['last-event-id'];
    const after = last !== undefined && positionPattern.test(last) ? last : query.after;
    const options = { store: this.#store, bus: this.#bus, after };
    await this.#streams.run(reply, (stream) => new EventFollower(options, stream).run());
  }
}
