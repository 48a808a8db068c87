// Jaeger on its four ports: statuses, drops, metrics, and real clients (receivers.md 6).
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';
import { call, frame } from './lib/grpc.mjs';
import { datagram, encodePostSpans, POST_SPANS, postSpans, startEverything, until } from './lib/jaeger.mjs';
import { hex, makeRequest, makeSpan, mustPush, newSpanId, newTraceId, readTrace } from './lib/otlp.mjs';

const require = createRequire(import.meta.url);
let server;
before(async () => (server = await startEverything()));
after(() => server?.stop());

const RECEIVER = 'jaeger/jaeger_receiver';
const whole = (traceId, n, on = server) => until(async () => {
  const spans = await readTrace(on, traceId).catch(() => []);
  return spans.length >= n && spans;
});
const jaegerSpan = (fields) => ({ operationName: 'op', startTime: { seconds: Math.floor(Date.now() / 1000) }, duration: { nanos: 5000 }, ...fields });

// A batch in Thrift's binary protocol with one span, by hand.
function thriftBatch(traceId, spanId, service = 'thrift') {
  const head = (type, id) => Buffer.from([type, id >> 8, id & 255]);
  const i64 = (id, h) => Buffer.concat([head(10, id), hex(h.padStart(16, '0'))]);
  const string = (id, s) => Buffer.concat([head(11, id), Buffer.from([0, 0, 0, s.length]), Buffer.from(s)]);
  const stop = Buffer.from([0]);
  const time = (BigInt(Date.now()) * 1000n).toString(16);
  return Buffer.concat([
    head(12, 1), string(1, service), stop,
    head(15, 2), Buffer.from([12, 0, 0, 0, 1]),
    i64(1, traceId.slice(16)), i64(2, traceId.slice(0, 16)), i64(3, spanId), i64(4, '0'), string(5, 'op'),
    head(8, 7), Buffer.from([0, 0, 0, 1]), i64(8, time), i64(9, 'a'), stop,
    stop,
  ]);
}
const message = (batch, name = 'emitBatch') =>
  Buffer.concat([Buffer.from([0x80, 1, 0, 4, 0, 0, 0, name.length]), Buffer.from(name), Buffer.from([0, 0, 0, 0, 12, 0, 1]), batch, Buffer.from([0])]);

async function http(body, headers = {}, path = '/api/traces', method = 'POST') {
  const r = await fetch(`http://127.0.0.1:${server.jaeger.http}${path}`, { method, body, headers });
  return { status: r.status, text: await r.text(), headers: r.headers };
}
const THRIFT = { 'content-type': 'application/x-thrift' };

test('gRPC: PostSpans stores spans, each under its own process or the batch’s', async () => {
  const traceId = newTraceId();
  const [a, b] = [newSpanId(), newSpanId()];
  const batch = {
    process: { serviceName: 'front', tags: [{ key: 'hostname', vStr: 'h1' }] },
    spans: [
      jaegerSpan({ traceId: hex(traceId), spanId: hex(a), tags: [{ key: 'span.kind', vStr: 'server' }, { key: 'n', vType: 2, vInt64: 7 }] }),
      jaegerSpan({
        traceId: hex(traceId), spanId: hex(b), process: { serviceName: 'back' },
        references: [{ traceId: hex(traceId), spanId: hex(a) }],
        tags: [{ key: 'error', vType: 1, vBool: true }, { key: 'otel.scope.name', vStr: 'lib' }],
        logs: [{ timestamp: { seconds: 1 }, fields: [{ key: 'event', vStr: 'hit' }, { key: 'f', vType: 3, vFloat64: 0.5 }] }],
      }),
    ],
  };
  assert.deepEqual(await postSpans(server, { batch }), { code: 0, answer: Buffer.alloc(0) });
  const spans = Object.fromEntries((await readTrace(server, traceId)).map((s) => [s.spanId, s]));
  assert.deepEqual(spans[a].resource, { 'service.name': { stringValue: 'front' }, 'host.name': { stringValue: 'h1' } });
  assert.deepEqual([spans[a].kind, spans[a].attributes], ['SPAN_KIND_SERVER', { n: { intValue: '7' } }]);
  assert.equal(spans[b].parentSpanId, a);
  assert.equal(spans[b].status.code, 'STATUS_CODE_ERROR');
  assert.equal(spans[b].scope.name, 'lib');
  assert.deepEqual(spans[b].events[0].attributes, { f: { doubleValue: 0.5 } });
  assert.equal(spans[b].resource['service.name'].stringValue, 'back');
  assert.ok((await server.metric('tempo_receiver_accepted_spans', { receiver: RECEIVER, transport: 'grpc' })) >= 2);
});

