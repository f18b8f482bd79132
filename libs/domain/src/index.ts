/** Pure deciders: one folder per aggregate. No I/O, clock, randomness or async; time and ids come in as data. */
export { job, type JobCommand } from './job/decide.ts';
export { type JobState } from './job/job.ts';
export { assignment, countsOfOne, type AgentWord, type AssignmentCommand } from './assignment/decide.ts';
export { attemptOf, type AssignmentState } from './assignment/assignment.ts';
export { device, type DeviceCommand } from './device/decide.ts';
export { type DeviceState } from './device/device.ts';
export { principal, type PrincipalCommand } from './principal/decide.ts';
export { type PrincipalState } from './principal/principal.ts';
export {
  assignmentIdOf,
  assignmentViewsFromEvents,
  evolveAssignmentView,
  evolveJobView,
  jobIdOf,
  jobViewFromEvents,
} from './views.ts';
export { checkLog } from './check/check-log.ts';
export {
  invariants,
  type Evidence,
  type Findings,
  type Invariant,
  type Violation,
} from './check/evidence.ts';
