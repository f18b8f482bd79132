/** Hard limits of the public doors. Each refusal names the limit it hit. */
export const limits = {
  /** Largest HTTP request body in bytes; larger ones are answered 413. */
  requestBodyBytes: 1_048_576,
  /** Largest event body in bytes (design: an event is at most 256 KiB). */
  eventBytes: 262_144,
  /** Longest name of a stream and longest correlation id, causation id, actor id, type and traceparent, in characters: they are indexed. */
  indexedText: 256,
  /** Largest rendered job document in bytes; leaves room for the rest of `JobCreated`. */
  documentBytes: 196_608,
  /** Most steps in one job document. */
  steps: 100,
  /** Largest output chunk in bytes, before base64. */
  outputChunkBytes: 65_536,
  /** Most output chunks in one request. */
  outputChunks: 500,
  /** Longest wait of one long poll in milliseconds. */
  pollWaitMs: 60_000,
  /** Life of an enrolment token in milliseconds (5 minutes). */
  enrolmentTokenMs: 300_000,
  /** Longest time that a rotated API key still counts, in milliseconds (7 days). */
  keyOverlapMs: 604_800_000,
  /** Longest page of a list. */
  pageSize: 500,
  /** Longest run timeout of an attempt in milliseconds (7 days). */
  runTimeoutMs: 604_800_000,
  /** Longest queue timeout in milliseconds (90 days). */
  queueTimeoutMs: 7_776_000_000,
  /** Most attempts of one assignment. */
  attempts: 20,
  /** Latest instant in what an agent tells of an attempt for its trace, in milliseconds since its start (30 days). */
  traceMs: 2_592_000_000,
} as const;
