// tempopb.StreamingQuerier on both ports, as Grafana and Kiali call it.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import protobuf from 'protobufjs';
import { base, pushDataset, search } from './lib/dataset.mjs';
import { call, frame } from './lib/grpc.mjs';
import { makeRequest, makeSpan, mustPush, newTraceId, str } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url)); // import.meta.dirname is newer than Debian's node

const root = protobuf.loadSync(join(here, 'proto/tempopb.proto'));
const type = (name) => root.lookupType(`tempopb.${name}`);
const encode = (name, v) => Buffer.from(type(name).encode(type(name).fromObject(v)).finish());

let server;
before(async () => {
  server = await Server.start();
  await pushDataset(server);
});
after(() => server?.stop());

/** The messages in the data of a call, and their sizes. */
function messages(data, name) {
  const out = [];
  for (let at = 0; at < data.length; ) {
    const n = data.readUInt32BE(at + 1);
    const bytes = data.subarray(at + 5, at + 5 + n);
    out.push({ bytes: n, ...type(name).toObject(type(name).decode(bytes), { longs: String, arrays: true, objects: true }) });
    at += 5 + n;
  }
  return out;
}

const replies = { Search: 'SearchResponse', SearchTags: 'SearchTagsResponse', SearchTagsV2: 'SearchTagsV2Response', SearchTagValues: 'SearchTagValuesResponse', SearchTagValuesV2: 'SearchTagValuesV2Response' };
const requests = { Search: 'SearchRequest', SearchTags: 'SearchTagsRequest', SearchTagsV2: 'SearchTagsRequest', SearchTagValues: 'SearchTagValuesRequest', SearchTagValuesV2: 'SearchTagValuesRequest' };
async function ask(method, request, { port = server.httpPort, headers } = {}) {
  const r = await call(port, { path: `/tempopb.StreamingQuerier/${method}`, headers, body: frame(encode(requests[method], request)) });
  return { ...r, messages: messages(r.data, replies[method]) };
}
const range = { start: base - 60, end: base + 600 };

for (const port of ['httpPort', 'grpcPort']) {
  test(`a search on ${port} ends with the whole result, as over HTTP`, async () => {
    const r = await ask('Search', { Query: '{ } | select(name, span.num.int)', Limit: 100, SpansPerSpanSet: 100, ...range }, { port: server[port] });
    assert.equal(r.status, 0, r.message);
    const last = r.messages.at(-1);
    const http = (await search(server, '{ } | select(name, span.num.int)')).json;
    assert.deepEqual(last.traces.map((t) => t.traceID), http.traces.map((t) => t.traceID));
    for (const [i, t] of last.traces.entries()) {
      assert.deepEqual(t.spanSet, t.spanSets[0]);
      assert.deepEqual(t.spanSet.spans.map((s) => [s.spanID, s.name, s.startTimeUnixNano]), http.traces[i].spanSet.spans.map((s) => [s.spanID, s.name, s.startTimeUnixNano]));
      assert.equal(t.rootServiceName, http.traces[i].rootServiceName);
      assert.deepEqual(Object.keys(t.serviceStats).sort(), Object.keys(http.traces[i].serviceStats).sort());
    }
    assert.ok(last.metrics.totalJobs > 0 && last.metrics.completedJobs === last.metrics.totalJobs);
  });

  test(`an empty request on ${port} is a health check that succeeds`, async () => {
    const r = await ask('Search', {}, { port: server[port] });
    assert.equal(r.status, 0, r.message);
    assert.ok(r.messages.length >= 1);
    assert.ok(r.messages[0].metrics);
  });
}

test('no hit: one message, with metrics', async () => {
  const r = await ask('Search', { Query: '{ name = "nothing" }', ...range });
  assert.equal(r.messages.length, 1);
  assert.ok(r.messages[0].metrics.totalJobs > 0);
  assert.deepEqual(r.messages[0].traces, []);
});

test('spans per spanset 0 means all of them here', async () => {
  const r = await ask('Search', { Query: '{ }', Limit: 100, ...range });
  const a1 = r.messages.at(-1).traces.find((t) => t.traceID.startsWith('a1a1'));
  assert.equal(a1.spanSet.spans.length, 5);
});

const refused = [
  [{ Query: '{ foo = 1 }' }, 3, /^invalid TraceQL query: parse error at line 1, col 3: unknown identifier: foo/],
  [{ Query: '{}', start: 10, end: 5 }, 3, /^http parameter start must be before end/],
  [{ Query: '{}', Limit: 300000 }, 3, /^limit 300000 exceeds max limit 262144/],
  [{ Query: '({ } | by(kind)) >> ({ })', ...range }, 13, /^spanset operators are not supported/],
  [{ Query: `{ .a = "${'x'.repeat(131072)}" }` }, 3, /^TraceQL expression exceeds/],
];
for (const [request, status, text] of refused) {
  test(`status ${status} for ${JSON.stringify(request).slice(0, 80)}`, async () => {
    const r = await ask('Search', request);
    assert.equal(r.status, status);
    assert.match(r.message, text);
  });
}

test('tags and values, both versions', async () => {
  const v1 = await ask('SearchTags', range);
  assert.ok(v1.messages.at(-1).tagNames.includes('service.name'));
  const v2 = await ask('SearchTagsV2', { scope: 'span', ...range });
  assert.ok(v2.messages.at(-1).scopes.find((s) => s.name === 'span').tags.includes('http.method'));
  const values = await ask('SearchTagValuesV2', { tagName: 'resource.service.name', query: '{ name = "SELECT" }', ...range });
  assert.deepEqual(values.messages.at(-1).tagValues, [{ type: 'string', value: 'cart' }]);
  const old = await ask('SearchTagValues', { tagName: 'service.name', ...range });
  assert.ok(old.messages.at(-1).tagValues.includes('cart'));
  assert.ok(old.messages.at(-1).metrics);
  assert.equal((await ask('SearchTagsV2', { scope: 'bogus' })).status, 3);
});

