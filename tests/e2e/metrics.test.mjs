// TraceQL metrics as Grafana, its Traces Drilldown and people with curl ask for them.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { base, checkShape, metrics, metricsShape, pushDataset, query, search } from './lib/dataset.mjs';
import { call, frame } from './lib/grpc.mjs';
import { makeRequest, makeSpan, mustPush, newTraceId, str } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = protobuf.loadSync(join(here, 'proto/tempopb.proto'));
const type = (name) => root.lookupType(`tempopb.${name}`);

let server;
before(async () => {
  server = await Server.start();
  await pushDataset(server);
});
after(() => server?.stop());

const range = (q, more = {}) => metrics(server, 'query_range', q, { start: 0, end: 300, step: '60s', ...more });
const names = (json) => json.series.map((s) => s.labels.map((l) => `${l.key}=${Object.values(l.value)[0]}`).join(','));
const total = (json) => json.series.reduce((sum, s) => sum + s.samples.reduce((n, x) => n + (x.value ?? 0), 0), 0);

// What Drilldown sends (grafana.md 3), blanks as it sends them.
const attributes = ['resource.service.name', 'name', 'rootName', 'rootServiceName', 'kind', 'status', 'statusMessage', 'event:name', 'instrumentation:name', 'instrumentation:version', 'trace:rootName', 'trace:rootService', 'span:kind', 'event.exception.type', 'resource.k8s.pod.name', 'span.http.status_code', 'link:traceID'];
const drilldown = [
  '{} | rate()',
  '{nestedSetParent<0 && true} | rate()  with(sample=true)',
  '{true && true} | rate() ',
  '{kind=server && true} | rate()  with(sample=true)',
  '{kind=consumer && true && status=error} | rate()  with(sample=true)',
  '{span.db.system.name!="" && true} | rate() ',
  '{nestedSetParent<0 && true && status=error} | rate()  with(sample=true)',
  '{nestedSetParent<0 && true} | histogram_over_time(duration) with(sample=true)',
  ...attributes.map((a) => `{nestedSetParent<0 && true && ${a} != nil} | rate() by(${a})`),
  '{nestedSetParent<0 && true && status=error && resource.service.name != nil} | rate() by(resource.service.name)',
  '{nestedSetParent<0 && true && resource.service.name != nil} | quantile_over_time(duration, 0.9) by(resource.service.name)',
  '{nestedSetParent<0 && true && name != nil} | quantile_over_time(duration, 0.5,0.9,0.99) by(name)',
  '{nestedSetParent<0 && true} | quantile_over_time(duration, 0.9) ',
  '{nestedSetParent<0 && true && resource.service.name="frontend"} | rate() by(resource.service.name)',
  '{nestedSetParent<0 && true && status=error && span.http.status_code=500} | rate() by(span.http.status_code)',
  '{nestedSetParent<0 && resource.service.name="a" && name=~"GET.*" && duration>100ms} | rate()  with(sample=true)',
  '{nestedSetParent<0 && true} | compare({status = error}, 10)',
  '{nestedSetParent<0 && true} | compare({duration >= 2s}, 10)',
  '{nestedSetParent<0 && true} | compare({duration >= 500ms && duration <= 2s}, 10, 1728987791000000000, 1728988006000000000)',
  '{nestedSetParent<0 && true} | compare({status = error && duration >= 1s}, 10)',
  '{nestedSetParent<0 && true} | compare({})',
  '{} | rate() with(span_sample=0.1)',
  '{} | rate() with(trace_sample=0.5, sample=0.1, extrapolate=true, nonsense="x")',
];
for (const q of drilldown) {
  test(`Drilldown: ${q}`, async () => {
    const r = await range(q);
    assert.equal(r.status, 200, r.text);
    assert.equal(r.type, 'application/json');
    checkShape(r.json, metricsShape);
    for (const s of r.json.series) {
      const times = s.samples.map((x) => Number(x.timestampMs));
      assert.deepEqual(times, [...times].sort((a, b) => a - b));
      assert.ok(times.every((t) => t % 60000 === 0), 'aligned to the step');
    }
  });
}

