/** What every service needs: settings, logs, clock, health, metrics, lifecycle, problem+json, calls between services. */
export { CallClient, type CallOptions } from './calls/call-client.ts';
export { CallServer, type CallServerOptions } from './calls/call-server.ts';
export { answer, type Answer } from './calls/answers.ts';
export { Clock, systemClock } from './clock.ts';
export { Health, type Check, type CheckResult } from './health.ts';
export { domainErrorOf, sendProblem } from './http-problems.ts';
export { describeRequest, traceparentOf } from './http-trace.ts';
export { Lifecycle, shutdownMs, withinMs } from './lifecycle.ts';
export type { LogFields } from './log-fields.ts';
export { Logger, createLogger, type LogLevel, type LoggerOptions } from './logger.ts';
export { Metrics } from './metrics.ts';
export { checkNatsAccess, natsAccess, type NatsAccess } from './nats-access.ts';
export { observeDatabase } from './observe-database.ts';
export { observeReader, observedEvents, showReader } from './observe-reader.ts';
export { observeRelay } from './observe-relay.ts';
export { failureLimitSettings } from './limits/limit-settings.ts';
export { RequestLimits, type RequestLimitOptions } from './limits/request-limits.ts';
export { releaseVersion } from './release.ts';
export { runAsMain } from './run-as-main.ts';
export { parseDuration, setting, type Setting } from './setting.ts';
export {
  SettingsError,
  commonSettings,
  defineSettings,
  describeSettings,
  loadSettings,
  settingNames,
  type Env,
  type LoadOptions,
  type SettingDescription,
  type SettingsOf,
  type SettingsProblem,
  type SettingsTable,
} from './settings.ts';
export {
  kitProviders,
  startService,
  type Kit,
  type Service,
  type ServiceDefinition,
  type ServiceSettings,
} from './start-service.ts';
export { continueTrace, isSampled, newContext, traceIdOf } from './trace.ts';
export { assignmentIdAttribute, attemptAttribute, jobIdAttribute } from './tracing/event-attributes.ts';
export { type Span, Tracing, noTracing } from './tracing/tracing.ts';
