import type { tracing } from '@opentelemetry/sdk-node';
import type { Logger } from '../logger.ts';

/** Says once when spans cannot be exported, and once when they can again, with how many were lost meanwhile. */
export const reportingExporter = (exporter: tracing.SpanExporter, logger: Logger): tracing.SpanExporter => {
  let lost = 0;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.error !== undefined || Number(result.code) !== 0) {
          if (lost === 0)
            logger.warn('spans could not be exported and are lost', {
              count: spans.length,
              error: result.error ?? 'no reason given',
            });
          lost += spans.length;
        } else if (lost > 0) {
          logger.info('spans are exported again', { count: lost });
          lost = 0;
        }
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush === undefined
      ? {}
      : { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() }),
  };
};
