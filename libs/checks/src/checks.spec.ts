import { describe, expect, it } from '@jest/globals';
import { judgeBus } from './bus.ts';
import { lookAt } from './check.ts';
import { runAll } from './run.ts';

const wanted = { maxAgeMs: 1, replicas: 3 };
const stream = { differences: [], messages: 1, leader: 'a', peers: [{ name: 'b', isCurrent: true, lag: 0 }] };
const server = { version: '2.11.4', hasJetStream: true, storage: { usedBytes: 90, limitBytes: 100 }, stream };
const statusOf = (facts: Parameters<typeof judgeBus>[0], id: string) => {
  const { status, found } = judgeBus(facts, wanted).find((each) => each.id === id) ?? {};
  return [status, found];
};

describe('what is found of the bus', () => {
  it.each([
    ['2.8.4', 'fail'],
    ['2.9.0', 'ok'],
    ['2.10.29', 'ok'],
    ['3.0.0', 'ok'],
  ])('version %s: %s', (version, status) => {
    expect(statusOf({ ...server, version }, 'nats.version')).toEqual([status, version]);
  });

  it('JetStream is disabled', () => {
    expect(statusOf({ version: '2.11.4', hasJetStream: false }, 'nats.jetstream')).toEqual([
      'fail',
      'disabled',
    ]);
  });

  it('a copy is late or missing', () => {
    const late = { name: 'c', isCurrent: false, lag: 7 };
    const peers = [...stream.peers, late];
    expect(statusOf({ ...server, stream: { ...stream, peers } }, 'stream.replicas')).toEqual([
      'fail',
      '3 of 3: c is 7 behind or away',
    ]);
    expect(statusOf(server, 'stream.replicas')).toEqual(['fail', '2 of 3']);
  });

  it('space of the account comes to its end', () => {
    expect(statusOf(server, 'nats.storage')[0]).toBe('warn');
    const storage = { usedBytes: 99, limitBytes: 100 };
    expect(statusOf({ ...server, storage }, 'nats.storage')[0]).toBe('fail');
  });
});

describe('a look that cannot be had', () => {
  const subject = { id: 'x', title: 'x', wanted: 'x', advice: 'do' };

  it('is unknown and keeps nothing else from being seen', async () => {
    const broken = lookAt(subject, () => Promise.reject(new Error('away')));
    const well = lookAt({ ...subject, id: 'y' }, () => ['ok', 'fine']);
    expect(await runAll([broken, well])).toEqual([
      { ...subject, status: 'unknown', found: 'away' },
      { ...subject, id: 'y', status: 'ok', found: 'fine', advice: '' },
    ]);
  });
});
