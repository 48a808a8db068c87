// /api/search and the tag endpoints as their clients use them: parameters and their errors, the strict key list,
// Grafana's, Drilldown's and Kiali's queries, legacy searches, order, tenants, hostile requests.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { base, checkShape, pushDataset, query, search } from './lib/dataset.mjs';
import { exchange } from './lib/http1.mjs';
import { int, makeRequest, makeSpan, mustPush, newTraceId, str } from './lib/otlp.mjs';
import { binary, Server } from './lib/server.mjs';

let server;
before(async () => {
  server = await Server.start();
  await pushDataset(server);
});
after(() => server?.stop());

const range = { start: base - 60, end: base + 600 };

// --- parameters ----------------------------------------------------------------------------------------------

const bad = [
  [{ start: 'abc' }, 'invalid start: strconv.ParseUint: parsing "abc": invalid syntax'],
  [{ end: '99999999999' }, 'invalid end: strconv.ParseUint: parsing "99999999999": value out of range'],
  [{ start: 10 }, 'http parameter start must be before end. received start=10 end=0'],
  [{ start: 10, end: 5 }, 'http parameter start must be before end. received start=10 end=5'],
  [{ end: 5 }, 'error parsing date range: only one of start and end provided: must provide both or neither'],
  [{ start: 1, end: 1795169867 }, 'range specified by start and end exceeds 168h0m0s. received start=1 end=1795169867'],
  [{ limit: 0 }, 'invalid limit: must be a positive number'],
  [{ limit: -1 }, 'invalid limit: strconv.ParseUint: parsing "-1": invalid syntax'],
  [{ limit: 300000 }, 'limit 300000 exceeds max limit 262144'],
  [{ spss: 101 }, 'spans per span set exceeds 100. received 101'],
  [{ spss: 'x' }, 'invalid spss: strconv.ParseUint: parsing "x": invalid syntax'],
  [{ q: '{}', tags: 'a=b' }, "invalid request: can't specify tags and q in the same query"],
  [{ tags: 'a=1 a=2' }, 'invalid tags: tag a has been set twice'],
  [{ tags: 'a="x' }, 'invalid tags: unterminated quoted value at pos 3'],
  [{ minDuration: '5' }, 'invalid minDuration: time: missing unit in duration "5"'],
  [{ minDuration: '5s', maxDuration: '1s' }, 'invalid maxDuration: must be greater than minDuration'],
  [{ q: '{ cluster = "app-cluster" }' }, 'invalid TraceQL query: parse error at line 1, col 3: unknown identifier: cluster; did you mean .cluster?'],
  [{ q: '{ service.name="api" }' }, 'invalid TraceQL query: parse error at line 1, col 3: unknown identifier: service; did you mean resource.service.name?'],
  [{ q: '{ duration > }' }, /^invalid TraceQL query: parse error at line 1, col \d+: syntax error: unexpected }/],
  [{ q: '{ && true}' }, /^invalid TraceQL query: parse error/],
  [{ q: '{} | foo()' }, /^invalid TraceQL query: parse error/],
  [{ q: `{ .a = "${'x'.repeat(131072)}" }` }, /^TraceQL expression exceeds the configured maximum size of 131072 bytes/],
];
for (const [params, text] of bad) {
  test(`400 for ${JSON.stringify(params).slice(0, 80)}`, async () => {
    const r = await query(server, '/api/search', params);
    assert.equal(r.status, 400, r.text);
    if (text instanceof RegExp) assert.match(r.text, text);
    else assert.equal(r.text, text);
    assert.equal(r.type, 'text/plain; charset=utf-8');
  });
}

// --- what clients ask --------------------------------------------------------------------------------------------

