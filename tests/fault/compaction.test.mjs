// kill -9 while blocks are merged, replaced and deleted: after each start every span is there, and once.
import assert from 'node:assert/strict';
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
