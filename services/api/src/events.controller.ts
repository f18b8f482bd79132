import { Controller, Get, Inject, Req } from '@nestjs/common';
import { apiRoutes, type EventPage } from '@signalbox/contracts';
import { EventStore } from '@signalbox/event-store';
import { CallClient } from '@signalbox/service-kit';
import type { FastifyRequest } from 'fastify';
import { inputOf } from './http/input.ts';
import { contextOf } from './identity/gate.ts';
import { eventRow } from './live/event-row.ts';
import { LiveBus } from './live/live-bus.ts';

@Controller()
export class EventsController {
  readonly #calls: CallClient;
  readonly #store: EventStore;
  readonly #bus: LiveBus;
  constructor(
    @Inject(CallClient) calls: CallClient,
    @Inject(EventStore) store: EventStore,
    @Inject(LiveBus) bus: LiveBus,
  ) {
    this.#calls = calls;
    this.#store = store;
    this.#bus = bus;
  }

  /** Never shows more than what is published: a subscriber that catches up here meets the bus without a gap. */
  @Get(apiRoutes.listEvents.path)
  async events(@Req() request: FastifyRequest): Promise<EventPage> {
    const { after, limit } = inputOf(apiRoutes.listEvents, request).query;
    // The store's mark is written with a short delay: what a viewer was shown meanwhile is published as well.
    const marked = await this.#store.published();
    const shown = this.#bus.newestOf(this.#store.storeId);
    const head = shown > marked ? shown : marked;
    const read = head > after ? await this.#store.readAll(after, limit) : [];
    const events = read.filter(({ position }) => position <= head).map(eventRow);
    const next = events.at(-1)?.position ?? after;
    // Who follows live at another replica may be ahead.
    return { storeId: this.#store.storeId, events, next, head: head > next ? head : next };
  }

  @Get(apiRoutes.listAudit.path)
  audit(@Req() request: FastifyRequest) {
    const { query } = inputOf(apiRoutes.listAudit, request);
    return this.#calls.call('listAudit', query, contextOf(request));
  }
}
