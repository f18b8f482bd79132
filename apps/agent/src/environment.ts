import { attemptKey, type AttemptRef } from './wire.ts';

type Variables = Readonly<Record<string, string>>;

/** Marks every process of an attempt, so that one that left its process group is found. */
export const markerName = 'SIGNALBOX_ATTEMPT_ID';

/** The number of the step within its attempt, from 1. */
export const stepName = 'SIGNALBOX_STEP';

/**
 * Environment of a step: the agent's own without anything of Signalbox (its token and settings stay with the agent),
 * then the document's and the step's, then the facts of the attempt, which nothing overrides.
 */
export const childEnvironment = (
  inherited: Readonly<Record<string, string | undefined>>,
  declared: Variables,
  ref: AttemptRef & { readonly step: number },
): Record<string, string> => {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(inherited)) {
    if (value !== undefined && !name.toUpperCase().startsWith('SIGNALBOX_')) environment[name] = value;
  }
  return {
    ...environment,
    ...declared,
    SIGNALBOX_JOB_ID: ref.jobId,
    SIGNALBOX_TARGET_ID: ref.targetId,
    SIGNALBOX_ATTEMPT: String(ref.attempt),
    [stepName]: String(ref.step),
    [markerName]: attemptKey(ref),
  };
};
