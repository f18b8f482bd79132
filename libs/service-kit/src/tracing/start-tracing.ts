import type { Logger } from '../logger.ts';
import { noTracing, type Tracing } from './tracing.ts';
import type { TracingValues } from './tracing-settings.ts';

import { releaseVersion as version } from '../release.ts';

/** Tracing as the settings want it. Without a collector no module of OpenTelemetry's SDK is loaded. */
export const startTracing = async (
  { service, instance }: { readonly service: string; readonly instance: string },
  values: TracingValues,
  logger: Logger,
): Promise<Tracing> => {
  const endpoint = values.otlpEndpoint;
  if (endpoint === undefined) return noTracing;
  const { startOtlpTracing } = await import('./otlp-tracing.ts');
  return startOtlpTracing({ service, instance, version, values, endpoint, logger });
};
