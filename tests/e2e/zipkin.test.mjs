// Zipkin on its port: statuses, encodings, metrics, and real clients (receivers.md 5, 9).
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { ZipkinExporter } from '@opentelemetry/exporter-zipkin';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { startEverything, until } from './lib/jaeger.mjs';
import { newSpanId, newTraceId, readTrace } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

const require = createRequire(import.meta.url);
let server;
before(async () => (server = await startEverything()));
after(() => server?.stop());

async function send(body, headers = {}, path = '/api/v2/spans', method = 'POST') {
  const r = await fetch(`http://127.0.0.1:${server.zipkinPort}${path}`, { method, headers, body });
  return { status: r.status, text: await r.text(), headers: r.headers };
}

const span = (fields = {}) => ({ traceId: newTraceId(), id: newSpanId(), name: 'n', timestamp: Date.now() * 1000, duration: 5, localEndpoint: { serviceName: 's' }, ...fields });

test('an empty list is 202, as curl -d [] sends it, and the connection is closed', async () => {
  const r = await send('[]', { 'content-type': 'application/x-www-form-urlencoded' });
  assert.deepEqual([r.status, r.text, r.headers.get('connection')], [202, '', 'close']);
});

for (const path of ['/', '/api/v2/spans', '/foo', '/api/v2/spans/']) {
  test(`spans are taken at ${path}`, async () => {
    const s = span();
    assert.equal((await send(JSON.stringify([s]), {}, path)).status, 202);
    const [got] = await readTrace(server, s.traceId);
    assert.equal(got.spanId, s.id);
  });
}

for (const [name, encode] of Object.entries({ gzip: zlib.gzipSync, zlib: zlib.deflateSync, deflate: zlib.deflateSync, zstd: zlib.zstdCompressSync })) {
  test(`a body in ${name} is taken`, { skip: !encode }, async () => {
    const s = span();
    assert.equal((await send(encode(JSON.stringify([s])), { 'content-encoding': name })).status, 202);
    assert.equal((await readTrace(server, s.traceId)).length, 1);
  });
}

const refused = [
  ['an empty body', '', {}, /unexpected end of JSON input/],
  ['no list', '{}', {}, /an array is wanted/],
  ['no id', JSON.stringify([{ traceId: '1' }]), {}, /valid span id required/],
  ['a long trace id', JSON.stringify([span({ traceId: '1'.repeat(33) })]), {}, /valid traceId required/],
  ['a number as a tag', JSON.stringify([span({ tags: { a: 1 } })]), {}, /a string is wanted/],
  ['an encoding nobody knows', '[]', { 'content-encoding': 'br' }, /unsupported Content-Encoding: br/],
  ['gzip that is none', '[]', { 'content-encoding': 'gzip' }, /./],
  ['a body over 20 MiB', '['.padEnd(21 << 20), {}, /request body too large/],
  ['a body over 20 MiB when unpacked', zlib.gzipSync('['.padEnd(21 << 20)), { 'content-encoding': 'gzip' }, /request body too large/],
];
for (const [name, body, headers, text] of refused) {
  test(`${name} -> 400 in plain text`, async () => {
    const r = await send(body, headers);
    assert.equal(r.status, 400);
    assert.match(r.text, text);
    assert.match(r.headers.get('content-type'), /^text\/plain/);
    assert.equal(r.headers.get('x-content-type-options'), 'nosniff');
  });
}

test('a trace id of zero is found out after decoding: 500 with quotes', async () => {
  const r = await send(JSON.stringify([{ id: '1' }]));
  assert.deepEqual([r.status, r.text], [500, '"Internal Server Error"']);
});

test('GET is a request with an empty body', async () => {
  assert.equal((await send(undefined, {}, '/api/v2/spans', 'GET')).status, 400);
});

