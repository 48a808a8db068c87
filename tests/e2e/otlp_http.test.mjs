// OTLP over HTTP: statuses, bodies, encodings, limits and CORS as receivers.md 4 gives them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';
import { exchange, post } from './lib/http1.mjs';
import { decode, encodeRequest, makeRequest, makeSpan, newTraceId, readTrace, str, toJson } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server?.stop());

const PROTO = 'application/x-protobuf';
const JSON_TYPE = 'application/json';
const good = () => encodeRequest(makeRequest([makeSpan()]));
const goodJson = (ids) => toJson(makeRequest([makeSpan(ids)]));

/** [status, content type without parameters, body text or decoded Status] */
async function send(body, headers = {}, { path = '/v1/traces', method = 'POST' } = {}) {
  const response = await fetch(`${server.otlpUrl}${path}`, { method, headers, body });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, type: response.headers.get('content-type') ?? '', bytes, text: bytes.toString(), headers: response.headers };
}

test('a protobuf export is answered with 200, its own content type and 0a 00', async () => {
  const r = await send(good(), { 'content-type': PROTO });
  assert.deepEqual([r.status, r.type, r.bytes.toString('hex')], [200, PROTO, '0a00']);
});

test('a JSON export is answered with 200 and {"partialSuccess":{}}', async () => {
  for (const type of [JSON_TYPE, 'application/json; charset=utf-8', 'application/json;charset=UTF-8']) {
    const r = await send(goodJson(), { 'content-type': type });
    assert.deepEqual([r.status, r.text], [200, '{"partialSuccess":{}}']);
    assert.match(r.type, /^application\/json/);
  }
});

const plain = [
  ['GET', () => [undefined, {}, { method: 'GET' }], 405, '405 method not allowed, supported: [POST]'],
  ['PUT', () => [good(), { 'content-type': PROTO }, { method: 'PUT' }], 405, '405 method not allowed, supported: [POST]'],
  ['another content type', () => [good(), { 'content-type': 'application/protobuf' }], 415, '415 unsupported media type, supported: [application/json, application/x-protobuf]'],
  ['text/plain', () => ['x', { 'content-type': 'text/plain' }], 415, '415 unsupported media type, supported: [application/json, application/x-protobuf]'],
  ['another path', () => [good(), { 'content-type': PROTO }, { path: '/v1/trace' }], 404, '404 page not found\n'],
  ['a trailing slash', () => [good(), { 'content-type': PROTO }, { path: '/v1/traces/' }], 404, '404 page not found\n'],
  ['metrics', () => [good(), { 'content-type': PROTO }, { path: '/v1/metrics' }], 404, '404 page not found\n'],
  ['logs', () => [good(), { 'content-type': PROTO }, { path: '/v1/logs' }], 404, '404 page not found\n'],
];
for (const [name, make, status, text] of plain) {
  test(`HTTP: ${name} -> ${status}`, async () => {
    const r = await send(...make());
    assert.deepEqual([r.status, r.text], [status, text]);
    assert.match(r.type, /^text\/plain/);
  });
}

test('no content type at all is 415', async () => {
  const r = await exchange(server.otlpHttpPort, post('/v1/traces', {}, good()));
  assert.deepEqual([r.status, r.body], [415, '415 unsupported media type, supported: [application/json, application/x-protobuf]']);
});

test('an empty protobuf body and an empty JSON object are fine', async () => {
  assert.equal((await send(Buffer.alloc(0), { 'content-type': PROTO })).status, 200);
  assert.equal((await send('{}', { 'content-type': JSON_TYPE })).status, 200);
});

test('bytes after the JSON object are ignored', async () => {
  assert.equal((await send(`${goodJson()} trailing`, { 'content-type': JSON_TYPE })).status, 200);
});

/** The error's google.rpc.Status, whichever encoding it came in. */
const statusOf = (r) => (r.type.startsWith(JSON_TYPE) ? JSON.parse(r.text) : decode('RpcStatus', r.bytes));

