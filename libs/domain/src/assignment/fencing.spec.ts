import { describe, expect, it, jest } from '@jest/globals';
import {
  type DataOf,
  DomainError,
  type Fact,
  type Status,
  endStatuses,
  isEnd,
  transitions,
} from '@signalbox/contracts';
import fc from 'fast-check';
import { expectPublishable } from '../testing/scenario.ts';
import type { AssignmentState } from './assignment.ts';
import { type AssignmentCommand, assignment } from './decide.ts';

/** Hundreds of histories each: milliseconds on an idle machine, seconds on a busy one. */
jest.setTimeout(60_000);

const name = { jobId: '0d3f6a52-6b0e-5f0c-9c39-8f7b0c1d2e3f', targetId: 'pi-1' };

/** One history: what the job fixes, and commands as they may come, in any order, from anybody, however late. */
interface History {
  readonly targets: number | null;
  readonly commands: readonly AssignmentCommand[];
}

const attempt = fc.constantFrom(1, 1, 2, 2, 3, 3, 4);
const words = fc.record({ agentId: fc.constantFrom('agent-1', 'agent-1', 'agent-1', 'agent-2'), attempt });
const reason = { code: 'step-failed', message: 'it ended' } as const;

const commandsOf = (targets: number | null, maxAttempts: number): fc.Arbitrary<AssignmentCommand> => {
  const assign = fc
    .record({ attempt, agentId: fc.constantFrom(null, null, 'agent-1') })
    .map((asked): AssignmentCommand => ({
      type: 'Assign',
      ...name,
      ...asked,
      maxAttempts,
      targets,
      runTimeoutMs: 1_000,
      killGraceMs: 0,
      lostAfterMs: 1_000,
      documentHash: 'a'.repeat(64),
    }));
  const word = (type: 'Claim' | 'ExpireLease' | 'ResumeLease') =>
    words.map((each): AssignmentCommand => ({ type, ...name, ...each }));
  const report = fc
    .tuple(words, fc.constantFrom(...endStatuses, 'FAILED', 'FAILED', 'TIMED_OUT'))
    .map(([each, status]): AssignmentCommand => ({
      type: 'ReportEnd',
      ...name,
      ...each,
      status,
      reason,
      result: null,
    }));
  const unanswered = fc
    .record({
      type: fc.constantFrom('RunTimeout', 'AgentLost'),
      attempt,
      cancelRequested: fc.constantFrom(false, false, false, true),
    })
    .map((each): AssignmentCommand => ({ ...each, ...name, targets }));
  const ends = fc
    .constantFrom('Cancel', 'QueueTimeout', 'AgentRevoked')
    .map((type): AssignmentCommand => ({ type, ...name, targets }));
  const often = (weight: number, arbitrary: fc.Arbitrary<AssignmentCommand>) => ({ weight, arbitrary });
  return fc.oneof(
    often(12, assign),
    often(10, word('Claim')),
    often(4, report),
    often(6, word('ExpireLease')),
    often(3, word('ResumeLease')),
    often(6, unanswered),
    often(1, ends),
  );
};

const histories: fc.Arbitrary<History> = fc
  .tuple(fc.constantFrom(1, 2, null), fc.integer({ min: 1, max: 3 }))
  .chain(([targets, maxAttempts]) =>
    fc
      .array(commandsOf(targets, maxAttempts), { minLength: 1, maxLength: 80, size: 'max' })
      .map((commands) => ({ targets, commands })),
  );

/** One command and what came of it. */
interface Moment {
  readonly command: AssignmentCommand;
  readonly before: AssignmentState;
  readonly earlier: readonly Fact[];
  readonly facts: readonly Fact[];
}

const decide = (state: AssignmentState, command: AssignmentCommand): readonly Fact[] => {
  try {
    return assignment.decide(state, command);
  } catch (error) {
    if (error instanceof DomainError) return [];
    throw error;
  }
};

const play = ({
  commands,
}: History): { readonly moments: readonly Moment[]; readonly facts: readonly Fact[] } => {
  const moments: Moment[] = [];
  const log: Fact[] = [];
  let state = assignment.initialState;
  for (const command of commands) {
    const facts = decide(state, command);
    moments.push({ command, before: state, earlier: [...log], facts });
    log.push(...facts);
    state = facts.reduce(assignment.evolve, state);
  }
  return { moments, facts: log };
};

const always = (check: (history: History) => void): void => {
  fc.assert(fc.property(histories, check), { numRuns: 600 });
};

type Changed = DataOf<'JobStatusChanged'>;
const changes = (facts: readonly Fact[]): readonly Changed[] =>
  facts.flatMap((fact) => (fact.type === 'JobStatusChanged' ? [fact.data] : []));

/** The open attempt and who claimed it, read from the log alone: not by the decider's own `evolve`. */
const holderIn = (
  facts: readonly Fact[],
): { readonly attempt: number; readonly agentId: string } | undefined => {
  const last = changes(facts).at(-1);
  const assigned = facts.findLast((fact) => fact.type === 'JobAssigned');
  if (last?.to !== 'IN_PROGRESS' || !last.assignment?.agentId) return undefined;
  return { attempt: assigned?.data.attempt ?? 0, agentId: last.assignment.agentId };
};

