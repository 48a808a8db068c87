// What real Tempo answered to metrics queries over the small data set, asked of ours. Where a recorded answer is an
// artefact of Tempo's storage ("quirk"), `wanted` has the language's own. Sums are compared to 12 digits: ours are
// exact, Tempo's depend on the order of the spans.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { base, checkShape, dataset, metrics, metricsCases as cases, metricsShape, pushDataset } from './lib/dataset.mjs';
import { Server } from './lib/server.mjs';

const servers = {};
const flush = async (server) => assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 204);
before(async () => {
  servers.whole = await Server.start();
  servers.split = await Server.start();
  await pushDataset(servers.whole);
  await pushDataset(servers.split, { split: true });
  servers.blocks = await Server.start();
  await pushDataset(servers.blocks);
  await flush(servers.blocks);
  // the first spans in a block, the others live: traces lie in both
  servers.both = await Server.start();
  await pushDataset(servers.both, { split: true, between: async (i) => i === 5 && flush(servers.both) });
});
after(() => Promise.all(Object.values(servers).map((s) => s.stop())));

const near = (a, b) => a === b || Math.abs(a - b) <= 1e-12 * Math.max(Math.abs(a), Math.abs(b));
const labels = (s) => s.labels.map((l) => ({ [l.key]: l.value }));
const offset = (ms) => (Number(ms) - base * 1000) / 1000;

function checkSamples(got, want, what) {
  assert.equal(got.length, want.length, `${what}: ${JSON.stringify(got)} for ${JSON.stringify(want)}`);
  for (const [i, s] of got.entries()) {
    assert.equal(offset(s.timestampMs), want[i][0], what);
    assert.ok(near(s.value ?? 0, want[i][1]), `${what} at ${want[i][0]}: ${s.value}, not ${want[i][1]}`);
  }
}

/** Counts by interval, the slow way. */
function counted(start, end, step) {
  const times = dataset().resourceSpans.flatMap((rs) => rs.scopeSpans.flatMap((ss) => ss.spans.map((s) => Number(BigInt(s.startTimeUnixNano) / 1000000n) / 1000)));
  const out = [];
  for (let t = Math.floor((base + start) / step) * step; t < base + end + step; t += step) {
    out.push([t - base, times.filter((x) => x > t - step && x <= t).length]);
    if (t >= base + end) break;
  }
  return out;
}

async function checkRange(server, c) {
  const { start = 0, end = 120, step = '60s', ...rest } = c.params ?? {};
  const r = await metrics(server, 'query_range', c.q, { start, end, step, ...rest });
  assert.equal(r.status, c.expect.status, r.text);
  checkShape(r.json, metricsShape);
  if (c.expect.partial) {
    assert.equal(r.json.series.length, c.expect.series.length);
    assert.equal(r.json.status, c.expect.partial);
    assert.equal(r.json.message, c.expect.message);
    return;
  }
  assert.equal(r.json.status, undefined);
  const want = c.wanted ?? c.expect.series;
  assert.deepEqual(r.json.series.map(labels), want.map((s) => s.labels));
  for (const [i, s] of r.json.series.entries()) {
    const samples = base % parseInt(step) === 0 ? want[i].samples : counted(start, end, parseInt(step));
    checkSamples(s.samples, samples, JSON.stringify(labels(s)));
  }
}

async function checkInstant(server, c) {
  const r = await metrics(server, 'query', c.q, { start: 0, end: 120, ...c.params });
  assert.equal(r.status, c.expect.status, r.text);
  if (r.status !== 200) {
    assert.equal(r.text, c.expect.error);
    return;
  }
  checkShape(r.json, metricsShape);
  assert.deepEqual(r.json.series.map(labels), c.expect.series.map((s) => s.labels));
  for (const [i, s] of r.json.series.entries()) {
    assert.ok(near(s.value ?? 0, c.expect.series[i].value), `${JSON.stringify(s)} for ${c.expect.series[i].value}`);
  }
}

async function checkClassify(server, c) {
  const r = await metrics(server, 'query_range', c.q, { start: 0, end: 120, step: '60s' });
  assert.equal(r.status, c.expect.status, r.text);
  if (c.expect.status !== 200) assert.equal(r.text.split('; did you mean')[0], c.expect.error);
}

const checks = { metrics_range: checkRange, metrics_instant: checkInstant, classify_metrics: checkClassify };
for (const how of ['whole', 'split', 'blocks', 'both']) {
  for (const c of cases) {
    test(`${how}: ${c.id} ${JSON.stringify({ q: c.q, ...c.params }).slice(0, 160)}`, () => checks[c.kind](servers[how], c));
  }
}
