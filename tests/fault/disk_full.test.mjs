// A full disk: pushes get a retryable refusal, what was acknowledged stays readable, and it recovers by itself.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { exportSpans } from '../e2e/lib/grpc.mjs';
import { decode, encodeRequest, makeRequest, makeSpan, newTraceId, push, readTrace, str } from '../e2e/lib/otlp.mjs';
import { Server } from '../e2e/lib/server.mjs';
import { randomBytes } from 'node:crypto';

const root = mkdtempSync(join(tmpdir(), 'vivace-full-'));

/** A reason to skip, or false after mounting. */
function mountSmall(dir) {
  if (process.getuid() !== 0) return 'mounting a small tmpfs needs root';
  try {
    mkdirSync(dir);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', dir], { stdio: 'pipe' });
    return false;
  } catch (e) {
    return `mount -t tmpfs is not allowed here: ${String(e.stderr).trim()}`;
  }
}
const dir = join(root, 'both');
const blocksDir = join(root, 'blocks');
const skip = mountSmall(dir);
const skipBlocks = mountSmall(blocksDir);
after(() => {
  if (!skip) execFileSync('umount', [dir]);
  if (!skipBlocks) execFileSync('umount', [blocksDir]);
  rmSync(root, { recursive: true, force: true });
});

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
  }
});

test('blocks that do not fit the disk leave their spans in the log, and are written when there is space', { skip: skipBlocks, timeout: 120_000 }, async () => {
  const ballast = join(blocksDir, 'ballast');
  writeFileSync(ballast, Buffer.alloc(23 << 20, 1));
  const server = await Server.start({ storage: { trace: { local: { path: blocksDir } } } });
  try {
    const ids = Array.from({ length: 40 }, newTraceId);
    for (const traceId of ids) assert.equal((await push(server, incompressible(traceId))).status, 200);
    const readAll = async (when) => {
      for (const traceId of ids) assert.equal((await readTrace(server, traceId)).length, 1, when);
      const found = await (await fetch(`${server.url}/api/search?limit=100&q=${encodeURIComponent('{ name = "span" }')}`)).json();
      assert.equal(found.traces.length, ids.length, `search ${when}`);
    };
    assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 500);
    await readAll('while full');
    assert.equal(await server.metric('tempo_ingester_blocks_flushed_total'), 0);
    assert.ok((await server.metric('tempo_ingester_failed_flushes_total')) >= 1);
    // A try may be under way: between two there is nothing.
    const left = () => readdirSync(blocksDir).flatMap((d) => (d === 'ballast' ? [] : readdirSync(join(blocksDir, d))));
    for (const end = Date.now() + 20_000; left().length; await sleep(20)) assert.ok(Date.now() < end, `${left()} is left behind`);
    ids.push(newTraceId());
    assert.equal((await push(server, incompressible(ids.at(-1)))).status, 200, 'pushes go on');
    assert.equal(server.log().match(/cannot be written as blocks/g).length, 1, 'logged once');
    await server.kill();
    await server.launch();
    await readAll('after kill -9');
    rmSync(ballast);
    let written = 0;
    for (let i = 0; i < 300 && !written; i++) {
      await sleep(100);
      written = await server.metric('tempo_ingester_blocks_flushed_total');
    }
    assert.ok(written > 0, 'written by itself within 30 s of space returning');
    await readAll('from blocks');
    await server.restart();
    await readAll('after a restart');
  } finally {
    await server.stop();
  }
});