test('v1 JSON and Thrift have their path, and each form its metric', async () => {
  const traceId = newTraceId();
  const v1 = [{ traceId, id: newSpanId(), name: 'v1', timestamp: Date.now() * 1000, duration: 1, annotations: [{ timestamp: 1, value: 'sr', endpoint: { serviceName: 'old' } }] }];
  assert.equal((await send(JSON.stringify(v1), { 'content-type': 'application/json' }, '/api/v1/spans')).status, 202);
  const [got] = await readTrace(server, traceId);
  assert.deepEqual([got.name, got.kind, got.resource['service.name'].stringValue], ['v1', 'SPAN_KIND_SERVER', 'old']);
  const i64 = (id, v) => Buffer.concat([Buffer.from([10, 0, id]), Buffer.from(v.toString(16).padStart(16, '0'), 'hex')]);
  const low = 0x1234_5678_9abcn;
  const list = Buffer.concat([Buffer.from([12, 0, 0, 0, 1]), i64(1, low), i64(4, 7n), i64(10, BigInt(Date.now()) * 1000n), Buffer.from([0])]);
  assert.equal((await send(list, { 'content-type': 'application/x-thrift' }, '/api/v1/spans')).status, 202);
  assert.equal((await readTrace(server, low.toString(16)))[0].spanId, '0000000000000007');
  assert.equal((await send(list, { 'content-type': 'application/x-thrift' }, '/api/v2/spans')).status, 400, 'v2 has no Thrift');
  for (const transport of ['http_v2_json', 'http_v1_json', 'http_v1_thrift']) {
    assert.ok((await server.metric('tempo_receiver_accepted_spans', { receiver: 'zipkin/zipkin_receiver', transport })) > 0, transport);
  }
});

test('v2 protobuf is known by its exact content type', async () => {
  const id = Buffer.from(newTraceId(), 'hex');
  const body = Buffer.concat([Buffer.from([0x0a, 28, 0x0a, 16]), id, Buffer.from([0x1a, 8, 0, 0, 0, 0, 0, 0, 0, 9])]);
  assert.equal((await send(body, { 'content-type': 'application/x-protobuf' })).status, 202);
  assert.equal((await readTrace(server, id.toString('hex')))[0].spanId, '0000000000000009');
  assert.equal((await send(body, { 'content-type': 'application/x-protobuf; charset=utf-8' })).status, 400);
  assert.match((await send(Buffer.from([0x0a, 3, 0x0a, 1, 1]), { 'content-type': 'application/x-protobuf' })).text, /invalid TraceID: has length 1 yet wanted length 16/);
});

test('an Envoy batch is stored with its services, kinds and parents', async () => {
  const traceId = newTraceId();
  const [client, service] = [newSpanId(), newSpanId()];
  const now = Date.now() * 1000;
  const body = [
    { traceId, id: client, name: 'reviews:9080/*', kind: 'CLIENT', timestamp: now, duration: 900, localEndpoint: { serviceName: 'productpage.default', ipv4: '10.1.0.5', port: 0 },
      tags: { 'http.status_code': '200', component: 'proxy', 'istio.mesh_id': 'cluster.local' }, shared: false },
    { traceId, id: service, parentId: client, name: 'reviews:9080/*', kind: 'SERVER', timestamp: now + 50, duration: 700, localEndpoint: { serviceName: 'reviews.default', ipv4: '10.1.0.6', port: 9080 },
      tags: { 'http.status_code': '503', error: 'true', response_flags: 'UF' } },
  ];
  assert.equal((await send(JSON.stringify(body), { 'content-type': 'application/json' })).status, 202);
  const spans = Object.fromEntries((await readTrace(server, traceId)).map((s) => [s.spanId, s]));
  assert.equal(spans[client].kind, 'SPAN_KIND_CLIENT');
  assert.equal(spans[client].resource['service.name'].stringValue, 'productpage.default');
  assert.equal(spans[client].attributes['istio.mesh_id'].stringValue, 'cluster.local');
  assert.equal(spans[service].parentSpanId, client);
  assert.equal(spans[service].kind, 'SPAN_KIND_SERVER');
  assert.equal(spans[service].status.code, 'STATUS_CODE_ERROR');
  assert.deepEqual(spans[service].attributes['net.host.port'], { intValue: '9080' });
});

