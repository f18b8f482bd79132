import type { AssignmentView, AuditRow, Event, JobView, Position, RecordedEvent } from '@signalbox/contracts';

/** Numbers of the invariants in the design that can be read from the log. 5 needs schedules, which are not there yet. */
export const invariants = {
  1: 'an acknowledged job is in the log and ends',
  2: 'an assignment follows the diagram, its end is final, a job’s end is announced once',
  3: 'one agent at most holds an attempt, and words from an old attempt change nothing',
  4: 'streams have no gap, instants and positions grow, and the audit log has every event once',
  6: 'a cancel is followed by an end',
  7: 'no attempt runs longer than its limits',
  8: 'a projection built anew equals the one that grew',
  9: 'a secret is in no event',
} as const;
export type Invariant = keyof typeof invariants;

/** A place in the log that breaks an invariant. */
export interface Violation {
  readonly invariant: Invariant;
  readonly stream: string;
  readonly position: Position;
  /** What was expected and what was found. */
  readonly text: string;
}

/** What is judged. Rows and secrets are judged where they are given. */
export interface Evidence {
  /** Decoded events of the whole log, in the order in which the store gives them. */
  readonly events: readonly Event[];
  /** True when nothing is under way any more: every job must have ended and every view must show it. */
  readonly settled: boolean;
  /** When the log was read: open jobs and attempts must be within their limits then. */
  readonly now: string;
  /** Life of a device's lease in milliseconds: what the dispatcher waits beyond run timeout and kill grace. */
  readonly leaseMs: number;
  /** How much later than due a decision may be recorded, in milliseconds. */
  readonly slackMs: number;
  readonly auditRows?: readonly AuditRow[];
  readonly jobRows?: readonly JobView[];
  readonly assignmentRows?: readonly AssignmentView[];
  /** Values that must occur nowhere, and the events as they were stored. */
  readonly secrets?: { readonly values: readonly string[]; readonly recorded: readonly RecordedEvent[] };
}

/** What one invariant's check came to. */
export interface Findings {
  /** How many things were looked at; 0 says that nothing was checked. */
  readonly checked: number;
  readonly violations: readonly Violation[];
}

/** A violation at an event. */
export const violation = (
  invariant: Invariant,
  at: Pick<Event, 'stream' | 'position'>,
  text: string,
): Violation => ({ invariant, stream: at.stream, position: at.position, text });

/** Whole milliseconds from one instant to another. */
export const elapsedMs = (from: string, to: string): number => Date.parse(to) - Date.parse(from);
