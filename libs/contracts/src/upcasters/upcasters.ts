/** By type and old version: a pure function that turns the data of that version into the next version's. */
export type Upcasters = Readonly<Record<string, Readonly<Record<number, (data: unknown) => unknown>>>>;

/**
 * Old versions of published events, brought to the next version by pure functions. `upcasters.JobCreated[1]` turns the
 * data of version 1 into that of version 2. A type that is not listed has had one version only.
 */
export const upcasters: Upcasters = {};

/**
 * Brings data from its recorded version to the current one, one step at a time.
 *
 * @throws Error when a step is missing
 */
export const upcast = (
  registry: Upcasters,
  type: string,
  versions: { readonly from: number; readonly to: number },
  data: unknown,
): unknown => {
  let current = data;
  for (let version = versions.from; version < versions.to; version += 1) {
    const step = registry[type]?.[version];
    if (step === undefined)
      throw new Error(`expected an upcaster of ${type} from version ${version}, got none`);
    current = step(current);
  }
  return current;
};
