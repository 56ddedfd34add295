import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { median, secondsSince, showSpread, type Row } from './table.ts';

const READERS = 1_000;
const EVENTS = 300;

const ask = async <Answer extends { kind: string }>(child: ChildProcess, kind: Answer['kind']): Promise<Answer> => {
  for (;;) {
    const [message] = (await once(child, 'message')) as [Answer];
    if (message.kind === kind) return message;
  }
};

/** Counts the events of one reader by their closing empty lines; chunks of HTTP never hold a bare pair of line feeds. */
const countEvents = (socket: Socket, onEvent: (count: number) => void): void => {
  let previous = 0;
  socket.on('data', (chunk) => {
    let found = 0;
    for (const byte of chunk) {
      if (byte === 10 && previous === 10) found += 1;
      previous = byte;
    }
    if (found > 0) onEvent(found);
  });
};

const openReaders = async (port: number, onEvent: (count: number) => void): Promise<Socket[]> => {
  const sockets: Socket[] = [];
  for (let opened = 0; opened < READERS; opened += 100) {
    const group = Array.from({ length: 100 }, () => connect(port, '127.0.0.1'));
    await Promise.all(
      group.map(async (socket) => {
        await once(socket, 'connect');
        socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n');
        await once(socket, 'data');
        countEvents(socket, onEvent);
      }),
    );
    sockets.push(...group);
  }
  return sockets;
};

const measure = async (mode: 'raw' | 'liveleaf'): Promise<{ eventsPerSecond: number; bytesPerReader: number }> => {
  const child = fork(join(import.meta.dirname, 'fan-out-server.ts'), [mode], {
    execArgv: ['--import', 'tsx', '--expose-gc'],
  });
  const { port } = await ask<{ kind: 'listening'; port: number }>(child, 'listening');
  const memory = async (): Promise<number> => {
    const answer = ask<{ kind: 'memory'; bytes: number }>(child, 'memory');
    child.send({ kind: 'memory' });
    return (await answer).bytes;
  };
  // One round of readers before anything is measured, so that code and heap are as they are in a hub that has run for a while.
  for (const socket of await openReaders(port, () => undefined)) socket.destroy();
  const before = await memory();
  let received = 0;
  let done = (): void => undefined;
  const all = new Promise<void>((resolve) => (done = resolve));
  const sockets = await openReaders(port, (count) => {
    received += count;
    if (received >= READERS * EVENTS) done();
  });
  const bytesPerReader = ((await memory()) - before) / READERS;
  const startedAt = performance.now();
  child.send({ kind: 'send', count: EVENTS });
  await all;
  const eventsPerSecond = (READERS * EVENTS) / secondsSince(startedAt);
  for (const socket of sockets) socket.destroy();
  child.disconnect();
  await once(child, 'exit');
  return { eventsPerSecond, bytesPerReader };
};

/** One log to a thousand readers: events a second against plain Node, and memory for each reader. */
export const fanOutRows = async (rounds: number): Promise<Row[]> => {
  const raw: number[] = [];
  const ours: number[] = [];
  const bytes: number[] = [];
  for (let round = 0; round < rounds; round++) {
    raw.push((await measure('raw')).eventsPerSecond / 1_000);
    const measured = await measure('liveleaf');
    ours.push(measured.eventsPerSecond / 1_000);
    bytes.push(measured.bytesPerReader / 1_000);
  }
  const behind = `${showSpread(ours, 'k/s')} against ${showSpread(raw, 'k/s')}`;
  return [
    {
      name: 'SSE fan-out of one log to 1,000 readers',
      value: median(ours) / median(raw),
      unit: '× raw Node',
      target: { atLeast: 0.8 },
      behind,
    },
    {
      name: 'memory of a waiting reader',
      value: median(bytes),
      unit: 'KB',
      target: { atMost: 15 },
      behind: showSpread(bytes, 'KB'),
    },
  ];
};
