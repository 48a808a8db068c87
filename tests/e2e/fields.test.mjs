// Every field an OTLP span can carry, over every protocol in and every form out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exportSpans } from './lib/grpc.mjs';
import {
  encodeRequest, hex, int, makeRequest, makeSpan, mustPush, newTraceId, plainRequest, plainSpans, readers, str, toJson,
} from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server?.stop());

const nested = {
  kvlistValue: {
    values: [
      str('s', 'x'),
      int('i', '9223372036854775807'),
      { key: 'list', value: { arrayValue: { values: [{ boolValue: true }, { kvlistValue: { values: [int('deep', 1)] } }, {}] } } },
      { key: 'none', value: {} },
    ],
  },
};

const everyValue = [
  str('string', 'grüße \u{1f680} <>&"\\ \u0001'),
  str('string.empty', ''),
  { key: 'bool.false', value: { boolValue: false } },
  { key: 'bool.true', value: { boolValue: true } },
  int('int.zero', 0),
  int('int.max', '9223372036854775807'),
  int('int.min', '-9223372036854775808'),
  { key: 'double', value: { doubleValue: 0.1 } },
  { key: 'double.zero', value: { doubleValue: 0 } },
  { key: 'double.max', value: { doubleValue: Number.MAX_VALUE } },
  { key: 'bytes', value: { bytesValue: Buffer.from([0, 1, 2, 254, 255]) } },
  { key: 'bytes.empty', value: { bytesValue: Buffer.alloc(0) } },
  { key: 'array.mixed', value: { arrayValue: { values: [{ stringValue: 'a' }, { intValue: '1' }, { doubleValue: 1.5 }, { boolValue: false }] } } },
  { key: 'array.nested', value: { arrayValue: { values: [{ arrayValue: { values: [{ intValue: '1' }] } }, { arrayValue: { values: [] } }] } } },
  { key: 'kvlist', value: nested },
  { key: 'nothing', value: {} },
];

function fullRequest(traceId) {
  const link = { traceId: hex(newTraceId()), spanId: hex('00000000000000f1'), traceState: 'a=b', attributes: everyValue, droppedAttributesCount: 3, flags: 0x301 };
  const span = makeSpan({
    traceId,
    parentSpanId: '00f067aa0ba902b7',
    traceState: 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
    name: 'every field',
    kind: 'SPAN_KIND_CONSUMER',
    attributes: everyValue,
    droppedAttributesCount: 4,
    events: [
      { timeUnixNano: '1700000000000000001', name: 'first', attributes: everyValue, droppedAttributesCount: 5 },
      { timeUnixNano: '1700000000000000000', name: '', attributes: [] },
    ],
    droppedEventsCount: 6,
    links: [link, { traceId: hex(traceId), spanId: hex('00000000000000f2') }],
    droppedLinksCount: 7,
    status: { code: 'STATUS_CODE_ERROR', message: 'broken "pipe"' },
    flags: 0x101,
  });
  const request = makeRequest([span, makeSpan({ traceId, kind: 0, name: '' })], {
    resource: { attributes: [str('service.name', 'all'), ...everyValue], droppedAttributesCount: 8 },
    scope: { name: 'scope', version: '1.0.0-rc.1+5', attributes: everyValue, droppedAttributesCount: 9 },
  });
  request.resourceSpans[0].schemaUrl = 'https://opentelemetry.io/schemas/1.26.0';
  request.resourceSpans[0].scopeSpans[0].schemaUrl = 'https://opentelemetry.io/schemas/1.27.0';
  request.resourceSpans.push({ resource: {}, scopeSpans: [{ spans: [makeSpan({ traceId, name: 'no resource, no scope' })] }] });
  return request;
}

