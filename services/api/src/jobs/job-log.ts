import {
  DomainError,
  decodeEvent,
  streams,
  type AssignmentView,
  type Event,
  type JobDetail,
} from '@signalbox/contracts';
import { assignmentViewsFromEvents, jobViewFromEvents } from '@signalbox/domain';
import { type EventStore } from '@signalbox/event-store';

const page = 1000;
/** Most targets whose assignments are folded for one answer. */
const mostTargets = 1;

const notFound = (jobId: string): DomainError =>
  new DomainError('not-found', `expected the id of a job, got ${jobId}`);

/** Jobs as the log tells them: what is true also while the views are behind or away. */
export class JobLog {
  readonly #store: EventStore;
  constructor(store: EventStore) {
    this.#store = store;
  }

  /** Events of one stream after a version, in order. */
  async read(stream: string, afterVersion = 0): Promise<readonly Event[]> {
    const events: Event[] = [];
    for (;;) {
      const read = await this.#store.read(stream, afterVersion + events.length + 1, page);
      events.push(...read.map(decodeEvent));
      if (read.length < page) return events;
    }
  }

  /** Ids of the targets that a job was created for. @throws DomainError `not-found` */
  async targetsOf(jobId: string): Promise<readonly string[]> {
    const [first] = await this.#store.read(streams.job(jobId), 1, 1);
    const created = first === undefined ? undefined : decodeEvent(first);
    if (created?.type !== 'JobCreated') throw notFound(jobId);
    return created.data.target.ids;
  }

  /** @throws DomainError `not-found` */
  async job(jobId: string): Promise<JobDetail> {
    const view = jobViewFromEvents(await this.#events(jobId));
    if (view === undefined) throw notFound(jobId);
    return view;
  }

  /** @throws DomainError `not-found` */
  async assignments(jobId: string): Promise<readonly AssignmentView[]> {
    return assignmentViewsFromEvents(await this.#events(jobId));
  }

  async #events(jobId: string): Promise<readonly Event[]> {
    const [targets, job] = await Promise.all([this.targetsOf(jobId), this.read(streams.job(jobId))]);
    const wanted = targets
      .slice(0, mostTargets)
      .map((targetId) => this.read(streams.assignment(jobId, targetId)));
    return [...job, ...(await Promise.all(wanted)).flat()];
  }
}
