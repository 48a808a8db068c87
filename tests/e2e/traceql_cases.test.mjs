// What real Tempo answered to some 300 queries over a small data set, asked of ours. Where a recorded answer is an
// artefact of Tempo's storage ("quirk"), `wanted` or `same_as` has the language's own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { base, cases, checkShape, pushDataset, query, search } from './lib/dataset.mjs';
import { Server } from './lib/server.mjs';

const servers = {};
const flush = async (server) => assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 204);
before(async () => {
  servers.whole = await Server.start();
  servers.split = await Server.start();
  await pushDataset(servers.whole);
  await pushDataset(servers.split, { split: true });
  servers.block = await Server.start();
  await pushDataset(servers.block);
  await flush(servers.block);
  // every trace of several spans lies in blocks and in live data
  servers.scattered = await Server.start();
  await pushDataset(servers.scattered, { split: true, spread: true, between: async (i) => i % 3 === 2 && i < 9 && flush(servers.scattered) });
  assert.equal(await servers.scattered.metric('tempo_ingester_blocks_flushed_total'), 3);
});
after(() => Promise.all(Object.values(servers).map((s) => s.stop())));

const spanIds = (set) => set.spans.map((s) => s.spanID).sort();
const setAttributes = (set) =>
  (set.attributes ?? []).map((a) => ({ [a.key]: a.value })).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
const plain = (json) =>
  json.traces.map((t) => ({
    traceID: t.traceID,
    spanSets: t.spanSets
      .map((s) => ({ matched: s.matched, spans: spanIds(s), ...(s.attributes ? { attributes: setAttributes(s) } : {}) }))
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  }));
const sortSets = (traces) =>
  traces.map((t) => ({
    ...t,
    spanSets: t.spanSets
      .map((s) => ({
        ...s,
        ...(s.attributes ? { attributes: [...s.attributes].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) } : {}),
      }))
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  }));
/** The spans of every spanset together, by the first two digits of the trace id. */
const spansByTrace = (json) =>
  Object.fromEntries(json.traces.map((t) => [t.traceID.slice(0, 2), t.spanSets.flatMap(spanIds).sort()]));

async function checkSearch(server, c) {
  const r = await search(server, c.q, c.params);
  if (c.wanted || c.same_as) {
    assert.equal(r.status, 200, r.text);
    const wanted = c.wanted ?? spansByTrace((await search(server, c.same_as)).json);
    assert.deepEqual(spansByTrace(r.json), wanted);
    return;
  }
  assert.equal(r.status, c.expect.status, r.text);
  if (c.expect.status !== 200) {
    assert.equal(r.text, c.expect.error);
    return;
  }
  checkShape(r.json);
  const order = (a, b) => a.traceID.localeCompare(b.traceID);
  const got = plain(r.json);
  const want = c.expect.traces.map((t) => ({
    ...t,
    spanSets: t.spanSets.map((s) => (c.params?.spss === 0 ? { ...s } : s)),
  }));
  assert.deepEqual(got.map((t) => t.traceID), want.map((t) => t.traceID), 'traces and their order');
  if (c.params?.spss === 0) {
    assert.deepEqual(got.map((t) => [t.spanSets[0].matched, t.spanSets[0].spans.length]), want.map((t) => [t.spanSets[0].matched, t.spanSets[0].spans.length]));
    return;
  }
  assert.deepEqual(got.sort(order), sortSets(want).sort(order));
}

async function checkClassify(server, c) {
  const r = await search(server, c.q);
  if (c.expect.class === 'runtime_error') {
    if (r.status === 200) return 'no data brings the error up';
    assert.equal(r.status, 500, r.text);
    return;
  }
  assert.equal(r.status, c.expect.status, r.text);
  if (c.expect.status !== 200) {
    const [first] = r.text.split('; did you mean');
    assert.equal(first, c.expect.error);
  }
}

async function checkTagValues(server, c) {
  const { tag, ...rest } = c.params;
  const params = { start: base - 60, end: base + 600, q: c.q || undefined, ...rest };
  const r = await query(server, `/api/v2/search/tag/${encodeURIComponent(tag)}/values`, params);
  assert.equal(r.status, c.expect.status, r.text);
  if (r.status !== 200) {
    assert.equal(r.text.split('; did you mean')[0], c.expect.error);
    return;
  }
  assert.deepEqual(r.json.tagValues.map((v) => [v.type, v.value ?? '']).sort(), [...c.expect.values].sort());
}

async function checkTagNames(server, c) {
  const params = { start: base - 60, end: base + 600, q: c.q || undefined, ...c.params };
  const r = await query(server, '/api/v2/search/tags', params);
  assert.equal(r.status, c.expect.status, r.text);
  if (r.status !== 200) {
    assert.equal(r.text, c.expect.error);
    return;
  }
  assert.deepEqual(Object.fromEntries(r.json.scopes.map((s) => [s.name, [...s.tags].sort()])), c.wanted ?? c.expect.scopes);
}

const checks = { search: checkSearch, classify: checkClassify, tag_values: checkTagValues, tag_names: checkTagNames };
for (const how of ['whole', 'split', 'block', 'scattered']) {
  for (const c of cases) {
    test(`${how}: ${c.id} ${JSON.stringify({ q: c.q, ...c.params }).slice(0, 160)}`, () => checks[c.kind](servers[how], c));
  }
}
