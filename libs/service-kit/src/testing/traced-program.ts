/**
 * A program for `tracing.int.spec.ts`: a service with one route, asked once. Writes what it answered and which modules of
 * OpenTelemetry were loaded, as one line of JSON.
 */
import { createRequire } from 'node:module';
import { describeRequest, startService, traceparentOf } from '../index.ts';
import { commonSettings, defineSettings } from '../settings.ts';

const service = await startService({
  name: 'probe',
  settings: defineSettings({ ...commonSettings }),
  env: process.env,
  module: () => ({ module: class ProbeModule {} }),
  prepare: (app, { logger }) => {
    app
      .getHttpAdapter()
      .getInstance()
      .post('/things/:id', async (request) => {
        describeRequest(request, { 'signalbox.job.id': 'a-job' });
        await Promise.resolve();
        logger.info('a thing was asked for');
        return { traceparent: traceparentOf(request) };
      });
  },
});
const answer = await fetch(`${service.url}/things/1`, {
  method: 'POST',
  body: JSON.stringify({ some: 'body' }),
  headers: { traceparent: process.argv[2] ?? '', 'content-type': 'application/json' },
});
const { traceparent }: { traceparent?: unknown } = JSON.parse(await answer.text());
await service.stop();
const loaded = Object.keys(createRequire(import.meta.url).cache).flatMap(
  (path) => /@opentelemetry\/([a-z-]+)/.exec(path)?.[1] ?? [],
);
process.stdout.write(`${JSON.stringify({ traceparent, loaded: [...new Set(loaded)].toSorted() })}\n`);