const badTrace = 'trace ids must be 128 bit, received 0 bits';
const badSpan = 'span ids must be 64 bit and not all zero, received 0 bits';
const errors = [
  ['an empty JSON body', () => ['', { 'content-type': JSON_TYPE }], 400, 3],
  ['garbage protobuf', () => [Buffer.from('0aff', 'hex'), { 'content-type': PROTO }], 400, 3],
  ['broken JSON', () => ['{"resourceSpans":[', { 'content-type': JSON_TYPE }], 400, 3],
  ['an encoding of br', () => [good(), { 'content-type': PROTO, 'content-encoding': 'br' }], 400, 3, 'unsupported Content-Encoding: br'],
  ['an encoding of identity', () => [good(), { 'content-type': PROTO, 'content-encoding': 'identity' }], 400, 3, 'unsupported Content-Encoding: identity'],
  ['an encoding of br over JSON', () => [goodJson(), { 'content-type': JSON_TYPE, 'content-encoding': 'br' }], 400, 3, 'unsupported Content-Encoding: br'],
  ['gzip that is not gzip', () => [good(), { 'content-type': PROTO, 'content-encoding': 'gzip' }], 400, 3],
  ['a zero trace id', () => [encodeRequest(makeRequest([{ ...makeSpan(), traceId: Buffer.alloc(16) }])), { 'content-type': PROTO }], 400, 3, badTrace],
  ['a zero span id', () => [encodeRequest(makeRequest([{ ...makeSpan(), spanId: Buffer.alloc(8) }])), { 'content-type': PROTO }], 400, 3, badSpan],
  ['an empty trace id in JSON', () => ['{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"","spanId":"00000000000000aa"}]}]}]}', { 'content-type': JSON_TYPE }], 400, 3, badTrace],
];
for (const [name, make, http_, code, message] of errors) {
  test(`HTTP: ${name} -> ${http_} with a Status of ${code}`, async () => {
    const [body, headers] = make();
    const r = await send(body, headers);
    assert.equal(r.status, http_, r.text);
    assert.ok(r.type.startsWith(headers['content-type']), `answer in the request's encoding, not ${r.type}`);
    const status = statusOf(r);
    assert.equal(status.code, code);
    if (message) assert.equal(status.message, message);
    else assert.ok(status.message.length > 0);
  });
}

test('an unsupported encoding with neither content type is 500', async () => {
  const r = await send('x', { 'content-type': 'text/plain', 'content-encoding': 'br' });
  assert.deepEqual([r.status, r.text], [500, '{"code": 13, "message": "failed to marshal error message"}']);
});

/** lz4 frame of one stored block, without checksums of content (lz4_Frame_format.md). */
const packers = {
  gzip: zlib.gzipSync,
  zlib: zlib.deflateSync,
  deflate: zlib.deflateSync,
};
for (const [encoding, pack] of Object.entries(packers)) {
  test(`a body in ${encoding} is taken`, async () => {
    const traceId = newTraceId();
    const r = await send(pack(encodeRequest(makeRequest([makeSpan({ traceId })]))), { 'content-type': PROTO, 'content-encoding': encoding });
    assert.equal(r.status, 200, r.text);
    assert.equal((await readTrace(server, traceId)).length, 1);
    const json = await send(pack(goodJson()), { 'content-type': JSON_TYPE, 'content-encoding': encoding });
    assert.deepEqual([json.status, json.text], [200, '{"partialSuccess":{}}']);
  });
}

const LIMIT = 20 << 20;
const bigBody = (n) => encodeRequest(makeRequest([makeSpan({ attributes: [str('blob', 'x'.repeat(n))] })]));

test('a body over 20 MiB is 400, not 413, and the connection ends', async () => {
  const r = await exchange(server.otlpHttpPort, post('/v1/traces', { 'Content-Type': JSON_TYPE }, Buffer.alloc(LIMIT + 1, 0x20)), { waitMs: 10_000 });
  assert.equal(r.status, 400);
  assert.equal(r.headers.connection?.toLowerCase(), 'close');
  assert.deepEqual(JSON.parse(r.body), { code: 3, message: 'http: request body too large' });
});

test('a body that unpacks to over 20 MiB is 400', async () => {
  const r = await send(zlib.gzipSync(bigBody(LIMIT)), { 'content-type': PROTO, 'content-encoding': 'gzip' });
  assert.equal(r.status, 400);
  assert.deepEqual([statusOf(r).code, statusOf(r).message], [3, 'http: request body too large']);
});

test('a body of 19 MiB is taken', async () => {
  assert.equal((await send(bigBody(19 << 20), { 'content-type': PROTO })).status, 200);
});

