// vivace block list|inspect|verify|cat over real blocks, as an operator calls them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { until } from './lib/jaeger.mjs';
import { makeRequest, makeSpan, mustPush, newSpanId, newTraceId, str } from './lib/otlp.mjs';
import { Server, binary } from './lib/server.mjs';

const dir = mkdtempSync(join(tmpdir(), 'vivace-cli-block-'));
const blocks = join(dir, 'blocks');
const tenant = join(blocks, 'single-tenant');
let sent; // the spans that went in, by trace and span id
let block;
after(() => rmSync(dir, { recursive: true, force: true }));

function run(...args) {
  const r = spawnSync(binary, args, { encoding: 'utf8', timeout: 60000, maxBuffer: 1 << 28 });
  return { code: r.status, out: r.stdout, err: r.stderr };
}
const lines = (text) => text.trimEnd().split('\n').map((l) => JSON.parse(l));
const spansOf = (docs) => docs.flatMap((d) => d.resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans)));
const hex = (id) => Buffer.from(id ?? '', 'base64').toString('hex');

before(() => {
  const tool = join(dirname(binary), 'tool_block');
  for (const seed of ['7', '8']) {
    const json = join(dir, `${seed}.json`);
    const r = spawnSync(tool, ['write', seed, '20', tenant, json], { encoding: 'utf8' });
    assert.equal(r.status, 0, r.stderr);
    if (seed === '7') {
      sent = spansOf(lines(readFileSync(json, 'utf8')));
      block = join(tenant, readdirSync(tenant)[0]);
    }
  }
});

test('list finds blocks below a data directory, a tenant and a block, and changes nothing', () => {
  mkdirSync(join(tenant, '.tmp-0b9c9e0e-1f0a-4a43-9d2b-4d4c2e2b6c11'), { recursive: true });
  mkdirSync(join(tenant, 'not-a-block'));
  const before = readdirSync(tenant).sort();
  const all = lines(run('block', 'list', blocks, '--json').out);
  assert.deepEqual(all.map((b) => b.state).sort(), ['block', 'block', 'foreign', 'temporary']);
  const a = all.find((b) => b.path === block);
  assert.equal(a.tenantID, 'single-tenant');
  assert.equal(a.spans, 1200);
  assert.equal(a.size, statSync(join(block, 'spans.parquet')).size);
  assert.equal(lines(run('block', 'list', tenant, '--json').out).length, 4);
  assert.equal(lines(run('block', 'list', block, '--json').out)[0].blockID, a.blockID);
  const table = run('block', 'list', blocks);
  assert.equal(table.code, 0);
  assert.match(table.out, /^ID +TENANT +SPANS +TRACES +START +RANGE +SIZE +B\/SPAN +LEVEL +AGE/);
  assert.match(table.out, /2 blocks, 2400 spans/);
  assert.match(table.out, /foreign: .*not-a-block: not named as a block/);
  assert.deepEqual(readdirSync(tenant).sort(), before);
});

test('a compacted block is listed as such', () => {
  renameSync(join(block, 'meta.json'), join(block, 'meta.compacted.json'));
  try {
    assert.equal(lines(run('block', 'list', block, '--json').out)[0].state, 'compacted');
    assert.match(run('block', 'list', block).out, /compacted\n/);
  } finally {
    renameSync(join(block, 'meta.compacted.json'), join(block, 'meta.json'));
  }
});

test('inspect says where every byte of the columns is', () => {
  const r = run('block', 'inspect', block, '--json');
  assert.equal(r.code, 0);
  const doc = JSON.parse(r.out);
  assert.equal(doc.meta.spans, '1200');
  const names = doc.columns.map((c) => c.name);
  for (const name of ['trace_id', 'span_id', 'start_time', 'name']) assert.ok(names.includes(name), name);
  const stored = doc.columns.reduce((n, c) => n + c.compressedBytes, 0);
  assert.ok(stored < Number(doc.meta.size) && stored > 0.5 * Number(doc.meta.size));
  assert.ok(doc.columns.find((c) => c.name === 'trace_id').bloomBytes > 0);
  const table = run('block', 'inspect', block);
  assert.match(table.out, /^block +[0-9a-f-]{36}\n/);
  assert.match(table.out, /span_id +FIXED_LEN_BYTE_ARRAY +PLAIN/);
});

