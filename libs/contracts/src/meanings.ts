import type { ReasonCode } from './events/assignment.ts';
import type { ProblemCode } from './problems.ts';

/** What each error code means and what the caller does about it: the page of error codes is made from this. */
export const problemMeanings: Readonly<Record<ProblemCode, string>> = {
  'invalid-request':
    'A field is wrong, missing or unknown; `errors` names each with what was expected. Mend and send again.',
  'malformed-json': 'The body is not JSON. Mend and send again.',
  'unsupported-target': 'The kind of target is known and not offered yet. Use `device`.',
  'unknown-target': 'The target is not an enrolled device. Correct its id or enrol it first.',
  unauthenticated: 'There is no valid key or credential. Send `Authorization: Bearer …`.',
  'token-invalid': 'The enrolment token was used, is too old or does not exist. Issue a new one.',
  forbidden: 'The principal has no role that allows this. The refusal is recorded as `CommandDenied`.',
  'not-found': 'There is nothing of that name or id.',
  'method-not-allowed': 'The path exists, the method does not; `Allow` lists those that do.',
  'attempt-ended':
    'The log has ended the attempt, or it belongs to another agent. The agent stops the work and drops it.',
  'not-claimable': 'Another agent has the attempt, or it is assigned to another. Poll for other work.',
  conflict: 'The request does not fit the present state; the message says why.',
  'output-mismatch':
    'Bytes or hash do not match the stored output; `expected` says where to resume. Send the rest, then the status.',
  'output-gap': 'A chunk came before one that is missing; `expected.nextSequence` says where to resume.',
  'body-too-large':
    'The body, or the event it would make, is larger than the limit in the message. Shorten it.',
  'unsupported-media-type': 'Send `Content-Type: application/json`.',
  'idempotency-key-reused': 'The Idempotency-Key was used for another request. Use a new key for a new job.',
  'too-many-requests': 'Too many requests of this caller. Wait as long as `Retry-After` says.',
  internal: 'A fault of ours. The answer and the log carry the same `traceId`.',
  unavailable:
    'A part of the system does not answer now. Repeat after `Retry-After`; with an Idempotency-Key that is harmless.',
  'not-caught-up': 'The view does not show the asked position yet. Repeat after `Retry-After`.',
};

/** What each reason of a status change means. */
export const reasonMeanings: Readonly<Record<ReasonCode, string>> = {
  claimed: 'The agent took the attempt.',
  completed: 'All steps succeeded.',
  'step-failed': 'A step ended with another exit code than 0, or by a signal.',
  'start-failed': 'A step could not be started, such as a program that does not exist.',
  'run-timeout': 'The run timeout passed.',
  'queue-timeout': 'It did not start within the queue timeout.',
  'cancel-requested': 'Somebody asked for the cancel.',
  'process-state-unknown':
    'Cancel was requested and never confirmed: whether the process still runs is not known.',
  'agent-lost': 'The agent was not heard of for longer than `lostAfterMs` after its lease.',
  'agent-revoked': 'The credential of the device was revoked.',
  interrupted: 'The agent stopped or restarted while the attempt ran.',
  'rejected-by-agent': 'The agent refused the attempt before it ran anything.',
};