describe('whatever commands come, in whatever order', () => {
  it('the history is a path through the diagram, and an end is final', () => {
    always((history) => {
      let status: Status = 'QUEUED';
      for (const fact of play(history).facts) {
        expect(isEnd(status)).toBe(false);
        if (fact.type === 'JobAssigned') {
          expect(status).toBe('QUEUED');
          status = 'SCHEDULED';
        } else if (fact.type === 'JobStatusChanged') {
          expect(fact.data.from).toBe(status);
          expect(transitions[status]).toContain(fact.data.to);
          status = fact.data.to;
        } else {
          expect(status).toBe('IN_PROGRESS');
        }
      }
    });
  });

  it('a job with one target announces its end once, with the assignment’s; others leave that to the job', () => {
    always((history) => {
      for (const { to, job, attemptEnd } of changes(play(history).facts)) {
        expect(job === null).toBe(!(isEnd(to) && history.targets === 1));
        if (job !== null) expect(job.status).toBe(to);
        expect(attemptEnd === null).toBe(to !== 'QUEUED');
      }
    });
  });

  it('attempts count 1, 2, 3 up to the most, and one agent at most claims each', () => {
    always((history) => {
      const { facts } = play(history);
      const assigned = facts.flatMap((fact) => (fact.type === 'JobAssigned' ? [fact.data] : []));
      expect(assigned.map((each) => each.attempt)).toEqual(assigned.map((_, index) => index + 1));
      for (const each of assigned) expect(each.attempt).toBeLessThanOrEqual(each.maxAttempts);
      const claims = changes(facts).filter((each) => each.to === 'IN_PROGRESS');
      expect(new Set(claims.map((each) => each.assignment?.attempt)).size).toBe(claims.length);
    });
  });

  it('a word from an old attempt or another agent changes nothing', () => {
    always((history) => {
      for (const { command, earlier, facts } of play(history).moments) {
        if (command.type !== 'ReportEnd' && command.type !== 'ExpireLease' && command.type !== 'ResumeLease')
          continue;
        const holder = holderIn(earlier);
        const counts = holder?.attempt === command.attempt && holder.agentId === command.agentId;
        if (!counts) expect(facts).toEqual([]);
        for (const each of changes(facts)) {
          expect(each.assignment).toMatchObject({ attempt: command.attempt, agentId: command.agentId });
        }
      }
    });
  });

  it('a claim takes the newest attempt only, while nobody has it, and by the agent it is meant for', () => {
    always((history) => {
      for (const { command, earlier, facts } of play(history).moments) {
        if (command.type !== 'Claim' || facts.length === 0) continue;
        const assigned = earlier.findLast((fact) => fact.type === 'JobAssigned')?.data;
        expect(assigned?.attempt).toBe(command.attempt);
        expect([null, command.agentId]).toContain(assigned?.agentId);
        expect(holderIn(earlier)).toBeUndefined();
      }
    });
  });

  it('the dispatcher ends an attempt as lost only while its lease is expired, and never another attempt', () => {
    always((history) => {
      for (const { command, earlier, facts } of play(history).moments) {
        if (command.type !== 'AgentLost' && command.type !== 'RunTimeout') continue;
        if (facts.length === 0) continue;
        expect(holderIn(earlier)?.attempt).toBe(command.attempt);
        if (command.type === 'AgentLost') expect(earlier.at(-1)?.type).toBe('LeaseExpired');
        if (command.cancelRequested) expect(changes(facts).map((each) => each.to)).toEqual(['CANCELED']);
      }
    });
  });

  it('a cancel or rejection is never followed by another attempt', () => {
    always((history) => {
      for (const { command, facts } of play(history).moments) {
        if (command.type !== 'ReportEnd' || !['CANCELED', 'REJECTED', 'SUCCEEDED'].includes(command.status))
          continue;
        for (const each of changes(facts)) expect(each.to).toBe(command.status);
      }
    });
  });

  it('a command that is repeated at once changes nothing more', () => {
    always((history) => {
      for (const { command, before, facts } of play(history).moments) {
        if (facts.length > 0) expect(decide(facts.reduce(assignment.evolve, before), command)).toEqual([]);
      }
    });
  });

  it('every fact is one that its published schema accepts', () => {
    fc.assert(
      fc.property(histories, (history) => expectPublishable(play(history).facts)),
      { numRuns: 150 },
    );
  });
});

it('the histories are worth the name: they reach every status, further attempts, lost and resumed leases', () => {
  const facts = fc.sample(histories, { numRuns: 2_000, seed: 1 }).flatMap((history) => play(history).facts);
  const reached = new Set<string>(
    changes(facts).flatMap((each) => [`${each.from} to ${each.to}`, each.reason.code]),
  );
  const wanted = endStatuses.map((status) => `IN_PROGRESS to ${status}`);
  expect([...reached]).toEqual(
    expect.arrayContaining([
      ...wanted,
      'IN_PROGRESS to QUEUED',
      'QUEUED to CANCELED',
      'agent-lost',
      'process-state-unknown',
    ]),
  );
  expect(new Set(facts.map((fact) => fact.type))).toContain('LeaseResumed');
  expect(facts.some((fact) => fact.type === 'JobAssigned' && fact.data.attempt === 3)).toBe(true);
});