const F = 'nestedSetParent<0 && true';
const drilldown = [
  '{} | rate()',
  `{${F}} | rate()  with(sample=true)`,
  '{true && true} | rate() ',
  '{kind=server && true} | rate()  with(sample=true)',
  '{kind=consumer && true && status=error} | rate()  with(sample=true)',
  '{span.db.system.name!="" && true} | rate() ',
  `{${F} && status=error} | rate()  with(sample=true)`,
  `{${F}} | histogram_over_time(duration) with(sample=true)`,
  `{${F} && resource.service.name != nil} | rate() by(resource.service.name)`,
  `{${F} && status=error && resource.service.name != nil} | rate() by(resource.service.name)`,
  `{${F} && name != nil} | rate() by(name)`,
  ...['rootName', 'rootServiceName', 'kind', 'status', 'statusMessage', 'event:name', 'instrumentation:name', 'span:kind', 'event.exception.type', 'span.http.status_code', 'link:traceID'].map(
    (a) => `{${F} && ${a} != nil} | rate() by(${a})`,
  ),
  `{${F} && resource.service.name != nil} | quantile_over_time(duration, 0.9) by(resource.service.name)`,
  `{${F} && name != nil} | quantile_over_time(duration, 0.5,0.9,0.99) by(name)`,
  `{${F}} | quantile_over_time(duration, 0.9) `,
  `{${F} && resource.service.name="checkout"} | rate() by(resource.service.name)`,
  `{${F} && status=error && span.http.status_code=500} | rate() by(span.http.status_code)`,
  '{nestedSetParent<0 && resource.service.name="a" && name=~"GET.*" && duration>100ms} | rate()  with(sample=true)',
  `{${F}} | compare({status = error}, 10)`,
  `{${F}} | compare({duration >= 2s}, 10)`,
  `{${F}} | compare({duration >= 500ms && duration <= 2s}, 10, 1728987791000000000, 1728988006000000000)`,
  `{${F}} | compare({})`,
  `{${F}}`,
  `{${F} && status = error}`,
  `{${F} && duration > 1s}`,
  `{${F} && duration >= 0ms && duration <= 2s}`,
  `{${F} && duration > 0}`,
  `{${F}} | select(span.http.method,resource.k8s.pod.name)`,
  `({${F} } &>> { kind = server }) || ({${F} }) | select(status, resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)`,
  `({${F} && status = error} &>> { status = error }) || ({${F} && status = error}) | select(status, resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)`,
  `({${F} && duration > 1s} &>> { duration > 300ms }) || ({${F} && duration > 1s}) | select(status, resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)`,
  `{${F} && status = error} | select(resource.service.name, event.exception.message,event.exception.stacktrace,event.exception.type) with(most_recent=true)`,
  `{${F} && status = error && event.exception.message = "boom" && event.exception.type = "X"} | select(resource.service.name)`,
  `{${F} && event.exception.message =~ "^timeout after (?:\\\\d|[0-9]+) ms\\\\s+.*$"}`,
];
const kiali =
  '{ .service.name = "payments" && .http.status_code != "200" } && {  }| select(status, .service_name, .node_id, .component, .upstream_cluster, .http.method, .response_flags, .istio.destination_workload, resource.hostname, name)';
for (const q of [...drilldown, kiali, '{}', '{ }']) {
  test(`200 and only known keys: ${q.slice(0, 120)}`, async () => {
    const r = await search(server, q);
    assert.equal(r.status, 200, r.text);
    checkShape(r.json);
    for (const t of r.json.traces) {
      assert.deepEqual(t.spanSet, t.spanSets[0]);
      for (const s of t.spanSets) assert.ok(s.spans.length > 0);
    }
  });
}

test("Drilldown's structure tab gets one spanset a trace with nested sets, service and status on every span", async () => {
  const r = await search(server, drilldown.at(-6));
  assert.ok(r.json.traces.length > 0);
  for (const t of r.json.traces) {
    assert.equal(t.spanSets.length, 1);
    for (const s of t.spanSets[0].spans) {
      const a = Object.fromEntries(s.attributes.map((x) => [x.key, x.value]));
      for (const key of ['nestedSetLeft', 'nestedSetRight', 'nestedSetParent']) assert.match(a[key].intValue, /^-?\d+$/);
      assert.equal(typeof a['service.name'].stringValue, 'string');
      assert.match(a.status.stringValue, /^(ok|error|unset)$/);
      assert.equal(typeof s.name, 'string');
    }
  }
});

test("Kiali's probe sends its braces as they are", async () => {
  const r = await exchange(server.httpPort, 'GET /api/search?q={} HTTP/1.1\r\nHost: x\r\n\r\n');
  assert.equal(r.status, 200);
  checkShape(JSON.parse(r.body));
});

