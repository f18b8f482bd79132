import manifest from '../package.json' with { type: 'json' };
import { Agent } from './agent.ts';
import { AuthorityRefused, pinnedAuthority } from './authority.ts';
import { inheritedEnvironment, loadSettings } from './config.ts';
import { readCredential } from './credential.ts';
import { enrol, EnrolmentRefused } from './enrolment.ts';
import { helpText, parseFlags } from './flags.ts';
import { Gateway } from './gateway.ts';
import { HttpClient } from './http-client.ts';
import { createLog, errorText, type Log } from './log.ts';
import { isAllowedServer, SettingsRefused, type Settings } from './settings.ts';
import { prepareStateDir, StateFileRefused } from './state-files.ts';
import { lockStateDir } from './state-lock.ts';

const version = manifest.version;

/** Nothing was run: the settings, the state folder or the token have to be mended first. */
const exitRefused = 2;

const serverOf = (settings: Settings, enrolledAt: string | null): URL => {
  if (settings.server !== null) return settings.server;
  if (enrolledAt !== null && isAllowedServer(enrolledAt)) return new URL(enrolledAt);
  throw new SettingsRefused(['--server: expected the address of Signalbox, got none']);
};

/** Turns signals into draining, then interrupting; `agent` is null until this machine is enrolled. */
const onSignals = (stopping: AbortController, log: Log, current: () => Agent | null): void => {
  const receive = (name: string) => {
    log.info(stopping.signal.aborted ? 'asked again to stop: interrupting' : 'asked to stop: draining', {
      signal: name,
    });
    if (stopping.signal.aborted) current()?.interrupt();
    else current()?.drain();
    stopping.abort();
  };
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, receive);
  process.once('exit', () => current()?.killNow());
};

const run = async (settings: Settings, log: Log): Promise<void> => {
  const { stateDir } = settings;
  prepareStateDir(stateDir);
  const unlock = lockStateDir(stateDir);
  const stopping = new AbortController();
  let agent: Agent | null = null;
  onSignals(stopping, log, () => agent);
  try {
    const known = readCredential(stateDir);
    const server = serverOf(settings, known?.server ?? null);
    const ca =
      settings.ca ??
      (await pinnedAuthority({
        stateDir,
        server,
        fingerprint: settings.caFingerprint,
        giveUp: stopping.signal,
        log,
      }));
    const client = new HttpClient(server, `signalbox-agent/${version}`, ca);
    if (known === null && settings.token === null) {
      throw new EnrolmentRefused(
        `expected a credential in ${stateDir} or a one-time token, got neither; use --token`,
      );
    }
    const enrolment = { gateway: new Gateway(client, null), server, token: settings.token ?? '', settings };
    const credential =
      known ?? (await enrol({ ...enrolment, agentVersion: version, giveUp: stopping.signal, log }));
    if (credential !== null && !stopping.signal.aborted) {
      if (credential.server !== server.href)
        log.warn('enrolled at another address', { enrolledAt: credential.server });
      const { agentId, deviceId } = credential;
      log.info('agent started', { version, server: server.href, agentId, deviceId, node: process.version });
      agent = new Agent({
        ...settings,
        gateway: new Gateway(client, credential.credential),
        inheritedEnvironment: inheritedEnvironment(),
        log,
      });
      await agent.run();
    }
    client.close();
    log.info('agent stopped');
  } finally {
    unlock();
  }
};

const main = async (): Promise<number> => {
  const flags = parseFlags(process.argv.slice(2));
  if (flags.action !== 'run') {
    process.stdout.write(flags.action === 'help' ? helpText(version) : `${version}\n`);
    return 0;
  }
  process.stderr.on('error', () => undefined); // a reader of the log that went away stops no job
  try {
    const settings = loadSettings(flags);
    const log = createLog(settings.logLevel, (line) => process.stderr.write(line));
    await run(settings, log);
    return 0;
  } catch (error) {
    const isRefusal =
      error instanceof SettingsRefused ||
      error instanceof StateFileRefused ||
      error instanceof AuthorityRefused ||
      error instanceof EnrolmentRefused;
    process.stderr.write(`signalbox-agent: ${isRefusal ? error.message : errorText(error)}\n`);
    return isRefusal ? exitRefused : 1;
  }
};

process.exitCode = await main();
// What is left are timers of a drain that ended early.
process.exit();
