// What the interop tests share: our tool, DuckDB, and one shape for values that JSON cannot hold.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';

const here = dirname(fileURLToPath(import.meta.url));
const build = process.env.VIVACE_BUILD ?? join(here, '../../../build/debug');

export function tool(...args) {
  return execFileSync(join(build, 'tool_parquet'), args.map(String), { maxBuffer: 1 << 28, encoding: 'utf8' });
}

export function rows(text) {
  return text.split('\n').filter((line) => line).map((line) => JSON.parse(line));
}

export const rowsOf = (file) => rows(readFileSync(file, 'utf8'));
export const cat = (file) => rows(tool('cat', file));

export function workdir(t) {
  const dir = mkdtempSync(join(tmpdir(), 'parquet-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export async function connect() {
  const instance = await DuckDBInstance.create(':memory:');
  return instance.connect();
}

// DuckDB's values as tool_parquet prints them: 64-bit integers as strings, bytes as hex, NaN as a string.
export function plain(v) {
  if (v === null || v === undefined) return null;
  if (typeof v === 'bigint') return v.toString();
  if (typeof v === 'number') return Number.isFinite(v) ? v : String(v);
  if (typeof v !== 'object') return v;
  if (v.bytes instanceof Uint8Array) return Buffer.from(v.bytes).toString('hex');
  if (v instanceof Uint8Array) return Buffer.from(v).toString('hex');
  if (Array.isArray(v)) return v.map(plain);
  if (Array.isArray(v.items)) return v.items.map(plain);
  if (Array.isArray(v.entries)) return v.entries.map((e) => ({ key: plain(e.key), value: plain(e.value) }));
  if (typeof v.entries === 'object') return plain(v.entries);
  return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]));
}

export async function query(db, sql) {
  const reader = await db.runAndReadAll(sql);
  return reader.getRowObjects().map(plain);
}
