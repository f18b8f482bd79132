import { DomainError, type ListAgents } from '@signalbox/contracts';
import { type Answer, answer } from '@signalbox/service-kit';
import type { Pool } from 'pg';
import { type EnrolmentDeps, issueToken, revokeAgent } from './enrolment.ts';
import type { Output } from './output.ts';
import { findAgent, listAgentRows } from './tables/agents.ts';

/** Agents in order of their ids; the cursor is the last id of the page before. */
const listAgents = async (pool: Pool, { limit, cursor }: ListAgents) => {
  const rows = await listAgentRows(pool, cursor ?? '', limit + 1);
  const items = rows.slice(0, limit);
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.agentId ?? null) : null };
};

/** The calls that the device gateway answers, in every replica. */
export const calls = (enrolment: EnrolmentDeps, output: Output): readonly Answer[] => [
  answer('issueToken', (request, context) => issueToken(enrolment, request, context)),
  answer('revokeAgent', (request, context) => revokeAgent(enrolment, request, context)),
  answer('listAgents', (request) => listAgents(enrolment.pool, request)),
  answer('getAgent', async ({ agentId }) => {
    const found = await findAgent(enrolment.pool, agentId);
    if (found === undefined) throw new DomainError('not-found', `expected a known agent, got ${agentId}`);
    return found;
  }),
  answer('readOutput', (request) => output.read(request)),
];
