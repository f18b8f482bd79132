import { createHash } from 'node:crypto';
import {
  type CallAnswer,
  type CallContext,
  type CallRequest,
  type CreateJob,
  type DataOf,
  type JobDocument,
  DomainError,
  defaultLimits,
  deriveId,
  isEnd,
  limits,
  streams,
} from '@signalbox/contracts';
import { assignment, device, job } from '@signalbox/domain';
import { type CommandContext, type EventStore, empty, handleCommand, load } from '@signalbox/event-store';
import { type Template, templates } from './templates.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** JSON with sorted keys: the same request has the same hash, however its fields were ordered. */
const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );

const refuse = (
  field: string,
  message: string,
  code: 'invalid-request' | 'unsupported-target' | 'unknown-target',
) => new DomainError(code, `${field}: ${message}`, { errors: [{ field, message }] });

/** The one device of the request; other targets are refused by name. */
const deviceOf = (request: CreateJob): string => {
  const { type, ids } = request.target;
  if (type !== 'device') {
    throw refuse(
      'target.type',
      `expected "device", got "${type}", which is not offered yet`,
      'unsupported-target',
    );
  }
  const [deviceId, ...others] = ids ?? [];
  if (deviceId === undefined)
    throw refuse('target.ids', 'expected the id of one device, got none', 'invalid-request');
  if (others.length > 0) {
    const message = `expected one device, got ${others.length + 1}; create one job for each`;
    throw refuse('target.ids', message, 'unsupported-target');
  }
  return deviceId;
};

interface Rendered {
  readonly document: JobDocument;
  readonly template: { readonly id: string; readonly version: number } | null;
}

const templateOf = (id: string): Template => {
  const found = Object.hasOwn(templates, id) ? templates[id] : undefined;
  if (found !== undefined) return found;
  throw refuse(
    'template.id',
    `expected one of ${Object.keys(templates).join(', ')}, got "${id}"`,
    'invalid-request',
  );
};

const render = (request: CreateJob): Rendered => {
  if (request.document !== undefined) return { document: request.document, template: null };
  if (request.template === undefined)
    throw refuse('document', 'expected a document or a template', 'invalid-request');
  const { id, version, document } = templateOf(request.template.id);
  return { document, template: { id, version } };
};

const dataOf = (request: CreateJob, jobId: string, deviceId: string): DataOf<'JobCreated'> => {
  const { document, template } = render(request);
  const text = JSON.stringify(document);
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > limits.documentBytes) {
    const message = `expected a document of at most ${limits.documentBytes} bytes, got ${sizeBytes}`;
    throw new DomainError('body-too-large', message, { errors: [{ field: 'document', message }] });
  }
  return {
    jobId,
    name: request.name,
    document,
    documentHash: sha256(text),
    target: { type: 'device', ids: [deviceId] },
    targets: 1,
    notBefore: request.notBefore ?? null,
    priority: request.priority,
    limits: { ...defaultLimits, ...withoutUndefined(request.limits) },
    template,
    retryOf: request.retryOf ?? null,
    reason: request.reason ?? null,
    requestHash: sha256(canonicalJson(request)),
  };
};

const withoutUndefined = <T extends object>(record: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };

const checkDevice = async (store: EventStore, deviceId: string): Promise<DomainError | undefined> => {
  const { state } = await load(store, device, streams.device(deviceId));
  if (state.kind === 'enrolled') return undefined;
  const got = state.kind === 'none' ? 'no device of that id' : `a device that is ${state.kind}`;
  return refuse('target.ids.0', `expected an enrolled device, got ${got} (${deviceId})`, 'unknown-target');
};

const checkRetryOf = async (store: EventStore, jobId: string): Promise<DomainError | undefined> => {
  const { state } = await load(store, job, streams.job(jobId));
  const targetId = state.kind === 'open' ? state.created.target.ids[0] : undefined;
  if (targetId === undefined)
    return refuse('retryOf', `expected a known job, got ${jobId}`, 'invalid-request');
  const ended = await load(store, assignment, streams.assignment(jobId, targetId));
  if (isEnd(ended.state.status)) return undefined;
  return refuse(
    'retryOf',
    `expected a job that has ended, got one that is ${ended.state.status}`,
    'invalid-request',
  );
};

/**
 * An accepted request becomes `JobCreated`; once this resolves the job is on disk. The same actor and Idempotency-Key
 * with the same request give the first answer again, for ever.
 *
 * @throws DomainError `invalid-request`, `unsupported-target`, `unknown-target`, `body-too-large`, `idempotency-key-reused`
 */
export const createJob = async (
  store: EventStore,
  { request, idempotencyKey }: CallRequest<'createJob'>,
  call: CallContext,
  now: () => string,
): Promise<CallAnswer<'createJob'>> => {
  const deviceId = deviceOf(request);
  const jobId =
    idempotencyKey === null
      ? deriveId('job', call.commandId)
      : deriveId('job', call.actor.type, call.actor.id, idempotencyKey);
  const data = dataOf(request, jobId, deviceId);
  const [unknownDevice, wrongRetry] = await Promise.all([
    checkDevice(store, deviceId),
    request.retryOf === undefined ? undefined : checkRetryOf(store, request.retryOf),
  ]);
  const refusal = unknownDevice ?? wrongRetry;
  const stream = streams.job(jobId);
  // A repeat keeps its first answer, also when the device has been revoked since.
  const known = refusal === undefined ? empty(job) : await load(store, job, stream);
  if (refusal !== undefined && known.state.kind === 'none') throw refusal;
  const context: CommandContext = {
    commandId: deriveId('create', jobId),
    actor: call.actor,
    correlationId: jobId,
    causationId: call.commandId,
    now: now(),
    ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
  };
  const outcome = await handleCommand(store, job, stream, { type: 'CreateJob', data }, context, known);
  return { jobId, position: outcome.position, repeated: outcome.repeated };
};