for (const q of ['{duration > } | rate()', '{ && true} | rate()', '{} | nothing()', '{nestedSetParent<0} | rate() by()']) {
  test(`Drilldown: ${q} is refused in one line`, async () => {
    const r = await range(q);
    assert.equal(r.status, 400);
    assert.match(r.text, /^parse error at line \d, col \d+: [^\n]+$/);
  });
}

test('roots by their names, and histograms with one label', async () => {
  const r = (await range('{nestedSetParent<0} | count_over_time() by(rootName)')).json;
  assert.deepEqual(names(r), ['rootName=GET /checkout', 'rootName=POST /pay', 'rootName=root-two']);
  const h = (await range('{nestedSetParent<0 && true} | histogram_over_time(duration)')).json;
  for (const s of h.series) {
    assert.deepEqual(s.labels.map((l) => l.key), ['__bucket']);
    assert.equal(Math.log2(s.labels[0].value.doubleValue * 1e9) % 1, 0);
  }
});

const filters = ['{ }', '{ status = error }', '{ kind = server } >> { kind = client }', '{ span.foo = "bar" || duration > 1s }', '{ } | count() > 2', '{ event:name != nil }', '{ traceDuration > 2s }', '{ nestedSetParent < 0 }', '{ name =~ ".*a.*" } | { kind = client }'];
for (const q of filters) {
  test(`the counts of all intervals are the spans a search finds: ${q}`, async () => {
    const found = (await search(server, q)).json.traces.reduce((n, t) => n + t.spanSets.reduce((m, s) => m + s.matched, 0), 0);
    assert.equal(total((await range(`${q} | count_over_time()`, { start: -60, end: 600 })).json), found);
    assert.equal(total((await range(`${q} | count_over_time() by (name, kind)`, { start: -60, end: 600 })).json), found);
    const instant = (await metrics(server, 'query', `${q} | count_over_time()`, { start: -60, end: 600 })).json;
    assert.equal(instant.series[0].value, found);
  });
}

test('compare: values of an attribute add up to its totals, selection and baseline to all spans', async () => {
  const r = (await range('{ } | compare({ status = error }, 100)', { start: -60, end: 600, step: '660s' })).json;
  const sums = {};
  for (const s of r.series) {
    const [side, attribute] = [s.labels[0].value.stringValue, s.labels[1].key];
    const n = s.samples.reduce((a, x) => a + x.value, 0);
    (sums[attribute] ??= {})[side] = (sums[attribute]?.[side] ?? 0) + n;
  }
  for (const [attribute, s] of Object.entries(sums)) {
    assert.equal(s.baseline, s.baseline_total, attribute);
    assert.equal(s.selection, s.selection_total, attribute);
  }
  const spans = total((await range('{ } | count_over_time()', { start: -60, end: 600 })).json);
  assert.equal(sums.name.baseline + sums.name.selection, spans);
  assert.equal(sums.status.selection, total((await range('{ status = error } | count_over_time()', { start: -60, end: 600 })).json));
});

test('exemplars lead to a trace, have its value, and are no more than asked for', async () => {
  const r = (await range('{ } | max_over_time(duration) by (name)')).json;
  const exemplars = r.series.flatMap((s) => s.exemplars ?? []);
  assert.ok(exemplars.length > 5);
  for (const e of exemplars) {
    const id = e.labels.find((l) => l.key === 'trace:id').value.stringValue;
    assert.equal((await fetch(`${server.url}/api/v2/traces/${id}`)).status, 200);
    assert.ok(Number(e.timestampMs) >= base * 1000);
    assert.match(e.labels.find((l) => l.key === 'duration').value.stringValue, /s$/);
  }
  const pay = r.series.find((s) => s.labels[0].value.stringValue === 'POST /pay');
  assert.equal(pay.exemplars[0].value, 3);
  assert.deepEqual(pay.exemplars[0].labels.map((l) => l.key), ['trace:id', 'name', 'duration']);
  for (const q of ['{ } | rate() with(exemplars=false)', '{ } | rate() with(exemplars=0)']) {
    assert.equal((await range(q)).json.series[0].exemplars, undefined);
  }
  assert.equal((await range('{ } | rate()', { exemplars: 1 })).json.series[0].exemplars.length, 1);
  const two = (await range('{ } | rate() with(exemplars=2)')).json.series[0].exemplars.length;
  assert.ok(two === 1 || two === 2); // a trace is shown once, and the spans that a hash of their start picks may be of one
  const rate = (await range('{ } | rate()')).json.series[0];
  const traces = rate.exemplars.map((e) => e.labels.find((l) => l.key === 'trace:id').value.stringValue);
  assert.equal(new Set(traces).size, traces.length);
  assert.ok(rate.exemplars.every((e) => rate.samples.some((s) => s.value === e.value)));
});

