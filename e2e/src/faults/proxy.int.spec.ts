import { once } from 'node:events';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { eventually } from '@signalbox/testkit';
import { type Road, openRoad } from './proxy.ts';

let echo: Server;
let road: Road;
const clients: Socket[] = [];

const portOf = (server: Server): number => {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('expected a port, got none');
  return address.port;
};

const dial = async (): Promise<{
  readonly socket: Socket;
  readonly heard: () => string;
  readonly ended: () => string;
}> => {
  const socket = connect({ port: road.port, host: '127.0.0.1' });
  clients.push(socket);
  let heard = '';
  let ended = '';
  socket.on('data', (bytes) => {
    heard += bytes.toString();
  });
  socket.on('error', (error) => {
    ended = 'code' in error ? String(error.code) : error.message;
  });
  socket.on('close', () => {
    ended ||= 'closed';
  });
  await once(socket, 'connect');
  return { socket, heard: () => heard, ended: () => ended };
};

beforeEach(async () => {
  echo = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  road = await openRoad(portOf(echo));
});

afterEach(async () => {
  clients.splice(0).forEach((socket) => socket.destroy());
  await road.close();
  const closed = once(echo, 'close');
  echo.close();
  await closed;
});

it('passes on both ways while it is open', async () => {
  const { socket, heard } = await dial();
  socket.write('one');
  await eventually(() => heard() === 'one');
});

it('holds everything back silently while it is stalled, and lets it through afterwards', async () => {
  const old = await dial();
  old.socket.write('one ');
  await eventually(() => old.heard() === 'one ');
  road.set('stalled');
  old.socket.write('two');
  const fresh = await dial();
  fresh.socket.write('three');
  // A road beside it shows that time has passed in which the words would have come.
  const beside = await openRoad(portOf(echo));
  const other = connect({ port: beside.port, host: '127.0.0.1' });
  clients.push(other);
  other.write('beside');
  await once(other, 'data');
  expect([old.heard(), fresh.heard(), old.ended(), fresh.ended()]).toEqual(['one ', '', '', '']);
  road.set('open');
  await eventually(() => old.heard() === 'one two' && fresh.heard() === 'three');
  other.destroy();
  await beside.close();
});

it('breaks old and new connections while it resets', async () => {
  const old = await dial();
  road.set('broken');
  await eventually(() => old.ended() !== '');
  const fresh = connect({ port: road.port, host: '127.0.0.1' });
  clients.push(fresh);
  fresh.on('error', () => undefined);
  await once(fresh, 'close');
  road.set('open');
  const again = await dial();
  again.socket.write('back');
  await eventually(() => again.heard() === 'back');
});

it('breaks a connection when its server is not there', async () => {
  const closed = once(echo, 'close');
  echo.close();
  await closed;
  const { ended } = await dial();
  await eventually(() => ended() !== '');
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
});
