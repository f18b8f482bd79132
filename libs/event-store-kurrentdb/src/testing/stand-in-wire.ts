import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { AppendReq, AppendResp, ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import type { Expected, Kept, KeptEvent, NewKeptEvent, StandInLog } from './stand-in-log.ts';

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export const decodeProposed = (message: AppendReq.ProposedMessage): NewKeptEvent => {
  const fields = message.getMetadataMap();
  return {
    id: message.getId()?.getString() ?? '',
    type: fields.get('type') ?? '',
    contentType: fields.get('content-type') ?? '',
    data: message.getData_asU8(),
    metadata: message.getCustomMetadata_asU8(),
  };
};

export const decodeTarget = (options: AppendReq.Options): { stream: string; expected: Expected } => ({
  stream: decoder.decode(options.getStreamIdentifier()?.getStreamName_asU8()),
  expected: options.hasRevision() ? Number(options.getRevision()) : options.hasNoStream() ? -1 : 'any',
});

export const encodeKept = ({ accepted, revision, position }: Kept): AppendResp => {
  if (!accepted) {
    const refused = new streams.AppendResp.WrongExpectedVersion();
    if (revision < 0) refused.setCurrentNoStream(new shared.Empty());
    else refused.setCurrentRevision(String(revision));
    return new streams.AppendResp().setWrongExpectedVersion(refused);
  }
  const place = new streams.AppendResp.Position()
    .setCommitPosition(String(position))
    .setPreparePosition(String(position));
  const success = new streams.AppendResp.Success().setCurrentRevision(String(revision)).setPosition(place);
  return new streams.AppendResp().setSuccess(success);
};

export const encodeEvent = (event: KeptEvent): ReadResp => {
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent()
    .setId(new shared.UUID().setString(event.id))
    .setStreamIdentifier(new shared.StreamIdentifier().setStreamName(encoder.encode(event.stream)))
    .setStreamRevision(String(event.revision))
    .setCommitPosition(String(event.position))
    .setPreparePosition(String(event.position))
    .setData(event.data)
    .setCustomMetadata(event.metadata);
  recorded
    .getMetadataMap()
    .set('type', event.type)
    .set('content-type', event.contentType)
    .set('created', String(event.createdTicks));
  return new streams.ReadResp().setEvent(
    new streams.ReadResp.ReadEvent().setEvent(recorded).setCommitPosition(String(event.position)),
  );
};

export const streamNotFound = (name: string): ReadResp => {
  const identifier = new shared.StreamIdentifier().setStreamName(encoder.encode(name));
  return new streams.ReadResp().setStreamNotFound(
    new streams.ReadResp.StreamNotFound().setStreamIdentifier(identifier),
  );
};

/** Thrown for a read that the stand-in does not know. */
export class UnknownRead extends Error {}

const readAll = (log: StandInLog, options: ReadReq.Options, backwards: boolean): readonly KeptEvent[] => {
  const all = options.getAll();
  const filter = options.getFilter();
  const prefixes = filter?.getStreamIdentifier()?.getPrefixList() ?? [];
  if (filter !== undefined && (prefixes.length === 0 || filter.getMax() <= Number(options.getCount())))
    throw new UnknownRead('expected a filter by prefix with a window larger than the count, got another');
  const seen = log.all.filter(
    ({ stream }) => prefixes.length === 0 || prefixes.some((prefix) => stream.startsWith(prefix)),
  );
  const at = all?.getPosition();
  if (at === undefined) {
    if (backwards !== (all?.hasEnd() === true)) return [];
    return backwards ? seen.toReversed() : seen;
  }
  const position = Number(at.getCommitPosition());
  if (!log.all.some((each) => each.position === position))
    throw new UnknownRead(`expected the position of an event, got ${position}`);
  return backwards
    ? seen.filter((each) => each.position < position).toReversed()
    : seen.filter((each) => each.position >= position);
};

const readStream = (log: StandInLog, options: ReadReq.Options, backwards: boolean): readonly KeptEvent[] => {
  const place = options.getStream();
  const events = log.stream(decoder.decode(place?.getStreamIdentifier()?.getStreamName_asU8()));
  if (place?.hasRevision() !== true) return backwards ? events.toReversed() : events;
  const revision = Number(place.getRevision());
  return backwards
    ? events.filter((each) => each.revision <= revision).toReversed()
    : events.filter((each) => each.revision >= revision);
};

/** What a read answers; undefined for a stream that does not exist. */
export const answerRead = (log: StandInLog, request: ReadReq): readonly ReadResp[] => {
  const options = request.getOptions();
  if (options === undefined || !options.hasCount())
    throw new UnknownRead('expected a read with a count, got another');
  const backwards = options.getReadDirection() === streams.ReadReq.Options.ReadDirection.BACKWARDS;
  const place = options.getStream();
  if (place === undefined)
    return readAll(log, options, backwards).slice(0, Number(options.getCount())).map(encodeEvent);
  const name = decoder.decode(place.getStreamIdentifier()?.getStreamName_asU8());
  if (log.stream(name).length === 0) return [streamNotFound(name)];
  return readStream(log, options, backwards).slice(0, Number(options.getCount())).map(encodeEvent);
};