test('chunked bodies, Expect: 100-continue and keep-alive work', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const one = (headers, write) =>
    new Promise((resolve, reject) => {
      const request = http.request(`${server.otlpUrl}/v1/traces`, { method: 'POST', agent, headers: { 'content-type': PROTO, ...headers } });
      request.on('response', (response) => {
        response.resume();
        response.on('end', () => resolve([response.statusCode, request.reusedSocket]));
      });
      request.on('error', reject);
      write(request);
    });
  const body = good();
  const chunked = (request) => {
    for (const byte of body) request.write(Buffer.from([byte]));
    request.end();
  };
  assert.deepEqual(await one({}, chunked), [200, false]);
  const expecting = (request) => request.on('continue', () => request.end(body));
  assert.deepEqual(await one({ expect: '100-continue', 'content-length': body.length }, (r) => (expecting(r), r.flushHeaders())), [200, true]);
  agent.destroy();
});

test('cleartext HTTP/2 on the HTTP port is refused', async () => {
  const session = http2.connect(server.otlpUrl);
  await assert.rejects(once(session, 'close', { signal: AbortSignal.timeout(5000) }), { code: /^(ERR_HTTP2|ECONNRESET)/ });
  session.destroy();
  assert.equal((await send(good(), { 'content-type': PROTO })).status, 200);
});

const span = (fields) => `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"00000000000000aa",${fields}}]}]}]}`;
const jsonRows = [
  ['snake_case names', '"start_time_unix_nano":"1","parent_span_id":"00000000000000ab"', 200],
  ['unknown names', '"future":{"a":[1,{"b":null}]},"name":"x"', 200],
  ['64-bit numbers as numbers', '"startTimeUnixNano":1700000000000000001', 200],
  ['a fraction where an integer stands', '"startTimeUnixNano":1.5', 400],
  ['kind by name', '"kind":"SPAN_KIND_SERVER"', 200],
  ['kind by an unknown name', '"kind":"SERVER"', 400],
  ['kind out of range', '"kind":99', 200],
  ['null for a string and a list', '"name":null,"attributes":null', 200],
  ['null for a number', '"startTimeUnixNano":null', 400],
  ['a boolean as a string', '"attributes":[{"key":"a","value":{"boolValue":"true"}}]', 400],
  ['doubles as strings', '"attributes":[{"key":"a","value":{"doubleValue":"NaN"}},{"key":"b","value":{"doubleValue":"-Infinity"}},{"key":"c","value":{"doubleValue":"1.5"}}]', 200],
  ['bytes that are not base64', '"attributes":[{"key":"a","value":{"bytesValue":"%%"}}]', 400],
  ['an empty value', '"attributes":[{"key":"a","value":{}}]', 200],
];
for (const [name, fields, status] of jsonRows) {
  test(`JSON: ${name} -> ${status}`, async () => assert.equal((await send(span(fields), { 'content-type': JSON_TYPE })).status, status));
}

test('JSON: ids of a wrong length or in base64 are 400, upper case is fine', async () => {
  const body = (trace) => `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"${trace}","spanId":"00000000000000AA"}]}]}]}`;
  assert.equal((await send(body('AQIDBAUGBwgJCgsMDQ4PEA=='), { 'content-type': JSON_TYPE })).status, 400);
  assert.equal((await send(body('0102'), { 'content-type': JSON_TYPE })).status, 400);
  assert.equal((await send(body('0102030405060708090A0B0C0D0E0FFF'), { 'content-type': JSON_TYPE })).status, 200);
  assert.equal((await fetch(`${server.url}/api/traces/0102030405060708090a0b0c0d0e0fff`)).status, 200);
});

test('JSON nested too deeply is refused, and the server lives', async () => {
  const deep = `${'{"arrayValue":{"values":['.repeat(50_000)}{}${']}}'.repeat(50_000)}`;
  assert.equal((await send(span(`"attributes":[{"key":"a","value":${deep}}]`), { 'content-type': JSON_TYPE })).status, 400);
  assert.equal((await send(good(), { 'content-type': PROTO })).status, 200);
});

test('response_headers and another traces_url_path are honoured', async () => {
  const own = await Server.start((s) => ({
    distributor: { receivers: { otlp: { protocols: { http: {
      endpoint: `127.0.0.1:${s.otlpHttpPort}`, traces_url_path: '/otel/traces', response_headers: { 'X-Served-By': 'vivace' },
    } } } } },
  }));
  try {
    const r = await fetch(`${own.otlpUrl}/otel/traces`, { method: 'POST', headers: { 'content-type': PROTO }, body: good() });
    assert.deepEqual([r.status, r.headers.get('x-served-by')], [200, 'vivace']);
    assert.equal((await fetch(`${own.otlpUrl}/v1/traces`, { method: 'POST', headers: { 'content-type': PROTO }, body: good() })).status, 404);
  } finally {
    await own.stop();
  }
});
