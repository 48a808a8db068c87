// Clients that stall, vanish and talk nonsense, on every port, while others are served.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXPORT, exportSpans, frame } from '../e2e/lib/grpc.mjs';
import { encodeRequest, makeRequest, makeSpan, newTraceId, push, readTrace } from '../e2e/lib/otlp.mjs';
import { Server } from '../e2e/lib/server.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server?.stop());

const ports = () => ({
  api: server.httpPort, grpc: server.grpcPort, 'otlp grpc': server.otlpGrpcPort, 'otlp http': server.otlpHttpPort,
});

async function connect(port) {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** A write, a read back and a health check; how many ms they took. */
async function serve() {
  const began = performance.now();
  const traceId = newTraceId();
  const request = makeRequest([makeSpan({ traceId })]);
  assert.equal((await push(server, request)).status, 200);
  assert.equal((await exportSpans(server.otlpGrpcPort, encodeRequest(request))).status, 0);
  assert.equal((await readTrace(server, traceId)).length, 1);
  assert.equal((await fetch(`${server.url}/ready`)).status, 200);
  return performance.now() - began;
}

/** Others are served in time. A busy machine may spoil one try; a server that is held up spoils every one. */
async function served() {
  const tries = [];
  while (tries.length < 3) {
    tries.push(await serve());
    if (tries.at(-1) < 2000) return;
  }
  assert.fail(`served in ${tries.map((ms) => ms.toFixed(0))} ms`);
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const settings = Buffer.from('000000040000000000', 'hex');
/** An HTTP/2 frame header: length, type, flags, stream. */
function h2frame(length, type, flags, stream) {
  const b = Buffer.alloc(9);
  b.writeUIntBE(length, 0, 3);
  b[3] = type;
  b[4] = flags;
  b.writeUInt32BE(stream, 5);
  return b;
}

const nonsense = {
  'random bytes': () => randomBytes(64 << 10),
  'zeros': () => Buffer.alloc(64 << 10),
  'a TLS hello': () => Buffer.from('16030100c8010000c40303', 'hex'),
  'an endless header line': () => Buffer.concat([Buffer.from('GET / HTTP/1.1\r\nX: '), Buffer.alloc(4 << 20, 0x61)]),
  'endless headers': () => Buffer.from(`GET / HTTP/1.1\r\n${'X: y\r\n'.repeat(500_000)}`),
  'two lengths': () => Buffer.from('POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'),
  'length and chunks': () => Buffer.from('POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  'a chunk of 2^64': () => Buffer.from('POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx'),
  'a length of 2^63': () => Buffer.from('POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9223372036854775807\r\n\r\n{'),
  'a preface and garbage': () => Buffer.concat([preface, randomBytes(4096)]),
  'an oversized frame': () => Buffer.concat([preface, settings, h2frame(0xffffff, 0, 0, 1), Buffer.alloc(4096)]),
  'data on an idle stream': () => Buffer.concat([preface, settings, h2frame(4, 0, 1, 7), Buffer.alloc(4)]),
  'a flood of resets': () => Buffer.concat([preface, settings, ...Array.from({ length: 5000 }, (_, i) => Buffer.concat([h2frame(4, 3, 0, 2 * i + 1), Buffer.alloc(4)]))]),
  'a flood of pings': () => Buffer.concat([preface, settings, ...Array.from({ length: 20_000 }, () => Buffer.concat([h2frame(8, 6, 0, 0), Buffer.alloc(8)]))]),
  'a flood of settings': () => Buffer.concat([preface, ...Array.from({ length: 20_000 }, () => settings)]),
  'headers that never end': () => Buffer.concat([preface, settings, h2frame(1, 1, 0, 1), Buffer.from([0x82]), ...Array.from({ length: 20_000 }, () => Buffer.concat([h2frame(1, 9, 0, 1), Buffer.from([0x84])]))]),
};

for (const [name, bytes] of Object.entries(nonsense)) {
  test(`${name}, on every port: the others are served on`, async () => {
    const sockets = await Promise.all(Object.values(ports()).flatMap((port) => [port, port]).map(connect));
    for (const socket of sockets) socket.write(bytes());
    await sleep(50);
    await served();
    sockets.forEach((s) => s.destroy());
    assert.equal(server.child.exitCode, null, 'the server lives');
  });
}

test('clients that stall in the middle of a request hold up nobody', async () => {
  const message = encodeRequest(makeRequest([makeSpan()]));
  const half = (text) => Buffer.from(text);
  const sockets = [];
  for (let i = 0; i < 50; i++) {
    for (const [name, port] of Object.entries(ports())) {
      const socket = await connect(port);
      if (name.includes('grpc')) socket.write(Buffer.concat([preface, settings, h2frame(16384, 0, 0, 1).subarray(0, 5)]));
      else socket.write(half(`POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: ${message.length}\r\n\r\n`));
      sockets.push(socket);
    }
  }
  await served();
  sockets.forEach((s) => s.destroy());
});

test('clients that ask and never read hold up nobody, and cost bounded memory', async () => {
  const traceId = newTraceId();
  const spans = Array.from({ length: 5000 }, () => makeSpan({ traceId, name: 'x'.repeat(200) }));
  assert.equal((await push(server, makeRequest(spans))).status, 200);
  const before_ = rss();
  const sockets = await Promise.all(Array.from({ length: 20 }, () => connect(server.httpPort)));
  for (const socket of sockets) {
    socket.pause();
    socket.write(`GET /api/v2/traces/${traceId} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(50));
  }
  await sleep(500);
  await served();
  const grown = rss() - before_;
  assert.ok(grown < 200 << 20, `${(grown / 2 ** 20).toFixed(0)} MiB for 1000 answers of 2 MB each that nobody reads`);
  sockets.forEach((s) => s.destroy());
});

test('clients that reset in the middle, again and again, leave nothing behind', async () => {
  await served();
  const open = fds();
  const message = frame(encodeRequest(makeRequest([makeSpan()])));
  for (let i = 0; i < 300; i++) {
    const list = Object.values(ports());
    const socket = await connect(list[i % list.length]);
    socket.write(i % 2 ? Buffer.concat([preface, settings]) : Buffer.concat([Buffer.from(`POST ${EXPORT} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n`), message]));
    socket.resetAndDestroy();
  }
  await served();
  for (let i = 0; i < 100 && fds() > open + 20; i++) await sleep(50);
  assert.ok(fds() <= open + 20, `${open} descriptors before, ${fds()} after`);
});

const { readdirSync, readFileSync } = await import('node:fs');
const fds = () => readdirSync(`/proc/${server.child.pid}/fd`).length;
const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))[1]) * 1024;
