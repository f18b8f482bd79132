import { deriveId, streams } from '@signalbox/contracts';
import { assignment } from '@signalbox/domain';
import { type EventStore, type Running, handleCommand } from '@signalbox/event-store';
import type { Lease, Leases } from './tables/leases.ts';

export interface SweepDeps {
  readonly store: EventStore;
  readonly leases: Leases;
  readonly now: () => string;
  /** Silence of the gateways after which nothing expires, in milliseconds. */
  readonly gapMs: number;
  readonly onError: (message: string, error: unknown) => void;
}

/** An assignment's id is `<jobId>-<targetId>`, and a job's id is a UUID of 36 characters. */
const nameOf = (id: string) => ({ jobId: id.slice(0, 36), targetId: id.slice(37) });

/**
 * Puts one expiry into the log; a row whose attempt is not running (any more) is deleted without an event. Where the agent
 * came back in between, and its row is open again, the log hears that at once.
 */
const logExpiry = async ({ store, leases, now }: SweepDeps, lease: Lease): Promise<void> => {
  const { jobId, targetId } = nameOf(lease.assignmentId);
  const tell = (type: 'ExpireLease' | 'ResumeLease') =>
    handleCommand(
      store,
      assignment,
      streams.assignment(jobId, targetId),
      { type, jobId, targetId, agentId: lease.agentId, attempt: lease.attempt },
      {
        commandId: deriveId('sweep', type, lease.assignmentId, lease.attempt, now()),
        actor: { type: 'service', id: 'device-gateway' },
        correlationId: jobId,
        causationId: null,
        now: now(),
      },
    );
  const { state } = await tell('ExpireLease');
  const open =
    state.status === 'IN_PROGRESS' && state.attempt === lease.attempt && state.agentId === lease.agentId;
  if (!open) await leases.drop(lease);
  else if (!(await leases.markLogged(lease))) await tell('ResumeLease');
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
  for (const lease of await deps.leases.expire(deps.gapMs)) {
    try {
      await logExpiry(deps, lease);
    } catch (error) {
      deps.onError('expiry of a lease was not recorded; it is tried again', error);
    }
  }
};
