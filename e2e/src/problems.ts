import { Problem } from '@signalbox/contracts';
import { expect } from '@jest/globals';
import type { Answer } from '@signalbox/tools/system';

/** What a refusal has to be. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  /** The field that is named, such as `target.ids.0`. */
  readonly field?: string;
}

/** Expects problem+json with the code that names what was wrong and what was expected, and answers it. */
export const expectRefusal = (answer: Answer, refusal: Refusal): Problem => {
  const { status, body, headers } = answer;
  expect({ status, body }).toMatchObject({ status: refusal.status, body: { code: refusal.code } });
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem = Problem.parse(body);
  expect(problem.status).toBe(refusal.status);
  expect(problem.detail).toMatch(/expected .+/);
  if (refusal.field !== undefined) {
    expect(problem.errors?.map((each) => each.field)).toContain(refusal.field);
    const named = problem.errors?.find((each) => each.field === refusal.field);
    expect(named?.message.length).toBeGreaterThan(10);
  }
  return problem;
};
