// OTLP over gRPC: statuses, messages, compression and limits as receivers.md 3 gives them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';
import { EXPORT, call, exportSpans, frame } from './lib/grpc.mjs';
import { encodeRequest, hex, makeRequest, makeSpan, newTraceId, readTrace, str } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

let server;
let port;
before(async () => {
  server = await Server.start();
  port = server.otlpGrpcPort;
});
after(() => server?.stop());

const good = () => encodeRequest(makeRequest([makeSpan()]));
const withIds = (ids) => encodeRequest(makeRequest([{ ...makeSpan(), ...ids }]));
const zero16 = Buffer.alloc(16);
const badIdTrace = 'trace ids must be 128 bit, received 0 bits';
const badIdSpan = 'span ids must be 64 bit and not all zero, received 0 bits';

test('an export is answered with an empty partial_success, status 0 and an empty message', async () => {
  const r = await exportSpans(port, good());
  assert.equal(r.http, 200);
  assert.equal(r.headers['content-type'], 'application/grpc');
  assert.equal(r.data.toString('hex'), '00000000020a00');
  assert.equal(r.trailers['grpc-status'], '0');
  assert.equal(r.trailers['grpc-message'], '');
});

const rows = [
  ['an empty message is fine', () => ({ body: frame(Buffer.alloc(0)) }), 0, ''],
  ['garbage', () => ({ body: frame(Buffer.from('0aff', 'hex')) }), 13, 'grpc: error unmarshalling request: unexpected EOF'],
  ['a trace id of 15 bytes', () => ({ body: frame(withIds({ traceId: Buffer.alloc(15, 1) })) }), 13, 'grpc: error unmarshalling request: unmarshal: invalid TraceID length'],
  ['a span id of 7 bytes', () => ({ body: frame(withIds({ spanId: Buffer.alloc(7, 1) })) }), 13, 'grpc: error unmarshalling request: unmarshal: invalid SpanID length'],
  ['a parent id of 9 bytes', () => ({ body: frame(withIds({ parentSpanId: Buffer.alloc(9, 1) })) }), 13, 'grpc: error unmarshalling request: unmarshal: invalid SpanID length'],
  ['no message at all', () => ({ body: Buffer.alloc(0) }), 2, 'EOF'],
  ['a message cut short', () => ({ body: frame(good()).subarray(0, 20) }), 2, 'unexpected EOF'],
  ['a prefix cut short', () => ({ body: Buffer.from([0, 0]) }), 2, 'unexpected EOF'],
  ['a second message is ignored', () => ({ body: Buffer.concat([frame(good()), frame(good())]) }), 0, ''],
  ['a compressed flag without an encoding', () => ({ body: frame(good(), 1) }), 13, 'grpc: compressed flag set with identity or empty encoding'],
  ['a compressed flag with identity', () => ({ body: frame(good(), 1), headers: { 'grpc-encoding': 'identity' } }), 13, 'grpc: compressed flag set with identity or empty encoding'],
  ['an empty trace id', () => ({ body: frame(withIds({ traceId: Buffer.alloc(0) })) }), 3, badIdTrace],
  ['a zero trace id', () => ({ body: frame(withIds({ traceId: zero16 })) }), 3, badIdTrace],
  ['an empty span id', () => ({ body: frame(withIds({ spanId: Buffer.alloc(0) })) }), 3, badIdSpan],
  ['a zero span id', () => ({ body: frame(withIds({ spanId: Buffer.alloc(8) })) }), 3, badIdSpan],
  ['the metrics service', () => ({ path: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export' }), 12, 'unknown service opentelemetry.proto.collector.metrics.v1.MetricsService'],
  ['the logs service', () => ({ path: '/opentelemetry.proto.collector.logs.v1.LogsService/Export' }), 12, 'unknown service opentelemetry.proto.collector.logs.v1.LogsService'],
  ['the health service', () => ({ path: '/grpc.health.v1.Health/Check' }), 12, 'unknown service grpc.health.v1.Health'],
  ['an unknown method', () => ({ path: EXPORT.replace('Export', 'Import') }), 12, 'unknown method Import for service opentelemetry.proto.collector.trace.v1.TraceService'],
  ['a path without a second slash', () => ({ path: '/x' }), 12, 'malformed method name: "/x"'],
  ['an unknown encoding', () => ({ body: frame(good(), 1), headers: { 'grpc-encoding': 'deflate' } }), 12, 'grpc: Decompressor is not installed for grpc-encoding "deflate"'],
  ['a deadline that has passed', () => ({ body: frame(good()), headers: { 'grpc-timeout': '1n' } }), 4, 'context deadline exceeded'],
];

for (const [name, make, status, message] of rows) {
  test(`gRPC: ${name} -> ${status} ${message}`, async () => {
    const r = await call(port, make());
    assert.deepEqual([r.http, r.status, r.message], [200, status, message]);
  });
}

test('a malformed grpc-timeout is status 13', async () => {
  const r = await call(port, { body: frame(good()), headers: { 'grpc-timeout': 'soon' } });
  assert.equal(r.status, 13);
});

test('a content type that is not gRPC is HTTP 415 and status 3', async () => {
  const r = await call(port, { body: frame(good()), headers: { 'content-type': 'application/json' } });
  assert.deepEqual([r.http, r.status, r.message], [415, 3, 'invalid gRPC request content-type "application/json"']);
});

test('a method that is not POST is HTTP 405 and status 13', async () => {
  const r = await call(port, { body: Buffer.alloc(0), headers: { ':method': 'PUT' } });
  assert.deepEqual([r.http, r.status], [405, 13]);
});

for (const [type, answer] of [
  ['application/grpc', 'application/grpc'],
  ['application/grpc+proto', 'application/grpc+proto'],
  ['application/grpc+json', 'application/grpc+json'],
  ['application/grpc;foo=bar', 'application/grpc+foo=bar'], // what follows is a subtype, whichever sign is before it
]) {
  test(`content type ${type} is taken as protobuf and answered with ${answer}`, async () => {
    const r = await call(port, { body: frame(good()), headers: { 'content-type': type } });
    assert.deepEqual([r.http, r.status, r.headers['content-type']], [200, 0, answer]);
  });
}

test('te may be absent', async () => {
  assert.equal((await call(port, { body: frame(good()), headers: { te: undefined } })).status, 0);
});

/** A snappy framing-format stream of one uncompressed chunk (framing_format.txt). */
function snappyStream(data) {
  const masked = (() => {
    let crc = ~0;
    for (const byte of data) {
      crc ^= byte;
      for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
    crc = ~crc >>> 0;
    return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  })();
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x01 | ((data.length + 4) << 8), 0);
  head.writeUInt32LE(masked, 4);
  return Buffer.concat([Buffer.from('ff060000734e61507059', 'hex'), head, data]);
}

/** A zstd frame of one raw block (RFC 8878): node 20 has no zstd of its own. */
function zstdFrame(data) {
  const head = Buffer.alloc(9);
  head.writeUInt32LE(0xfd2fb528, 0);
  head[4] = 0xa0; // single segment, 4-byte content size
  head.writeUInt32LE(data.length, 5);
  const block = Buffer.alloc(3);
  block.writeUIntLE(1 | (data.length << 3), 0, 3);
  return Buffer.concat([head, block, data]);
}

const codecs = {
  gzip: { pack: zlib.gzipSync, unpack: zlib.gunzipSync },
  zstd: { pack: zstdFrame },
  snappy: { pack: snappyStream },
};
for (const [encoding, { pack, unpack }] of Object.entries(codecs)) {
  test(`a message in ${encoding} is taken, and the answer is compressed alike`, async () => {
    const traceId = newTraceId();
    const message = encodeRequest(makeRequest([makeSpan({ traceId })]));
    const r = await call(port, { body: frame(pack(message), 1), headers: { 'grpc-encoding': encoding } });
    assert.deepEqual([r.status, r.message], [0, '']);
    assert.equal(r.headers['grpc-encoding'], encoding);
    assert.equal(r.data[0], 1);
    if (unpack) assert.equal(unpack(r.data.subarray(5)).toString('hex'), '0a00');
    assert.equal((await readTrace(server, traceId)).length, 1);
  });
}

test('with an encoding named but the flag 0, the message is taken as it is and the answer is compressed', async () => {
  const r = await call(port, { body: frame(good(), 0), headers: { 'grpc-encoding': 'gzip' } });
  assert.deepEqual([r.status, r.headers['grpc-encoding'], r.data[0]], [0, 'gzip', 1]);
});

test('a raw snappy block is refused', async () => {
  const message = good();
  const block = Buffer.concat([Buffer.from([message.length & 0x7f | 0x80, message.length >> 7]), Buffer.from([61 << 2 | 0, message.length - 1, 0]), message]);
  const r = await call(port, { body: frame(block, 1), headers: { 'grpc-encoding': 'snappy' } });
  assert.deepEqual([r.status, r.message], [13, 'grpc: failed to read decompressed data: snappy: corrupt input']);
});

const big = (bytes) => encodeRequest(makeRequest([makeSpan({ attributes: [str('blob', 'x'.repeat(bytes))] })]));

test('a message over 4 MiB is refused with its size', async () => {
  const message = big(4 << 20);
  const r = await exportSpans(port, message);
  assert.deepEqual([r.status, r.message], [8, `grpc: received message larger than max (${message.length} vs. 4194304)`]);
});

test('a message just under 4 MiB is taken', async () => {
  const message = big((4 << 20) - 200);
  assert.ok(message.length <= 4 << 20);
  assert.equal((await exportSpans(port, message)).status, 0);
});

test('a small message that unpacks to over 4 MiB is refused', async () => {
  const r = await call(port, { body: frame(zlib.gzipSync(big(5 << 20)), 1), headers: { 'grpc-encoding': 'gzip' } });
  assert.equal(r.status, 8);
  assert.match(r.message, /^grpc: (received )?message after decompression larger than max (4194304|\(\d+ vs\. 4194304\))$/);
});

test('one connection carries many streams, good and bad, without mixing them up', async () => {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  try {
    const bad = withIds({ traceId: zero16 });
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, i) => exportSpans(port, i % 2 ? good() : bad, { session })),
    );
    assert.deepEqual(results.map((r) => r.status), results.map((_, i) => (i % 2 ? 0 : 3)));
  } finally {
    session.destroy();
  }
});

test('bytes that are not HTTP/2 end the connection, and others are served on', async () => {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'close', { signal: AbortSignal.timeout(5000) }).finally(() => socket.destroy());
  assert.equal((await exportSpans(port, good())).status, 0);
});

test('one bad span refuses the whole request', async () => {
  const traceId = newTraceId();
  const r = await exportSpans(port, encodeRequest(makeRequest([makeSpan({ traceId }), { ...makeSpan(), spanId: Buffer.alloc(8) }])));
  assert.deepEqual([r.status, r.message], [3, badIdSpan]);
  assert.equal((await fetch(`${server.url}/api/traces/${traceId}`)).status, 404);
});

test('an all-zero parent id is a root', async () => {
  const traceId = newTraceId();
  await exportSpans(port, encodeRequest(makeRequest([{ ...makeSpan({ traceId }), parentSpanId: hex('0000000000000000') }])));
  const body = await (await fetch(`${server.url}/api/v2/traces/${traceId}`)).json();
  assert.equal('parentSpanId' in body.trace.resourceSpans[0].scopeSpans[0].spans[0], false);
});
