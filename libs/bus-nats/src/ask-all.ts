import type { NatsConnection } from '@nats-io/transport-node';
import { linkOf, newInbox } from './connection.ts';

export interface AskAllOptions {
  /** Longest wait for answers in milliseconds. */
  readonly waitMs: number;
  /** Told of all answers so far, after each one: true ends the wait. */
  readonly isComplete: (answers: readonly string[]) => boolean;
}

/**
 * Asks everybody who is subscribed, and answers what they said in time: texts, in the order of their arrival.
 *
 * @throws Error there is no connection to NATS, or it was lost meanwhile
 */
export const askAll = async (
  nc: NatsConnection,
  subject: string,
  { waitMs, isComplete }: AskAllOptions,
): Promise<readonly string[]> => {
  const link = linkOf(nc);
  if (!link.isUp()) throw new Error('expected a connection to NATS, got none');
  const answers: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const inbox = newInbox(nc);
  const subscription = nc.subscribe(inbox, {
    callback: (error, message) => {
      if (error !== null) return reject(error);
      if (message.data.length === 0) return;
      answers.push(message.string());
      if (isComplete(answers)) resolve();
    },
  });
  const timer = setTimeout(resolve, waitMs);
  const unlisten = link.onChange(() => reject(new Error('expected answers, got the end of the connection')));
  try {
    nc.publish(subject, undefined, { reply: inbox });
    await promise;
    return answers;
  } finally {
    clearTimeout(timer);
    unlisten();
    subscription.unsubscribe();
  }
};