test('an unknown method is refused', async () => {
  const r = await call(server.httpPort, { path: '/tempopb.StreamingQuerier/Nope' });
  assert.equal(r.status, 12);
  assert.equal(r.message, 'unknown method Nope for service tempopb.StreamingQuerier');
});

test('a large result comes in packets of at most 1 MiB, each with metrics, every trace once in the end', async () => {
  const own = await Server.start();
  try {
    const ids = Array.from({ length: 300 }, newTraceId);
    const at = BigInt(base) * 1_000_000_000n;
    const text = 'v'.repeat(10_000);
    for (let i = 0; i < ids.length; i += 50) {
      const spans = ids.slice(i, i + 50).map((traceId) =>
        makeSpan({ traceId, attributes: [str('big', text)], startTimeUnixNano: String(at), endTimeUnixNano: String(at + 1n) }));
      await mustPush(own, makeRequest(spans));
    }
    const r = await ask('Search', { Query: '{ } | select(span.big)', Limit: 1000, ...range }, { port: own.httpPort });
    assert.equal(r.status, 0, r.message);
    assert.ok(r.messages.length > 1);
    const seen = new Set();
    for (const m of r.messages) {
      assert.ok(m.bytes <= 1 << 20, `${m.bytes}`);
      assert.ok(m.metrics.totalJobs > 0);
      for (const t of m.traces) seen.add(t.traceID);
    }
    assert.equal(seen.size, ids.length);
  } finally {
    await own.stop();
  }
});

/** What streams of tags say on the way, on a server that has so much to do that they take a second. */
async function askWhileBusy(own, method, request) {
  for (let busy = 30; ; busy *= 2) {
    let over = false;
    const load = Array.from({ length: busy }, async () => {
      while (!over) await ask('Search', { Query: '{ } >> { } | count() > 1', Limit: 1, ...range }, { port: own.httpPort });
    });
    const began = performance.now();
    const r = await ask(method, request, { port: own.httpPort });
    const ms = performance.now() - began;
    over = true;
    await Promise.all(load);
    assert.equal(r.status, 0, r.message);
    if (ms > 1500) return { ...r, ms };
    assert.ok(busy < 500, `never took longer than ${ms} ms`);
  }
}

test('a tag query that takes long tells what is new on the way, each name and value once, and all in the end', async () => {
  const own = await Server.start();
  try {
    const at = String(BigInt(base) * 1_000_000_000n);
    for (let i = 0; i < 24; i++) {
      const traceId = newTraceId();
      const spans = Array.from({ length: 4000 }, (_, k) =>
        makeSpan({ traceId, attributes: [str('v', `v${i}`), str(`tag${i}`, `${k % 50}`)], startTimeUnixNano: at, endTimeUnixNano: at }));
      await mustPush(own, makeRequest(spans));
    }
    const asks = [
      ['SearchTagValuesV2', { tagName: 'span.v', ...range }, (m) => m.tagValues.map((v) => v.value), 24],
      ['SearchTagsV2', { scope: 'span', ...range }, (m) => m.scopes.flatMap((s) => s.tags), 25],
      ['SearchTags', { scope: 'span', ...range }, (m) => m.tagNames, 25],
    ];
    for (const [method, request, words, count] of asks) {
      const r = await askWhileBusy(own, method, request);
      const parts = r.messages.slice(0, -1).map(words);
      assert.ok(parts.length >= 1 && parts.length <= r.ms / 500, `${method}: ${parts.length} parts in ${r.ms} ms`);
      assert.ok(parts.flat().length > 0, `${method} told nothing on the way`);
      assert.equal(new Set(parts.flat()).size, parts.flat().length, 'each once');
      const all = words(r.messages.at(-1));
      assert.equal(all.length, count);
      for (const word of parts.flat()) assert.ok(all.includes(word));
      for (const m of r.messages) assert.ok(m.metrics);
    }
  } finally {
    await own.stop();
  }
});

test('a client that hangs up stops the work', async () => {
  const session = http2.connect(`http://127.0.0.1:${server.httpPort}`);
  try {
    const body = frame(encode('SearchRequest', { Query: '{ } >> { } >> { } >> { }', ...range }));
    for (let i = 0; i < 30; i++) {
      const stream = session.request({ ':method': 'POST', ':path': '/tempopb.StreamingQuerier/Search', 'content-type': 'application/grpc', te: 'trailers' });
      stream.on('error', () => {});
      stream.end(body);
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    const r = await ask('Search', { Query: '{ name = "SELECT" }', ...range });
    assert.equal(r.messages.at(-1).traces.length, 1);
  } finally {
    session.destroy();
  }
});

test('tenants: without an id a multitenant server refuses', async () => {
  const own = await Server.start({ multitenancy_enabled: true });
  try {
    const none = await ask('Search', { Query: '{}' }, { port: own.httpPort });
    assert.deepEqual([none.status, none.message], [2, 'no org id']);
    const some = await ask('Search', { Query: '{}' }, { port: own.httpPort, headers: { 'x-scope-orgid': 'a' } });
    assert.equal(some.status, 0);
  } finally {
    await own.stop();
  }
});
