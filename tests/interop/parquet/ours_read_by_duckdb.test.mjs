// Files we write, of random schemas, data and settings, say the same to DuckDB.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connect, query, rowsOf, tool, workdir } from './lib.mjs';

const seeds = Number(process.env.SEEDS ?? 60);

test('DuckDB reads our random files value by value', async (t) => {
  const dir = workdir(t);
  const db = await connect();
  let rowCount = 0;
  for (let seed = 0; seed < seeds; seed++) {
    const file = join(dir, `${seed}.parquet`), json = join(dir, `${seed}.jsonl`);
    tool('write', seed, file, json);
    const want = rowsOf(json);
    const got = await query(db, `SELECT * FROM read_parquet('${file}', binary_as_string = false)`);
    assert.equal(got.length, want.length, `seed ${seed}: rows`);
    for (let i = 0; i < want.length; i++) assert.deepEqual(got[i], want[i], `seed ${seed}, row ${i}`);
    rowCount += want.length;
  }
  assert.ok(rowCount > seeds * 100);
});

test('the bounds of chunks and pages hold every value', (t) => {
  const dir = workdir(t);
  for (let seed = 0; seed < seeds; seed++) {
    const file = join(dir, `${seed}.parquet`);
    tool('write', seed, file, join(dir, 'rows.jsonl'));
    tool('bounds', file);
  }
});

test('DuckDB finds every row through our statistics and Bloom filters', async (t) => {
  const dir = workdir(t);
  const db = await connect();
  let asked = 0;
  for (let seed = 0; seed < seeds; seed++) {
    const file = join(dir, `${seed}.parquet`), json = join(dir, `${seed}.jsonl`);
    tool('write', seed, file, json);
    const want = rowsOf(json);
    for (const name of Object.keys(want[0] ?? {})) {
      const value = want[Math.floor(want.length / 2)][name];
      if (typeof value !== 'string' || !/^[a-z]{3,}$/.test(value)) continue;
      const [{ n }] = await query(db, `SELECT count(*)::INT AS n FROM '${file}' WHERE "${name}"::VARCHAR = '${value}'`);
      if (n === 0) continue; // bytes, not text
      assert.equal(n, want.filter((row) => row[name] === value).length, `seed ${seed}, column ${name}`);
      asked++;
    }
  }
  assert.ok(asked > 0);
});

test('DuckDB sees our metadata', async (t) => {
  const dir = workdir(t);
  const db = await connect();
  let blooms = 0;
  for (let seed = 0; seed < 20; seed++) {
    const file = join(dir, `${seed}.parquet`);
    tool('write', seed, file, join(dir, 'rows.jsonl'));
    const kv = await query(db, `SELECT decode(key) AS k, decode(value) AS v FROM parquet_kv_metadata('${file}')`);
    assert.deepEqual(kv, [{ k: 'key', v: 'value' }]);
    const chunks = await query(db, `SELECT * FROM parquet_metadata('${file}')`);
    for (const chunk of chunks) blooms += chunk.bloom_filter_offset !== null ? 1 : 0;
  }
  assert.ok(blooms > 0);
});
