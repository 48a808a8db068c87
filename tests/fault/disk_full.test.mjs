// A full disk: pushes get a retryable refusal, what was acknowledged stays readable, and it recovers by itself.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { exportSpans } from '../e2e/lib/grpc.mjs';
import { decode, encodeRequest, makeRequest, makeSpan, newTraceId, push, readTrace, str } from '../e2e/lib/otlp.mjs';
import { Server } from '../e2e/lib/server.mjs';
import { randomBytes } from 'node:crypto';

const dir = mkdtempSync(join(tmpdir(), 'vivace-full-'));

/** A reason to skip, or false after mounting. */
function mountSmall() {
  if (process.getuid() !== 0) return 'mounting a small tmpfs needs root';
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', dir], { stdio: 'pipe' });
    return false;
  } catch (e) {
    return `mount -t tmpfs is not allowed here: ${String(e.stderr).trim()}`;
  }
}
const skip = mountSmall();

const incompressible = (traceId) =>
  makeRequest([makeSpan({ traceId, attributes: Array.from({ length: 100 }, (_, i) => str(`k${i}`, randomBytes(1000).toString('base64').slice(0, 1300))) })]);

test('pushes to a full disk are refused with a hint to retry, and taken again when there is space', { skip, timeout: 120_000 }, async () => {
  const ballast = join(dir, 'ballast');
  writeFileSync(ballast, Buffer.alloc(12 << 20, 1));
  const server = await Server.start({
    storage: { trace: { wal: { path: join(dir, 'wal') }, local: { path: join(dir, 'blocks') } } },
  });
  try {
    const acknowledged = [];
    const left = () => statfsSync(dir).bavail * statfsSync(dir).bsize;
    let refused;
    for (let i = 0; i < 2000 && !refused; i++) {
      const traceId = newTraceId();
      const response = await push(server, incompressible(traceId));
      if (response.status === 200) acknowledged.push(traceId);
      else refused = response;
    }
    assert.ok(refused, `the disk never filled: ${left()} bytes left`);
    assert.ok(acknowledged.length > 10, `${acknowledged.length} acknowledged before`);
    assert.equal(refused.status, 503);
    const status = decode('RpcStatus', Buffer.from(await refused.arrayBuffer()));
    assert.equal(status.code, 14);
    assert.ok(status.message.length > 0);
    assert.ok(Number(refused.headers.get('retry-after')) > 0, 'Retry-After');
    const grpc = await exportSpans(server.otlpGrpcPort, encodeRequest(incompressible(newTraceId())));
    assert.equal(grpc.status, 14, grpc.message);
    assert.ok(grpc.details, 'RetryInfo');

    for (const traceId of acknowledged) assert.equal((await readTrace(server, traceId)).length, 1, 'readable while full');
    assert.equal((await fetch(`${server.url}/ready`)).status, 200);

    rmSync(ballast);
    let recovered = false;
    for (let i = 0; i < 100 && !recovered; i++) {
      const traceId = newTraceId();
      recovered = (await push(server, incompressible(traceId))).status === 200;
      if (recovered) acknowledged.push(traceId);
      else await sleep(100);
    }
    assert.ok(recovered, 'taken again within 10 s of space returning');
    for (const traceId of acknowledged) assert.equal((await readTrace(server, traceId)).length, 1, 'readable after');
    await server.kill();
    await server.launch();
    for (const traceId of acknowledged) assert.equal((await readTrace(server, traceId)).length, 1, 'readable after kill -9');
  } finally {
    await server.stop();
    execFileSync('umount', [dir]);
    rmSync(dir, { recursive: true, force: true });
  }
});
