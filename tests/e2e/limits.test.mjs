// Rate limits, attribute truncation, limits that drop in silence, and the distributor's metrics.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exportSpans } from './lib/grpc.mjs';
import { decode, encodeRequest, int, makeRequest, makeSpan, mustPush, newTraceId, push, readTrace, readers, plainSpans, str } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

const limited = (extra = {}) => ({
  overrides: { defaults: { ingestion: { rate_limit_bytes: 2000, burst_size_bytes: 3000, ...extra } } },
});
const request = (bytes) => makeRequest([makeSpan({ attributes: [str('blob', 'x'.repeat(bytes))] })]);

async function withServer(config, body) {
  const server = await Server.start(config);
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

test('over the rate: gRPC 8 with RetryInfo, HTTP 429 with Retry-After, in the words of Tempo', async () => {
  await withServer(limited(), async (server) => {
    const first = request(1500);
    await mustPush(server, first);
    const second = encodeRequest(request(1800));
    const text = `RATE_LIMITED: ingestion rate limit (local: 2000 bytes/s, global: 0 bytes/s, burst: 3000 bytes) exceeded while adding ${second.length} bytes for user single-tenant. consider increasing the limit or reducing ingestion rate.`;
    const r = await exportSpans(server.otlpGrpcPort, second);
    assert.deepEqual([r.status, r.message], [8, text]);
    assert.ok(!r.details.includes('='), 'base64 without padding');
    const status = decode('RpcStatus', Buffer.from(r.details, 'base64'));
    assert.deepEqual([status.code, status.message], [8, text]);
    assert.equal(status.details[0].type_url ?? status.details[0].typeUrl, 'type.googleapis.com/google.rpc.RetryInfo');
    assert.equal(decode('RetryInfo', status.details[0].value).retryDelay.seconds, '5');

    const h = await push(server, request(1800));
    assert.deepEqual([h.status, h.headers.get('retry-after')], [429, '5']);
    const body = decode('RpcStatus', Buffer.from(await h.arrayBuffer()));
    assert.equal(body.code, 8);
    assert.match(body.message, /^RATE_LIMITED: ingestion rate limit \(local: 2000 bytes\/s/);

    const j = await fetch(`${server.otlpUrl}/v1/traces`, {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: newTraceId(), spanId: '00000000000000aa', name: 'x'.repeat(2500) }] }] }] }),
    });
    const parsed = await j.json();
    assert.deepEqual([j.status, parsed.code, parsed.details], [429, 8, [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '5s' }]]);
    assert.ok((await server.metric('tempo_discarded_spans_total', { reason: 'rate_limited' })) >= 3);
  });
});

test('a batch larger than limit and burst says so', async () => {
  await withServer(limited(), async (server) => {
    const big = encodeRequest(request(4000));
    const r = await exportSpans(server.otlpGrpcPort, big);
    assert.deepEqual([r.status, r.message], [8,
      `RATE_LIMITED: batch size (${big.length} bytes) exceeds ingestion limit (local: 2000 bytes/s, global: 0 bytes/s, burst: 3000 bytes) while adding ${big.length} bytes for user single-tenant. consider reducing batch size or increasing rate limit.`]);
  });
});

for (const [name, config] of [
  ['retry_info_enabled false', limited({ retry_info_enabled: false })],
  ['retry_after_on_resource_exhausted 0', { ...limited(), distributor: { retry_after_on_resource_exhausted: '0s' } }],
]) {
  test(`with ${name} there is neither RetryInfo nor Retry-After`, async () => {
    await withServer(config, async (server) => {
      assert.equal((await exportSpans(server.otlpGrpcPort, encodeRequest(request(4000)))).details, undefined);
      const h = await push(server, request(4000));
      assert.deepEqual([h.status, h.headers.get('retry-after')], [429, null]);
      assert.deepEqual(decode('RpcStatus', Buffer.from(await h.arrayBuffer())).details ?? [], []);
    });
  });
}

test('the rate recovers', async () => {
  await withServer(limited(), async (server) => {
    await mustPush(server, request(2500));
    assert.equal((await push(server, request(2500))).status, 429);
    await new Promise((done) => setTimeout(done, 1500));
    assert.equal((await push(server, request(2500))).status, 200);
  });
});

test('a trace over max_bytes_per_trace and traces over max_traces_per_user are dropped and counted, and the push succeeds', async () => {
  const config = { overrides: { defaults: { global: { max_bytes_per_trace: 3000 }, ingestion: { max_traces_per_user: 2 } } } };
  await withServer(config, async (server) => {
    const traceId = newTraceId();
    const one = () => makeRequest([makeSpan({ traceId, attributes: [str('blob', 'x'.repeat(1900))] })]);
    await mustPush(server, one());
    await mustPush(server, one());
    assert.equal((await readTrace(server, traceId)).length, 1);
    assert.equal(await server.metric('tempo_discarded_spans_total', { reason: 'trace_too_large', tenant: 'single-tenant' }), 1);
    for (let i = 0; i < 3; i++) await mustPush(server, makeRequest([makeSpan()]));
    assert.equal(await server.metric('tempo_discarded_spans_total', { reason: 'live_traces_exceeded', tenant: 'single-tenant' }), 2);
  });
});

