// The queries of docs/block-format.md give the answers that the pushed spans give.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';

const here = dirname(fileURLToPath(import.meta.url));
const tool = join(process.env.VIVACE_BUILD ?? join(here, '../../../build/debug'), 'tool_block');
let dir, db, spans, sql;

const signed = (v) => BigInt.asIntN(64, v);
// DuckDB keeps times with a zone in microseconds, rounded towards zero.
const micros = (ns) => ns / 1000n;
const hex = (base64) => Buffer.from(base64 ?? '', 'base64').toString('hex');
const textOf = (attributes, key) => (attributes ?? []).find((a) => (a.key ?? '') === key && a.value?.stringValue !== undefined)?.value.stringValue ?? null;
const firstOf = (attributes, key) => (attributes ?? []).find((a) => (a.key ?? '') === key)?.value ?? null;
const enums = { STATUS_CODE_UNSET: 0, STATUS_CODE_OK: 1, STATUS_CODE_ERROR: 2 };

// Every span with what the queries look at, block by block.
function spansOf(file, block) {
  const list = [];
  for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    for (const rs of JSON.parse(line).resourceSpans) {
      for (const ss of rs.scopeSpans) {
        for (const s of ss.spans) {
          const start = BigInt(s.startTimeUnixNano ?? 0), end = BigInt(s.endTimeUnixNano ?? 0);
          const code = s.status?.code ?? 0;
          list.push({
            block, start, end, trace: hex(s.traceId), span: hex(s.spanId), parent: s.parentSpanId ? hex(s.parentSpanId) : null,
            name: s.name ?? '', duration: signed(end - start), status: enums[code] ?? code,
            service: textOf(rs.resource?.attributes, 'service.name'), code: textOf(s.attributes, 'code'),
            resource: firstOf(rs.resource?.attributes, 'service.name'), events: (s.events ?? []).map((e) => e.name ?? ''),
          });
        }
      }
    }
  }
  return list;
}

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'block-'));
  spans = [];
  for (const [seed, batches] of [[1, 30], [2, 3], [3, 12]]) {
    const json = join(dir, `${seed}.jsonl`);
    execFileSync(tool, ['write', seed, batches, join(dir, 'blocks/single-tenant'), json].map(String));
    spans.push(...spansOf(json, seed));
  }
  const page = readFileSync(join(here, '../../../docs/block-format.md'), 'utf8');
  sql = [...page.matchAll(/```sql\n([^`]*)```/g)].map((m) => m[1].replaceAll('blocks/*/*', join(dir, 'blocks/*/*')));
  db = await (await DuckDBInstance.create(':memory:')).connect();
});

after(() => rmSync(dir, { recursive: true, force: true }));

async function run(i) {
  const reader = await db.runAndReadAll(sql[i]);
  return reader.getRowObjects().map((row) => Object.fromEntries(Object.entries(row).map(([k, v]) =>
    [k, typeof v === 'number' ? BigInt(v) : v !== null && typeof v === 'object' && 'micros' in v ? v.micros : v])));
}

function groups(list, keyOf) {
  const by = new Map();
  for (const item of list) {
    const key = JSON.stringify(keyOf(item));
    by.set(key, [...(by.get(key) ?? []), item]);
  }
  return [...by.values()];
}

const max = (values) => values.reduce((a, b) => (a > b ? a : b));
const min = (values) => values.reduce((a, b) => (a < b ? a : b));
const sorted = (rows) => rows.map((r) => JSON.stringify(r, (k, v) => (typeof v === 'bigint' ? v.toString() : v))).sort();

test('the page shows five queries', () => assert.equal(sql.length, 5));

test('spans, errors and longest duration by service', async () => {
  const want = groups(spans, (s) => s.service ?? '').map((g) => ({
    service: g[0].service ?? '', spans: BigInt(g.length), errors: BigInt(g.filter((s) => s.status === 2).length),
    longest: max(g.map((s) => s.duration)),
  }));
  assert.deepEqual(sorted(await run(0)), sorted(want));
});

test('one trace in order', async () => {
  const want = spans.filter((s) => s.trace === '157c4a7fb979379e0000000000000001')
    .map((s) => ({ span: s.span, parent: s.parent, name: s.name, start_time: micros(signed(s.start)), duration_nano: s.duration }));
  const got = await run(1);
  assert.ok(want.length > 10);
  assert.deepEqual(sorted(got), sorted(want));
  for (let i = 1; i < got.length; i++) assert.ok(got[i - 1].start_time <= got[i].start_time);
});

test('the longest traces with their span and error counts', async () => {
  const want = groups(spans, (s) => [s.block, s.trace]).map((g) => ({
    trace: g[0].trace, trace_duration_nano: signed(max(g.map((s) => (s.end > s.start ? s.end : s.start))) - min(g.map((s) => s.start))),
    spans: BigInt(g.length), errors: BigInt(g.filter((s) => s.status === 2).length),
  })).sort((a, b) => (a.trace_duration_nano < b.trace_duration_nano ? 1 : a.trace_duration_nano > b.trace_duration_nano ? -1 : a.trace < b.trace ? -1 : 1));
  const got = await run(2);
  assert.equal(got.length, 20);
  got.forEach((row, i) => {
    const { root_service_name: service, root_span_name: root, ...rest } = row;
    const roots = spans.filter((s) => s.trace === row.trace && s.parent === null);
    assert.ok(roots.length === 0 ? root === '' : roots.some((s) => s.name === root && (s.service ?? '') === service || root === s.name));
    assert.equal(rest.trace_duration_nano, want[i].trace_duration_nano);
    assert.ok(sorted(want).includes(sorted([rest])[0]), `row ${i}`);
  });
});

test('events by name', async () => {
  const want = groups(spans.flatMap((s) => s.events), (name) => name).map((g) => ({ event: g[0], times: BigInt(g.length) }));
  assert.ok(want.length > 3);
  assert.deepEqual(sorted(await run(3)), sorted(want));
});

test('an attribute that has a column in some blocks only', async () => {
  const show = (v) => v === null ? null : v.stringValue ?? (v.boolValue !== undefined ? String(v.boolValue) : v.intValue ?? undefined);
  const want = groups(spans.filter((s) => s.code !== null), (s) => s.code).map((g) => [g[0].code, BigInt(g.length)]);
  const got = await run(4);
  const sums = groups(got, (r) => r.code).map((g) => [g[0].code, g.reduce((n, r) => n + r.spans, 0n)]);
  assert.deepEqual(sorted(sums), sorted(want));
  for (const row of got) {
    const like = spans.filter((s) => s.code === row.code && (show(s.resource) === undefined || show(s.resource) === row.service));
    assert.ok(like.length > 0, `${row.code} of ${row.service}`);
  }
});
