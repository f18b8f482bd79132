import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { eventsStreamName } from '@signalbox/contracts';
import { eventually } from '@signalbox/testkit';
import type { Program } from '@signalbox/tools/system';
import { type Fault, type HolderName, holders, victimText } from './plan.ts';
import { connectOperator } from './operator.ts';
import { pausePostgres } from './postgres-pause.ts';
import type { Road } from './proxy.ts';
import type { Site } from './site.ts';

/** Undoes a fault; resolves when what it touched works again. */
export type Mend = () => Promise<void>;

/** Each holder's own word that it is the one, among the metrics of its service. */
const metricOf: Record<HolderName, string> = {
  relay: 'signalbox_relay_active\\{.*\\}',
  dispatcher: 'signalbox_reader_active\\{.*reader="dispatcher".*\\}',
  open: 'signalbox_reader_active\\{.*reader="gateway-open".*\\}',
  audit: 'signalbox_reader_active\\{.*reader="audit-projector".*\\}',
};

const isHolder = async (site: Site, program: string, metric: string): Promise<boolean> => {
  const url = site.stack.system.addresses.get(program);
  const answer = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(1_000) });
  return new RegExp(`^${metric} 1$`, 'm').test(await answer.text());
};

/** The replica that holds a lease now; the first of the service when none says so, since it may change hands just now. */
const findHolder = async (site: Site, holder: HolderName): Promise<string> => {
  const programs = [holders[holder], `${holders[holder]}-2`];
  const held = await Promise.all(
    programs.map((program) => isHolder(site, program, metricOf[holder]).catch(() => false)),
  );
  return programs[held.indexOf(true)] ?? programs[0] ?? '';
};

/** Longest wait for a program to be back, on a machine that may have little to spare. */
const startMs = 240_000;

/** Starts a program until it stays: while a server is away it may end at once, and a supervisor starts it again. */
export const startUntilReady = (program: Program): Promise<unknown> =>
  eventually(() => program.start().then(() => true), {
    what: `${program.name} to start`,
    timeoutMs: startMs,
    everyMs: 300,
  });

const cut = (road: Road, kind: 'stall' | 'reset'): Mend => {
  road.set(kind === 'stall' ? 'stalled' : 'broken');
  return () => {
    road.set('open');
    return Promise.resolve();
  };
};

const onProgram = async (program: Program, kind: Fault['kind']): Promise<Mend> => {
  if (kind === 'pause') {
    await program.kill('SIGSTOP');
    return () => program.kill('SIGCONT');
  }
  if (kind === 'kill') await program.kill('SIGKILL');
  else if (kind === 'restart') await program.stop();
  else throw new Error(`expected a fault of processes for ${program.name}, got ${kind}`);
  return async () => {
    await startUntilReady(program);
  };
};

const onService = async (site: Site, name: string, { kind, road }: Fault): Promise<Mend> => {
  const program = site.stack.system.programs.get(name);
  const roads = site.roads.get(name);
  if (program === undefined || roads === undefined) throw new Error(`expected a process ${name}, got none`);
  if ((kind === 'stall' || kind === 'reset') && road !== null) return cut(roads[road], kind);
  return onProgram(program, kind);
};

const onAgent = async (site: Site, number: number, { kind, jumpMs }: Fault): Promise<Mend> => {
  const agent = site.agents[number - 1];
  if (agent === undefined) throw new Error(`expected agent ${number}, got none`);
  if (kind === 'stall' || kind === 'reset') return cut(agent.road, kind);
  if (kind !== 'clock') return onProgram(agent.program, kind);
  await agent.setClock(jumpMs);
  return () => agent.setClock(0);
};

const deleteStream = async (site: Site): Promise<void> => {
  const nc = await connectOperator(site.stack.system);
  try {
    await (await jetstreamManager(nc, { checkAPI: false })).streams.delete(eventsStreamName);
  } finally {
    await nc.close();
  }
};

const nothing: Mend = () => Promise.resolve();

const onNats = async (site: Site, { kind }: Fault): Promise<Mend> => {
  const { nats } = site.stack.system;
  if (nats === undefined) throw new Error('expected a nats-server of ours, got none');
  switch (kind) {
    case 'pause':
      await nats.kill('SIGSTOP');
      return () => nats.kill('SIGCONT');
    case 'kill':
      await nats.kill();
      return () => nats.start();
    case 'restart':
      await nats.stop();
      return () => nats.start();
    case 'wipe':
      await nats.stop();
      // The folder itself may be a mount.
      for (const name of await readdir(nats.storeDir))
        await rm(join(nats.storeDir, name), { recursive: true, force: true });
      return () => nats.start();
    case 'delete-stream':
      await deleteStream(site);
      return nothing;
    case 'disk-full': {
      const giveBack = await site.disk.fill(site.stack.system);
      return async () => {
        await giveBack();
        // JetStream switches itself off when the disk is full, until it is started again.
        await nats.stop();
        await nats.start();
      };
    }
    default:
      throw new Error(`expected a fault of nats-server, got ${kind}`);
  }
};

const onPostgres = async (site: Site, { kind }: Fault): Promise<Mend> => {
  const { postgres } = site.stack.system;
  if (postgres === undefined) throw new Error('expected a Postgres of ours, got none');
  if (kind === 'pause') return pausePostgres(postgres.pid);
  if (kind === 'kill') await postgres.kill();
  else await postgres.stop();
  return () => postgres.start();
};

/** Does to its victim what a fault says, and answers how it is mended. */
export const inject = async (
  site: Site,
  fault: Fault,
): Promise<{ readonly victim: string; readonly mend: Mend }> => {
  const { victim } = fault;
  switch (victim.type) {
    case 'service':
      return { victim: victim.program, mend: await onService(site, victim.program, fault) };
    case 'holder': {
      const name = await findHolder(site, victim.holder);
      return { victim: `${name}, ${victimText(victim)}`, mend: await onService(site, name, fault) };
    }
    case 'agent':
      return { victim: victimText(victim), mend: await onAgent(site, victim.number, fault) };
    case 'devices': {
      const road = site.groupRoads[victim.group - 1];
      if (road === undefined) throw new Error(`expected group ${victim.group} of devices, got none`);
      return { victim: victimText(victim), mend: cut(road, fault.kind === 'stall' ? 'stall' : 'reset') };
    }
    case 'nats':
      return { victim: victimText(victim), mend: await onNats(site, fault) };
    case 'postgres':
      return { victim: victimText(victim), mend: await onPostgres(site, fault) };
    default:
      return victim satisfies never;
  }
};
