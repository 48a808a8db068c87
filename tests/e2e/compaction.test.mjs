// Many small blocks become one and old ones go, and no query can tell but by its speed.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeRequest, makeSpan, mustPush, newTraceId, plainRequest, readTrace, str } from './lib/otlp.mjs';
import { until } from './lib/jaeger.mjs';
import { Server } from './lib/server.mjs';

const dirOf = (server) => join(server.dir, 'data/blocks/single-tenant');
const onDisk = (server) => (existsSync(dirOf(server)) ? readdirSync(dirOf(server)) : []);
const served = (server) => onDisk(server).filter((name) => existsSync(join(dirOf(server), name, 'meta.json')));
/** Of the blocks that are there; one may go while the others are read. */
const metas = (server) =>
  served(server).flatMap((name) => {
    try {
      return [JSON.parse(readFileSync(join(dirOf(server), name, 'meta.json'), 'utf8'))];
    } catch (e) {
      if (e.code !== 'ENOENT') throw e;
      return [];
    }
  });
const flush = async (server) => assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 204);
const compaction = (over = {}) => ({ compactor: { compaction: { compaction_cycle: '200ms', compacted_block_retention: '0s', ...over } } });
const at = (seconds) => String(BigInt(Math.floor(Date.now() / 1000) - seconds) * 1_000_000_000n);

async function search(server, q) {
  const response = await fetch(`${server.url}/api/search?limit=1000&q=${encodeURIComponent(q)}`);
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()).traces ?? [];
}

test('four blocks become one; traces that were in several are whole, spans sent twice stand once', { timeout: 60_000 }, async () => {
  const server = await Server.start(compaction());
  try {
    const traceId = newTraceId();
    const parts = Array.from({ length: 3 }, (_, i) => makeRequest([makeSpan({ traceId, name: `part ${i}`, attributes: [str('mark', 'whole')] })], { service: `service ${i}` }));
    const alone = Array.from({ length: 4 }, () => newTraceId());
    for (let i = 0; i < 4; i++) {
      await mustPush(server, parts[Math.min(i, 2)]); // the last part twice
      await mustPush(server, makeRequest([makeSpan({ traceId: alone[i], name: `alone ${i}`, attributes: [str('mark', 'alone')] })]));
      await flush(server);
    }
    await until(async () => (await server.metric('tempo_compactor_compaction_total')) === 1, 20_000);
    await until(() => onDisk(server).length === 1, 5_000);
    const [meta] = metas(server);
    assert.deepEqual([meta.level, meta.spans, meta.traces, meta.inputs.length], [1, '7', '5', 4]);
    assert.equal(await server.metric('tempodb_compaction_blocks_total', { level: '0' }), 4);
    assert.equal(await server.metric('tempodb_compaction_objects_combined_total', { level: '0' }), 1);
    assert.equal(await server.metric('tempodb_compaction_spans_combined_total', { level: '0' }), 1);
    assert.equal(await server.metric('tempodb_compaction_outstanding_blocks', { tenant: 'single-tenant' }), 0);
    assert.equal(await server.metric('tempodb_retention_deleted_total'), 4);
    const check = async () => {
      const spans = await readTrace(server, traceId);
      const byName = (a, b) => (a.name < b.name ? -1 : 1);
      assert.deepEqual([...spans].sort(byName), parts.flatMap((r) => plainRequest(r)).sort(byName));
      for (const id of alone) assert.equal((await readTrace(server, id)).length, 1);
      const [found] = await search(server, '{ span.mark = "whole" }');
      assert.equal(found.spanSet.matched, 3);
      assert.deepEqual(Object.keys(found.serviceStats).sort(), ['service 0', 'service 1', 'service 2']);
      assert.equal((await search(server, '{ span.mark = "alone" }')).length, 4);
    };
    await check();
    await server.kill();
    await server.launch();
    await check();
  } finally {
    await server.stop();
  }
});

test('blocks past block_retention are deleted from the disk, the tenant\'s own retention first', { timeout: 60_000 }, async () => {
  const server = await Server.start(compaction({ block_retention: '48h' }));
  try {
    const old = newTraceId();
    const young = newTraceId();
    const span = (traceId, age) => makeSpan({ traceId, startTimeUnixNano: at(age), endTimeUnixNano: at(age) });
    await mustPush(server, makeRequest([span(old, 3 * 86_400)]));
    await flush(server);
    await mustPush(server, makeRequest([span(young, 3600)]));
    await flush(server);
    await until(() => onDisk(server).length === 1, 20_000);
    assert.equal((await readTrace(server, young)).length, 1);
    assert.equal((await fetch(`${server.url}/api/traces/${old}`)).status, 404);
    assert.equal(await server.metric('tempodb_retention_marked_for_deletion_total'), 1);
    server.config.overrides = { defaults: { compaction: { block_retention: '30m' } } };
    await server.restart();
    await until(() => onDisk(server).length === 0, 20_000);
    assert.equal((await fetch(`${server.url}/api/traces/${young}`)).status, 404);
  } finally {
    await server.stop();
  }
});

test('vivace.retention_bytes keeps the newest blocks', { timeout: 60_000 }, async () => {
  const server = await Server.start({ ...compaction(), vivace: { retention_bytes: 60_000 }, overrides: { defaults: { compaction: { compaction_disabled: true } } } });
  try {
    const ids = [];
    for (let i = 0; i < 12; i++) {
      ids.push(newTraceId());
      await mustPush(server, makeRequest([makeSpan({ traceId: ids[i], startTimeUnixNano: at(1200 - i * 60), endTimeUnixNano: at(1200 - i * 60) })]));
      await flush(server);
    }
    await until(() => metas(server).reduce((sum, m) => sum + Number(m.size), 0) <= 60_000 && onDisk(server).length === served(server).length, 20_000);
    const kept = served(server).length;
    assert.ok(kept > 0 && kept < 12, `${kept} blocks`);
    for (let i = 0; i < 12; i++) {
      const { status } = await fetch(`${server.url}/api/traces/${ids[i]}`);
      assert.equal(status, i < 12 - kept ? 404 : 200, `block ${i} of 12, ${kept} kept`);
    }
  } finally {
    await server.stop();
  }
});

test('compactor.disabled says so, and nothing is merged or deleted', { timeout: 60_000 }, async () => {
  const server = await Server.start({ compactor: { disabled: true, compaction: { compaction_cycle: '100ms', block_retention: '1h' } } });
  try {
    await mustPush(server, makeRequest([makeSpan({ startTimeUnixNano: at(86_400), endTimeUnixNano: at(86_400) })]));
    await flush(server);
    await new Promise((done) => setTimeout(done, 500));
    assert.equal(served(server).length, 1);
    assert.match(server.log(), /compaction and retention are disabled/);
  } finally {
    await server.stop();
  }
});
