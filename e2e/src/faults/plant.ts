import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildServices } from '@signalbox/tools/build';
import { root } from '@signalbox/tools/service-files';

export const plants = ['fencing', 'relay', 'reader'] as const;
export type Plant = (typeof plants)[number];

export const isPlant = (text: string): text is Plant => plants.some((plant) => plant === text);

interface Patch {
  readonly what: string;
  readonly file: string;
  /** Text that is in the file once, and what stands there instead. */
  readonly before: string;
  readonly after: string;
}

/** Bugs that a review could let pass, as other texts of the sources; one may need several. */
export const patches: Record<Plant, readonly Patch[]> = {
  fencing: [
    {
      what: 'the decider takes words of an old attempt',
      file: 'libs/domain/src/assignment/decide.ts',
      before:
        "state.status !== 'IN_PROGRESS' || state.attempt !== word.attempt || state.agentId !== word.agentId",
      after: "state.status !== 'IN_PROGRESS' || state.agentId !== word.agentId",
    },
    {
      what: 'the gateway does not compare the attempt',
      file: 'services/device-gateway/src/open.ts',
      before: 'state.attempt === attempt && state.agentId === agentId',
      after: 'state.agentId === agentId',
    },
  ],
  relay: [
    {
      what: 'the relay remembers what it has sent, not what was stored',
      file: 'libs/bus-nats/src/relay.ts',
      before: '      previous = event.position;\n    }\n    return previous;',
      after: '      previous = event.position;\n      this.sent = previous;\n    }\n    return previous;',
    },
    {
      what: 'and goes on behind that after a failure',
      file: 'libs/bus-nats/src/relay.ts',
      before: '  #beginAfter(origin: FromOrigin): Position {\n',
      after:
        '  #beginAfter(origin: FromOrigin): Position {\n    if (this.sent > origin.after) return this.sent;\n',
    },
  ],
  reader: [
    {
      what: 'a reader that reads a gap from the store passes over its first event',
      file: 'libs/bus-nats/src/reader-session.ts',
      before: 'await runner.run(published);',
      after: 'await runner.run(published.length > 1 ? published.slice(1) : published);',
    },
  ],
};

/** @throws Error the text is not there exactly once: the code has changed, and the planted bug has to change with it */
const replaceOnce = (source: string, { file, what, before, after }: Patch): string => {
  const parts = source.split(before);
  if (parts.length === 2) return parts.join(after);
  throw new Error(
    `expected the text to replace once in ${file} (${what}), got it ${parts.length - 1} times: change the planted bug with the code`,
  );
};

/** The source of a file with all patches of a bug that concern it. */
export const patchedSource = async (plant: Plant, file: string): Promise<string> =>
  patches[plant]
    .filter((patch) => patch.file === file)
    .reduce(replaceOnce, await readFile(join(root, file), 'utf8'));

/** Bundles the services with a bug into a temporary folder; nothing of it is in the product's own code. */
export const plantBug = async (
  plant: Plant,
): Promise<{ readonly bundles: string; readonly what: string; readonly remove: () => Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-planted-'));
  const bundles = join(folder, 'services');
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const sources = new Map<string, string>();
  for (const { file } of patches[plant]) sources.set(join(root, file), await patchedSource(plant, file));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await buildServices(bundles, [
    {
      name: 'planted bug',
      setup: (builder) => {
        builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
          const contents = sources.get(path);
          return contents === undefined ? undefined : { contents, loader: 'ts' };
        });
      },
    },
  ]);
  return { bundles, what: patches[plant].map(({ what }) => what).join('; '), remove };
};
