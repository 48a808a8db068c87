// A merged block, whose row groups are partly copied and partly written anew, says to DuckDB what its inputs say.
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
let dir, db, inputs, merged, said;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'merged-'));
  for (const [seed, batches] of [[1, 30], [2, 30], [3, 12]]) {
    execFileSync(tool, ['write-apart', seed, batches, join(dir, 'in/single-tenant'), join(dir, `${seed}.jsonl`)].map(String));
  }
  said = execFileSync(tool, ['merge', join(dir, 'in'), 'single-tenant', '1800', join(dir, 'out/single-tenant')], { encoding: 'utf8' });
  inputs = `read_parquet('${dir}/in/*/*/spans.parquet', union_by_name = true)`;
  merged = `read_parquet('${dir}/out/*/*/spans.parquet')`;
  db = await (await DuckDBInstance.create(':memory:')).connect();
});

after(() => rmSync(dir, { recursive: true, force: true }));

async function rows(sql) {
  const reader = await db.runAndReadAll(sql);
  return reader.getRowObjects().map((row) => JSON.stringify(row, (k, v) => (typeof v === 'bigint' ? v.toString() : v))).sort();
}

test('two of the three row groups were copied', async () => {
  assert.match(said, /^4320 spans, 3600 copied/);
  assert.deepEqual(await rows(`SELECT count(DISTINCT row_group_id) AS n FROM parquet_metadata('${dir}/out/*/*/spans.parquet')`), ['{"n":"3"}']);
});

test('every column of every span is the same', async () => {
  const columns = await rows(`SELECT column_name FROM (DESCRIBE SELECT * FROM ${merged})`);
  assert.ok(columns.length > 35);
  for (const { column_name: name } of columns.map(JSON.parse)) {
    // What one input has in its list, or says of a resource without a column, may have a column now.
    if (['attributes', 'events', 'links'].includes(name) || (name.includes('.') && name !== 'span.code')) continue;
    const sql = (from) => `SELECT count(*) AS n, count("${name}") AS there, sum(hash("${name}", span_id) % 1000000007) AS sum FROM ${from}`;
    assert.deepEqual(await rows(sql(merged)), await rows(sql(inputs)), name);
  }
  const lists = (from) => `SELECT span_id, list_transform(events, e -> [e.name, e.time::VARCHAR]) AS events,
    list_transform(links, l -> [hex(l.trace_id), hex(l.span_id), l.trace_state]) AS links FROM ${from} WHERE len(events) + len(links) > 0`;
  const got = await rows(lists(merged));
  assert.ok(got.length > 1000);
  assert.deepEqual(got, await rows(lists(inputs)));
});

test('a column that one input had alone has its values and no others', async () => {
  const sql = (from) => `SELECT "span.first" AS first, count(*) AS n FROM ${from} GROUP BY ALL`;
  assert.deepEqual(await rows(sql(merged)), await rows(sql(inputs)));
  assert.deepEqual(await rows(sql(merged)), ['{"first":"only","n":"450"}', '{"first":null,"n":"3870"}']);
});

test('filters and page indexes of copied row groups lead to their rows', async () => {
  const ids = (await rows(`SELECT DISTINCT trace_id FROM ${inputs}`)).map((r) => JSON.parse(r).trace_id);
  assert.ok(ids.length > 100);
  for (const id of ids.filter((_, i) => i % 7 === 0)) {
    const sql = (from) => `SELECT span_id, name, duration_nano FROM ${from} WHERE trace_id = '${id}'`;
    assert.deepEqual(await rows(sql(merged)), await rows(sql(inputs)));
  }
});

test('the queries of the format page give the same answers', async () => {
  const page = readFileSync(join(here, '../../../docs/block-format.md'), 'utf8');
  const sql = [...page.matchAll(/```sql\n([^`]*)```/g)].map((m) => m[1]);
  for (const i of [0, 3, 4]) {
    const at = (where) => rows(sql[i].replaceAll('blocks/*/*', join(dir, where, '*/*')));
    assert.deepEqual(await at('out'), await at('in'));
  }
});
