import { assignmentId, deriveId, streams } from '@signalbox/contracts';
import { assignment } from '@signalbox/domain';
import { type EventStore, type Running, handleCommand } from '@signalbox/event-store';
import type { Lease, Leases } from './tables/leases.ts';

export interface SweepDeps {
  readonly store: EventStore;
  readonly leases: Leases;
  readonly now: () => string;
  readonly onError: (message: string, error: unknown) => void;
}

/** An assignment's id is `<jobId>-<targetId>`, and a job's id is a UUID of 36 characters. */
const nameOf = (id: string) => ({ jobId: id.slice(0, 36), targetId: id.slice(37) });

/** Puts one expiry into the log; a row whose attempt is not running (any more) is deleted without an event. */
const logExpiry = async ({ store, leases, now }: SweepDeps, lease: Lease): Promise<void> => {
  const { jobId, targetId } = nameOf(lease.assignmentId);
  const outcome = await handleCommand(
    store,
    assignment,
    streams.assignment(jobId, targetId),
    { type: 'ExpireLease', jobId, targetId, agentId: lease.agentId, attempt: lease.attempt },
    {
      commandId: deriveId('sweep', assignmentId(jobId, targetId), lease.attempt, now()),
      actor: { type: 'service', id: 'device-gateway' },
      correlationId: jobId,
      causationId: null,
      now: now(),
    },
  );
  const { state } = outcome;
  const open =
    state.status === 'IN_PROGRESS' && state.attempt === lease.attempt && state.agentId === lease.agentId;
  if (open) await leases.markLogged(lease);
  else await leases.drop(lease);
};

/** Calls `work` again and again with a pause, one at a time, until stopped. Failures are reported and tried again. */
export const every = (
  pauseMs: number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
): Running => {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let current: Promise<void> = Promise.resolve();
  const round = async (): Promise<void> => {
    try {
      await work();
    } catch (error) {
      onError(error);
    }
    if (!stopped) timer = setTimeout(begin, pauseMs);
  };
  const begin = (): void => {
    current = round();
  };
  begin();
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await current;
    },
  };
};

/** Expires leases and sees to it that the log has every expiry. Runs in one replica. */
export const sweepLeases = async (deps: SweepDeps): Promise<void> => {
  for (const lease of await deps.leases.expire()) {
    try {
      await logExpiry(deps, lease);
    } catch (error) {
      deps.onError('expiry of a lease was not recorded; it is tried again', error);
    }
  }
};