const senders = {
  'OTLP/HTTP protobuf': (request) => mustPush(server, request),
  'OTLP/gRPC': async (request) => assert.equal((await exportSpans(server.otlpGrpcPort, encodeRequest(request))).status, 0),
  'OTLP/HTTP JSON': async (request) => {
    const body = toJson(request);
    const response = await fetch(`${server.otlpUrl}/v1/traces`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    assert.equal(response.status, 200, await response.clone().text());
    assert.deepEqual(await response.json(), { partialSuccess: {} });
  },
};

for (const [name, send] of Object.entries(senders)) {
  test(`all fields survive ${name}`, async (t) => {
    const traceId = newTraceId();
    const request = fullRequest(traceId);
    await send(request);
    for (const [reader, read] of Object.entries(readers)) {
      await t.test(reader, async () => assert.deepEqual(plainSpans(await read(server, traceId)), plainRequest(request)));
    }
  });
}

test('all fields survive a flush to blocks, but those that blocks do not keep', async () => {
  const traceId = newTraceId();
  const request = fullRequest(traceId);
  await mustPush(server, request);
  assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 204);
  const strip = (spans) => spans.map(({ flags, resourceSchema, scopeSchema, links, ...s }) => ({ ...s, links: links.map(({ flags: f, ...l }) => l) }));
  for (const read of Object.values(readers)) {
    assert.deepEqual(strip(plainSpans(await read(server, traceId))), strip(plainRequest(request)));
  }
});

test('empty scope and status are present, in JSON as {} and in protobuf with length 0', async () => {
  const traceId = newTraceId();
  await mustPush(server, { resourceSpans: [{ scopeSpans: [{ spans: [makeSpan({ traceId })] }] }] });
  const json = await (await fetch(`${server.url}/api/v2/traces/${traceId}`)).json();
  const [rs] = json.trace.resourceSpans;
  assert.deepEqual(rs.scopeSpans[0].scope, {});
  assert.deepEqual(rs.scopeSpans[0].spans[0].status, {});
  const [decoded] = await readers['v2 protobuf'](server, traceId);
  assert.ok(decoded.resource, 'resource is present');
  assert.ok(decoded.scopeSpans[0].scope, 'scope is present');
  assert.ok(decoded.scopeSpans[0].spans[0].status, 'status is present');
});

test('v1 JSON is written as Tempo writes it, byte for byte', async () => {
  const traceId = newTraceId();
  const span = makeSpan({
    traceId, spanId: 'b7ad6b7169203332', parentSpanId: 'b7ad6b7169203331', name: 'db <query>', kind: 3,
    startTimeUnixNano: '1795169865905265204', endTimeUnixNano: '1795169865910265204',
    attributes: [int('db.rows', 42)],
    events: [{ timeUnixNano: '1795169865905265205', name: 'ev1', attributes: [str('k', 'v')] }],
    links: [{ traceId: Buffer.alloc(16, 0x11), spanId: Buffer.alloc(8, 0x22), attributes: [str('l', 'v')] }],
    status: { message: 'boom', code: 2 },
  });
  await mustPush(server, makeRequest([span], { service: 'shop', scope: { name: 'lib.a', version: '1.2.3' } }));
  const response = await fetch(`${server.url}/api/traces/${traceId}`);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.equal(
    await response.text(),
    '{"batches":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeSpans":[{"scope":' +
      `{"name":"lib.a","version":"1.2.3"},"spans":[{"traceId":"${hex(traceId).toString('base64')}","spanId":"t61rcWkgMzI=",` +
      '"parentSpanId":"t61rcWkgMzE=","name":"db \\u003cquery\\u003e","kind":"SPAN_KIND_CLIENT",' +
      '"startTimeUnixNano":"1795169865905265204","endTimeUnixNano":"1795169865910265204",' +
      '"attributes":[{"key":"db.rows","value":{"intValue":"42"}}],' +
      '"events":[{"timeUnixNano":"1795169865905265205","name":"ev1","attributes":[{"key":"k","value":{"stringValue":"v"}}]}],' +
      '"links":[{"traceId":"EREREREREREREREREREREQ==","spanId":"IiIiIiIiIiI=","attributes":[{"key":"l","value":{"stringValue":"v"}}]}],' +
      '"status":{"message":"boom","code":"STATUS_CODE_ERROR"}}]}]}]}',
  );
});
