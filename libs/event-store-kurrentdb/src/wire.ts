import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { AppendReq, AppendResp, ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';

/** An event for the server: id of its own, type, exact bytes, and metadata that are JSON. */
export interface Proposed {
  readonly id: string;
  readonly type: string;
  readonly body: string;
  readonly metadata: string;
}

/** An event as the server holds it. */
export interface Stored {
  readonly id: string;
  readonly stream: string;
  /** From 0 on. */
  readonly revision: number;
  /** Place in the server's transaction log. */
  readonly commit: string;
  readonly type: string;
  /** When the server wrote it, in microseconds since 1970. */
  readonly createdUs: number;
  readonly body: string;
  readonly metadata: string;
}

/** The server's answer to an append; `lastRevision` is that of the stream, -1 where there is none. */
export interface Answer {
  readonly accepted: boolean;
  readonly lastRevision: number;
}

/** Where a read begins (`start`, `end`, or a place), in which direction it goes, and how many events it may answer. */
export interface Reading {
  readonly from: string;
  readonly backwards?: boolean;
  readonly limit: number;
}

const { BACKWARDS, FORWARDS } = streams.ReadReq.Options.ReadDirection;
const decoder = new TextDecoder();
const encoder = new TextEncoder();
/** How many events the server looks at between two answers of a filtered read; it must be more than the limit. */
const searchWindow = 4096;

const identifierOf = (stream: string) => new shared.StreamIdentifier().setStreamName(encoder.encode(stream));

/** Messages of an append: the options first, then an event each. */
export const appendMessages = (
  stream: string,
  lastRevision: number,
  events: readonly Proposed[],
): readonly AppendReq[] => {
  const options = new streams.AppendReq.Options().setStreamIdentifier(identifierOf(stream));
  if (lastRevision < 0) options.setNoStream(new shared.Empty());
  else options.setRevision(String(lastRevision));
  const proposed = events.map(({ id, type, body, metadata }) => {
    const message = new streams.AppendReq.ProposedMessage()
      .setId(new shared.UUID().setString(id))
      .setData(encoder.encode(body))
      .setCustomMetadata(encoder.encode(metadata));
    message.getMetadataMap().set('type', type).set('content-type', 'application/json');
    return new streams.AppendReq().setProposedMessage(message);
  });
  return [new streams.AppendReq().setOptions(options), ...proposed];
};

export const decodeAnswer = (response: AppendResp): Answer => {
  const success = response.getSuccess();
  if (success !== undefined) return { accepted: true, lastRevision: Number(success.getCurrentRevision()) };
  const refused = response.getWrongExpectedVersion();
  if (refused === undefined)
    throw new Error('expected success or a wrong version from the server, got neither');
  const lastRevision = refused.hasCurrentRevision() ? Number(refused.getCurrentRevision()) : -1;
  return { accepted: false, lastRevision };
};

const readOptions = ({ backwards = false, limit }: Reading) =>
  new streams.ReadReq.Options()
    .setReadDirection(backwards ? BACKWARDS : FORWARDS)
    .setResolveLinks(false)
    .setCount(String(limit))
    .setUuidOption(new streams.ReadReq.Options.UUIDOption().setString(new shared.Empty()));

/** A read of one stream; `from` is a revision. */
export const streamRequest = (stream: string, reading: Reading): ReadReq => {
  const place = new streams.ReadReq.Options.StreamOptions().setStreamIdentifier(identifierOf(stream));
  if (reading.from === 'start') place.setStart(new shared.Empty());
  else if (reading.from === 'end') place.setEnd(new shared.Empty());
  else place.setRevision(reading.from);
  const options = readOptions(reading).setStream(place).setNoFilter(new shared.Empty());
  return new streams.ReadReq().setOptions(options);
};

/** A read of all streams whose name begins with `prefix`; `from` is a commit position, included when reading forwards. */
export const allRequest = (prefix: string, reading: Reading): ReadReq => {
  const place = new streams.ReadReq.Options.AllOptions();
  if (reading.from === 'start') place.setStart(new shared.Empty());
  else if (reading.from === 'end') place.setEnd(new shared.Empty());
  else {
    place.setPosition(
      new streams.ReadReq.Options.Position().setCommitPosition(reading.from).setPreparePosition(reading.from),
    );
  }
  const filter = new streams.ReadReq.Options.FilterOptions()
    .setStreamIdentifier(new streams.ReadReq.Options.FilterOptions.Expression().setPrefixList([prefix]))
    .setMax(Math.max(searchWindow, 2 * reading.limit))
    .setCheckpointintervalmultiplier(1);
  return new streams.ReadReq().setOptions(readOptions(reading).setAll(place).setFilter(filter));
};

/** The event of an answer; undefined for messages about the read itself, such as that there is no such stream. */
export const decodeStored = (response: ReadResp): Stored | undefined => {
  const event = response.getEvent()?.getEvent();
  if (event === undefined) return undefined;
  const fields = event.getMetadataMap();
  const commit = event.getCommitPosition();
  const created = fields.get('created');
  if (created === undefined || BigInt(commit) > 9_999_999_999_999_999n) {
    throw new Error(
      'expected position and time of each event (EventStoreDB 21.10 or newer), got an event without',
    );
  }
  return {
    id: event.getId()?.getString() ?? '',
    stream: decoder.decode(event.getStreamIdentifier()?.getStreamName_asU8()),
    revision: Number(event.getStreamRevision()),
    commit,
    type: fields.get('type') ?? '',
    createdUs: Number(BigInt(created) / 10n),
    body: decoder.decode(event.getData_asU8()),
    metadata: decoder.decode(event.getCustomMetadata_asU8()),
  };
};
