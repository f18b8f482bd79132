import type { INestApplicationContext } from '@nestjs/common';
import type { Kit } from '@signalbox/service-kit';
import { Authenticator } from './authenticator.ts';
import { ApiKeys } from './keys.ts';

const settleEveryMs = 30_000;

/** Takes over the first admin key and finishes, now and from time to time, what a replica left half done. */
export const prepareKeys = async (
  app: INestApplicationContext,
  { logger, lifecycle }: Kit,
  bootstrapAdminKey: string | undefined,
): Promise<void> => {
  const keys = app.get(ApiKeys);
  await keys.settle();
  if (bootstrapAdminKey !== undefined && (await keys.bootstrap(bootstrapAdminKey))) {
    logger.info('the first admin key counts');
  }
  // So that its holder may look at the system when the database goes away before it was ever used.
  if (bootstrapAdminKey !== undefined) {
    await app.get(Authenticator).identify(bootstrapAdminKey, () => undefined);
  }
  const timer = setInterval(() => {
    keys.settle().catch((error: unknown) => logger.warn('keys could not be settled', { error }));
  }, settleEveryMs);
  lifecycle.onStop('settling of keys', () => clearInterval(timer));
};
