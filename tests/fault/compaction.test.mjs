// kill -9 while blocks are merged, replaced and deleted: after each start every span is there, and once.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, truncateSync, openSync, writeSync, closeSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeRequest, makeSpan, mustPush, newTraceId, readTrace, str } from '../e2e/lib/otlp.mjs';
import { Server } from '../e2e/lib/server.mjs';

const rounds = Number(process.env.VIVACE_CRASH_ROUNDS ?? 10);

test(`no span is lost or doubled by ${rounds} kills during compaction`, { timeout: 60_000 + rounds * 15_000 }, async (t) => {
  const server = await Server.start({ compactor: { compaction: { compaction_cycle: '50ms', compacted_block_retention: '0s' } } });
  const sent = new Map(); // trace -> names of its spans
  let merges = 0;
  const push = async (round) => {
    const shared = newTraceId(); // in each of the four blocks
    for (let block = 0; block < 4; block++) {
      const spans = [];
      for (let i = 0; i < 100; i++) {
        const traceId = i % 3 ? newTraceId() : shared;
        const name = `${round} ${block} ${i}`;
        spans.push(makeSpan({ traceId, name, attributes: [str('pad', 'x'.repeat(50))] }));
        sent.set(traceId, [...(sent.get(traceId) ?? []), name]);
      }
      await mustPush(server, makeRequest(spans));
      assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 204);
    }
  };
  try {
    for (let round = 0; round < rounds; round++) {
      await push(round);
      await sleep(Math.random() * 150);
      merges += await server.metric('tempo_compactor_compaction_total');
      await server.kill();
      await server.launch();
      let n = 0;
      for (const [traceId, names] of sent) {
        if (names.length > 1 || n++ % 20 === 0) assert.deepEqual((await readTrace(server, traceId)).map((s) => s.name).sort(), [...names].sort());
      }
      const lost = await server.metric('vivace_wal_corrupt_records_total');
      assert.equal(lost, 0);
    }
    for (const [traceId, names] of sent) assert.equal((await readTrace(server, traceId)).length, names.length);
    t.diagnostic(`${merges} merges seen before kills, ${sent.size} traces`);
    assert.ok(merges > 0, 'some kills came after merges');
  } finally {
    await server.stop();
  }
});

/** The directory of the one merged block. */
function mergedBlock(server) {
  const blocks = join(server.dir, 'data/blocks/single-tenant');
  const merged = readdirSync(blocks).filter((name) => {
    try {
      return JSON.parse(readFileSync(join(blocks, name, 'meta.json'), 'utf8')).level > 0;
    } catch {
      return false; // marked, or being removed
    }
  });
  assert.equal(merged.length, 1);
  return join(blocks, merged[0]);
}

const damages = {
  'loses its end': (block) => truncateSync(join(block, 'spans.parquet'), 2000),
  'has garbage in its footer': (block) => {
    const path = join(block, 'spans.parquet');
    const fd = openSync(path, 'r+');
    writeSync(fd, 'garbage of a dying disk', statSync(path).size - 200);
    closeSync(fd);
  },
  'loses its meta.json': (block) => truncateSync(join(block, 'meta.json'), 10),
};

for (const [what, damage] of Object.entries(damages)) {
  test(`a merged block that ${what} costs no span while the blocks it was made of are there`, { timeout: 60_000 }, async () => {
    const server = await Server.start({ compactor: { compaction: { compaction_cycle: '50ms', compacted_block_retention: '1h' } } });
    const sent = new Map();
    try {
      for (let block = 0; block < 4; block++) {
        const spans = [];
        for (let i = 0; i < 50; i++) {
          const traceId = newTraceId();
          sent.set(traceId, `${block} ${i}`);
          spans.push(makeSpan({ traceId, name: `${block} ${i}` }));
        }
        await mustPush(server, makeRequest(spans));
        assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 204);
      }
      for (const end = Date.now() + 20_000; (await server.metric('tempo_compactor_compaction_total')) < 1; await sleep(50)) assert.ok(Date.now() < end, 'merged');
      await server.kill();
      damage(mergedBlock(server));
      for (let start = 0; start < 2; start++) {
        await server.launch();
        for (const [traceId, name] of sent) assert.deepEqual((await readTrace(server, traceId)).map((s) => s.name), [name]);
        const found = await (await fetch(`${server.url}/api/search?limit=1000&start=${Math.floor(Date.now() / 1000) - 3600}&end=${Math.floor(Date.now() / 1000) + 3600}&q=${encodeURIComponent('{}')}`)).json();
        assert.equal(found.traces.length, sent.size);
        await server.kill();
      }
    } finally {
      await server.stop();
    }
  });
}