test('a step is chosen for the range; q may be called query; since is before now; times come in many forms', async () => {
  const step = async (params) => {
    const r = await query(server, '/api/metrics/query_range', { query: '{} | rate()', ...params });
    assert.equal(r.status, 200, r.text);
    const t = r.json.series[0].samples.map((s) => Number(s.timestampMs));
    return (t[1] - t[0]) / 1000;
  };
  const at = (seconds) => ({ start: base, end: base + seconds });
  assert.equal(await step(at(300)), 1);
  assert.equal(await step(at(2400)), 10);
  assert.equal(await step(at(3900)), 15);
  assert.equal(await step(at(7500)), 30);
  assert.equal(await step(at(30)), 0.1);
  assert.equal(await step({}), 15);
  assert.equal(await step({ since: '40m' }), 10);
  assert.equal(await step({ since: '7d' }), 2400);
  assert.equal(await step({ start: `${base}000000000`, end: `${base + 300}000000000`, step: '60' }), 60);
  assert.equal(await step({ start: `${base}.5`, end: new Date((base + 300) * 1000).toISOString(), step: '1m' }), 60);
  assert.equal(await step({ ...at(10), step: '0.5' }), 0.5);
});

const refused = [
  [{ q: '' }, /^parse error : syntax error: unexpected \$end/],
  [{ q: '{} | rate()', start: base, end: base }, /^end must be greater than start$/],
  [{ q: '{} | rate()', start: base, end: base + 240, step: '1ms' }, /^step of 1ms is too small, minimum step for given range is 24ms$/],
  [{ q: '{} | rate()', start: base, end: base + 240, step: '0' }, /^step of 0s is too small/],
  [{ q: '{} | rate()', start: base - 8 * 86400, end: base }, /^metrics query time range exceeds the maximum allowed duration of 168h0m0s$/],
  [{ q: '{} | rate()', step: 'xyz' }, /^rpc error: code = Code\(400\) desc = cannot parse "xyz" to a valid duration$/],
  [{ q: '{} | rate()', start: 'abc' }, /^rpc error: code = Code\(400\) desc = could not parse 'start' parameter: strconv.ParseInt: parsing "abc": invalid syntax$/],
  [{ q: '{} | rate()', since: 'xx' }, /^rpc error: code = Code\(400\) desc = could not parse 'since' parameter: not a valid duration string: "xx"$/],
  [{ q: `{ .a = "${'x'.repeat(131072)}" } | rate()` }, /^TraceQL expression exceeds/],
];
for (const [params, text] of refused) {
  test(`400 for ${JSON.stringify(params).slice(0, 90)}`, async () => {
    const r = await query(server, '/api/metrics/query_range', params);
    assert.equal(r.status, 400);
    assert.match(r.text, text);
  });
}

test('instant queries: prefix of errors, no series, one of start and end', async () => {
  assert.match((await query(server, '/api/metrics/query', { q: '{' })).text, /^compiling query: parse error at/);
  const none = await metrics(server, 'query', '{ name = "nothing" } | rate() by (name)', { start: 0, end: 300 });
  assert.deepEqual(Object.keys(none.json), ['metrics']);
  assert.equal((await query(server, '/api/metrics/query', { q: '{} | rate()', start: base })).status, 200);
});