test('a trace is shown with what the table needs', async () => {
  const r = await search(server, '{ name = "SELECT" } | select(resource.service.name, duration, span.num.int)');
  const [t] = r.json.traces;
  assert.equal(t.traceID, 'a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1');
  assert.equal(t.rootServiceName, 'frontend');
  assert.equal(t.rootTraceName, 'GET /checkout');
  assert.equal(t.startTimeUnixNano, `${base}000000000`);
  assert.equal(t.durationMs, 2000);
  assert.deepEqual(t.serviceStats, { cart: { spanCount: 2, errorCount: 1 }, frontend: { spanCount: 3 } });
  const [s] = t.spanSet.spans;
  assert.deepEqual([s.spanID, s.name, s.durationNanos], ['a100000000000004', 'SELECT', '100000000']);
  assert.deepEqual(s.attributes, [
    { key: 'service.name', value: { stringValue: 'cart' } },
    { key: 'num.int', value: { intValue: '10' } },
  ]);
});

test('a trace without root says so, and its zero fields are left out', async () => {
  const r = await search(server, '{ name = "headless" }');
  const [t] = r.json.traces;
  assert.equal(t.rootServiceName, '<root span not yet received>');
  assert.ok(!('rootTraceName' in t));
  assert.match(r.text, /\\u003croot span not yet received\\u003e/);
});

