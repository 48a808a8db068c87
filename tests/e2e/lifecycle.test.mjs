// Start and stop: ready soon, gone soon, and nothing acknowledged is lost on the way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exportSpans } from './lib/grpc.mjs';
import { encodeRequest, makeRequest, makeSpan, newTraceId, push, readTrace } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

test('ready within a second of its start', async () => {
  const server = await Server.start();
  try {
    assert.ok(server.readyMs < 1000, `${server.readyMs.toFixed(0)} ms`);
  } finally {
    await server.stop();
  }
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  test(`${signal} under load: exit code 0 in under 3 s, and what was acknowledged is there after a new start`, async () => {
    const server = await Server.start();
    try {
      const acknowledged = [];
      let stopping = false;
      const clients = Array.from({ length: 8 }, async (_, i) => {
        while (!stopping) {
          const traceId = newTraceId();
          const request = makeRequest([makeSpan({ traceId }), makeSpan({ traceId })]);
          const taken = await (i % 2
            ? push(server, request).then((r) => r.status === 200)
            : exportSpans(server.otlpGrpcPort, encodeRequest(request)).then((r) => r.status === 0)
          ).catch(() => false);
          if (taken) acknowledged.push(traceId);
          else if (!stopping) await new Promise((done) => setTimeout(done, 5));
        }
      });
      await new Promise((done) => setTimeout(done, 500));
      const began = performance.now();
      server.child.kill(signal);
      const [code, by] = await server.exited;
      const ms = performance.now() - began;
      stopping = true;
      await Promise.all(clients);
      assert.deepEqual([code, by], [0, null], server.log().slice(-1000));
      assert.ok(ms < 3000, `${ms.toFixed(0)} ms`);
      assert.ok(acknowledged.length > 50, `${acknowledged.length} traces acknowledged`);
      await server.launch();
      for (const traceId of acknowledged) assert.equal((await readTrace(server, traceId)).length, 2);
    } finally {
      await server.stop();
    }
  });
}

test('idle keep-alive connections do not hold up the end', async () => {
  const server = await Server.start();
  try {
    const { default: net } = await import('node:net');
    const sockets = [server.httpPort, server.grpcPort, server.otlpGrpcPort, server.otlpHttpPort].map((port) => net.connect(port, '127.0.0.1'));
    sockets.forEach((s) => s.on('error', () => {}));
    await new Promise((done) => setTimeout(done, 100));
    const { code, ms } = await server.terminate();
    assert.equal(code, 0);
    assert.ok(ms < 3000, `${ms.toFixed(0)} ms`);
    sockets.forEach((s) => s.destroy());
  } finally {
    await server.stop();
  }
});

test('shutdown_delay: /ready turns 503 at once and pushes are still taken', async () => {
  const server = await Server.start({ shutdown_delay: '1s' });
  try {
    server.child.kill('SIGTERM');
    await new Promise((done) => setTimeout(done, 200));
    const ready = await fetch(`${server.url}/ready`);
    assert.deepEqual([ready.status, await ready.text()], [503, 'Application is stopping\n']);
    assert.equal((await push(server, makeRequest([makeSpan()]))).status, 200);
    const [code] = await server.exited;
    assert.equal(code, 0);
  } finally {
    await server.stop();
  }
});
