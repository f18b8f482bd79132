import { once } from 'node:events';
import { DomainError } from '@signalbox/contracts';
import type { FastifyReply } from 'fastify';

/** Thrown by `send` when the reader has gone, was too slow, or the service stops. */
export class StreamClosed extends Error {
  constructor() {
    super('expected a reader, got a closed stream');
    this.name = 'StreamClosed';
  }
}

export interface ServerEvent {
  readonly event: string;
  /** Sent back as Last-Event-ID after a reconnect. */
  readonly id: string;
  readonly data: unknown;
}

/** A reader that takes nothing for this long is cut off; it can come back with the last id that it has seen. */
const slowestMs = 30_000;
/** Clients wait this long before they come back. */
const retryMs = 1_000;

/** One stream of server-sent events. It holds at most one event beyond what the socket takes. */
export class SseStream {
  readonly #reply: FastifyReply;
  readonly #closed = new AbortController();

  constructor(reply: FastifyReply) {
    this.#reply = reply;
    reply.hijack();
    const { raw } = reply;
    raw.on('close', () => this.#closed.abort());
    raw.on('error', () => this.#closed.abort());
    raw.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
      'X-Content-Type-Options': 'nosniff',
    });
    raw.write(`retry: ${retryMs}\n\n`);
  }

  /** Aborted when the reader has gone or the stream was closed. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  /** Resolves when the socket takes more. @throws StreamClosed */
  send({ event, id, data }: ServerEvent): Promise<void> {
    return this.#write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Keeps the connection open through proxies. @throws StreamClosed */
  keepAlive(): Promise<void> {
    return this.#write(': still here\n\n');
  }

  close(): void {
    this.#closed.abort();
    this.#reply.raw.end();
  }

  async #write(text: string): Promise<void> {
    const { raw } = this.#reply;
    if (this.#closed.signal.aborted) throw new StreamClosed();
    if (raw.write(text)) return;
    try {
      await once(raw, 'drain', {
        signal: AbortSignal.any([this.#closed.signal, AbortSignal.timeout(slowestMs)]),
      });
    } catch {
      this.#closed.abort();
      raw.destroy();
      throw new StreamClosed();
    }
  }
}

/** The streams that are open in this replica: bounded in number, closed when the service stops. */
export class SseStreams {
  readonly #most: number;
  readonly #open = new Set<SseStream>();
  constructor(most: number) {
    this.#most = most;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Runs a stream until `follow` ends or the reader goes. @throws DomainError `too-many-requests` */
  async run(reply: FastifyReply, follow: (stream: SseStream) => Promise<void>): Promise<void> {
    if (this.#open.size >= this.#most) {
      throw new DomainError('too-many-requests', `expected at most ${this.#most} open streams, got one more`);
    }
    const stream = new SseStream(reply);
    this.#open.add(stream);
    try {
      await follow(stream);
    } catch (error) {
      if (!(error instanceof StreamClosed)) throw error;
    } finally {
      this.#open.delete(stream);
      stream.close();
    }
  }

  closeAll(): void {
    for (const stream of this.#open) stream.close();
  }
}
