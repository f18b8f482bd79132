import grpcStreams from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type { AppendReq, AppendResp, ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import {
  CancelledError,
  EventStoreDBClient,
  NotLeaderError,
  UnavailableError,
  convertToCommandError,
} from '@eventstore/db-client';
import { setTimeout as pause } from 'node:timers/promises';
import { type Address, caOf } from './connection-string.ts';
import {
  type Answer,
  type Proposed,
  type Reading,
  type Stored,
  allRequest,
  appendMessages,
  decodeAnswer,
  decodeStored,
  streamRequest,
} from './wire.ts';

/** The client gives up a connection with these; the next call has another, to the leader of now. */
const isPassing = (error: unknown): boolean =>
  error instanceof UnavailableError || error instanceof NotLeaderError || error instanceof CancelledError;
const attempts = 5;
const pauseMs = 100;

/**
 * The official client with its connections, discovery, credentials and errors, and with requests of our own: its
 * `appendToStream` writes a JSON body anew instead of keeping its bytes, its reads round the instants to milliseconds, and
 * its read of all streams has no filter (ADR 29).
 *
 * A call that meets a lost connection or another leader is made again, a bounded number of times. Appends of ours name ids
 * and revision, so that making one again stores it once.
 */
export class LogClient extends EventStoreDBClient {
  constructor(address: Address, connectionName: string) {
    const { hosts, discover, tls, credentials, deadlineMs, keepAliveMs } = address;
    const options = {
      connectionName,
      defaultDeadline: deadlineMs,
      keepAliveInterval: keepAliveMs,
      keepAliveTimeout: keepAliveMs,
    };
    const rootCertificate = caOf(address);
    const channel = { insecure: !tls, ...(rootCertificate === undefined ? {} : { rootCertificate }) };
    if (discover) super({ ...options, discover: hosts[0] }, channel, credentials);
    else if (hosts.length > 1) super({ ...options, endpoints: [...hosts] }, channel, credentials);
    else super({ ...options, endpoint: hosts[0] }, channel, credentials);
  }

  /** @param lastRevision that of the stream before the append; -1 for a new stream */
  appendEvents(stream: string, lastRevision: number, events: readonly Proposed[]): Promise<Answer> {
    return this.#again('append', (client) =>
      this.#append(client, appendMessages(stream, lastRevision, events)).then(decodeAnswer),
    );
  }

  /** Events of one stream; none for an unknown one. `from` is a revision. */
  readEvents(stream: string, reading: Reading): Promise<readonly Stored[]> {
    return this.#again('read', (client) => this.#read(client, streamRequest(stream, reading)));
  }

  /** Events of all streams whose name begins with `prefix`, in order of position. `from` is a position. */
  readAllEvents(prefix: string, reading: Reading): Promise<readonly Stored[]> {
    return this.#again('readAll', (client) => this.#read(client, allRequest(prefix, reading)));
  }

  async close(): Promise<void> {
    await this.dispose();
    (await this.getChannel()).close();
  }

  async #again<T>(name: string, call: (client: StreamsClient) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.execute(grpcStreams.StreamsClient, name, call);
      } catch (error) {
        const known = error instanceof Error ? convertToCommandError(error) : error;
        if (!isPassing(known) || attempt >= attempts) throw known;
        await pause(pauseMs * attempt);
      }
    }
  }

  #append(client: StreamsClient, messages: readonly AppendReq[]): Promise<AppendResp> {
    return new Promise((resolve, reject) => {
      const call = client.append(...this.callArguments({ requiresLeader: true }), (error, response) =>
        error === null ? resolve(response) : reject(error),
      );
      call.on('error', reject);
      for (const message of messages) call.write(message);
      call.end();
    });
  }

  async #read(client: StreamsClient, request: ReadReq): Promise<readonly Stored[]> {
    const found: Stored[] = [];
    const call = client.read(request, ...this.callArguments({ requiresLeader: true }));
    return new Promise((resolve, reject) => {
      call.on('data', (response: ReadResp) => {
        try {
          const stored = decodeStored(response);
          if (stored !== undefined) found.push(stored);
        } catch (error) {
          call.cancel();
          reject(error instanceof Error ? error : new Error('expected an event, got another message'));
        }
      });
      call.on('error', reject);
      call.on('end', () => resolve(found));
    });
  }
}
