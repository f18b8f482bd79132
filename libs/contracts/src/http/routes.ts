import { z } from 'zod';
import { Id, JobId, Position } from '../ids.ts';
import {
  AgentRevoked,
  AgentView,
  IssueKey,
  IssueToken,
  KeyIssued,
  KeyRevoked,
  KeyRotated,
  KeyView,
  ListAgents,
  ListKeys,
  Me,
  RevokeAgent,
  RotateKey,
  TokenIssued,
} from './admin.ts';
import {
  AssignmentView,
  AuditRow,
  CancelAnswer,
  CancelJob,
  CreateJob,
  EventPage,
  JobAccepted,
  JobDetail,
  JobView,
  ListAudit,
  ListEvents,
  ListJobs,
  OutputPage,
  ReadOutput,
  pageOf,
} from './jobs.ts';
import { SystemReport } from './checks.ts';
import type { Route } from './route.ts';

/** Every path for people and programs begins with this prefix; the one below it of the agents is the gateway's. */
const prefix = '/api/v1';

const JobParams = z.strictObject({ id: JobId });
const TargetParams = z.strictObject({ id: JobId, targetId: Id });
const IdParams = z.strictObject({ id: Id });
const After = z.strictObject({
  after: Position.optional().meta({ description: 'Position of a write that the answer must show' }),
});
const IdempotencyKey = z
  .object({
    'idempotency-key': z
      .string()
      .regex(/^[\x21-\x7e]{1,255}$/, 'expected 1 to 255 visible ASCII characters')
      .optional()
      .meta({ description: 'A repeat with the same key and the same request makes no second job' }),
  })
  .meta({ description: 'Headers' });

const StreamHeaders = z.object({
  'last-event-id': z
    .string()
    .max(200)
    .optional()
    .meta({ description: 'Go on behind the event with this id' }),
});
const jobStreamId = /^\d{16}:\d{1,9}:\d{1,10}$/;
const JobStream = z.strictObject({
  after: z
    .string()
    .regex(jobStreamId, 'expected an `id` that this stream has sent')
    .optional()
    .meta({ description: 'Same as Last-Event-ID, for clients that cannot set headers' }),
});
const EventStream = z.strictObject({
  after: Position.optional().meta({
    description: 'Position after which to begin, 0000000000000000 for all; default: from now on',
  }),
});

const ok = (schema: z.ZodType, description = 'Done') => ({ 200: { description, schema } });
const output = {
  200: {
    description: 'A page of output; `text/plain` when asked for by Accept: all of it, without limit',
    schema: OutputPage,
  },
};
const sse = { 200: { description: 'Server-sent events', contentType: 'text/event-stream' } };

const read = { method: 'GET', access: 'viewer', command: null } as const;