test('another tenant sees nothing; several add up', async () => {
  const own = await Server.start({ multitenancy_enabled: true });
  try {
    await pushDataset(own, { headers: { 'x-scope-orgid': 'a' } });
    await pushDataset(own, { headers: { 'x-scope-orgid': 'b' } });
    const count = async (tenant) => total((await metrics(own, 'query_range', '{} | count_over_time()', { start: -60, end: 600, step: '60s' }, { 'x-scope-orgid': tenant })).json);
    const one = await count('a');
    assert.ok(one > 0);
    assert.equal(await count('a|b'), 2 * one);
    assert.equal(await count('c'), 0);
  } finally {
    await own.stop();
  }
});

test('summary: spans, errors and durations by group, the largest first', async () => {
  const ask = (params) => query(server, '/api/metrics/summary', { start: base - 60, end: base + 600, ...params });
  const r = (await ask({ q: '{ resource.service.name = "cart" }', groupBy: 'resource.service.name' })).json;
  assert.deepEqual(r, {
    summaries: [
      {
        spanCount: '2',
        errorSpanCount: '1',
        series: [{ key: 'resource.service.name', value: { type: 5, s: 'cart' } }],
        p99: String(2 ** 29),
        p95: String(2 ** 29),
        p90: String(2 ** 29),
        p50: String(2 ** 27),
      },
    ],
  });
  const kinds = (await ask({ q: '{ }', groupBy: 'kind,span.num.int', limit: 2 })).json.summaries;
  assert.equal(kinds.length, 2);
  assert.deepEqual(kinds[0].series.map((s) => s.key), ['kind', 'span.num.int']);
  assert.deepEqual((await ask({ q: '{ name = "nothing" }', groupBy: 'name' })).json, {});
  const bad = await ask({ q: '{ }' });
  assert.equal(bad.status, 400);
  assert.match(bad.text, /^parsing groupby attribute: failed to parse identifier/);
});

// --- streams ---------------------------------------------------------------------------------------------------------

function messages(data, name) {
  const out = [];
  for (let at = 0; at < data.length; ) {
    const n = data.readUInt32BE(at + 1);
    const bytes = data.subarray(at + 5, at + 5 + n);
    out.push({ bytes: n, ...type(name).toObject(type(name).decode(bytes), { longs: Number, enums: String, arrays: true, objects: true }) });
    at += 5 + n;
  }
  return out;
}
async function stream(which, request, { port = server.httpPort } = {}) {
  const body = Buffer.from(type(`Query${which}Request`).encode(type(`Query${which}Request`).fromObject(request)).finish());
  const r = await call(port, { path: `/tempopb.StreamingQuerier/MetricsQuery${which}`, body: frame(body) });
  return { ...r, messages: messages(r.data, `Query${which}Response`) };
}
const ns = (s) => `${base + s}000000000`;

for (const port of ['httpPort', 'grpcPort']) {
  test(`a stream on ${port} ends with what HTTP answers`, async () => {
    const r = await stream('Range', { query: '{ } | count_over_time() by (kind)', start: ns(0), end: ns(300), step: '60000000000' }, { port: server[port] });
    assert.equal(r.status, 0, r.message);
    const last = r.messages.at(-1);
    const http = (await range('{ } | count_over_time() by (kind)')).json;
    assert.deepEqual(
      last.series.map((s) => [s.labels[0].value.stringValue, s.samples.map((x) => [x.timestampMs, x.value ?? 0])]),
      http.series.map((s) => [s.labels[0].value.stringValue, s.samples.map((x) => [Number(x.timestampMs), x.value])]),
    );
    assert.ok(last.series.every((s) => s.exemplars.length > 0));
    assert.ok(last.metrics.totalJobs > 0 && last.metrics.totalJobs === last.metrics.completedJobs);
    const instant = await stream('Instant', { query: '{ } | count_over_time() by (kind)', start: ns(0), end: ns(300) }, { port: server[port] });
    assert.equal(instant.messages.at(-1).series.length, http.series.length);
  });
}