let server;
before(async () => (server = await Server.start({ distributor: { max_attribute_bytes: 16 } })));
after(() => server?.stop());

test('keys and string values are cut to max_attribute_bytes everywhere, in bytes; lists are left alone', async () => {
  const traceId = newTraceId();
  const long = str('0123456789abcdefKEYTAIL', '0123456789abcdefVALUETAIL');
  const cut = { '0123456789abcdef': { stringValue: '0123456789abcdef' } };
  const list = { key: 'list', value: { arrayValue: { values: [{ stringValue: 'y'.repeat(40) }] } } };
  await mustPush(server, makeRequest([makeSpan({
    traceId,
    attributes: [long, list, str('exact', 'x'.repeat(16)), int('n', 1)],
    events: [{ timeUnixNano: '1', name: 'a name that stays as long as it is', attributes: [long] }],
    links: [{ traceId: Buffer.alloc(16, 1), spanId: Buffer.alloc(8, 1), attributes: [long] }],
  })], { resource: { attributes: [long] }, scope: { name: 'a scope name that stays as long as it is', attributes: [long] } }));
  const [span] = plainSpans(await readers['v2 protobuf'](server, traceId));
  assert.deepEqual(span.attributes, { ...cut, list: { arrayValue: [{ stringValue: 'y'.repeat(40) }] }, exact: { stringValue: 'x'.repeat(16) }, n: { intValue: '1' } });
  assert.deepEqual([span.resource, span.scope.attributes, span.events[0].attributes, span.links[0].attributes], [cut, cut, cut, cut]);
  assert.equal(span.events[0].name, 'a name that stays as long as it is');
  for (const scope of ['resource', 'scope', 'span', 'event', 'link']) {
    const n = await server.metric('tempo_distributor_attributes_truncated_total', { tenant: 'single-tenant', scope });
    assert.ok(n >= 1, `${scope}: ${n}`);
  }
});

test('the cut is at a byte, inside a character if need be', async () => {
  const traceId = newTraceId();
  await mustPush(server, makeRequest([makeSpan({ traceId, attributes: [str('umlaut', `${'x'.repeat(15)}ü`)] })]));
  const answer = await fetch(`${server.url}/api/v2/traces/${traceId}`, { headers: { accept: 'application/protobuf' } });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const at = bytes.indexOf('x'.repeat(15));
  assert.equal(bytes[at - 1], 16, 'the length of the value');
  assert.deepEqual([...bytes.subarray(at + 15, at + 16)], [0xc3]);
});

test('the receiving side shows in the metrics under the names of Tempo', async () => {
  const before_ = (await server.metric('tempo_distributor_spans_received_total', { tenant: 'single-tenant' })) ?? 0;
  const body = makeRequest([makeSpan(), makeSpan()]);
  await mustPush(server, body);
  await exportSpans(server.otlpGrpcPort, encodeRequest(body));
  await exportSpans(server.otlpGrpcPort, encodeRequest(makeRequest([{ ...makeSpan(), traceId: Buffer.alloc(16) }])));
  assert.equal(await server.metric('tempo_distributor_spans_received_total', { tenant: 'single-tenant' }), before_ + 5);
  assert.ok((await server.metric('tempo_distributor_bytes_received_total', { tenant: 'single-tenant' })) > 0);
  assert.ok((await server.metric('tempo_distributor_ingress_bytes_total', { tenant: 'single-tenant' })) > 0);
  assert.ok((await server.metric('tempo_receiver_accepted_spans', { receiver: 'otlp/otlp_receiver', transport: 'http' })) >= 2);
  assert.equal(await server.metric('tempo_receiver_accepted_spans', { receiver: 'otlp/otlp_receiver', transport: 'grpc' }), 2);
  assert.equal(await server.metric('tempo_receiver_refused_spans', { receiver: 'otlp/otlp_receiver', transport: 'grpc' }), 1);
  assert.equal(await server.metric('tempo_discarded_spans_total', { reason: 'invalid_trace_id', tenant: 'single-tenant' }), 1);
  for (const name of ['tempo_distributor_traces_per_batch_count', 'tempo_distributor_push_duration_seconds_count',
    'tempo_spans_distance_in_past_seconds_count', 'tempo_spans_distance_in_future_seconds_count']) {
    assert.ok((await server.metric(name)) !== undefined, name);
  }
});
