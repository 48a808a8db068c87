// vivace query metrics: what is asked and how series are shown, against a server whose answers are known word for word, and
// against a real one.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { makeRequest, makeSpan, mustPush } from './lib/otlp.mjs';
import { binary, Server } from './lib/server.mjs';

let server;
let asked;
const label = (v) => [{ key: 'resource.service.name', value: { stringValue: v } }];
const samples = (values) => values.map((value, i) => ({ timestampMs: String(1767323000000 + i * 10000), value }));
const range = { series: [{ labels: label('shop'), samples: samples([1, 5, 9, 9, 2]) }, { labels: label('db\u001b[2J'), samples: samples([2, 2, 3, 2, 2]) }], metrics: {} };
const instant = { series: [{ labels: label('shop'), value: 4.5 }, { labels: label('db'), value: 1234 }], metrics: {} };
before(async () => {
  server = createServer((req, res) => {
    asked = new URL(req.url, 'http://x');
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify(asked.pathname.endsWith('/query') ? instant : range));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(() => server.close());

async function run(url, ...args) {
  const child = spawn(binary, ['query', 'metrics', url, '{} | rate() by (resource.service.name)', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '', err = '';
  child.stdout.on('data', (d) => (out += d));
  child.stderr.on('data', (d) => (err += d));
  const [code] = await once(child, 'close');
  return { code, out, err };
}
const url = () => `http://127.0.0.1:${server.address().port}/tempo/`;

test('query_range is asked with the query, the range in seconds and the step', async () => {
  const r = await run(url(), '--start', '1767323000', '--end', '1767323040', '--step', '10s', '--limit', '7');
  assert.equal(r.code, 0, r.err);
  assert.equal(asked.pathname, '/tempo/api/metrics/query_range');
  assert.deepEqual(Object.fromEntries(asked.searchParams), { q: '{} | rate() by (resource.service.name)', start: '1767323000', end: '1767323040', step: '10s', maxSeries: '7' });
});

test('several series: a chart in colour, a line each without', async () => {
  const colored = await run(url(), '--color', 'always', '--width', '60', '--height', '6');
  assert.match(colored.out, /[\u2801-\u28ff]/);
  assert.match(colored.out, /03:03:20 +03:03:40 +03:04:00/);
  assert.match(colored.out, /shop"} +2 +1 +9 +5\.2\n/);
  assert.ok(!colored.out.includes('\u001b[2J'));
  const plain = await run(url(), '--width', '60');
  assert.ok(!/[\u2801-\u28ff\u001b]/.test(plain.out));
  assert.match(plain.out, /▁|▂|█/);
});

test('--instant is a table, the highest first; --json is the answer', async () => {
  const r = await run(url(), '--instant');
  assert.equal(asked.pathname, '/tempo/api/metrics/query');
  assert.match(r.out, /^SERIES +VALUE\n.*db.* 1\.23k\n.*shop.* 4\.5\n$/);
  assert.deepEqual(JSON.parse((await run(url(), '--json')).out), range);
});

test('a real server answers what is drawn', async () => {
  const real = await Server.start();
  try {
    await mustPush(real, makeRequest(Array.from({ length: 50 }, () => makeSpan({}))));
    const chart = await run(real.url, '--since', '5m', '--step', '10s', '--color', 'always');
    assert.equal(chart.code, 0, chart.err);
    assert.match(chart.out, /[\u2801-\u28ff]/);
    assert.match(chart.out, /{resource\.service\.name="shop"} +\S+ +0 +5 +/);
    const instant = await run(real.url, '--since', '5m', '--instant');
    assert.match(instant.out, /^SERIES +VALUE\n{resource\.service\.name="shop"} +0\.1/);
  } finally {
    await real.stop();
  }
});
