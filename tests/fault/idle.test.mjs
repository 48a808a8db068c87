// Ten thousand idle connections: all accepted, others served, and what a connection costs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import { exportSpans } from '../e2e/lib/grpc.mjs';
import { encodeRequest, makeRequest, makeSpan, newTraceId, push, readTrace } from '../e2e/lib/otlp.mjs';
import { Server } from '../e2e/lib/server.mjs';

const WANTED = Number(process.env.VIVACE_IDLE_CONNECTIONS ?? 10_000);
const RESERVE = 200; // descriptors for everything else
// Both sides inherit this limit: node raises its own soft limit to the hard one.
const limit = Number(execFileSync('sh', ['-c', 'ulimit -Hn']).toString().replace('unlimited', '1048576'));
const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from('000000040000000000', 'hex')]);

test(`${WANTED} idle connections`, { skip: limit < WANTED + RESERVE && `ulimit -n allows ${limit} descriptors: raise it to ${WANTED + RESERVE}` }, async (t) => {
  const server = await Server.start();
  const sockets = [];
  try {
    const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))[1]);
    const before = rss();
    const kinds = [[server.otlpGrpcPort, preface], [server.otlpHttpPort, null], [server.httpPort, null]];
    for (let made = 0; made < WANTED; made += 500) {
      await Promise.all(Array.from({ length: Math.min(500, WANTED - made) }, async (_, i) => {
        const [port, hello] = kinds[i % kinds.length];
        const socket = net.connect(port, '127.0.0.1');
        sockets.push(socket);
        await once(socket, 'connect');
        socket.on('error', () => {});
        if (hello) socket.write(hello);
      }));
    }
    const traceId = newTraceId();
    const began = performance.now();
    assert.equal((await push(server, makeRequest([makeSpan({ traceId })]))).status, 200);
    assert.equal((await exportSpans(server.otlpGrpcPort, encodeRequest(makeRequest([makeSpan({ traceId })])))).status, 0);
    assert.equal((await readTrace(server, traceId)).length, 2);
    const ms = performance.now() - began;
    const each = (rss() - before) / WANTED;
    t.diagnostic(`${before} KiB before, ${rss()} KiB with ${WANTED} connections: ${each.toFixed(2)} KiB each; served in ${ms.toFixed(0)} ms`);
    assert.ok(ms < 1000, `served in ${ms.toFixed(0)} ms`);
    assert.ok(each < 32, `${each.toFixed(1)} KiB a connection`);
    assert.equal(sockets.filter((s) => s.destroyed).length, 0, 'connections the server dropped');
  } finally {
    sockets.forEach((s) => s.destroy());
    await server.stop();
  }
});
