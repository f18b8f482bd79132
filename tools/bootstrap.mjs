/**
 * `node tools/bootstrap.mjs tools/<program>.ts [arguments]`: runs a program of this project with the Node 24 that the
 * project brings, after installing the packages if they are missing or older than the lock file. Plain JavaScript for
 * Node 20.11 and newer, without packages, because it runs before there are any.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

const oldestNode = [20, 11];
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lockFile = join(root, 'package-lock.json');
const marker = join(root, 'node_modules/.signalbox-installed');
const installLock = join(root, '.signalbox/install.lock');
const ownNode = join(root, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node');

const say = (line) => process.stderr.write(`${line}\n`);

const fail = (line) => {
  say(line);
  process.exit(1);
};

const manifests = () => {
  const { workspaces } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const folders = workspaces.flatMap((pattern) => {
    if (!pattern.endsWith('/*')) return [pattern];
    const parent = pattern.slice(0, -2);
    if (!existsSync(join(root, parent))) return [];
    return readdirSync(join(root, parent)).map((name) => `${parent}/${name}`);
  });
  return ['package.json', ...folders.map((folder) => `${folder}/package.json`).sort()];
};

/** Changes whenever other packages are to be installed. */
const fingerprint = () => {
  const hash = createHash('sha256');
  for (const name of ['package-lock.json', ...manifests()]) {
    const file = join(root, name);
    if (existsSync(file)) hash.update(`${name}\0`).update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
};

const isInstalled = () =>
  existsSync(marker) && existsSync(ownNode) && readFileSync(marker, 'utf8').trim() === fingerprint();

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** Whether the process that took the lock is gone: its pid is dead, or it never came to write it. */
const isAbandoned = () => {
  try {
    const pid = Number(readFileSync(join(installLock, 'pid'), 'utf8'));
    return pid > 0 && !isAlive(pid);
  } catch {
    const made = statSync(installLock, { throwIfNoEntry: false })?.mtimeMs;
    return made !== undefined && Date.now() - made > 10_000;
  }
};

/** Runs `work` in one process at a time. */
const exclusively = async (work) => {
  mkdirSync(dirname(installLock), { recursive: true });
  for (let waited = false; ; waited = true) {
    try {
      mkdirSync(installLock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isAbandoned()) rmSync(installLock, { recursive: true, force: true });
    else if (!waited) say('waiting for another process that installs the packages');
    await delay(200);
  }
  writeFileSync(join(installLock, 'pid'), String(process.pid));
  try {
    return await work();
  } finally {
    rmSync(installLock, { recursive: true, force: true });
  }
};

/** Runs a command quietly; answers its exit code and what it wrote. */
const runQuietly = (command, args, cwd) =>
  new Promise((settle) => {
    const child = spawn(command, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += part));
    child.on('error', (error) => settle({ code: 127, output: error.message }));
    child.on('close', (code) => settle({ code: code ?? 1, output }));
  });

/** Shows the seconds that pass in one line of a terminal; elsewhere one line at the start and one at the end. */
const withProgress = async (text, work) => {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const isTerminal = process.stderr.isTTY === true;
  const show = () => process.stderr.write(`\r${text} … ${seconds()} s`);
  if (!isTerminal) say(`${text} …`);
  const timer = isTerminal ? setInterval(show, 1000) : undefined;
  if (isTerminal) show();
  const result = await work();
  clearInterval(timer);
  say(`${isTerminal ? '\r' : ''}${text}: ${result.code === 0 ? 'done' : 'failed'} after ${seconds()} s`);
  return result;
};

/** npm must not change what is committed: the lock says which packages are installed. */
const keepLock = (before) => {
  if (before === undefined || readFileSync(lockFile).equals(before)) return;
  writeFileSync(lockFile, before);
  say(
    'warning: package-lock.json does not match the package.json files; npm changed it, and it was put back.',
  );
  say('         Run "npm install" and commit the lock file if you changed a package.json.');
};

/** The package `node` fetches its program by an install script, which npm may have been told not to run. */
const ensureOwnNode = async () => {
  const folder = join(root, 'node_modules/node');
  if (existsSync(ownNode) || !existsSync(folder)) return;
  await runQuietly(process.execPath, ['installArchSpecificPackage'], folder);
};

const npmInstall = async () => {
  const before = existsSync(lockFile) ? readFileSync(lockFile) : undefined;
  const args = [
    'install',
    '--no-audit',
    '--no-fund',
    '--include=dev',
    '--include=optional',
    '--loglevel=notice',
  ];
  const { code, output } = await withProgress('installing packages (npm install)', () =>
    runQuietly('npm', args, root),
  );
  keepLock(before);
  if (code !== 0) {
    say(output.trimEnd());
    throw new Error(`expected "npm ${args.join(' ')}" to succeed, got exit code ${code}`);
  }
  await ensureOwnNode();
  if (existsSync(ownNode)) writeFileSync(marker, `${fingerprint()}\n`);
};

/** The Node to run programs with: the project's, or ours if that is missing and ours is new enough. */
const chooseNode = () => {
  if (existsSync(ownNode)) return realpathSync(ownNode);
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  return fail(
    `expected Node 24 at ${ownNode}, got none: its install script did not run (is "ignore-scripts" set for npm?). ` +
      `Run "npm rebuild node --ignore-scripts=false", or start this with Node 24 (this is ${process.version}).`,
  );
};

/**
 * Waits for the program and ends as it ended. A Ctrl-C reaches the program from the terminal itself, so SIGINT is
 * handed on only where there is no terminal.
 */
const runChild = (node, script, args) => {
  const child = spawn(node, [script, ...args], { stdio: 'inherit' });
  const hasTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !hasTerminal) child.kill(signal);
    });
  }
  child.on('error', (error) => fail(`expected ${node} to start, got: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + constants.signals[signal]);
  });
};

const main = async () => {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
    fail(`expected Node ${oldestNode.join('.')} or newer, got ${process.version}`);
  }
  const [program, ...args] = process.argv.slice(2);
  if (program === undefined)
    fail('expected a program, got none: node tools/bootstrap.mjs tools/<program>.ts');
  const script = resolve(program);
  if (!isInstalled()) {
    await exclusively(async () => isInstalled() || (await npmInstall())).catch((error) =>
      fail(error.message),
    );
  }
  const node = chooseNode();
  process.env.PATH = [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter);
  if (realpathSync(process.execPath) !== node) return runChild(node, script, args);
  process.argv = [process.argv[0], script, ...args];
  return import(pathToFileURL(script).href);
};

await main();