test('streams: a step of 0 is the default one; no times is the last hour; no series is one message', async () => {
  const r = await stream('Range', { query: '{ } | rate()', start: ns(0), end: ns(2400) });
  const t = r.messages.at(-1).series[0].samples.map((s) => s.timestampMs);
  assert.equal(t[1] - t[0], 10000);
  assert.equal((await stream('Range', { query: '{ } | rate()' })).messages.at(-1).series[0].samples.length, 242);
  const none = await stream('Range', { query: '{ name = "nothing" } | rate() by (name)', start: ns(0), end: ns(300) });
  assert.equal(none.messages.length, 1);
  assert.ok(none.messages[0].metrics);
});

test('streams: refused in the words of HTTP, with the status Tempo has for it', async () => {
  const bad = await stream('Range', { query: '{ foo = 1 } | rate()', start: ns(0), end: ns(300) });
  assert.equal(bad.status, 2);
  assert.match(bad.message, /^parse error at line 1, col 3: unknown identifier: foo/);
  assert.equal((await stream('Range', { query: '{} | rate()', start: ns(300), end: ns(0) })).status, 2);
  const long = await stream('Range', { query: '{} | rate()', start: ns(-30 * 86400), end: ns(0) });
  assert.equal(long.status, 3);
  assert.match(long.message, /^metrics query time range exceeds/);
});

test('a large answer comes in packets of at most 1 MiB, partial said once; and is cut at maxSeries', async () => {
  const own = await Server.start();
  try {
    const start = BigInt(base) * 1000000000n;
    for (let i = 0; i < 20; i++) {
      const spans = Array.from({ length: 100 }, (_, k) => makeSpan({ traceId: newTraceId(), name: `n${String(i * 100 + k).padStart(4, '0')}`, startTimeUnixNano: String(start + 1n), endTimeUnixNano: String(start + 1000n) }));
      await mustPush(own, makeRequest(spans, [str('service.name', 'many')]));
    }
    const request = { query: '{ } | rate() by (name)', start: ns(-60), end: ns(200), step: '1000000000' };
    const all = await stream('Range', request, { port: own.httpPort });
    const names = all.messages.flatMap((m) => m.series.map((s) => s.labels[0].value.stringValue));
    assert.equal(new Set(names).size, 2000);
    assert.equal(names.length, 2000);
    assert.ok(all.messages.length > 2);
    assert.ok(all.messages.every((m) => m.bytes <= 1 << 20 && m.metrics));
    const some = await stream('Range', { ...request, maxSeries: 1500 }, { port: own.httpPort });
    assert.equal(some.messages.flatMap((m) => m.series).length, 1500);
    assert.deepEqual(some.messages.map((m) => m.status === 'PARTIAL').filter((x) => x), [true]);
    assert.match(some.messages.at(-1).message, /^Response exceeds maximum series limit of 1500, a partial response is returned\./);
  } finally {
    await own.stop();
  }
});

test('streams: a client that hangs up stops the work', async () => {
  const session = http2.connect(`http://127.0.0.1:${server.httpPort}`);
  try {
    const request = { query: '{ } >> { } >> { } | count_over_time() by (name)', start: ns(-60), end: ns(600), step: '100000000' };
    const body = frame(Buffer.from(type('QueryRangeRequest').encode(type('QueryRangeRequest').fromObject(request)).finish()));
    for (let i = 0; i < 30; i++) {
      const s = session.request({ ':method': 'POST', ':path': '/tempopb.StreamingQuerier/MetricsQueryRange', 'content-type': 'application/grpc', te: 'trailers' });
      s.on('error', () => {});
      s.end(body);
      s.close(http2.constants.NGHTTP2_CANCEL);
    }
    assert.equal((await stream('Range', { query: '{ } | rate()', start: ns(0), end: ns(300) })).status, 0);
  } finally {
    session.destroy();
  }
});
