/** Wire truth: events, commands, HTTP and agent schemas, subjects, error codes, status words, limits. */
export { limits } from './limits.ts';
export {
  Id,
  Instant,
  JobId,
  Position,
  Sha256,
  assignmentId,
  deriveId,
  formatPosition,
  idPattern,
  instantPattern,
  positionPattern,
  positionStart,
  streams,
} from './ids.ts';
export {
  EndStatus,
  Status,
  endStatuses,
  isEnd,
  parseStatus,
  statusAliases,
  statuses,
  transitions,
} from './statuses.ts';
export {
  JobDocument,
  RecordedDocument,
  RunCommandStep,
  RunShellStep,
  Step,
  documentOf,
  splitArgv,
} from './job-document.ts';
export {
  connectionLostPattern,
  socketErrorCodes,
  sqlOutageClasses,
  sqlStatePattern,
} from './outage-signs.ts';
export { eventsStreamName, subjects } from './subjects.ts';
export { parseBusAddress, type BusAddress } from './bus-address.ts';
export {
  busPasswordVariable,
  busPermissions,
  busUsers,
  inboxPrefixOf,
  renderAuthorization,
  type BusPermissions,
  type BusUser,
} from './bus-users.ts';
export { Actor, Envelope, actorText, type NewEvent, type RecordedEvent } from './envelope.ts';
export { problemMeanings, reasonMeanings } from './meanings.ts';
export {
  DomainError,
  FieldProblem,
  Problem,
  fieldProblems,
  parseRequest,
  problemOf,
  problemStatus,
  type ProblemCode,
} from './problems.ts';
export {
  CallContext,
  Refusal,
  calls,
  type CallAnswer,
  type CallName,
  type CallRequest,
  type Calls,
  type Reply,
} from './commands.ts';
export {
  AssignmentRef,
  AttemptEnd,
  Counts,
  JobAssigned,
  JobEnd,
  JobStatusChanged,
  LeaseExpired,
  LeaseResumed,
  Reason,
  Result,
  assignmentEvents,
  reasonCodes,
  type ReasonCode,
} from './events/assignment.ts';
export {
  UndecodableEvent,
  decodeEvent,
  tryDecodeEvent,
  eventOf,
  eventTypes,
  isEventType,
  subjectIdOf,
  type DataOf,
  type Event,
  type EventType,
  type EventTypes,
  type Fact,
} from './events/catalogue.ts';
export { eventJsonSchemas, type EventJsonSchema } from './events/json-schema.ts';
export { DeviceEnrolled, DeviceRevoked, EnrolmentTokenIssued, deviceEvents } from './events/device.ts';
export { JobCancelRequested, JobCreated, JobLimits, Target, defaultLimits, jobEvents } from './events/job.ts';
export {
  ApiKeyIssued,
  ApiKeyRevoked,
  CommandDenied,
  Role,
  apiRoles,
  principalEvents,
  type ApiRole,
} from './events/principal.ts';
export {
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
} from './http/admin.ts';
export { CheckStatus, ReplicaReport, SystemCheck, SystemReport } from './http/checks.ts';
export {
  AttemptParams,
  AttemptRef,
  AttemptTrace,
  Enrol,
  Enrolled,
  Offer,
  OutputChunk,
  OutputStored,
  Poll,
  PollAnswer,
  Renewed,
  ReportStatus,
  SendOutput,
  StatusTaken,
  Whoami,
  agentPrefix,
} from './http/agent.ts';
export {
  AssignmentView,
  AuditRow,
  CancelAnswer,
  CancelJob,
  CreateJob,
  EventPage,
  EventRow,
  JobAccepted,
  JobDetail,
  JobView,
  ListAudit,
  ListEvents,
  ListJobs,
  OutputPage,
  OutputRow,
  ReadOutput,
  RequestedTarget,
  pageOf,
  type Page,
} from './http/jobs.ts';
export { agentRoutes } from './http/agent-routes.ts';
export { apiRoutes, type ApiRouteName } from './http/routes.ts';
export type { Route, RouteAccess, RouteAnswer } from './http/route.ts';
export { apiInfo, openApiDocument, type OpenApiDocument } from './http/openapi.ts';
