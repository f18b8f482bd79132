/**
 * Program: agents that only poll, on plain sockets with one kept request text each, so that the client costs little
 * beside the server that is measured.
 */
import { type Socket, connect } from 'node:net';
import { agentPrefix } from '@signalbox/contracts';
import { ownCpuSeconds } from './cpu.ts';
import { machineMs, serveOrders } from './processes.ts';

interface Target {
  readonly url: string;
  /** One connection is opened for each. */
  readonly credentials: readonly string[];
}

const requestText = (url: string, credential: string, waitMs: number): string => {
  const body = JSON.stringify({ waitMs });
  return [
    `POST ${agentPrefix}/poll HTTP/1.1`,
    `host: ${new URL(url).host}`,
    `authorization: Bearer ${credential}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    '',
    body,
  ].join('\r\n');
};

/** Whether this is the whole of an answer. */
const isWhole = (text: string): boolean => {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1];
  if (length === undefined) throw new Error(`expected an answer with its length, got ${text.slice(0, head)}`);
  return text.length >= head + 4 + Number(length);
};

/** One connection: `ask` sends the request and `onAnswer` hears of each empty answer. */
const openConnection = async (url: string, request: string, onAnswer: (ask: () => void) => void) => {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true });
  socket.setEncoding('latin1');
  const ask = (): void => void socket.write(request);
  let text = '';
  const opened = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.on('data', (part: string) => {
    text += part;
    if (!isWhole(text)) return;
    if (!text.startsWith('HTTP/1.1 200') || !text.includes('"offer":null'))
      throw new Error(`expected an empty answer, got ${text}`);
    text = '';
    onAnswer(ask);
  });
  await opened;
  return { ask, close: () => socket.destroy() };
};

let held: { close(): void }[] = [];

const orders = {
  /** Polls with `waitMs: 0` over all connections for a while, after a quarter of it that is not counted. */
  spin: async ({ url, credentials, forMs }: Target & { readonly forMs: number }) => {
    let answers = 0;
    let isOver = false;
    const connections = await Promise.all(
      credentials.map((credential) =>
        openConnection(url, requestText(url, credential, 0), (ask) => {
          answers += 1;
          if (!isOver) ask();
        }),
      ),
    );
    for (const { ask } of connections) ask();
    await new Promise((resolve) => setTimeout(resolve, forMs / 4));
    const from = { answers, ms: machineMs(), cpu: ownCpuSeconds() };
    await new Promise((resolve) => setTimeout(resolve, forMs));
    const polls = answers - from.answers;
    const seconds = (machineMs() - from.ms) / 1000;
    const cpuSeconds = ownCpuSeconds() - from.cpu;
    isOver = true;
    for (const each of connections) each.close();
    return { polls, allPolls: answers, perSecond: polls / seconds, cpuSeconds };
  },
  /** Opens one long poll per credential and asks again when it is answered; they stay open until `drop`. */
  hold: async ({ url, credentials, waitMs }: Target & { readonly waitMs: number }) => {
    const rest = credentials.values();
    const open = async (): Promise<void> => {
      for (const credential of rest) {
        const connection = await openConnection(url, requestText(url, credential, waitMs), (ask) => ask());
        connection.ask();
        held.push(connection);
      }
    };
    await Promise.all(Array.from({ length: 64 }, open));
    return held.length;
  },
  drop: async (_: null) => {
    for (const each of held) each.close();
    held = [];
  },
};
export type PollOrders = typeof orders;

serveOrders(orders);
