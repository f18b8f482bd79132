import { afterAll, beforeAll, describe } from '@jest/globals';
import type { EventStore } from '../event-store.ts';
import { registerContentCases, registerVersionCases } from './append-cases.ts';
import { registerPartialIdCases, registerRepeatCases, registerReuseCases } from './id-cases.ts';
import type { Bench, Open, Opened } from './new-event.ts';
import { registerOrderCases } from './order-cases.ts';
import { registerReadCases, registerStoreCases } from './read-cases.ts';

/**
 * Registers the tests that every event store must pass. `open` makes a store over a new, empty log each time it is
 * called. Cases use streams of their own and run their calls concurrently where an adapter might put them together.
 */
export const eventStoreConformance = (name: string, open: Open): void => {
  describe(`event store: ${name}`, () => {
    let opened: Opened | undefined;
    let second: EventStore | undefined;

    beforeAll(async () => {
      opened = await open();
      second = await opened.another?.();
    });
    afterAll(() => opened?.close());

    const store = (): EventStore => {
      if (opened === undefined) throw new Error('expected an opened store, got none');
      return opened.store;
    };
    const bench: Bench = { store, other: () => second ?? store(), open };

    describe('content', () => registerContentCases(bench));
    describe('versions', () => registerVersionCases(bench));
    describe('repeated appends', () => registerRepeatCases(bench));
    describe('ids', () => registerReuseCases(bench));
    describe('ids within appends', () => registerPartialIdCases(bench));
    describe('order', () => registerOrderCases(bench));
    describe('reading', () => registerReadCases(bench));
    describe('the store', () => registerStoreCases(bench));
  });
};
