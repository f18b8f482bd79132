/**
 * Names in the server. `log` is the name of a log, so that several can be in one server: streams of events begin with
 * `<log>.`, what the adapter keeps for itself does not, and none begins with `$`.
 */
export interface Names {
  /** What the names of all streams of events begin with. */
  readonly prefix: string;
  readonly stream: (stream: string) => string;
  /** Stream with one event: to which stream an event id belongs. */
  readonly claim: (eventId: string) => string;
  /** Stream with one event: the id of the store. */
  readonly store: string;
  /** Stream whose last event is the published position. */
  readonly published: string;
}

export const namesOf = (log: string): Names => {
  // A dot or an underscore would let one log see the streams of another.
  if (!/^[a-z0-9-]{1,64}$/.test(log))
    throw new RangeError(`expected the name of a log of 1 to 64 characters of a-z, 0-9 and -, got "${log}"`);
  return {
    prefix: `${log}.`,
    stream: (stream) => `${log}.${stream}`,
    claim: (eventId) => `${log}_id-${eventId}`,
    store: `${log}_store`,
    published: `${log}_published`,
  };
};
