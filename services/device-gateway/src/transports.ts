import { setTimeout as delay } from 'node:timers/promises';
import { EventsTransport, MemoryReaderState, startReader } from '@signalbox/bus-nats';
import type { Reader } from '@signalbox/bus-nats';
import { lead, openLease } from '@signalbox/postgres';
import {
  CallServer,
  type Kit,
  type NatsAccess,
  type SettingsOf,
  observeReader,
  observedEvents,
} from '@signalbox/service-kit';
import type { CustomTransportStrategy } from '@nestjs/microservices';
import type { AgentDoor } from './agent-door.ts';
import type { Gateway } from './app.module.ts';
import { calls } from './calls.ts';
import type { settings } from './config.ts';
import { followerConsumers, projectorConsumers } from './consumers.ts';
import { every, sweepLeases } from './sweep.ts';
import { writeLastSeen } from './tables/agents.ts';
import { loadOpen, projector } from './tables/open-assignments.ts';

const beatMs = 1_000;
const beatGapMs = 5_000;

/** The one elected projector of `gateway.open_assignments`. */
export const projectorTransport = async (gateway: Gateway, kit: Kit): Promise<CustomTransportStrategy> => {
  const { pool, nc, store, state } = gateway;
  const lease = await openLease({ pool, name: projector, holder: kit.replica });
  const events = new EventsTransport({
    name: projector,
    nc,
    store,
    state,
    consumers: projectorConsumers(),
    log: kit.logger,
    on: { handled: observedEvents(kit, projector, false) },
    run: (start) =>
      lead({
        lease,
        onLead: (term) => start((error) => term.fail(error)),
        onError: (error) => kit.logger.warn('projector leadership failed and tries again', { error }),
      }),
  });
  observeReader(kit, projector, () => events.reader());
  return events;
};

const followAgainMs = 1_000;

/**
 * Loads what the projector has and follows all events from there, in this replica's memory. A follower that stopped by
 * itself begins anew with an empty memory.
 */
export const startFollower = async (gateway: Gateway, kit: Kit): Promise<void> => {
  const { pool, nc, store, open, documents, credentials } = gateway;
  let reader: Reader | undefined;
  const stopping = new AbortController();
  observeReader(kit, 'gateway-follower', () => reader, true);
  const handled = observedEvents(kit, 'gateway-follower', false);
  const begin = async (): Promise<Reader> => {
    const loaded = await loadOpen(pool, projector);
    gateway.forget();
    for (const each of loaded.open) open.set(each.id, each);
    return startReader({
      name: 'gateway-follower',
      nc,
      store,
      state: new MemoryReaderState('gateway-follower', loaded.position, () => kit.clock.nowMs()),
      consumers: followerConsumers({ open, documents, credentials }),
      log: kit.logger,
      on: { handled },
    });
  };
  reader = await begin();
  const keepFollowing = async (): Promise<void> => {
    for (;;) {
      const error = await reader?.ended;
      reader = undefined;
      if (stopping.signal.aborted) return;
      kit.logger.error('follower stopped and begins anew', { error });
      await delay(followAgainMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      reader = await begin().catch((failure: unknown) => {
        kit.logger.error('follower could not begin and tries again', { error: failure });
        return undefined;
      });
    }
  };
  const following = keepFollowing();
  kit.lifecycle.onStop('follower', async () => {
    stopping.abort();
    await reader?.stop();
    await following;
  });
};

/** What runs beside the requests: heartbeat and last-seen in every replica, the sweep of leases in one. */
export const startLoops = async (
  gateway: Gateway,
  door: AgentDoor,
  kit: Kit,
  values: SettingsOf<typeof settings>,
): Promise<void> => {
  const { pool, store, leases, outputTable } = gateway;
  const { logger, clock, lifecycle } = kit;
  const onError = (message: string, error: unknown): void => logger.warn(message, { error });
  const beat = every(
    beatMs,
    () => leases.beat(beatGapMs, values.deviceLeaseMs),
    (error) => onError('heartbeat of the gateways failed', error),
  );
  const seen = every(
    values.lastSeenMs,
    () => writeLastSeen(pool, door.takeSeen()),
    (error) => onError('last seen was not written', error),
  );
  const days = every(
    3_600_000,
    async () => {
      for (const ahead of [0, 1]) {
        await outputTable.ensureDay(new Date(clock.nowMs() + ahead * 86_400_000).toISOString().slice(0, 10));
      }
    },
    (error) => onError('partition of the output was not made', error),
  );
  const clean = every(
    600_000,
    () => leases.clean(),
    (error) => onError('old leases and tokens were not deleted', error),
  );
  const sweep = lead({
    lease: await openLease({ pool, name: 'gateway-sweep', holder: kit.replica }),
    onLead: () =>
      Promise.resolve(
        every(
          values.sweepMs,
          () => sweepLeases({ store, leases, now: () => clock.now(), gapMs: beatGapMs, onError }),
          (error) => onError('leases could not be looked at', error),
        ),
      ),
    onError: (error) => onError('sweep leadership failed and tries again', error),
  });
  for (const [name, each] of Object.entries({ beat, seen, days, clean, sweep }))
    lifecycle.onStop(name, () => each.stop());
};

/** Answers calls in every replica. */
export const callTransport = (
  gateway: Gateway,
  door: AgentDoor,
  kit: Kit,
  nats: NatsAccess,
): CustomTransportStrategy =>
  new CallServer({
    nats,
    service: 'device-gateway',
    answers: calls(door.enrolment, gateway.output),
    kit,
  });
