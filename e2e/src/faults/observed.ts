import { type AttemptRef, type Event, assignmentId } from '@signalbox/contracts';

/** A word of a simulated device about an attempt, with what the platform answered, as the device noted it. */
export interface Word {
  readonly kind: 'claim' | 'renew' | 'output' | 'status';
  readonly ref: AttemptRef;
  readonly agentId: string;
  /** The device means what it says (`own`), comes back with an attempt it had left (`old`), or lies (`foreign`). */
  readonly meant: 'own' | 'old' | 'foreign';
  /** Milliseconds of one clock for all devices. */
  readonly sentMs: number;
  readonly answeredMs: number;
  /** Of HTTP; 0 when there never was an answer. */
  readonly status: number;
  /** For a status: which one, and whether the platform had it already. */
  readonly reported?: string;
  readonly repeated?: boolean;
  /** For output: the sequence of each chunk. */
  readonly sequences?: readonly number[];
}

type Changed = Event<'JobStatusChanged'>;

const idOf = ({ ref }: Word): string => assignmentId(ref.jobId, ref.targetId);
const isTaken = ({ status }: Word): boolean => status >= 200 && status < 300;
const text = (word: Word): string =>
  `${word.kind}${word.reported === undefined ? '' : ` ${word.reported}`} of ${word.agentId}, attempt ${word.ref.attempt} of ${idOf(word)}`;

/** An end of an attempt as the log has it. */
const endKey = (id: string, agentId: string | null, attempt: number, status: string): string =>
  [id, agentId, attempt, status].join(' ');

const endsOf = (events: readonly Event[]): readonly { readonly key: string; readonly event: Changed }[] =>
  events.flatMap((event) => {
    if (event.type !== 'JobStatusChanged' || event.data.from !== 'IN_PROGRESS') return [];
    const { assignment, attemptEnd, to } = event.data;
    if (assignment === null) return [];
    const status = attemptEnd?.status ?? to;
    return [{ key: endKey(assignment.id, assignment.agentId, assignment.attempt, status), event }];
  });

/**
 * Two holders at once, by the platform's own word: after an attempt was given out, a word of an earlier attempt was still
 * taken. Words under way at that moment prove nothing; a final status that is answered as repeated changed nothing.
 */
const twoHolders = (words: readonly Word[]): readonly string[] =>
  [...Map.groupBy(words, idOf).values()].flatMap((group) => {
    const claims = group.filter((word) => word.kind === 'claim' && isTaken(word));
    return group.flatMap((word) => {
      const newer = claims.find(
        (claim) => claim.ref.attempt > word.ref.attempt && claim.answeredMs < word.sentMs,
      );
      if (newer === undefined || !isTaken(word) || word.repeated === true) return [];
      return [
        `3: expected 409 after attempt ${newer.ref.attempt} was given out, got ${word.status} for ${text(word)}`,
      ];
    });
  });

/** A word about an attempt of somebody else is never taken. */
const foreignTaken = (words: readonly Word[]): readonly string[] =>
  words
    .filter((word) => word.meant === 'foreign' && isTaken(word))
    .map((word) => `3: expected a refusal, got ${word.status} for the foreign ${text(word)}`);

/** A final status that was taken is in the log, and a status in the log that an agent gave was given. */
const statusesAgree = (words: readonly Word[], events: readonly Event[]): readonly string[] => {
  const statuses = words.filter((word) => word.kind === 'status' && word.meant !== 'foreign');
  const ends = endsOf(events);
  const logged = new Set(ends.map(({ key }) => key));
  const keyOf = (word: Word): string =>
    endKey(idOf(word), word.agentId, word.ref.attempt, word.reported ?? '');
  const said = new Set(statuses.map(keyOf));
  const speakers = new Set(words.map(({ agentId }) => agentId));
  const lost = statuses
    .filter((word) => isTaken(word) && !logged.has(keyOf(word)))
    .map(
      (word) => `3: expected the end in the log that was answered ${word.status}, got none: ${text(word)}`,
    );
  const invented = ends
    .filter(
      ({ event, key }) => event.actor.type === 'agent' && speakers.has(event.actor.id) && !said.has(key),
    )
    .map(({ key, event }) => `3: expected an end that its agent reported, got ${key} at ${event.position}`);
  return [...lost, ...invented];
};

/** What devices saw against the log; a line for each contradiction. */
export const judgeWords = (words: readonly Word[], events: readonly Event[]): readonly string[] => [
  ...twoHolders(words),
  ...foreignTaken(words),
  ...statusesAgree(words, events),
];

/** Chunks whose storage was acknowledged, by `<assignment> <attempt> <sequence>`. */
export const acknowledgedChunks = (words: readonly Word[]): ReadonlySet<string> =>
  new Set(
    words
      .filter(isTaken)
      .flatMap((word) =>
        (word.sequences ?? []).map((sequence) => `${idOf(word)} ${word.ref.attempt} ${sequence}`),
      ),
  );