test('gRPC: statuses', async () => {
  const spans = [jaegerSpan({ traceId: Buffer.alloc(16), spanId: hex(newSpanId()) })];
  const zero = await postSpans(server, { batch: { spans } });
  assert.deepEqual(zero, { code: 3, message: 'trace ids must be 128 bit, received 0 bits' });
  const short = await postSpans(server, { batch: { spans: [jaegerSpan({ traceId: Buffer.alloc(5, 1), spanId: hex(newSpanId()) })] } });
  assert.equal(short.code, 13);
  assert.match(short.message, /grpc: error unmarshalling request: .*TraceID/);
  const garbage = await call(server.jaeger.grpc, { path: POST_SPANS, body: frame(Buffer.from([0xff])) });
  assert.equal(garbage.status, 13);
  const other = await call(server.jaeger.grpc, { path: '/jaeger.api_v2.SamplingManager/GetSamplingStrategy' });
  assert.deepEqual([other.status, other.message], [12, 'unknown service jaeger.api_v2.SamplingManager']);
  const empty = await call(server.jaeger.grpc, { path: POST_SPANS });
  assert.deepEqual([empty.status, empty.data.toString('hex')], [0, '0000000000']);
  const packed = await call(server.jaeger.grpc, { path: POST_SPANS, headers: { 'grpc-encoding': 'gzip' }, body: frame(zlib.gzipSync(encodePostSpans({})), 1) });
  assert.equal(packed.status, 0);
});

test('HTTP: a batch is 202, plain or compressed, and the connection is closed', async () => {
  for (const [type, pack, encoding] of [
    ['application/x-thrift', (b) => b],
    ['application/vnd.apache.thrift.binary; charset=utf-8', (b) => b],
    ['application/x-thrift', zlib.gzipSync, 'gzip'],
  ]) {
    const traceId = newTraceId();
    const r = await http(pack(thriftBatch(traceId, newSpanId())), { 'content-type': type, ...(encoding ? { 'content-encoding': encoding } : {}) }, '/api/traces?format=jaeger.thrift');
    assert.deepEqual([r.status, r.text, r.headers.get('connection')], [202, '', 'close']);
    assert.equal((await readTrace(server, traceId))[0].resource['service.name'].stringValue, 'thrift');
  }
  assert.ok((await server.metric('tempo_receiver_accepted_spans', { receiver: RECEIVER, transport: 'collector_http' })) >= 3);
});

test('HTTP: what is refused, and with which words', async () => {
  const json = '{"data": [{"traceID": "test", "spans": []}]}';
  const cases = [
    [json, { 'content-type': 'application/json' }, 400, 'Unsupported content type: application/json\n'],
    [json, { 'content-type': 'application/x-www-form-urlencoded' }, 400, 'Unsupported content type: application/x-www-form-urlencoded\n'],
    [Buffer.from(json), {}, 400, 'Cannot parse content type: mime: no media type\n'],
    [json, THRIFT, 400, /^Unable to process request body: .+\n$/],
    [Buffer.alloc(0), THRIFT, 400, /^Unable to process request body: unexpected EOF/],
    [thriftBatch('0'.repeat(32), newSpanId()), THRIFT, 500, 'Cannot submit Jaeger batch: rpc error: code = InvalidArgument desc = trace ids must be 128 bit, received 0 bits\n'],
    ['x', { ...THRIFT, 'content-encoding': 'br' }, 400, 'unsupported Content-Encoding: br\n'],
  ];
  for (const [body, headers, status, text] of cases) {
    const r = await http(body, headers);
    assert.equal(r.status, status);
    assert.match(r.headers.get('content-type'), /^text\/plain/);
    if (typeof text === 'string') assert.equal(r.text, text);
    else assert.match(r.text, text);
  }
  assert.equal((await http(undefined, {}, '/api/traces', 'GET')).status, 405);
  assert.equal((await http('x', THRIFT, '/api/trace')).status, 404);
});

