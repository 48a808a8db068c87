// vivace wal inspect beside a running server and over what a crash left: it reads and never touches.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Server, binary } from './lib/server.mjs';
import { makeRequest, makeSpan, mustPush } from './lib/otlp.mjs';

const dir = mkdtempSync(join(tmpdir(), 'vivace-cli-wal-'));
let server;
let wal;
const SPANS = 60;
before(async () => {
  server = await Server.start({ multitenancy_enabled: true });
  wal = join(server.dir, 'data/wal');
  for (let i = 0; i < SPANS; i++) await mustPush(server, makeRequest([makeSpan({})]), { 'x-scope-orgid': i % 2 ? 'odd' : 'even' });
});
after(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

const run = (...args) => spawnSync(binary, ['wal', 'inspect', ...args], { encoding: 'utf8', timeout: 20000 });
const lines = (text) => text.trimEnd().split('\n').map((l) => JSON.parse(l));
const listing = (d) => readdirSync(d).sort().map((n) => [n, statSync(join(d, n)).size, statSync(join(d, n)).mtimeMs]);

test('beside a running server: every record, span and tenant, and nothing changes', async () => {
  const before = listing(wal);
  const segments = lines(run(wal, '--json').stdout);
  assert.deepEqual(listing(wal), before);
  assert.equal(segments.reduce((n, s) => n + s.spans, 0), SPANS);
  assert.equal(segments.reduce((n, s) => n + s.records, 0), SPANS);
  const tenants = segments.flatMap((s) => s.tenants);
  for (const id of ['even', 'odd']) assert.equal(tenants.filter((t) => t.tenantID === id).reduce((n, t) => n + t.spans, 0), SPANS / 2);
  assert.equal(segments.at(-1).index, 'open');
  const text = run(wal);
  assert.equal(text.status, 0, text.stderr);
  assert.match(text.stdout, /^SEGMENT +CREATED +SIZE +RECORDS/);
  assert.match(text.stdout, /60 records, 60 spans, .*; in use by a process/);
  await mustPush(server, makeRequest([makeSpan({})]), { 'x-scope-orgid': 'even' }); // the server goes on
});

test('a torn tail, a corrupt record, a foreign file and a damaged index are told apart', () => {
  const copy = join(dir, 'wal');
  cpSync(wal, copy, { recursive: true });
  const name = readdirSync(copy).filter((n) => n.endsWith('.wal')).sort().at(-1);
  const path = join(copy, name);
  const good = lines(run(path, '--json').stdout)[0];
  assert.match(run(copy).stdout, /; not in use/);

  truncateSync(path, good.bytes - 3);
  const torn = run(path, '--json');
  assert.equal(torn.status, 0); // nobody was answered about it
  assert.deepEqual([lines(torn.stdout)[0].torn, lines(torn.stdout)[0].records], [1, good.records - 1]);
  assert.match(run(copy).stdout, /torn tail/);

  const bytes = readFileSync(path);
  bytes[64 + 40 + 20] ^= 0xff; // in the first record's payload
  writeFileSync(path, bytes);
  const corrupt = run(path, '--json');
  assert.equal(corrupt.status, 1);
  assert.deepEqual(lines(corrupt.stdout)[0].damages[0], { kind: 'corrupt', offset: 64, bytes: lines(corrupt.stdout)[0].damages[0].bytes });
  assert.match(run(path).stdout, /byte 64, \d+ bytes: corrupt/);

  writeFileSync(join(copy, '00000000000000fe.wal'), '');
  assert.match(run(copy).stdout, /00000000000000fe\.wal: empty/);
  writeFileSync(join(copy, '00000000000000ff.wal'), 'not a segment at all');
  writeFileSync(join(copy, name.replace('.wal', '.idx')), 'not an index');
  const bad = run(copy);
  assert.equal(bad.status, 1);
  assert.match(bad.stdout, /00000000000000ff\.wal is not a segment/);
  assert.match(bad.stdout, /\.idx: .*too short/);
  assert.deepEqual(readdirSync(copy).includes('quarantine'), false);
});

test('a sealed segment with its index, after a restart', async () => {
  await server.restart();
  const segments = lines(run(wal, '--json').stdout);
  assert.ok(segments.some((s) => s.index === 'good'), JSON.stringify(segments.map((s) => s.index)));
});

test('what is not a log is said so', () => {
  assert.equal(run(join(dir, 'nowhere')).status, 1);
  assert.equal(run().status, 2);
  writeFileSync(join(dir, 'file'), '');
  assert.match(run(join(dir, 'file')).stderr, /not a directory/);
});
