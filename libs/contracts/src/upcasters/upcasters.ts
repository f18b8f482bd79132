/**
 * Old versions of published events, brought to the next version by pure functions. `upcasters.JobCreated[1]` turns the
 * data of version 1 into that of version 2. A type that is not listed has had one version only.
 */
export const upcasters: Readonly<Record<string, Readonly<Record<number, (data: unknown) => unknown>>>> = {};
