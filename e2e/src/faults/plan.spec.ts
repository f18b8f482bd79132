import { describe, expect, it } from '@jest/globals';
import { type Fault, faultKinds, faultText, planOf, victimText } from './plan.ts';

const plan = (seed: number, loadMs = 30_000): readonly Fault[] =>
  planOf({ seed, loadMs, agents: 3, groups: 4 });
const seeds = Array.from({ length: 50 }, (_, index) => index + 1);

describe('the plan of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(plan(7)).toEqual(plan(7));
    expect(plan(7)).not.toEqual(plan(8));
  });

  it('is what it always was for a seed: a run that failed is injected again', () => {
    expect(plan(1, 9_000).map(faultText)).toMatchInlineSnapshot(`
     [
       "1. at 1.4 s: reset audit-2 from postgres, for 1268 ms",
       "2. at 3.7 s: reset devices of group 2, for 4276 ms",
       "3. at 5.7 s: kill audit, for 787 ms",
       "4. at 7.7 s: stall dispatcher-2 from nats, for 1341 ms",
       "5. at 8.6 s: stall holder of open from nats, for 439 ms",
     ]
    `);
  });

  it('mends every fault before the load ends', () => {
    for (const seed of seeds)
      for (const { atMs, forMs } of plan(seed)) expect(atMs + forMs).toBeLessThanOrEqual(30_000);
  });

  it('has no victim in two faults at once', () => {
    for (const seed of seeds) {
      const byVictim = Map.groupBy(plan(seed), ({ victim }) => victimText(victim));
      for (const faults of byVictim.values())
        for (const [index, { atMs }] of faults.entries()) {
          const before = faults[index - 1];
          if (before !== undefined) expect(atMs).toBeGreaterThan(before.atMs + before.forMs);
        }
    }
  });

  it('touches no replica of a service while the holder among them is a victim', () => {
    for (const seed of seeds) {
      const faults = plan(seed);
      for (const { victim, atMs, forMs } of faults) {
        if (victim.type !== 'holder' || victim.holder !== 'relay') continue;
        const beside = faults.filter(
          (other) =>
            other.victim.type === 'service' &&
            other.victim.program.startsWith('scheduler') &&
            other.atMs < atMs + forMs &&
            other.atMs + other.forMs > atMs,
        );
        expect(beside).toEqual([]);
      }
    }
  });

  it('has every kind of fault and every kind of victim within fifty seeds', () => {
    const all = seeds.flatMap((seed) => plan(seed));
    expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(faultKinds));
    expect(new Set(all.map(({ victim }) => victim.type)).size).toBe(6);
  });
});