test('UDP: what cannot be read is dropped and counted, and the port lives on', async () => {
  const drops = async (reason) => (await server.metric('vivace_udp_dropped_datagrams_total', { listener: 'jaeger_thrift_binary', reason })) ?? 0;
  const before = await drops('undecodable');
  await datagram(server.jaeger.binary, Buffer.from('garbage'));
  await datagram(server.jaeger.binary, message(Buffer.from([0]), 'emitZipkinBatch'));
  await datagram(server.jaeger.binary, Buffer.alloc(0));
  await until(async () => (await drops('undecodable')) === before + 3);
  await datagram(server.jaeger.binary, Buffer.alloc(65400, 1));
  await until(async () => (await drops('too_large')) === 1);
  await datagram(server.jaeger.binary, message(thriftBatch('0'.repeat(32), newSpanId())));
  await until(async () => (await drops('refused')) === 1);
  const traceId = newTraceId();
  await datagram(server.jaeger.binary, message(thriftBatch(traceId, newSpanId(), 'udp')));
  assert.equal((await whole(traceId, 1))[0].resource['service.name'].stringValue, 'udp');
  assert.ok((await server.metric('tempo_receiver_accepted_spans', { receiver: RECEIVER, transport: 'udp_thrift_binary' })) >= 1);
});

// One span in the compact protocol, every integer a zigzag varint.
function compactMessage(traceId, spanId, service) {
  const varint = (v) => {
    const out = [];
    for (; v >= 128n; v >>= 7n) out.push(Number(v & 127n) | 128);
    return Buffer.from([...out, Number(v)]);
  };
  const i64 = (header, h) => {
    const v = BigInt.asIntN(64, BigInt(`0x${h}`));
    return Buffer.concat([Buffer.from([header]), varint(BigInt.asUintN(64, (v << 1n) ^ (v >> 63n)))]);
  };
  const string = (header, s) => Buffer.concat([Buffer.from([header, s.length]), Buffer.from(s)]);
  const stop = Buffer.from([0]);
  return Buffer.concat([
    Buffer.from('82810009', 'hex'), Buffer.from('emitBatch'), Buffer.from([0x1c]),
    Buffer.from([0x1c]), string(0x18, service), stop,
    Buffer.from([0x19, 0x1c]),
    i64(0x16, traceId.slice(16)), i64(0x16, traceId.slice(0, 16)), i64(0x16, spanId), i64(0x16, '0'), string(0x18, 'op'),
    Buffer.from([0x25, 2]), i64(0x16, (BigInt(Date.now()) * 1000n).toString(16)), i64(0x16, 'a'), stop,
    stop, stop,
  ]);
}

test('UDP: the compact port reads compact messages, and only those', async () => {
  const traceId = newTraceId();
  await datagram(server.jaeger.compact, message(thriftBatch(newTraceId(), newSpanId())));
  await until(async () => (await server.metric('vivace_udp_dropped_datagrams_total', { listener: 'jaeger_thrift_compact', reason: 'undecodable' })) === 1);
  await datagram(server.jaeger.compact, compactMessage(traceId, newSpanId(), 'compact'));
  assert.equal((await whole(traceId, 1))[0].resource['service.name'].stringValue, 'compact');
  assert.equal(await server.metric('tempo_receiver_accepted_spans', { receiver: RECEIVER, transport: 'udp_thrift_compact' }), 1);
});

for (const [how, reporter] of [
  ['UDP', () => ({ agentHost: '127.0.0.1', agentPort: server.jaeger.binary })],
  ['HTTP', () => ({ collectorEndpoint: `http://127.0.0.1:${server.jaeger.http}/api/traces` })],
]) {
  test(`jaeger-client over ${how}`, async () => {
    const { initTracer } = require('jaeger-client');
    const tracer = initTracer(
      { serviceName: 'jaeger-node', traceId128bit: true, sampler: { type: 'const', param: 1 }, reporter: { flushIntervalMs: 20, ...reporter() } },
      { tags: { 'my.version': '1' } },
    );
    const parent = tracer.startSpan('parent', { tags: { 'span.kind': 'server' } });
    const child = tracer.startSpan('child', { childOf: parent, tags: { error: true, ok: false, ratio: 0.25 } });
    child.log({ event: 'retry', n: 2 });
    child.finish();
    parent.finish();
    const traceId = parent.context().traceIdStr.padStart(32, '0');
    await new Promise((done) => tracer.close(done));
    const spans = await whole(traceId, 2);
    const got = spans.find((s) => s.name === 'child');
    assert.equal(got.parentSpanId, parent.context().spanIdStr.padStart(16, '0'));
    assert.deepEqual(got.attributes.ok, { boolValue: false });
    assert.deepEqual(got.attributes.ratio, { doubleValue: 0.25 });
    assert.equal(got.status.code, 'STATUS_CODE_ERROR');
    assert.equal(got.events[0].name, 'retry');
    assert.equal(got.resource['service.name'].stringValue, 'jaeger-node');
    assert.match(got.resource['opencensus.exporterversion'].stringValue, /^Jaeger-Node-/);
    assert.equal(spans.find((s) => s.name === 'parent').kind, 'SPAN_KIND_SERVER');
  });
}

