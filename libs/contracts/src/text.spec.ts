import { describe, expect, it } from '@jest/globals';
import { ReportStatus } from './http/agent.ts';
import { CreateJob, ListJobs } from './http/jobs.ts';

const fieldsOf = (schema: typeof CreateJob | typeof ListJobs | typeof ReportStatus, value: unknown) =>
  schema.safeParse(value).error?.issues.map(({ path }) => path.join('.'));

describe('text that no database keeps as it is', () => {
  const job = (name: string, command: string, variable = 'A') => ({
    name,
    document: { steps: [{ name: 's', type: 'runCommand', input: { command: ['echo', command] } }] },
    target: { type: 'device', ids: ['pi'] },
    reason: variable,
  });

  it('is refused in a request, with each place', () => {
    expect(fieldsOf(CreateJob, job('a\0', 'b\0'))).toEqual(['name', 'document.steps.0.input.command.1']);
    expect(fieldsOf(CreateJob, job('half \ud800', 'whole \u{1F682}'))).toEqual(['name']);
    expect(fieldsOf(ListJobs, { name: 'a\0' })).toEqual(['name']);
  });

  it('may be the output of a program', () => {
    const chunk = { sequence: 1, stream: 'stdout', at: '2026-01-31T12:00:00Z', text: 'a\0b' };
    expect(fieldsOf(ReportStatus, { status: 'SUCCEEDED', output: [chunk] })).toBeUndefined();
    expect(fieldsOf(ReportStatus, { status: 'FAILED', failedStep: 'a\0' })).toEqual(['failedStep']);
  });
});
