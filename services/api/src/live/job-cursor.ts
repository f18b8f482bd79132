import { positionStart, type Position } from '@signalbox/contracts';

/** Where a viewer of one job is: the last event shown, and the last output chunk of which attempt. */
export interface JobCursor {
  readonly position: Position;
  readonly attempt: number;
  readonly sequence: number;
}

export const cursorStart: JobCursor = { position: positionStart, attempt: 0, sequence: 0 };

/** The `id:` of a message: `<position>:<attempt>:<sequence>`. */
export const cursorText = ({ position, attempt, sequence }: JobCursor): string =>
  `${position}:${attempt}:${sequence}`;

/** Reads an id that the stream has sent; anything else begins at the beginning. */
export const parseCursor = (text: string | undefined): JobCursor => {
  const [, position, attempt, sequence] = /^(\d{16}):(\d{1,9}):(\d{1,10})$/.exec(text ?? '') ?? [];
  return position === undefined
    ? cursorStart
    : { position, attempt: Number(attempt), sequence: Number(sequence) };
};
