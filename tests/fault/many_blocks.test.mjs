// Ten thousand blocks: the server is ready within a second, in little memory, and serves what it served before.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeRequest, makeSpan, mustPush, newTraceId, readTrace } from '../e2e/lib/otlp.mjs';
import { Server } from '../e2e/lib/server.mjs';

const COUNT = 10_000;

test(`${COUNT} blocks: ready within a second, and peak memory under 64 MiB`, { timeout: 120_000 }, async (t) => {
  const server = await Server.start();
  try {
    const traceId = newTraceId();
    await mustPush(server, makeRequest([makeSpan({ traceId })]));
    assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 204);
    await server.terminate();
    // The same block under other ids.
    const dir = join(server.dir, 'data/blocks/single-tenant');
    const [first] = readdirSync(dir);
    const meta = JSON.parse(readFileSync(join(dir, first, 'meta.json'), 'utf8'));
    for (let i = 1; i < COUNT; i++) {
      const id = randomUUID();
      mkdirSync(join(dir, id));
      linkSync(join(dir, first, 'spans.parquet'), join(dir, id, 'spans.parquet'));
      writeFileSync(join(dir, id, 'meta.json'), JSON.stringify({ ...meta, blockID: id, sources: [] }));
    }
    await server.launch();
    const status = readFileSync(`/proc/${server.child.pid}/status`, 'utf8');
    const peakMiB = Number(/VmHWM:\s+(\d+) kB/.exec(status)[1]) / 1024;
    t.diagnostic(`ready after ${server.readyMs.toFixed(0)} ms, peak ${peakMiB.toFixed(1)} MiB`);
    assert.ok(server.readyMs < 1000, `ready after ${server.readyMs} ms`);
    assert.ok(peakMiB < 64, `peak memory ${peakMiB} MiB`);
    assert.equal(await server.metric('tempodb_blocklist_length', { tenant: 'single-tenant' }), COUNT);
    assert.equal(await server.metric('vivace_block_problems_total', { reason: 'corrupt' }), 0);
    assert.equal((await readTrace(server, traceId)).length, 1);
    assert.ok((await server.metric('process_open_fds')) < 1000, 'idle readers are bounded');
  } finally {
    await server.stop();
  }
});