test('an empty answer still has its lists', async () => {
  const r = await search(server, '{ name = "nothing" }');
  assert.match(r.text, /^\{"traces":\[\],"metrics":\{/);
});

// --- values in a table -------------------------------------------------------------------------------------------

test('arrays are shown as text, and a key with mixed types as text throughout', async () => {
  const r = await search(server, '{ } | select(span.arr.str, span.arr.int, span.http.status_code, span.flag, span.num.int)');
  const kinds = {};
  for (const t of r.json.traces)
    for (const s of t.spanSet.spans)
      for (const a of s.attributes ?? []) (kinds[a.key] ??= new Set()).add(Object.keys(a.value)[0]);
  assert.deepEqual([...kinds['arr.str']], ['stringValue']);
  assert.deepEqual([...kinds['arr.int']], ['stringValue']);
  assert.deepEqual([...kinds['http.status_code']], ['stringValue']);
  assert.deepEqual([...kinds.flag], ['boolValue']);
  assert.deepEqual([...kinds['num.int']], ['intValue']);
});

// --- order and limits --------------------------------------------------------------------------------------------

test('the newest traces are found, whatever order they came in, and ties go by trace id', async () => {
  const own = await Server.start();
  try {
    const ids = Array.from({ length: 60 }, newTraceId);
    const start = (i) => BigInt(base + Math.floor(i / 2)) * 1_000_000_000n; // two of each
    const order = ids.map((_, i) => i).sort(() => Math.random() - 0.5);
    for (const i of order) {
      await mustPush(own, makeRequest([makeSpan({ traceId: ids[i], startTimeUnixNano: String(start(i)), endTimeUnixNano: String(start(i) + 5n) })]));
    }
    const want = ids
      .map((id, i) => ({ id: id.replace(/^0+/, ''), at: start(i) }))
      .sort((a, b) => (a.at === b.at ? (a.id.padStart(32, '0') < b.id.padStart(32, '0') ? -1 : 1) : a.at > b.at ? -1 : 1))
      .slice(0, 15)
      .map((t) => t.id);
    for (const q of ['{ }', '{ name = "span" }', '{ } | count() > 0', '{ name = "none" } || { kind = internal }']) {
      const r = await search(own, q, { limit: 15 });
      assert.deepEqual(r.json.traces.map((t) => t.traceID), want, q);
    }
  } finally {
    await own.stop();
  }
});

test('conditions on whole traces find them all among many, each whole, also when their spans came apart', async () => {
  const own = await Server.start();
  try {
    const ids = Array.from({ length: 400 }, newTraceId);
    const start = (i) => BigInt(base) * 1_000_000_000n + BigInt(i) * 1_000_000n;
    const root = ids.map((traceId, i) =>
      makeSpan({ traceId, spanId: '00000000000000a1', name: 'root', startTimeUnixNano: String(start(i)), endTimeUnixNano: String(start(i) + 9n) }));
    const child = (i, n) =>
      makeSpan({ traceId: ids[i], spanId: `00000000000000b${n}`, parentSpanId: '00000000000000a1', name: `child ${n}`, startTimeUnixNano: String(start(i) + 1n), endTimeUnixNano: String(start(i) + 2n) });
    for (const n of [1, 2]) await mustPush(own, makeRequest(ids.map((_, i) => i).filter((i) => i % (n + 1) === 0).map((i) => child(i, n)), { service: `s${n}` }));
    await fetch(`${own.url}/flush`, { method: 'POST' });
    for (let i = 0; i < ids.length; i += 100) await mustPush(own, makeRequest(root.slice(i, i + 100)));
    await mustPush(own, makeRequest(root.slice(0, 50))); // sent again: still one span
    const counts = ids.map((_, i) => 1 + (i % 2 === 0) + (i % 3 === 0));
    for (const n of [1, 2, 3, 4]) {
      const want = ids.map((id, i) => ({ id: id.replace(/^0+/, ''), i })).filter(({ i }) => counts[i] === n).reverse().map(({ id }) => id);
      const all = await search(own, `{ } | count() = ${n}`, { limit: 1000 });
      assert.deepEqual(all.json.traces.map((t) => t.traceID), want, `count ${n}`);
      for (const t of all.json.traces) assert.equal(t.spanSet.matched, n);
      const few = await search(own, `{ } | count() = ${n}`, { limit: 90 });
      assert.deepEqual(few.json.traces.map((t) => t.traceID), want.slice(0, 90), `count ${n}, 90 of them`);
    }
    const structural = await search(own, '{ name = "root" } > { resource.service.name = "s2" }', { limit: 1000 });
    assert.equal(structural.json.traces.length, ids.filter((_, i) => i % 3 === 0).length);
  } finally {
    await own.stop();
  }
});

test('a span is searchable at once, also without a range', async () => {
  const traceId = newTraceId();
  const now = BigInt(Date.now()) * 1_000_000n;
  await mustPush(server, makeRequest([makeSpan({ traceId, name: 'fresh one', startTimeUnixNano: String(now), endTimeUnixNano: String(now + 9n) })]));
  const r = await query(server, '/api/search', { q: '{ name = "fresh one" }' });
  assert.deepEqual(r.json.traces.map((t) => t.traceID), [traceId.replace(/^0+/, '')]);
});

test('most_recent changes nothing: answers are newest first anyway', async () => {
  const a = await search(server, '{ }', { limit: 2 });
  const b = await search(server, '{ } with(most_recent=true)', { limit: 2 });
  assert.deepEqual(a.json.traces, b.json.traces);
});

// --- legacy searches ---------------------------------------------------------------------------------------------

const legacy = [
  [{ tags: 'service.name=front' }, ['a1']],
  [{ tags: 'name=SEL' }, ['a1']],
  [{ tags: 'foo=bar' }, ['b2', 'a1']],
  [{ tags: 'foo=ba' }, []],
  [{ tags: 'http.status_code=500' }, ['b2', 'a1']],
  [{ tags: 'http.status_code=0500' }, ['b2', 'a1']],
  [{ tags: 'status.code=error' }, ['b2', 'a1']],
  [{ tags: 'error=true service.name="cart"' }, ['a1']],
  [{ tags: 'root.name=POST' }, ['b2']],
  [{ minDuration: '2500ms' }, ['b2']],
  [{ minDuration: '0s', maxDuration: '60ms' }, ['c3']],
  [{ tags: 'attr with space=x' }, []],
  [{}, ['d4', 'c3', 'b2', 'a1']],
];
for (const [params, want] of legacy) {
  test(`legacy ${JSON.stringify(params)}`, async () => {
    const r = await query(server, '/api/search', { ...params, ...range });
    assert.equal(r.status, 200, r.text);
    checkShape(r.json);
    const got = r.json.traces.filter((t) => /^(a1a1|b2b2|c3c3|d4d4)/.test(t.traceID));
    assert.deepEqual(got.map((t) => t.traceID.slice(0, 2)), want);
    for (const t of r.json.traces) assert.ok(!t.spanSet && !t.spanSets && !t.serviceStats);
  });
}

// --- tags ------------------------------------------------------------------------------------------------------------

test('tag names, first version: sorted, all scopes in one list', async () => {
  const r = await query(server, '/api/search/tags', range);
  assert.deepEqual(r.json.tagNames, [...r.json.tagNames].sort());
  for (const n of ['service.name', 'foo', 'http.method', 'lib.lang', 'attempt']) assert.ok(r.json.tagNames.includes(n), n);
  assert.ok(!r.json.tagNames.includes('rootName'));
  const intrinsic = await query(server, '/api/search/tags', { ...range, scope: 'intrinsic' });
  assert.ok(intrinsic.json.tagNames.includes('rootName'));
});

test('a limit cuts names and values', async () => {
  const names = await query(server, '/api/v2/search/tags', { ...range, scope: 'span', limit: 3 });
  assert.equal(names.json.scopes[0].tags.length, 3);
  const values = await query(server, '/api/v2/search/tag/name/values', { ...range, limit: 2 });
  assert.equal(values.json.tagValues.length, 2);
});

const v1Values = [
  ['service.name', ['', 'cart', 'frontend', 'ledger', 'payments', 'worker']],
  ['foo', ['bar', 'baz', 'resfoo']],
  ['root.service.name', ['', 'frontend', 'payments']],
  ['error', ['true']],
  ['nothing', []],
];
for (const [tag, want] of v1Values) {
  test(`tag values, first version: ${tag}`, async () => {
    const r = await query(server, `/api/search/tag/${tag}/values`, range);
    assert.deepEqual(r.json.tagValues, want);
  });
}

test('a tag name may hold slashes, quotes, spaces, and be encoded twice; a spurious tag parameter is ignored', async () => {
  const own = await Server.start();
  try {
    const attributes = [str('k8s.io/role', 'web'), str('odd key', 'x'), str('a"b', 'q'), int('n', 3)];
    const now = BigInt(base) * 1_000_000_000n;
    await mustPush(own, makeRequest([makeSpan({ attributes, startTimeUnixNano: String(now), endTimeUnixNano: String(now + 1n) })]));
    const values = async (path) => (await query(own, path, { ...range, tag: 'spurious' })).json.tagValues.map((v) => v.value);
    assert.deepEqual(await values('/api/v2/search/tag/span.k8s.io/role/values'), ['web']);
    assert.deepEqual(await values('/api/v2/search/tag/span.k8s.io%2Frole/values'), ['web']);
    assert.deepEqual(await values('/api/v2/search/tag/span.k8s.io%252Frole/values'), ['web']);
    assert.deepEqual(await values('/api/v2/search/tag/span.%22odd%20key%22/values'), ['x']);
    assert.deepEqual(await values('/api/v2/search/tag/span.%22a%5C%22b%22/values'), ['q']);
    assert.deepEqual(await values('/api/v2/search/tag/span.n/values'), ['3']);
    assert.equal((await fetch(`${own.url}/api/v2/search/tag/span.x`)).status, 404);
  } finally {
    await own.stop();
  }
});

test('a tag that is no identifier is refused with what to write', async () => {
  const r = await query(server, '/api/v2/search/tag/service.name/values', range);
  assert.equal(r.status, 400);
  assert.equal(
    r.text,
    'please provide a valid tagName: failed to parse identifier service.name: parse error at line 1, col 2: unknown identifier: service; did you mean resource.service.name?',
  );
});

test('too many OR groups are refused', async () => {
  const q = `{ ${Array.from({ length: 101 }, (_, i) => `span.foo = "${i}"`).join(' || ')} }`;
  const r = await query(server, '/api/v2/search/tag/name/values', { ...range, q });
  assert.equal(r.status, 400);
  assert.match(r.text, /^maximum condition groups reached \(limit: 100\)/);
});

// --- tenants -----------------------------------------------------------------------------------------------------

test('tenants see their own; a|b sees both', async () => {
  const own = await Server.start({ multitenancy_enabled: true });
  try {
    const at = { startTimeUnixNano: `${base}000000000`, endTimeUnixNano: `${base}000000009` };
    await mustPush(own, makeRequest([makeSpan({ name: 'of a', ...at })]), { 'x-scope-orgid': 'a' });
    await mustPush(own, makeRequest([makeSpan({ name: 'of b', ...at })]), { 'x-scope-orgid': 'b' });
    const names = async (tenant) =>
      (await query(own, '/api/v2/search/tag/name/values', range, { 'x-scope-orgid': tenant })).json.tagValues.map((v) => v.value);
    assert.deepEqual(await names('a'), ['of a']);
    assert.deepEqual(await names('a|b'), ['of a', 'of b']);
    const found = async (tenant) => (await search(own, '{ }', {}, { 'x-scope-orgid': tenant })).json.traces.length;
    assert.deepEqual([await found('a'), await found('b'), await found('a|b'), await found('c')], [1, 1, 2, 0]);
    assert.equal((await search(own, '{ }')).status, 401);
  } finally {
    await own.stop();
  }
});

// --- hostile -----------------------------------------------------------------------------------------------------

const rss = async (s) => Number(/^process_resident_memory_bytes (\S+)/m.exec(await (await fetch(`${s.url}/metrics`)).text())[1]);

test('large, deep and costly queries are answered, quickly and without much memory', async () => {
  const before = await rss(server);
  const queries = [
    `{ ${'('.repeat(60000)}true${')'.repeat(60000)} }`,
    `${'('.repeat(60000)}{ true }${')'.repeat(60000)}`,
    `{ ${'!'.repeat(130000)}true }`,
    `{ ${'-'.repeat(130000)}1 = 1 }`,
    `{ ${Array.from({ length: 5000 }, (_, i) => `.a${i} = ${i}`).join(' || ')} }`,
    Array.from({ length: 15000 }, () => '{ }').join(' >> '),
    '{ name =~ "(a*)*b" }',
    '{ name =~ "(((((a{1,30}){1,30}){1,30}){1,30}){1,30}){1,30}" }',
    `{ name =~ "${'(a|b)*'.repeat(15000)}" }`,
    `{ name =~ "${'['.repeat(120000)}" }`,
    `{} | ${Array.from({ length: 10000 }, () => 'by(name)').join(' | ')}`,
    `{} | select(${Array.from({ length: 15000 }, (_, i) => `.a${i}`).join(', ')})`,
  ];
  for (const q of queries) {
    const began = performance.now();
    const r = await search(server, q);
    assert.ok([200, 400].includes(r.status), `${q.slice(0, 60)}: ${r.status} ${r.text.slice(0, 200)}`);
    assert.ok(performance.now() - began < 10_000, q.slice(0, 60));
  }
  const more = (await rss(server)) - before;
  const bound = /asan|tsan/.test(binary) ? 600 : 150; // sanitizers keep freed memory
  assert.ok(more < bound << 20, `${more} bytes more`);
});

test('200 searches at once are all answered, and pushes meanwhile', async () => {
  const all = Array.from({ length: 200 }, (_, i) => search(server, i % 2 ? '{ } >> { }' : '{ status = error } | count() > 0'));
  await mustPush(server, makeRequest([makeSpan()]));
  for (const r of await Promise.all(all)) {
    assert.equal(r.status, 200, r.text);
    checkShape(r.json);
  }
});

test('protobuf when asked for', async () => {
  const url = `${server.url}/api/search?q=${encodeURIComponent('{ name = "SELECT" }')}&start=${range.start}&end=${range.end}`;
  const r = await fetch(url, { headers: { accept: 'application/protobuf' } });
  assert.equal(r.headers.get('content-type'), 'application/protobuf');
  assert.ok(Buffer.from(await r.arrayBuffer()).includes('a100000000000004'));
});

test("the querier's own paths, HEAD and POST work as GET", async () => {
  const params = `q=%7B%7D&start=${range.start}&end=${range.end}`;
  for (const path of ['/api/search', '/querier/api/search']) {
    for (const method of ['GET', 'POST', 'HEAD']) {
      assert.equal((await fetch(`${server.url}${path}?${params}`, { method })).status, 200, `${method} ${path}`);
    }
  }
});