test('cat prints every span that went in, as OTLP/JSON with hex ids', () => {
  const got = spansOf(lines(run('block', 'cat', block).out));
  const key = (trace, span) => `${trace}/${span}`;
  assert.deepEqual(
    got.map((s) => key(s.traceId, s.spanId ?? '')).sort(),
    sent.map((s) => key(hex(s.traceId), hex(s.spanId))).sort(),
  );
  assert.equal(spansOf(lines(run('block', 'cat', block, '--limit', '7').out)).length, 7);
  const one = got[0].traceId;
  const trace = spansOf(lines(run('block', 'cat', block, '--trace', one).out));
  assert.equal(trace.length, got.filter((s) => s.traceId === one).length);
  const none = run('block', 'cat', block, '--trace', 'abc');
  assert.deepEqual([none.code, none.out], [1, '']);
  assert.match(none.err, /does not have the trace abc/);
});

test('verify finds nothing wrong with good blocks', () => {
  rmSync(join(tenant, 'not-a-block'), { recursive: true });
  const r = run('block', 'verify', blocks);
  assert.equal(r.code, 0, r.out);
  assert.equal(r.out.match(/: good: 1200 spans in \d+ traces/g).length, 2);
});

test('verify names the place of a flipped byte and exits 1', () => {
  const broken = join(dir, 'broken', 'single-tenant', block.slice(block.lastIndexOf('/') + 1));
  mkdirSync(broken, { recursive: true });
  copyFileSync(join(block, 'meta.json'), join(broken, 'meta.json'));
  const bytes = readFileSync(join(block, 'spans.parquet'));
  for (const at of [1, 2000, Math.floor(bytes.length / 2), bytes.length - 6]) {
    const copy = Buffer.from(bytes);
    copy[at] ^= 0x5a;
    writeFileSync(join(broken, 'spans.parquet'), copy);
    const r = run('block', 'verify', join(dir, 'broken'), '--json');
    assert.equal(r.code, 1, `byte ${at}`);
    const doc = JSON.parse(r.out);
    assert.equal(doc.good, false);
    assert.ok(doc.problems.length > 0 && doc.problems[0].place && doc.problems[0].problem);
  }
  writeFileSync(join(broken, 'spans.parquet'), bytes.subarray(0, bytes.length - 100));
  assert.match(run('block', 'verify', broken).out, /corrupt: .*meta\.json says/);
});

test('calling it wrongly is exit 2 and says how', () => {
  for (const args of [['block'], ['block', 'bogus'], ['block', 'list'], ['block', 'list', 'a', 'b'], ['block', 'cat', 'x', '--limit', 'many'], ['block', 'list', '--nope', 'x']]) {
    const r = run(...args);
    assert.equal(r.code, 2, args.join(' '));
    assert.match(r.err, /vivace/);
  }
  const gone = run('block', 'list', join(dir, 'nowhere'));
  assert.deepEqual([gone.code, gone.out], [1, '']);
  assert.match(run('help').out, /vivace block verify/);
});

test('a reader that goes away and a full disk end it without a crash', () => {
  const cut = spawnSync('bash', ['-c', `${binary} block cat ${block} | head -c 100 | wc -c`], { encoding: 'utf8' });
  assert.equal(cut.stdout.trim(), '100');
  const full = openSync('/dev/full', 'w');
  const r = spawnSync(binary, ['block', 'list', blocks], { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' });
  closeSync(full);
  assert.equal(r.status, 1);
  assert.match(r.stderr, /cannot be written/);
});

test('blocks that a server cut and merged are good, looked at while it runs', { timeout: 90_000 }, async () => {
  const server = await Server.start({ compactor: { compaction: { compaction_cycle: '200ms', compacted_block_retention: '1h' } } });
  try {
    const data = join(server.dir, 'data/blocks');
    const traces = Array.from({ length: 20 }, () => ({ id: newTraceId(), root: newSpanId() }));
    for (let round = 0; round < 4; round++) {
      for (const { id, root } of traces) {
        const first = round ? [] : [makeSpan({ traceId: id, spanId: root, name: 'root', attributes: [str('k', 'v')] })];
        await mustPush(server, makeRequest([...first, makeSpan({ traceId: id, parentSpanId: root, name: `round ${round}`, status: { code: 2 } })], { service: `s${round}` }));
      }
      assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 204);
    }
    const list = () => lines(run('block', 'list', data, '--json').out);
    await until(() => list().filter((b) => b.state === 'block').length === 1 && list().some((b) => b.state === 'compacted'), 30_000);
    const merged = list().find((b) => b.state === 'block');
    assert.deepEqual([merged.spans, merged.traces, merged.level], [100, 20, 1]);
    const r = run('block', 'verify', data);
    assert.equal(r.code, 0, r.out);
    assert.match(r.out, /good: 100 spans in 20 traces/);
    assert.match(run('block', 'inspect', merged.path).out, /\nreplaces +block [0-9a-f-]{36}\n/);
    assert.equal(spansOf(lines(run('block', 'cat', merged.path, '--trace', traces[3].id).out)).length, 5);
  } finally {
    await server.stop();
  }
});
