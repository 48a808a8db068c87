// Files made by DuckDB, hyparquet-writer and parquet-wasm, in every codec and encoding they have, read by us.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import * as arrow from 'apache-arrow';
import { cat, connect, plain, query, tool, workdir } from './lib.mjs';

const wasm = createRequire(import.meta.url)('parquet-wasm');

const table = `
  SELECT i::BIGINT AS id,
    CASE WHEN i % 7 = 0 THEN NULL ELSE (i * 2654435761) % 1000003 END::INTEGER AS number,
    (i % 3 = 0) AS flag,
    i::TINYINT AS tiny, (i * 3)::UINTEGER AS unsigned32, (i * 1e15)::UBIGINT AS unsigned64,
    i / 3.0::DOUBLE AS real, (i / 8)::FLOAT AS short_real,
    ['GET', 'POST', 'PUT', NULL][1 + i % 4] AS method,
    'request-' || lpad((i * 17)::VARCHAR, 9, '0') AS path,
    encode('blob' || (i * 31)) AS bytes,
    uuid() AS uuid,
    CASE WHEN i % 5 = 0 THEN NULL WHEN i % 5 = 1 THEN [] ELSE [i, NULL, i + 1] END AS numbers,
    {'a': i, 'b': CASE WHEN i % 2 = 0 THEN 'even' END} AS pair,
    [{'k': 'x', 'v': [i % 10]}, NULL, {'k': NULL, 'v': NULL}] AS nested,
    MAP {'key-' || (i % 4): i::DOUBLE} AS attributes
  FROM range(1, 101) t(j), LATERAL (SELECT j % 100 AS i)`;

// A UUID is 16 bytes as hex to us, which DuckDB shows with dashes.
const same = (rows) => rows.map((row) => ({ ...row, uuid: row.uuid.replaceAll('-', '') }));

for (const version of ['V1', 'V2']) {
  for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd', 'lz4_raw']) {
    test(`DuckDB ${version} ${codec}`, async (t) => {
      const file = join(workdir(t), 'a.parquet');
      const db = await connect();
      await db.run(`COPY (${table}) TO '${file}' (FORMAT parquet, CODEC ${codec}, PARQUET_VERSION ${version}, ROW_GROUP_SIZE 40)`);
      const sql = `SELECT * REPLACE (uuid::VARCHAR AS uuid) FROM '${file}'`;
      assert.deepEqual(cat(file), same(await query(db, sql)));
      tool('bounds', file);
      if (version === 'V2') assert.match(tool('info', file), /DELTA_BINARY_PACKED[^]*DELTA_LENGTH_BYTE_ARRAY|BYTE_STREAM_SPLIT/);
    });
  }
}

test('DuckDB, many rows in many row groups', async (t) => {
  const file = join(workdir(t), 'a.parquet');
  const db = await connect();
  await db.run(`COPY (SELECT i, i % 1000 AS m, 'name-' || (i % 5000) AS name, CASE WHEN i % 11 > 0 THEN i * 1.5::DOUBLE END AS d FROM range(300000) t(i))
    TO '${file}' (FORMAT parquet, PARQUET_VERSION V2, ROW_GROUP_SIZE 100000)`);
  assert.deepEqual(cat(file), await query(db, `FROM '${file}'`));
  tool('bounds', file);
});

test("DuckDB's Bloom filters say maybe to what is there and no to most else", async (t) => {
  const file = join(workdir(t), 'a.parquet');
  const db = await connect();
  await db.run(`COPY (SELECT 'name-' || (i % 500) AS name FROM range(20000) t(i)) TO '${file}' (FORMAT parquet)`);
  for (let i = 0; i < 50; i++) assert.match(tool('bloom', file, 'name', `name-${i * 9}`), /^(maybe\n)+$/);
  let no = 0;
  for (let i = 0; i < 50; i++) no += tool('bloom', file, 'name', `nobody-${i}`).startsWith('no\n') ? 1 : 0;
  assert.ok(no > 40, `${no} of 50 refused`);
});

