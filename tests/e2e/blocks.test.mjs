// Spans leave the log for blocks and nobody who asks can tell when: every query sees each span once, always.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeRequest, makeSpan, mustPush, newTraceId, plainRequest, readTrace, str } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

const files = (dir, suffix) => (existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith(suffix)) : []);
const segments = (server) => files(join(server.dir, 'data/wal'), '.wal').length;
const blocks = (server, tenant = 'single-tenant') => files(join(server.dir, 'data/blocks', tenant), '').filter((name) => name.length === 36);
const flush = async (server) => assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 204);

async function search(server, q) {
  const response = await fetch(`${server.url}/api/search?limit=1000&q=${encodeURIComponent(q)}`);
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()).traces ?? [];
}

const requestOf = (traceId, mark, n = 3) =>
  makeRequest(Array.from({ length: n }, (_, i) => makeSpan({ traceId, name: `${mark} ${i}`, attributes: [str('mark', mark)] })), { service: mark });

let server;
before(async () => (server = await Server.start()));
after(() => server?.stop());

test('after /flush the spans are in a block and not in the log, and every query finds them', async (t) => {
  const traceId = newTraceId();
  const request = requestOf(traceId, 'flushed');
  await mustPush(server, request);
  await flush(server);
  assert.equal(segments(server), 0);
  const [block] = blocks(server);
  const meta = JSON.parse(readFileSync(join(server.dir, 'data/blocks/single-tenant', block, 'meta.json'), 'utf8'));
  assert.equal(meta.spans, '3');
  assert.equal(meta.sources.length, 1);
  assert.equal(await server.metric('tempo_ingester_blocks_flushed_total'), 1);
  assert.equal(await server.metric('tempo_ingester_blocks_cleared_total'), 1);
  assert.equal(await server.metric('tempo_ingester_failed_flushes_total'), 0);
  assert.equal(await server.metric('tempo_ingester_flush_duration_seconds_count'), 1);
  assert.equal(await server.metric('tempodb_blocklist_length', { tenant: 'single-tenant' }), 1);
  assert.ok((await server.metric('tempodb_backend_bytes_total', { tenant: 'single-tenant', status: 'live' })) > 0);
  const check = async () => {
    assert.deepEqual(await readTrace(server, traceId), plainRequest(request));
    const found = await search(server, '{ span.mark = "flushed" }');
    assert.deepEqual(found.map((x) => [x.traceID, x.spanSet.matched]), [[traceId.replace(/^0+/, ''), 3]]);
    const names = await (await fetch(`${server.url}/api/v2/search/tag/resource.service.name/values`)).json();
    assert.ok(names.tagValues.some((v) => v.value === 'flushed'));
  };
  await t.test('at once', check);
  await server.restart();
  await t.test('after a restart', check);
  await server.kill();
  await server.launch();
  await t.test('after kill -9', check);
  await flush(server);
  assert.equal(blocks(server).length, 1, 'a flush of nothing writes nothing');
});

test('a head that is full is cut by itself, and queries see each span once while it is', { timeout: 120_000 }, async () => {
  const own = await Server.start({ ingester: { max_block_bytes: 20_000 } });
  try {
    const known = [];
    let stop = false;
    let looks = 0;
    const watch = async () => {
      while (!stop) {
        const before = known.slice(-40);
        for (const { traceId, n, mark } of before) {
          const spans = await readTrace(own, traceId);
          assert.equal(spans.length, n, `trace ${mark}`);
        }
        const found = await search(own, '{ span.all = "yes" } | count() > 0');
        const ids = new Set(found.map((x) => x.traceID.padStart(32, '0')));
        for (const { traceId, mark } of before) assert.ok(ids.has(traceId), `search finds ${mark}`);
        assert.equal(ids.size, found.length, 'no trace twice');
        for (const x of found) assert.equal(x.spanSet.matched, 5, 'each span once');
        looks++;
      }
    };
    const watchers = [watch(), watch()];
    for (let i = 0; i < 400; i++) {
      const traceId = newTraceId();
      const spans = Array.from({ length: 5 }, (_, k) => makeSpan({ traceId, name: `${i} ${k}`, attributes: [str('all', 'yes'), str('pad', 'x'.repeat(200))] }));
      await mustPush(own, makeRequest(spans));
      known.push({ traceId, n: 5, mark: i });
      await sleep(10);
    }
    for (let i = 0; i < 100 && segments(own) > 1; i++) await sleep(100);
    stop = true;
    await Promise.all(watchers);
    assert.ok(blocks(own).length > 5, `${blocks(own).length} blocks were cut`);
    assert.ok(segments(own) <= 1, 'the log holds the head alone');
    assert.ok(looks > 3);
    for (const { traceId, n } of known) assert.equal((await readTrace(own, traceId)).length, n);
    assert.equal((await search(own, '{ span.all = "yes" }')).length, 400);
  } finally {
    await own.stop();
  }
});

test('a head that is old is cut too', async () => {
  const own = await Server.start({ ingester: { max_block_duration: '1s' } });
  try {
    const traceId = newTraceId();
    await mustPush(own, requestOf(traceId, 'old'));
    for (let i = 0; i < 100 && blocks(own).length === 0; i++) await sleep(100);
    assert.equal(blocks(own).length, 1);
    assert.equal((await readTrace(own, traceId)).length, 3);
  } finally {
    await own.stop();
  }
});

test('flush_all_on_shutdown leaves blocks and no log; without it the log stays', async () => {
  for (const all of [false, true]) {
    const own = await Server.start({ ingester: { flush_all_on_shutdown: all } });
    try {
      const traceId = newTraceId();
      await mustPush(own, requestOf(traceId, 'end'));
      await own.terminate();
      assert.deepEqual([blocks(own).length, segments(own)], all ? [1, 0] : [0, 1]);
      await own.launch();
      assert.equal((await readTrace(own, traceId)).length, 3);
    } finally {
      await own.stop();
    }
  }
});

test('/shutdown writes what is live into blocks and goes on answering queries', async () => {
  const own = await Server.start();
  try {
    const traceId = newTraceId();
    await mustPush(own, requestOf(traceId, 'shutdown'));
    assert.equal((await fetch(`${own.url}/shutdown`, { method: 'POST' })).status, 200);
    for (let i = 0; i < 100 && blocks(own).length === 0; i++) await sleep(50);
    assert.equal(blocks(own).length, 1);
    assert.equal((await readTrace(own, traceId)).length, 3);
  } finally {
    await own.stop();
  }
});

test('each tenant has blocks of its own, and a tenant that has only blocks is known to /flush', async () => {
  const own = await Server.start({ multitenancy_enabled: true });
  try {
    const ids = {};
    for (const tenant of ['team-a', 'team-b']) {
      ids[tenant] = newTraceId();
      await mustPush(own, requestOf(ids[tenant], tenant), { 'x-scope-orgid': tenant });
    }
    await flush(own);
    await own.restart();
    for (const tenant of ['team-a', 'team-b']) {
      assert.equal(blocks(own, tenant).length, 1);
      assert.equal((await readTrace(own, ids[tenant], { 'x-scope-orgid': tenant })).length, 3);
      assert.equal((await fetch(`${own.url}/flush?tenant=${tenant}`)).status, 204);
    }
    assert.equal((await fetch(`${own.url}/flush?tenant=nobody`)).status, 404);
    const other = await fetch(`${own.url}/api/traces/${ids['team-a']}`, { headers: { 'x-scope-orgid': 'team-b' } });
    assert.equal(other.status, 404);
  } finally {
    await own.stop();
  }
});
