/** Every key that a log line may carry besides time, level, service, msg and, within a trace, trace_id and span_id. Stable: operators search for them. */
export interface LogFields {
  /** Job id where there is a job. */
  readonly correlationId?: string | undefined;
  readonly jobId?: string | undefined;
  readonly targetId?: string | undefined;
  readonly attempt?: number | undefined;
  readonly agentId?: string | undefined;
  readonly deviceId?: string | undefined;
  readonly principalId?: string | undefined;
  readonly eventId?: string | undefined;
  readonly eventType?: string | undefined;
  readonly stream?: string | undefined;
  readonly streamVersion?: number | undefined;
  readonly position?: string | undefined;
  /** Name of an ordered reader, projector or process manager. */
  readonly reader?: string | undefined;
  /** Name of a lease row. */
  readonly lease?: string | undefined;
  /** Name of a call between services. */
  readonly call?: string | undefined;
  /** Part of the program, such as a Nest class. */
  readonly component?: string | undefined;
  readonly method?: string | undefined;
  readonly route?: string | undefined;
  readonly status?: number | undefined;
  readonly url?: string | undefined;
  readonly code?: string | undefined;
  readonly count?: number | undefined;
  readonly bytes?: number | undefined;
  readonly durationMs?: number | undefined;
  readonly lagMs?: number | undefined;
  /** Short free text; never a payload. */
  readonly detail?: string | undefined;
  readonly error?: unknown;
}

const secretNames: ReadonlySet<string> = new Set([
  'authorization',
  'credential',
  'databaseUrl',
  'key',
  'natsUrl',
  'password',
  'secret',
  'token',
]);

const hidden = '[hidden]';
/** Nothing that is logged lies deeper. */
const deepest = 3;

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !(value instanceof Error);

/**
 * Hides values under the names of secrets, should such a field ever slip into a line. Fields without one, which is all of
 * them, are answered as they are and not copied. Errors are left to their serializer, which picks its fields.
 */
export const hideSecrets = (fields: Record<string, unknown>, depth = 1): Record<string, unknown> => {
  let shown = fields;
  for (const name in fields) {
    const value = fields[name];
    const next = secretNames.has(name)
      ? hidden
      : depth < deepest && isPlain(value)
        ? hideSecrets(value, depth + 1)
        : value;
    if (next === value) continue;
    if (shown === fields) shown = { ...fields };
    shown[name] = next;
  }
  return shown;
};