// --- hyparquet-writer: each encoding by name ---

const n = 1000;
const range = (f) => Array.from({ length: n }, (_, i) => f(i));
const columns = {
  BOOLEAN: range((i) => i % 3 === 0),
  INT32: range((i) => ((i * 7919) % 65536) - 32768),
  INT64: range((i) => BigInt(i) ** 5n - 10n ** 12n),
  FLOAT: range((i) => Math.fround(i / 7)),
  DOUBLE: range((i) => i / 7),
  STRING: range((i) => `service/${i % 13}/operation/${i}`),
  BYTE_ARRAY: range((i) => new Uint8Array([i & 255, i >> 8, 7].slice(0, i % 4))),
};
const encodings = [
  ['PLAIN', Object.keys(columns)],
  ['RLE', ['BOOLEAN']],
  ['RLE_DICTIONARY', ['INT32', 'INT64', 'DOUBLE', 'STRING']],
  ['DELTA_BINARY_PACKED', ['INT32', 'INT64']],
  ['DELTA_LENGTH_BYTE_ARRAY', ['STRING', 'BYTE_ARRAY']],
  ['DELTA_BYTE_ARRAY', ['STRING', 'BYTE_ARRAY']],
  ['BYTE_STREAM_SPLIT', ['INT32', 'INT64', 'FLOAT', 'DOUBLE']],
];
for (const [encoding, types] of encodings) {
  for (const type of types) {
    for (const codec of ['UNCOMPRESSED', 'SNAPPY', 'GZIP']) {
      test(`hyparquet-writer ${encoding} ${type} ${codec}`, (t) => {
        const file = join(workdir(t), 'a.parquet');
        const data = columns[type];
        const holes = data.map((v, i) => (i % 6 === 5 ? null : v));
        const buffer = parquetWriteBuffer({
          columnData: [
            { name: 'full', data, type, encoding, nullable: false },
            { name: 'holes', data: holes, type, encoding, columnIndex: true },
          ],
          codec,
          compressors: { GZIP: (bytes) => gzipSync(bytes) },
          rowGroupSize: 300,
          pageSize: 500,
        });
        writeFileSync(file, new Uint8Array(buffer));
        assert.deepEqual(cat(file), data.map((v, i) => ({ full: plain(v), holes: plain(holes[i]) })));
        assert.match(tool('info', file), new RegExp(` ${codec} .*${encoding}`));
        tool('bounds', file);
      });
    }
  }
}

// --- parquet-wasm: the Rust writer ---

const { Encoding, Compression, WriterVersion } = wasm;
const arrowTable = arrow.tableFromArrays({
  id: BigInt64Array.from(columns.INT64),
  small: Int32Array.from(columns.INT32),
  real: Float64Array.from(columns.DOUBLE),
  name: columns.STRING,
});
const expected = range((i) => ({
  id: columns.INT64[i].toString(), small: columns.INT32[i], real: columns.DOUBLE[i], name: columns.STRING[i],
}));
for (const version of ['V1', 'V2']) {
  for (const codec of ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'ZSTD', 'LZ4_RAW']) {
    test(`parquet-wasm ${version} ${codec}`, (t) => {
      const file = join(workdir(t), 'a.parquet');
      const properties = new wasm.WriterPropertiesBuilder()
        .setWriterVersion(WriterVersion[version])
        .setCompression(Compression[codec])
        .setDictionaryEnabled(version === 'V1')
        .setMaxRowGroupSize(400)
        .setDataPageSizeLimit(700)
        .setWriteBatchSize(64)
        .build();
      const stream = arrow.tableToIPC(arrowTable, 'stream');
      writeFileSync(file, wasm.writeParquet(wasm.Table.fromIPCStream(stream), properties));
      assert.deepEqual(cat(file), expected);
      assert.match(tool('info', file), new RegExp(` ${codec} `));
      tool('bounds', file);
    });
  }
}
