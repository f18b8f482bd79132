/** Real servers, builders and waiting, for specs only. */
export { newEvent, sampleDocument } from './builders.ts';
export { createDatabase, type TestDatabase } from './database.ts';
export { eventually, type Patience } from './eventually.ts';
export { startTestNats, startTestPostgres, type TestNats, type TestPostgres } from './servers.ts';
export { Story } from './story.ts';
export { startCollector, type CollectedSpan, type Collector } from './collector.ts';
