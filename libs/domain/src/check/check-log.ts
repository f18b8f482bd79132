import type { RecordedEvent } from '@signalbox/contracts';
import { checkAttempts, checkRuns } from './attempts.ts';
import { checkCancels, checkEnds } from './ends.ts';
import { type Evidence, type Findings, type Invariant, violation } from './evidence.ts';
import { historiesOf } from './history.ts';
import { checkOrder } from './order.ts';
import { checkPaths } from './paths.ts';
import { checkProjections } from './projections.ts';

/** A value as it is and as JSON writes it: quotes and line breaks are escaped in a stored body. */
const spellings = (value: string): readonly string[] => [value, JSON.stringify(value).slice(1, -1)];

const textOf = ({ body, actor, correlationId, stream }: RecordedEvent): string =>
  [body, actor.id, correlationId, stream].join('\n');

/** Invariant 9. Says where, never what: the report must not hold the secret either. */
const checkSecrets = ({ secrets }: Evidence): Findings => {
  const values = (secrets?.values ?? []).filter((each) => each !== '').flatMap(spellings);
  const recorded = values.length === 0 ? [] : (secrets?.recorded ?? []);
  return {
    checked: recorded.length,
    violations: recorded
      .filter((event) => values.some((value) => textOf(event).includes(value)))
      .map((event) => violation(9, event, `expected no secret in ${event.type}, got one`)),
  };
};

/**
 * Judges a log by the invariants of the design: reads facts and asks no service. Pure, and independent of the deciders:
 * it repeats none of their code, so that a mistake of theirs is found.
 */
export const checkLog = (evidence: Evidence): Readonly<Record<Invariant, Findings>> => {
  const histories = historiesOf(evidence.events);
  return {
    1: checkEnds(histories, evidence),
    2: checkPaths(histories, evidence.events),
    3: checkAttempts(histories),
    4: checkOrder(evidence),
    6: checkCancels(histories, evidence),
    7: checkRuns(histories, evidence),
    8: checkProjections(histories, evidence),
    9: checkSecrets(evidence),
  };
};