test('the OpenTelemetry exporter for Zipkin', async () => {
  const exporter = new ZipkinExporter({ url: `http://127.0.0.1:${server.zipkinPort}/api/v2/spans` });
  const provider = new BasicTracerProvider({ resource: resourceFromAttributes({ 'service.name': 'otel-zipkin' }), spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const tracer = provider.getTracer('lib', '1');
  const parent = tracer.startSpan('parent', { kind: SpanKind.SERVER }, ROOT_CONTEXT);
  const child = tracer.startSpan('child', { kind: SpanKind.CLIENT, attributes: { 'http.method': 'GET', n: 3 } }, trace.setSpan(ROOT_CONTEXT, parent));
  child.addEvent('cache miss');
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'boom' });
  child.end();
  parent.end();
  await provider.shutdown();
  const spans = await until(async () => {
    const got = await readTrace(server, parent.spanContext().traceId).catch(() => []);
    return got.length === 2 && got;
  });
  const got = spans.find((s) => s.name === 'child');
  assert.equal(got.parentSpanId, parent.spanContext().spanId);
  assert.equal(got.kind, 'SPAN_KIND_CLIENT');
  assert.equal(got.status.code, 'STATUS_CODE_ERROR');
  assert.equal(got.events[0].name, 'cache miss');
  assert.equal(got.attributes['http.method'].stringValue, 'GET');
  assert.equal(got.resource['service.name'].stringValue, 'otel-zipkin');
});

test('the zipkin package with its HTTP transport', async () => {
  const { BatchRecorder, ExplicitContext, Tracer, jsonEncoder } = require('zipkin');
  const { HttpLogger } = require('zipkin-transport-http');
  for (const [encoder, path] of [[jsonEncoder.JSON_V2, '/api/v2/spans'], [jsonEncoder.JSON_V1, '/api/v1/spans']]) {
    const logger = new HttpLogger({ endpoint: `http://127.0.0.1:${server.zipkinPort}${path}`, jsonEncoder: encoder, httpInterval: 20 });
    const tracer = new Tracer({ ctxImpl: new ExplicitContext(), recorder: new BatchRecorder({ logger }), localServiceName: 'node-zipkin', traceId128Bit: true });
    const id = tracer.createRootId();
    tracer.local('work', () => {});
    tracer.scoped(() => {
      tracer.setId(id);
      tracer.recordServiceName('node-zipkin');
      tracer.recordRpc('get');
      tracer.recordBinary('http.path', '/x');
      tracer.recordAnnotation(new (require('zipkin').Annotation.ServerRecv)());
      tracer.recordAnnotation(new (require('zipkin').Annotation.ServerSend)());
    });
    const [got] = await until(async () => {
      const spans = await readTrace(server, id.traceId).catch(() => []);
      return spans.length > 0 && spans;
    });
    assert.equal(got.name, 'get');
    assert.equal(got.kind, 'SPAN_KIND_SERVER');
    assert.equal(got.attributes['http.path'].stringValue, '/x');
    assert.equal(got.resource['service.name'].stringValue, 'node-zipkin');
  }
});

test('string tags become numbers when the configuration says so', async () => {
  const other = await Server.start((s) => ({ distributor: { receivers: { zipkin: { endpoint: `127.0.0.1:${s.zipkinPort}`, parse_string_tags: true } } } }));
  try {
    const s = span({ tags: { i: '42', d: '0.5', b: 'true', s: '4x' } });
    await fetch(`http://127.0.0.1:${other.zipkinPort}/api/v2/spans`, { method: 'POST', body: JSON.stringify([s]) });
    const [{ attributes }] = await readTrace(other, s.traceId);
    assert.deepEqual(attributes, { i: { intValue: '42' }, d: { doubleValue: 0.5 }, b: { boolValue: true }, s: { stringValue: '4x' } });
  } finally {
    await other.stop();
  }
});

test('with tenants, a span without one is refused with 500 and read by its own', async () => {
  const other = await startEverything({ multitenancy_enabled: true });
  try {
    const url = `http://127.0.0.1:${other.zipkinPort}/api/v2/spans`;
    const s = span();
    assert.equal((await fetch(url, { method: 'POST', body: JSON.stringify([s]) })).status, 500);
    assert.equal((await fetch(url, { method: 'POST', body: '[]' })).status, 202);
    assert.equal((await fetch(url, { method: 'POST', body: JSON.stringify([s]), headers: { 'x-scope-orgid': 'a' } })).status, 202);
    assert.equal((await readTrace(other, s.traceId, { 'x-scope-orgid': 'a' })).length, 1);
  } finally {
    await other.stop();
  }
});
