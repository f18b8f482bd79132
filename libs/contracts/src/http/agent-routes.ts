import type { z } from 'zod';
import {
  AttemptParams,
  Enrol,
  Enrolled,
  Offer,
  OutputStored,
  Poll,
  PollAnswer,
  Renewed,
  ReportStatus,
  SendOutput,
  StatusTaken,
  Whoami,
  agentPrefix,
} from './agent.ts';
import type { Route } from './route.ts';

const answered = (schema: z.ZodType, description: string) => ({ 200: { description, schema } });

const attempt = `${agentPrefix}/assignments/:jobId/:targetId/attempts/:attempt`;
const word = {
  method: 'POST',
  access: 'agent',
  command: null,
  tag: 'agent protocol',
  params: AttemptParams,
} as const;

/** The agent protocol: served by the device gateway alone. */
export const agentRoutes = {
  enrol: {
    method: 'POST',
    path: `${agentPrefix}/enrol`,
    tag: 'agent protocol',
    summary: 'Exchange a one-time token for a credential',
    access: 'enrolment-token',
    command: null,
    body: { schema: Enrol, optional: false },
    answers: answered(Enrolled, 'The credential, shown once'),
    problems: ['token-invalid', 'malformed-json', 'too-many-requests'],
  },
  whoami: {
    method: 'GET',
    path: `${agentPrefix}/me`,
    tag: 'agent protocol',
    summary: 'Which agent the credential stands for',
    access: 'agent',
    command: null,
    answers: answered(Whoami, 'The agent'),
    problems: [],
  },
  poll: {
    method: 'POST',
    path: `${agentPrefix}/poll`,
    tag: 'agent protocol',
    summary: 'Ask for work, and hear of cancels',
    access: 'agent',
    command: null,
    body: { schema: Poll, optional: true },
    answers: answered(PollAnswer, 'What there is to do'),
    problems: ['malformed-json'],
  },
  claim: {
    ...word,
    path: `${attempt}/claim`,
    summary: 'Claim an attempt that a poll has shown',
    answers: answered(Offer, 'The attempt is the agent’s'),
    problems: ['not-found', 'not-claimable', 'attempt-ended'],
  },
  renew: {
    ...word,
    path: `${attempt}/renew`,
    summary: 'Renew the lease of an attempt',
    answers: answered(Renewed, 'The lease runs anew'),
    problems: ['not-found', 'attempt-ended'],
  },
  sendOutput: {
    ...word,
    path: `${attempt}/output`,
    summary: 'Send output; durable when it is answered',
    body: { schema: SendOutput, optional: false },
    answers: answered(OutputStored, 'Where the output stands'),
    problems: [
      'not-found',
      'malformed-json',
      'body-too-large',
      'output-gap',
      'output-mismatch',
      'attempt-ended',
    ],
  },
  reportStatus: {
    ...word,
    path: `${attempt}/status`,
    summary: 'Report the end of an attempt',
    body: { schema: ReportStatus, optional: false },
    answers: answered(StatusTaken, 'The status counts'),
    problems: [
      'not-found',
      'malformed-json',
      'body-too-large',
      'output-gap',
      'output-mismatch',
      'attempt-ended',
      'conflict',
    ],
  },
} as const satisfies Record<string, Route>;
