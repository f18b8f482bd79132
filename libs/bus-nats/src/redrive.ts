import { UndecodableEvent, tryDecodeEvent } from '@signalbox/contracts';
import { park, type ReaderState, type Verdict } from '@signalbox/event-store';
import { handle, OpenBatch, type Routes } from './handling.ts';

/** Hands parked events to their handlers; what throws or cannot be read stays parked with the new reason. */
export const redriveStream = async <Tx>(
  state: ReaderState<Tx>,
  routes: Routes<Tx>,
  stream: string,
  onError: (error: unknown) => void,
): Promise<{ readonly handled: number; readonly left: number }> => {
  const committed: OpenBatch<Tx>[] = [];
  const result = await state.redrive(stream, async (event, tx): Promise<Verdict> => {
    const decoded = tryDecodeEvent(event);
    if (decoded instanceof UndecodableEvent) return park(decoded.message);
    const batch = new OpenBatch(tx);
    try {
      const verdict = await handle(routes(event.type) ?? [], decoded, batch);
      if (verdict.kind !== 'ack') return verdict;
      await batch.runBefore();
      committed.push(batch);
      return verdict;
    } catch (error) {
      onError(error);
      return park(error instanceof Error ? error.message : String(error));
    }
  });
  for (const batch of committed) batch.runAfter(onError);
  return result;
};
