import { type Position, positionStart } from '@signalbox/contracts';
import { decodeMessage, linkOf, type DecodedMessage, type NatsConnection } from '@signalbox/bus-nats';
import { type Logger } from '@signalbox/service-kit';

/** What a follower wants to hear. Callbacks return at once and never throw. */
export interface Listener {
  readonly subject: string;
  readonly onEvent?: (message: DecodedMessage) => void;
  /** For messages that are only a signal. */
  readonly onSignal?: () => void;
}

/** The best-effort live path: core NATS subscriptions, one per viewer and subject. What they miss, the log has. */
export class LiveBus {
  readonly #connection: NatsConnection;
  readonly #logger: Logger;
  #newest = { storeId: '', position: positionStart };
  constructor(connection: NatsConnection, logger: Logger) {
    this.#connection = connection;
    this.#logger = logger;
  }

  get connection(): NatsConnection {
    return this.#connection;
  }

  /** Position of the newest event of this store that any viewer of this replica was shown: it is published. */
  newestOf(storeId: string): Position {
    return this.#newest.storeId === storeId ? this.#newest.position : positionStart;
  }

  isUp(): boolean {
    return linkOf(this.#connection).isUp();
  }

  /** Best effort: while there is no connection nothing is sent. Never throws. */
  signal(subject: string): void {
    if (this.isUp()) this.#connection.publish(subject);
  }

  /** Listens until the answered function is called; `onGap` is called after each change of the connection. */
  listen(listeners: readonly Listener[], onGap: () => void): () => void {
    const subscriptions = listeners.map(({ subject, onEvent, onSignal }) =>
      this.#connection.subscribe(subject, {
        callback: (error, message) => {
          if (error !== null) return;
          onSignal?.();
          if (onEvent === undefined) return;
          try {
            const decoded = decodeMessage(message);
            const { position } = decoded.event;
            if (position > this.newestOf(decoded.storeId))
              this.#newest = { storeId: decoded.storeId, position };
            onEvent(decoded);
          } catch (problem) {
            this.#logger.warn('unreadable message on the live path', { error: problem });
            onGap();
          }
        },
      }),
    );
    const forget = linkOf(this.#connection).onChange(onGap);
    return () => {
      forget();
      for (const each of subscriptions) each.unsubscribe();
    };
  }

  /** Resolves when the server knows of the subscriptions made so far, or at once while there is no connection. */
  async ready(): Promise<void> {
    if (this.isUp()) await this.#connection.flush();
  }
}
