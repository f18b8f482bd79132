/** An event as the stand-in keeps it. */
export interface KeptEvent {
  readonly id: string;
  readonly stream: string;
  readonly revision: number;
  readonly position: number;
  readonly type: string;
  readonly contentType: string;
  readonly createdTicks: bigint;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export type NewKeptEvent = Pick<KeptEvent, 'id' | 'type' | 'contentType' | 'data' | 'metadata'>;

/** -1: the stream must not exist; otherwise the revision of its last event. */
export type Expected = number | 'any';

export interface Kept {
  readonly accepted: boolean;
  /** Of the stream's last event that was asked for or is there; -1 without one. */
  readonly revision: number;
  readonly position: number;
}

const decoder = new TextDecoder();
const ticksPerMicrosecond = 10n;
/** What a record needs in the transaction log besides its data. */
const recordBytes = 120;

/** Streams and their order in memory; outlives the servers that show it, as a disk does. */
export class StandInLog {
  readonly all: KeptEvent[] = [];
  readonly #streams = new Map<string, KeptEvent[]>();
  #nextPosition = 1_000;
  #ticks = 0n;

  /** What a reader sees of a stream: metadata `$maxCount` hide its older events. */
  stream(name: string): readonly KeptEvent[] {
    const events = this.#streams.get(name) ?? [];
    const metadata = this.#streams.get(`$$${name}`)?.at(-1);
    const { $maxCount = events.length }: { $maxCount?: number } =
      metadata === undefined ? {} : JSON.parse(decoder.decode(metadata.data));
    return $maxCount === 0 ? [] : events.slice(-$maxCount);
  }

  append(stream: string, expected: Expected, events: readonly NewKeptEvent[]): Kept {
    const kept = this.#streams.get(stream) ?? [];
    const last = kept.length - 1;
    if (expected !== 'any' && expected < last) return this.#judgeRepeat(kept, expected, events);
    if (expected !== 'any' && expected > last) return { accepted: false, revision: last, position: 0 };
    this.#streams.set(stream, kept);
    for (const event of events) {
      const now = BigInt(Date.now()) * 10_000n;
      this.#ticks = now > this.#ticks ? now : this.#ticks + ticksPerMicrosecond;
      const recorded = {
        ...event,
        stream,
        revision: kept.length,
        position: this.#nextPosition,
        createdTicks: this.#ticks,
      };
      this.#nextPosition += recordBytes + event.data.length + event.metadata.length;
      kept.push(recorded);
      this.all.push(recorded);
    }
    return this.#acceptedAt(kept, kept.length - 1);
  }

  /** With a revision that has passed, the same ids right behind it are a success; what they hold is not compared. */
  #judgeRepeat(kept: readonly KeptEvent[], expected: number, events: readonly NewKeptEvent[]): Kept {
    const repeats = events.every(({ id }, index) => kept[expected + 1 + index]?.id === id);
    return repeats
      ? this.#acceptedAt(kept, expected + events.length)
      : { accepted: false, revision: kept.length - 1, position: 0 };
  }

  #acceptedAt(kept: readonly KeptEvent[], revision: number): Kept {
    return { accepted: true, revision, position: kept[revision]?.position ?? 0 };
  }
}
