import grpcStreams from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type { AppendReq, AppendResp, ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import {
  Server,
  ServerCredentials,
  status,
  type ServerReadableStream,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { StandInLog, type NewKeptEvent } from './stand-in-log.ts';
import { UnknownRead, answerRead, decodeProposed, decodeTarget, encodeKept } from './stand-in-wire.ts';

/** The server's default of KurrentDB, in bytes. */
const maxAppendBytes = 1_048_576;

export interface StandInServer {
  /** Address for the adapter. */
  readonly url: string;
  readonly port: number;
  readonly log: StandInLog;
  /** Ends every connection at once, as a killed server does. */
  kill(): void;
}

/** What may go wrong with an append on purpose: the answer is lost after the log has it. */
export interface Faults {
  loseAnswers: number;
}

const append =
  (log: StandInLog, faults: Faults) =>
  (call: ServerReadableStream<AppendReq, AppendResp>, answer: sendUnaryData<AppendResp>): void => {
    let target: ReturnType<typeof decodeTarget> | undefined;
    let bytes = 0;
    const events: NewKeptEvent[] = [];
    call.on('data', (message: AppendReq) => {
      const options = message.getOptions();
      if (options !== undefined) target = decodeTarget(options);
      const proposed = message.getProposedMessage();
      if (proposed === undefined) return;
      const event = decodeProposed(proposed);
      bytes += event.data.length;
      events.push(event);
    });
    call.on('end', () => {
      if (target === undefined || events.length === 0)
        return answer({ code: status.INVALID_ARGUMENT, details: 'expected options and events' });
      if (bytes > maxAppendBytes)
        return answer({ code: status.INVALID_ARGUMENT, details: 'Maximum Append Size Exceeded' });
      const kept = log.append(target.stream, target.expected, events);
      if (faults.loseAnswers > 0) {
        faults.loseAnswers -= 1;
        return answer({ code: status.UNAVAILABLE, details: 'the answer is lost' });
      }
      answer(null, encodeKept(kept));
    });
  };

const read =
  (log: StandInLog) =>
  (call: ServerWritableStream<ReadReq, ReadResp>): void => {
    try {
      for (const each of answerRead(log, call.request)) call.write(each);
      call.end();
    } catch (error) {
      if (!(error instanceof UnknownRead)) throw error;
      call.destroy(Object.assign(error, { code: status.INVALID_ARGUMENT, details: error.message }));
    }
  };

/**
 * Starts a stand-in for KurrentDB on a port of this machine, without TLS and users. It is not KurrentDB: see the README of
 * this folder for what it imitates. A log that is given is shown again, as after a restart of a server.
 */
export const startStandIn = async (
  options: { readonly log?: StandInLog; readonly port?: number; readonly faults?: Faults } = {},
): Promise<StandInServer> => {
  const { log = new StandInLog(), faults = { loseAnswers: 0 } } = options;
  const server = new Server();
  server.addService(grpcStreams.StreamsService, { append: append(log, faults), read: read(log) });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${options.port ?? 0}`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { url: `esdb://127.0.0.1:${port}?tls=false`, port, log, kill: () => server.forceShutdown() };
};
