import { type AttemptRef, assignmentId } from '@signalbox/contracts';
import type { Pool } from 'pg';
import type { AgentIdentity } from '../credentials.ts';

/** Keeps the first word of each kind that an agent said of an old attempt: it changes nothing, and somebody may ask for it. */
export const keepEvidence = async (
  pool: Pool,
  agent: AgentIdentity,
  ref: AttemptRef,
  kind: string,
  detail: unknown,
): Promise<void> => {
  await pool.query({
    name: 'gateway-evidence',
    text: `insert into gateway.evidence (agent_id, assignment_id, attempt, kind, detail) values ($1, $2, $3, $4, $5)
           on conflict do nothing`,
    values: [agent.agentId, assignmentId(ref.jobId, ref.targetId), ref.attempt, kind, JSON.stringify(detail)],
  });
};