/** The door for people and programs: served by the api. */
export const apiRoutes = {
  createJob: {
    method: 'POST',
    path: `${prefix}/jobs`,
    tag: 'jobs',
    summary: 'Create a job',
    access: 'operator',
    command: 'job.create',
    headers: IdempotencyKey,
    body: { schema: CreateJob, optional: false },
    answers: {
      201: { description: 'The job exists; Location names it', schema: JobAccepted },
      200: { description: 'It had been created before with the same Idempotency-Key', schema: JobAccepted },
    },
    problems: [
      'malformed-json',
      'unsupported-target',
      'unknown-target',
      'body-too-large',
      'unsupported-media-type',
      'idempotency-key-reused',
    ],
  },
  listJobs: {
    ...read,
    path: `${prefix}/jobs`,
    tag: 'jobs',
    summary: 'List jobs, the newest first',
    query: ListJobs,
    answers: ok(pageOf(JobView), 'A page of jobs'),
    problems: ['not-caught-up'],
  },
  getJob: {
    ...read,
    path: `${prefix}/jobs/:id`,
    tag: 'jobs',
    summary: 'One job with its document',
    params: JobParams,
    query: After,
    answers: ok(JobDetail, 'The job'),
    problems: ['not-found'],
  },
  cancelJob: {
    method: 'POST',
    path: `${prefix}/jobs/:id/cancel`,
    tag: 'jobs',
    summary: 'Cancel a job',
    access: 'operator',
    command: 'job.cancel',
    params: JobParams,
    body: { schema: CancelJob, optional: true },
    answers: ok(CancelAnswer, 'What the cancel did'),
    problems: ['not-found', 'malformed-json', 'body-too-large', 'unsupported-media-type'],
  },
  listAssignments: {
    ...read,
    path: `${prefix}/jobs/:id/assignments`,
    tag: 'jobs',
    summary: 'The assignments of a job: one for each target',
    params: JobParams,
    query: After,
    answers: ok(z.object({ items: z.array(AssignmentView) }), 'The assignments'),
    problems: ['not-found'],
  },
  readJobOutput: {
    ...read,
    path: `${prefix}/jobs/:id/output`,
    tag: 'output',
    summary: 'Output of a job with one target',
    params: JobParams,
    query: ReadOutput,
    answers: output,
    problems: ['not-found'],
  },
  readOutput: {
    ...read,
    path: `${prefix}/jobs/:id/assignments/:targetId/output`,
    tag: 'output',
    summary: 'Output of one assignment',
    params: TargetParams,
    query: ReadOutput,
    answers: output,
    problems: ['not-found'],
  },
  followJob: {
    ...read,
    path: `${prefix}/jobs/:id/stream`,
    tag: 'live',
    summary: 'Follow a job: its history, then its events and output as they come, until its end',
    params: JobParams,
    query: JobStream,
    headers: StreamHeaders,
    answers: sse,
    problems: ['not-found'],
  },
  followEvents: {
    ...read,
    path: `${prefix}/stream`,
    tag: 'live',
    summary: 'Follow all events',
    query: EventStream,
    headers: StreamHeaders,
    answers: sse,
    problems: [],
  },
  listEvents: {
    ...read,
    path: `${prefix}/events`,
    tag: 'audit',
    summary: 'Events in their order, up to the newest published one: how subscribers catch up',
    query: ListEvents,
    answers: ok(EventPage, 'A page of events'),
    problems: [],
  },
  listAudit: {
    ...read,
    path: `${prefix}/audit`,
    tag: 'audit',
    summary: 'Search the audit log, the newest first',
    query: ListAudit,
    answers: ok(pageOf(AuditRow), 'A page of the audit log'),
    problems: ['not-caught-up'],
  },
  issueToken: {
    method: 'POST',
    path: `${prefix}/enrolment-tokens`,
    tag: 'agents',
    summary: 'Issue a one-time token with which one device may enrol',
    access: 'admin',
    command: 'token.issue',
    body: { schema: IssueToken, optional: true },
    answers: { 201: { description: 'The token, shown once', schema: TokenIssued } },
    problems: ['malformed-json', 'conflict', 'body-too-large', 'unsupported-media-type'],
  },
  listAgents: {
    ...read,
    path: `${prefix}/agents`,
    tag: 'agents',
    summary: 'List agents',
    query: ListAgents,
    answers: ok(pageOf(AgentView), 'A page of agents'),
    problems: ['not-caught-up'],
  },
  getAgent: {
    ...read,
    path: `${prefix}/agents/:id`,
    tag: 'agents',
    summary: 'One agent',
    params: IdParams,
    answers: ok(AgentView, 'The agent'),
    problems: ['not-found'],
  },
  revokeAgent: {
    method: 'POST',
    path: `${prefix}/agents/:id/revoke`,
    tag: 'agents',
    summary: 'Revoke an agent: its credential counts no more within a second',
    access: 'admin',
    command: 'agent.revoke',
    params: IdParams,
    body: { schema: RevokeAgent, optional: true },
    answers: ok(AgentRevoked, 'It is revoked'),
    problems: ['not-found', 'malformed-json', 'body-too-large', 'unsupported-media-type'],
  },
  issueKey: {
    method: 'POST',
    path: `${prefix}/keys`,
    tag: 'keys',
    summary: 'Give a person or program an API key',
    access: 'admin',
    command: 'key.issue',
    body: { schema: IssueKey, optional: false },
    answers: { 201: { description: 'The key, shown once', schema: KeyIssued } },
    problems: ['malformed-json', 'body-too-large', 'unsupported-media-type'],
  },
  listKeys: {
    method: 'GET',
    path: `${prefix}/keys`,
    tag: 'keys',
    summary: 'List API keys, without the keys themselves',
    access: 'admin',
    command: null,
    query: ListKeys,
    answers: ok(pageOf(KeyView), 'A page of keys'),
    problems: [],
  },
  revokeKey: {
    method: 'POST',
    path: `${prefix}/keys/:id/revoke`,
    tag: 'keys',
    summary: 'Revoke an API key: it counts no more within a second',
    access: 'admin',
    command: 'key.revoke',
    params: IdParams,
    answers: ok(KeyRevoked, 'It is revoked'),
    problems: ['not-found', 'conflict'],
  },
  rotateKey: {
    method: 'POST',
    path: `${prefix}/keys/:id/rotate`,
    tag: 'keys',
    summary:
      'Give the principal of an API key a new one with the same roles; the old one counts for an overlap',
    access: 'admin',
    command: 'key.rotate',
    params: IdParams,
    body: { schema: RotateKey, optional: true },
    answers: { 201: { description: 'The new key, shown once', schema: KeyRotated } },
    problems: ['malformed-json', 'body-too-large', 'unsupported-media-type', 'not-found', 'conflict'],
  },
  getMe: {
    ...read,
    path: `${prefix}/me`,
    tag: 'keys',
    summary: 'Who the sent key stands for, and with which roles',
    answers: ok(Me, 'The principal'),
    problems: [],
  },
  checkSystem: {
    method: 'GET',
    path: `${prefix}/system/checks`,
    tag: 'system',
    summary:
      'Look at everything that can go wrong, in all replicas of all services; also while Postgres or NATS is away',
    access: 'admin',
    command: null,
    admitsKnownKeys: true,
    answers: ok(SystemReport, 'What was found, and what to do about it'),
    problems: [],
  },
  getOpenApi: {
    method: 'GET',
    path: `${prefix}/openapi.json`,
    tag: 'documentation',
    summary: 'This API as an OpenAPI 3.1 document',
    access: 'public',
    command: null,
    answers: { 200: { description: 'OpenAPI 3.1', contentType: 'application/json' } },
    problems: [],
  },
  getDocs: {
    method: 'GET',
    path: `${prefix}/docs`,
    tag: 'documentation',
    summary: 'This API as a page to read',
    access: 'public',
    command: null,
    answers: { 200: { description: 'HTML', contentType: 'text/html' } },
    problems: [],
  },
} as const satisfies Record<string, Route>;
export type ApiRouteName = keyof typeof apiRoutes;
