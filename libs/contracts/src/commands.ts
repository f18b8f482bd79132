import { z } from 'zod';
import { Actor } from './envelope.ts';
import { AgentRevoked, AgentView, IssueToken, ListAgents, RevokeAgent, TokenIssued } from './http/admin.ts';
import {
  AssignmentView,
  AuditRow,
  CancelAnswer,
  CreateJob,
  JobAccepted,
  JobDetail,
  JobView,
  ListAudit,
  ListJobs,
  OutputPage,
  ReadOutput,
  pageOf,
} from './http/jobs.ts';
import { Id, JobId, Position } from './ids.ts';
import { FieldProblem } from './problems.ts';

/** Who asks, and in whose name: travels with every command and query between the services. */
export const CallContext = z.strictObject({
  commandId: z
    .uuid()
    .meta({ description: 'Ids of the events that follow derive from it, so that a repeat is harmless' }),
  actor: Actor,
  traceparent: z.string().max(128).optional(),
});
export type CallContext = z.output<typeof CallContext>;

const after = Position.optional();

/** Commands and queries between the services, by NATS request/reply: subject, request, answer. */
export const calls = {
  createJob: {
    subject: 'scheduler.job.create',
    request: z.strictObject({ request: CreateJob, idempotencyKey: z.string().min(1).max(255).nullable() }),
    answer: JobAccepted,
  },
  cancelJob: {
    subject: 'dispatcher.job.cancel',
    request: z.strictObject({ jobId: JobId, reason: z.string().max(1024).nullable() }),
    answer: CancelAnswer,
  },
  issueToken: {
    subject: 'gateway.token.issue',
    request: IssueToken,
    answer: TokenIssued.omit({ enrolmentLine: true }),
  },
  listAgents: { subject: 'gateway.agents.list', request: ListAgents, answer: pageOf(AgentView) },
  getAgent: { subject: 'gateway.agents.get', request: z.strictObject({ agentId: Id }), answer: AgentView },
  revokeAgent: {
    subject: 'gateway.agents.revoke',
    request: z.strictObject({ agentId: Id, ...RevokeAgent.shape }),
    answer: AgentRevoked,
  },
  readOutput: {
    subject: 'gateway.output.read',
    request: z.strictObject({ jobId: JobId, targetId: Id, ...ReadOutput.shape }),
    answer: OutputPage,
  },
  listJobs: { subject: 'audit.jobs.list', request: ListJobs, answer: pageOf(JobView) },
  getJob: { subject: 'audit.jobs.get', request: z.strictObject({ jobId: JobId, after }), answer: JobDetail },
  listAssignments: {
    subject: 'audit.assignments.list',
    request: z.strictObject({ jobId: JobId, after }),
    answer: z.object({ items: z.array(AssignmentView) }),
  },
  listAudit: { subject: 'audit.logs.list', request: ListAudit, answer: pageOf(AuditRow) },
} as const;
export type Calls = typeof calls;
export type CallName = keyof Calls;
export type CallRequest<N extends CallName> = z.output<Calls[N]['request']>;
export type CallAnswer<N extends CallName> = z.output<Calls[N]['answer']>;

/** What travels as the reply: a value, or a refusal that the caller maps to its own edge. */
export const Refusal = z.object({
  code: z.string(),
  message: z.string(),
  errors: z.array(FieldProblem),
  expected: z.record(z.string(), z.unknown()).optional(),
});
export type Reply<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: z.output<typeof Refusal> };
