import { expect, it } from '@jest/globals';
import { faultText, planOf } from './src/faults/plan.ts';
import { runSeed } from './src/faults/run.ts';

/** A plan with both servers, the holder of the relay, a reader, both roads and an agent among its victims. */
const seed = 112;
const loadMs = 12_000;

it('keeps every invariant with two replicas of each service under the faults of a seed', async () => {
  const lines: string[] = [];
  const result = await runSeed({
    seed,
    loadMs,
    devices: 8,
    agents: 2,
    jobsPerSecond: 5,
    keep: false,
    interrupted: new Promise(() => undefined),
    say: (line) => lines.push(line),
  });
  const { violations, crashes, folder, jobs, faults, words } = result;
  expect({ violations, crashes, folder }).toEqual({ violations: [], crashes: [], folder: null });
  expect(jobs).toBeGreaterThan(10);
  expect(words).toBeGreaterThan(jobs);
  expect(Object.values(faults).reduce((sum, count) => sum + count, 0)).toBe(7);
  // Each fault was injected into somebody, not only planned.
  const plan = planOf({ seed, loadMs, agents: 2, groups: 4 }).map(faultText);
  expect(plan.filter((text) => lines.some((line) => line.includes(`${text} →`)))).toEqual(plan);
}, 400_000);
