import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { root } from '@signalbox/tools/service-files';
import { patchedSource, patches, plants } from './plant.ts';

it.each(plants)('the planted bug %s still fits the sources', async (plant) => {
  for (const { file, after } of patches[plant]) {
    const patched = await patchedSource(plant, file);
    expect(patched).not.toBe(await readFile(join(root, file), 'utf8'));
    expect(patched).toContain(after);
  }
});
