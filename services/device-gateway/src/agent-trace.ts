import type { AttemptRef, ReportStatus } from '@signalbox/contracts';
import { isSampled } from '@signalbox/service-kit';
import { attemptAttributes } from './attempt-state.ts';
import type { AgentIdentity } from './credentials.ts';
import type { OpenAssignment } from './open.ts';
import type { ReportDeps } from './report.ts';

/**
 * Exports what an agent tells of its work as spans of service `signalbox-agent`, below the claim. The agent tells
 * milliseconds since its start, which count from the claim by our clock: its own clock may be wrong. No span is put after
 * now, and none ends before it begins, whatever the agent says.
 */
export const exportAgentTrace = (
  { agentTracing, now }: Pick<ReportDeps, 'agentTracing' | 'now'>,
  { agentId }: AgentIdentity,
  ref: AttemptRef,
  { traceparent, claimedAt }: OpenAssignment,
  { trace, status, reason, exitCode }: ReportStatus,
): void => {
  if (trace === undefined || claimedAt === null || !agentTracing.isOn || !isSampled(traceparent)) return;
  const beganMs = Date.parse(claimedAt);
  const nowMs = Math.max(beganMs, Date.parse(now()));
  const at = (ms: number): number => Math.min(beganMs + ms, nowMs);
  const common = { ...attemptAttributes(ref), 'signalbox.agent.id': agentId };
  const attempt = agentTracing.start('attempt', {
    parent: traceparent,
    startMs: beganMs,
    attributes: { ...common, 'signalbox.attempt.status': status, 'process.exit.code': exitCode ?? undefined },
  });
  const child = (
    name: string,
    span: { readonly startMs: number; readonly endMs: number },
    attributes: Readonly<Record<string, string | number | undefined>>,
    errorType?: string,
  ): void =>
    agentTracing
      .start(name, {
        parent: attempt.traceparent,
        startMs: at(span.startMs),
        attributes: { ...common, ...attributes },
      })
      .end({ endMs: at(Math.max(span.startMs, span.endMs)), errorType });
  for (const step of trace.steps) {
    const code = step.exitCode ?? undefined;
    const failure = code === 0 ? undefined : code === undefined ? 'no-exit-code' : `exit-code-${code}`;
    child('step', step, { 'signalbox.step.name': step.name, 'process.exit.code': code }, failure);
  }
  if (trace.output !== undefined) {
    const { requests, chunks } = trace.output;
    child('send output', trace.output, {
      'signalbox.output.requests': requests,
      'signalbox.output.chunks': chunks,
    });
  }
  attempt.end({
    endMs: at(trace.endMs),
    errorType: status === 'SUCCEEDED' ? undefined : (reason?.code ?? status),
  });
};
