import type {
  AttemptRef as WireAttemptRef,
  AttemptTrace as WireAttemptTrace,
  Enrol as WireEnrol,
  Enrolled as WireEnrolled,
  Offer as WireOffer,
  OutputChunk as WireOutputChunk,
  OutputStored as WireOutputStored,
  Poll as WirePoll,
  PollAnswer as WirePollAnswer,
  Renewed as WireRenewed,
  ReportStatus as WireReportStatus,
  StatusTaken as WireStatusTaken,
} from '@signalbox/contracts';

/**
 * The agent protocol as this program uses it. Only types come from the contracts: their schemas would cost
 * 17 MB of memory on a device. `answers.ts` checks what the server says, and a spec compares both with the schemas.
 */
export type AttemptTrace = WireAttemptTrace;
export type AttemptRef = Readonly<WireAttemptRef>;
export type Enrol = WireEnrol;
export type Enrolled = WireEnrolled;
export type OutputChunk = WireOutputChunk;
export type OutputStored = WireOutputStored;
export type Poll = WirePoll;
export type Renewed = WireRenewed;

/** The document stays unread here: one that this agent does not understand is refused by name, not lost. */
export type Offer = Readonly<Omit<WireOffer, 'document'>> & { readonly document: unknown };

export type PollAnswer = Readonly<Omit<WirePollAnswer, 'offer'>> & { readonly offer: Offer | null };

export type StatusTaken = Readonly<Omit<WireStatusTaken, 'next'>> & { readonly next: PollAnswer | null };

export type ReportStatus = WireReportStatus;

/** How an attempt ended: the part of the final status that does not depend on its output. */
export type AttemptEnd = Readonly<
  Pick<WireReportStatus, 'status' | 'exitCode' | 'signal' | 'executedSteps' | 'failedStep'>
> & { readonly reason: NonNullable<WireReportStatus['reason']> };

export type StreamName = OutputChunk['stream'];

/** Every path of the protocol begins with this. */
export const agentPrefix = '/api/v1/agent';

/** Limits of the protocol that this program keeps to. */
export const wireLimits = {
  /** Most chunks in one request. */
  outputChunks: 500,
  /** Longest wait of one poll in milliseconds. */
  pollWaitMs: 60_000,
  /** Largest request body in bytes. */
  requestBodyBytes: 1_048_576,
  /** Longest message of a reason in characters. */
  reasonMessage: 1024,
  /** Longest name of a step. */
  stepName: 128,
  /** Latest instant in the trace of an attempt, in milliseconds since its start. */
  traceMs: 2_592_000_000,
} as const;

/** One attempt as a text: for comparing, and to mark the processes that belong to it. */
export const attemptKey = (ref: AttemptRef): string => `${ref.jobId}.${ref.targetId}.${ref.attempt}`;

export const refOf = (from: AttemptRef): AttemptRef => ({
  jobId: from.jobId,
  targetId: from.targetId,
  attempt: from.attempt,
});
