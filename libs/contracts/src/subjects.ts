/** The only place that builds a NATS subject. */

/** Name of the JetStream stream that carries the window of recent events. */
export const eventsStreamName = 'EVENTS';

export const subjects = {
  /** Every event. */
  allEvents: 'events.>',
  /** One event of a type about one job (or aggregate, where there is no job). */
  event: (type: string, subjectId: string) => `events.${type}.${subjectId}`,
  /** Every event about one job: a core NATS subscription, never a JetStream consumer per viewer. */
  eventsOf: (subjectId: string) => `events.*.${subjectId}`,
  /** Best effort: appenders wake the relay; a poll is the fallback. */
  relayWake: 'signalbox.relay.wake',
  /** Best effort: output of a job has grown; readers then read by offset. */
  outputGrown: (jobId: string) => `signalbox.output.${jobId}`,
  /** Asked by the api: every replica of every service that hears it answers with its report. */
  checks: 'signalbox.checks',
} as const;
