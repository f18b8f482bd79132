import type { Position, RecordedEvent } from '@signalbox/contracts';
import type { Delivery } from './delivery.ts';
import { decodeMessage, MalformedMessage, type DecodedMessage, type IncomingMessage } from './message.ts';

/** What is to be done next with what has arrived. */
export type Arrival =
  | { readonly kind: 'nothing' }
  /** Events that follow the asked position without a gap. */
  | { readonly kind: 'events'; readonly events: readonly RecordedEvent[] }
  /** Events up to `until` were published that have not arrived: they are to be read from the store first. */
  | { readonly kind: 'gap'; readonly until: Position };

export interface IntakeCounts {
  /** Messages on `events.>` that no relay of this store wrote; passed over. */
  readonly foreign: number;
  /** Of these, what decodes as an event of another store. */
  readonly otherStore: number;
  /** Messages of this store's relay, passed or not. */
  readonly own: number;
}

/** Sorts arrived messages: passed ones and foreign ones are dropped, a gap is seen before the event behind it is taken. */
export class Intake {
  readonly #storeId: string;
  readonly #onForeign: (error: Error) => void;
  #counts: IntakeCounts = { foreign: 0, otherStore: 0, own: 0 };

  constructor(storeId: string, onForeign: (error: Error) => void) {
    this.#storeId = storeId;
    this.#onForeign = onForeign;
  }

  counts(): IntakeCounts {
    return this.#counts;
  }

  /** Takes up to `limit` events that follow `position`; a gap is left for the next call. */
  next(delivery: Delivery, position: Position, limit: number): Arrival {
    const events: RecordedEvent[] = [];
    let reached = position;
    while (events.length < limit) {
      const message = delivery.peek();
      if (message === undefined) break;
      const decoded = this.#decode(message);
      if (decoded !== undefined && decoded.event.position > reached) {
        if (decoded.previous > reached) {
          if (events.length > 0) break;
          return { kind: 'gap', until: decoded.previous };
        }
        events.push(decoded.event);
        reached = decoded.event.position;
      }
      delivery.take();
    }
    return events.length === 0 ? { kind: 'nothing' } : { kind: 'events', events };
  }

  /** The oldest waiting event behind `position`; undefined when none waits. */
  oldest(delivery: Delivery, position: Position): RecordedEvent | undefined {
    const message = delivery.peek();
    const decoded = message === undefined ? undefined : this.#tryDecode(message);
    if (decoded === undefined || 'reason' in decoded) return undefined;
    return decoded.event.position > position ? decoded.event : undefined;
  }

  #decode(message: IncomingMessage): DecodedMessage | undefined {
    const decoded = this.#tryDecode(message);
    const { foreign, otherStore, own } = this.#counts;
    if (!('reason' in decoded)) {
      this.#counts = { foreign, otherStore, own: own + 1 };
      return decoded;
    }
    this.#counts = { foreign: foreign + 1, otherStore: otherStore + (decoded.isEvent ? 1 : 0), own };
    this.#onForeign(decoded.reason);
    return undefined;
  }

  #tryDecode(message: IncomingMessage): DecodedMessage | Foreign {
    try {
      const decoded = decodeMessage(message);
      if (decoded.storeId === this.#storeId) return decoded;
      return {
        isEvent: true,
        reason: new MalformedMessage(message.subject, `of event store ${decoded.storeId}`),
      };
    } catch (error) {
      if (error instanceof MalformedMessage) return { isEvent: false, reason: error };
      throw error;
    }
  }
}

interface Foreign {
  readonly isEvent: boolean;
  readonly reason: MalformedMessage;
}
