const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** `250ms`, `30s`, `5m`, `1h` in milliseconds; undefined for anything else. */
export const parseDuration = (text: string): number | undefined => {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text.trim());
  const unit = (['ms', 's', 'm', 'h'] as const).find((each) => each === match?.[2]);
  return match === null || unit === undefined ? undefined : Number(match[1]) * unitMs[unit];
};

const unitBytes = { KiB: 1024, MiB: 1_048_576 } as const;

/** `512KiB`, `8MiB` in bytes; undefined for anything else. */
export const parseSize = (text: string): number | undefined => {
  const match = /^(\d{1,6})(KiB|MiB)$/.exec(text.trim());
  const unit = (['KiB', 'MiB'] as const).find((each) => each === match?.[2]);
  return match === null || unit === undefined ? undefined : Number(match[1]) * unitBytes[unit];
};
