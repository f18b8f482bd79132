import { cp, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '@signalbox/tools/service-files';

export const plants = ['fencing', 'relay', 'reader'] as const;
export type Plant = (typeof plants)[number];

export const isPlant = (text: string): text is Plant => plants.some((plant) => plant === text);

interface Patch {
  readonly what: string;
  /** Text of the bundle that is there once, and what stands there instead. */
  readonly before: string;
  readonly after: string;
}

/** Texts of the bundles as esbuild writes them; a bug may need several. */
const patches: Record<Plant, readonly Patch[]> = {
  fencing: [
    {
      what: 'the decider takes words of an old attempt',
      before:
        'state.status !== "IN_PROGRESS" || state.attempt !== word2.attempt || state.agentId !== word2.agentId',
      after: 'state.status !== "IN_PROGRESS" || state.agentId !== word2.agentId',
    },
    {
      what: 'the gateway does not compare the attempt',
      before: 'state?.status === "IN_PROGRESS" && state.attempt === attempt && state.agentId === agentId',
      after: 'state?.status === "IN_PROGRESS" && state.agentId === agentId',
    },
  ],
  relay: [
    {
      what: 'the relay remembers what it has sent, not what was stored',
      before: '      previous = event.position;\n    }\n    return previous;',
      after: '      previous = event.position;\n      this.sent = previous;\n    }\n    return previous;',
    },
    {
      what: 'and goes on behind that after a failure',
      before: '  #beginAfter(origin) {\n',
      after: '  #beginAfter(origin) {\n    if (this.sent > origin.after) return this.sent;\n',
    },
  ],
  reader: [
    {
      what: 'a reader that reads a gap from the store passes over its first event',
      before: 'await runner.run(published);',
      after: 'await runner.run(published.length > 1 ? published.slice(1) : published);',
    },
  ],
};

/** Replaces a text that has to be in these files exactly once. @throws Error it is not: the code has changed */
const replaceOnce = async (folder: string, { before, after, what }: Patch): Promise<void> => {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.js'));
  const holding: { readonly file: string; readonly parts: readonly string[] }[] = [];
  for (const name of files) {
    const parts = (await readFile(join(folder, name), 'utf8')).split(before);
    if (parts.length > 1) holding.push({ file: join(folder, name), parts });
  }
  const [found] = holding;
  if (found === undefined || holding.length > 1 || found.parts.length !== 2) {
    const count = holding.reduce((sum, { parts }) => sum + parts.length - 1, 0);
    throw new Error(
      `expected the text to replace once in the bundles (${what}), got it ${count} times: the code has changed, ` +
        'so change the planted bug with it',
    );
  }
  await writeFile(found.file, found.parts.join(after));
};

/** Copies the bundles of the services and plants a bug in the copy; nothing of it is in the product's own code. */
export const plantBug = async (
  plant: Plant,
): Promise<{ readonly bundles: string; readonly what: string; readonly remove: () => Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-planted-'));
  const bundles = join(folder, 'services');
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await cp(join(root, 'dist', 'services'), bundles, { recursive: true });
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const patch of patches[plant]) await replaceOnce(bundles, patch);
  } catch (error) {
    await remove();
    throw error;
  }
  return { bundles, what: patches[plant].map(({ what }) => what).join('; '), remove };
};
