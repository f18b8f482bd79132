import type { AssignmentView, JobDocument, JobView } from '@signalbox/contracts';
import { EntitySchema } from 'typeorm';

/** A row of `audit.job_rows`, as far as queries read it; `view` is the answer, the other columns find it. */
export interface JobRow {
  readonly jobId: string;
  readonly nameLower: string;
  readonly status: string;
  readonly targetIds: readonly string[];
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly view: JobView;
  readonly document: JobDocument;
}

export const JobRows = new EntitySchema<JobRow>({
  name: 'JobRow',
  tableName: 'job_rows',
  columns: {
    jobId: { name: 'job_id', type: 'text', primary: true },
    nameLower: { name: 'name_lower', type: 'text', select: false },
    status: { type: 'text', select: false },
    targetIds: { name: 'target_ids', type: 'text', array: true, select: false },
    createdAt: { name: 'created_at', type: 'timestamptz', select: false },
    createdBy: { name: 'created_by', type: 'text', select: false },
    view: { type: 'json' },
    document: { type: 'json', select: false },
  },
});

/** A row of `audit.assignment_rows`, as far as queries read it. */
export interface AssignmentRow {
  readonly assignmentId: string;
  readonly jobId: string;
  readonly targetId: string;
  readonly view: AssignmentView;
}

export const AssignmentRows = new EntitySchema<AssignmentRow>({
  name: 'AssignmentRow',
  tableName: 'assignment_rows',
  columns: {
    assignmentId: { name: 'assignment_id', type: 'text', primary: true },
    jobId: { name: 'job_id', type: 'text', select: false },
    targetId: { name: 'target_id', type: 'text', select: false },
    view: { type: 'json' },
  },
});

/** A row of `audit.audit_logs`, as far as queries read it. */
export interface AuditLog {
  readonly position: string;
  readonly id: string;
  readonly eventType: string;
  readonly version: number;
  readonly occurredAt: Date;
  readonly recordedAt: Date;
  readonly actor: string;
  readonly correlationId: string;
  readonly causationId: string | null;
  readonly stream: string;
  readonly streamVersion: number;
  readonly targetId: string | null;
  readonly payload: unknown;
}

export const AuditLogs = new EntitySchema<AuditLog>({
  name: 'AuditLog',
  tableName: 'audit_logs',
  columns: {
    position: { type: 'text', primary: true },
    id: { type: 'uuid' },
    eventType: { name: 'event_type', type: 'text' },
    version: { type: 'int' },
    occurredAt: { name: 'occurred_at', type: 'timestamptz' },
    recordedAt: { name: 'recorded_at', type: 'timestamptz' },
    actor: { type: 'text' },
    correlationId: { name: 'correlation_id', type: 'text' },
    causationId: { name: 'causation_id', type: 'text', nullable: true },
    stream: { type: 'text' },
    streamVersion: { name: 'stream_version', type: 'int' },
    targetId: { name: 'target_id', type: 'text', nullable: true },
    payload: { type: 'jsonb' },
  },
});