for (const [how, options] of [
  ['UDP', () => ({ host: '127.0.0.1', port: server.jaeger.binary })],
  ['HTTP', () => ({ endpoint: `http://127.0.0.1:${server.jaeger.http}/api/traces` })],
]) {
  test(`the OpenTelemetry exporter for Jaeger over ${how}`, async () => {
    const { JaegerExporter } = require('@opentelemetry/exporter-jaeger');
    const { BasicTracerProvider, SimpleSpanProcessor } = require('sdk-trace-base-v1');
    const provider = new BasicTracerProvider();
    provider.addSpanProcessor(new SimpleSpanProcessor(new JaegerExporter(options())));
    const span = provider.getTracer('lib', '1').startSpan('exported', { kind: 2, attributes: { a: 'b', n: 1 } });
    span.addEvent('e', { x: 1 });
    span.setStatus({ code: 2, message: 'boom' });
    span.end();
    await provider.forceFlush();
    const [got] = await whole(span.spanContext().traceId, 1);
    await provider.shutdown();
    assert.equal(got.name, 'exported');
    assert.equal(got.kind, 'SPAN_KIND_CLIENT');
    assert.deepEqual(got.status, { code: 'STATUS_CODE_ERROR', message: 'boom' });
    assert.equal(got.events[0].name, 'e');
    assert.deepEqual(got.attributes.a, { stringValue: 'b' });
  });
}

test('a trace of Zipkin, Jaeger and OTLP spans comes back whole', async () => {
  const traceId = newTraceId();
  const ids = Array.from({ length: 5 }, newSpanId);
  await mustPush(server, makeRequest([makeSpan({ traceId, spanId: ids[0] })], { service: 'otlp' }));
  const zipkin = [{ traceId, id: ids[1], parentId: ids[0], timestamp: Date.now() * 1000, localEndpoint: { serviceName: 'zipkin' } }];
  assert.equal((await fetch(`http://127.0.0.1:${server.zipkinPort}/api/v2/spans`, { method: 'POST', body: JSON.stringify(zipkin) })).status, 202);
  assert.equal((await postSpans(server, { batch: { process: { serviceName: 'grpc' }, spans: [jaegerSpan({ traceId: hex(traceId), spanId: hex(ids[2]) })] } })).code, 0);
  assert.equal((await http(thriftBatch(traceId, ids[3], 'http'), THRIFT)).status, 202);
  await datagram(server.jaeger.binary, message(thriftBatch(traceId, ids[4], 'udp')));
  const check = async () => {
    const spans = await whole(traceId, 5);
    assert.deepEqual(spans.map((s) => s.spanId), [...ids].sort());
    assert.deepEqual(spans.map((s) => s.resource['service.name'].stringValue).sort(), ['grpc', 'http', 'otlp', 'udp', 'zipkin']);
  };
  await check();
  await fetch(`${server.url}/flush`, { method: 'POST' });
  await check();
  await server.restart();
  await check();
});

test('with tenants: each protocol says no in its own way, UDP has none to give', async () => {
  const other = await startEverything({ multitenancy_enabled: true });
  try {
    const spans = [jaegerSpan({ traceId: hex(newTraceId()), spanId: hex(newSpanId()) })];
    assert.deepEqual(await postSpans(other, { batch: { spans } }), { code: 2, message: 'no org id' });
    assert.equal((await postSpans(other, { batch: { spans } }, { 'x-scope-orgid': 'a/b' })).code, 3);
    assert.equal((await postSpans(other, { batch: { spans } }, { 'x-scope-orgid': 'a' })).code, 0);
    const url = `http://127.0.0.1:${other.jaeger.http}/api/traces`;
    const r = await fetch(url, { method: 'POST', headers: THRIFT, body: thriftBatch(newTraceId(), newSpanId()) });
    assert.deepEqual([r.status, await r.text()], [500, 'Cannot submit Jaeger batch: no org id\n']);
    await datagram(other.jaeger.binary, message(thriftBatch(newTraceId(), newSpanId())));
    await until(async () => (await other.metric('vivace_udp_dropped_datagrams_total', { reason: 'refused' })) === 1);
  } finally {
    await other.stop();
  }
});
