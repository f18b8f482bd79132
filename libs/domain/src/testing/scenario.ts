import { expect } from '@jest/globals';
import { DomainError, type Fact, type ProblemCode, eventTypes } from '@signalbox/contracts';

/** What a spec tells a story with: the three pure things of an aggregate. */
interface Decides<State, Command> {
  readonly initialState: State;
  evolve(state: State, fact: Fact): State;
  decide(state: State, command: Command): readonly Fact[];
}

export const foldFacts = <State>(decider: Decides<State, never>, facts: readonly Fact[]): State =>
  facts.reduce((state, fact) => decider.evolve(state, fact), decider.initialState);

/** A fact that its published schema refuses would poison the log: no reader could decode it. */
export const expectPublishable = (facts: readonly Fact[]): void => {
  for (const fact of facts) expect(eventTypes[fact.type].schema.parse(fact.data)).toEqual(fact.data);
};

/** Given facts, when a command comes, then these facts follow, or it is refused with this code. */
export const given = <State, Command>(decider: Decides<State, Command>, ...facts: readonly Fact[]) => ({
  when: (command: Command) => {
    const decide = () => decider.decide(foldFacts(decider, facts), command);
    return {
      then: (...expected: readonly Fact[]): void => {
        const decided = decide();
        expect(decided).toEqual(expected);
        expectPublishable(decided);
      },
      thenNothing: (): void => expect(decide()).toEqual([]),
      thenRefused: (code: ProblemCode, message: string): void => {
        expect(decide).toThrow(DomainError);
        expect(decide).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }));
      },
    };
  },
});
