// A trace is whole however its spans arrived, and stays so over a flush, a restart and a kill.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import { exportSpans } from './lib/grpc.mjs';
import { encodeRequest, makeRequest, makeSpan, mustPush, newTraceId, plainRequest, readTrace } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server?.stop());

/** One trace of `n` spans, a request each, from pods of three services. */
const scattered = (traceId, n) =>
  Array.from({ length: n }, (_, i) =>
    makeRequest([makeSpan({ traceId, name: `span ${i}` })], { service: `service-${i % 3}`, scope: { name: `lib-${i % 2}` } }),
  );

async function sendOverSeveral(requests, connections) {
  const sessions = Array.from({ length: connections }, () => http2.connect(`http://127.0.0.1:${server.otlpGrpcPort}`));
  try {
    const results = await Promise.all(
      requests.map((request, i) => exportSpans(server.otlpGrpcPort, encodeRequest(request), { session: sessions[i % connections] })),
    );
    assert.deepEqual([...new Set(results.map((r) => r.status))], [0]);
  } finally {
    sessions.forEach((s) => s.destroy());
  }
}

const whole = (requests) => plainRequest({ resourceSpans: requests.flatMap((r) => r.resourceSpans) });

test('a trace that arrives in 50 requests over 5 connections comes back whole, now and after each upheaval', async (t) => {
  const traceId = newTraceId();
  const requests = scattered(traceId, 50);
  await sendOverSeveral(requests, 5);
  const check = async () => assert.deepEqual(await readTrace(server, traceId), whole(requests));
  await t.test('at once', check);
  await t.test('after SIGTERM and a new start', async () => {
    await server.restart();
    await check();
  });
  await t.test('with later spans after kill -9', async () => {
    const later = scattered(traceId, 10);
    await sendOverSeveral(later, 2);
    requests.push(...later);
    await server.kill();
    await server.launch();
    await check();
  });
  await t.test('half in a block, half live', async () => {
    assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 204);
    await check();
    const later = scattered(traceId, 10);
    await sendOverSeveral(later, 2);
    requests.push(...later);
    await check();
  });
  await t.test('in two blocks, after another kill', async () => {
    assert.equal((await fetch(`${server.url}/flush`, { method: 'POST' })).status, 204);
    await server.kill();
    await server.launch();
    await check();
  });
});

test('spans sent twice are there once, live and in blocks', async () => {
  const traceId = newTraceId();
  const request = makeRequest([makeSpan({ traceId, name: 'a' }), makeSpan({ traceId, name: 'b' })]);
  await mustPush(server, request);
  await mustPush(server, request);
  assert.deepEqual(await readTrace(server, traceId), plainRequest(request));
  await fetch(`${server.url}/flush`, { method: 'POST' });
  await mustPush(server, request);
  assert.deepEqual(await readTrace(server, traceId), plainRequest(request));
});

test('two spans with one id but different kinds are both kept', async () => {
  const traceId = newTraceId();
  const spanId = '00000000000000aa';
  await mustPush(server, makeRequest([makeSpan({ traceId, spanId, kind: 4, name: 'send' })]));
  await mustPush(server, makeRequest([makeSpan({ traceId, spanId, kind: 5, name: 'receive' })]));
  assert.deepEqual((await readTrace(server, traceId)).map((s) => s.name).sort(), ['receive', 'send']);
});

test('later pushes stay ResourceSpans of their own, equal resource or not', async () => {
  const traceId = newTraceId();
  await mustPush(server, makeRequest([makeSpan({ traceId })]));
  await mustPush(server, makeRequest([makeSpan({ traceId })]));
  const body = await (await fetch(`${server.url}/api/v2/traces/${traceId}`)).json();
  assert.equal(body.trace.resourceSpans.length, 2);
});

test('a trace of ten thousand spans in one request of 3 MB comes back whole', async () => {
  const traceId = newTraceId();
  const spans = Array.from({ length: 10_000 }, (_, i) => makeSpan({ traceId, name: `a span with a name of some length, number ${i}`, attributes: [] }));
  await mustPush(server, makeRequest(spans));
  const got = await readTrace(server, traceId);
  assert.equal(got.length, 10_000);
  assert.equal(new Set(got.map((s) => s.spanId)).size, 10_000);
});

test('spans far in the past and in the future are kept with their times', async () => {
  const traceId = newTraceId();
  const old = makeSpan({ traceId, startTimeUnixNano: '1000000000000000000', endTimeUnixNano: '1000000001000000000' });
  const ahead = makeSpan({ traceId, startTimeUnixNano: '4000000000000000000', endTimeUnixNano: '4000000001000000000' });
  const backwards = makeSpan({ traceId, startTimeUnixNano: '1700000001000000000', endTimeUnixNano: '1700000000000000000' });
  const request = makeRequest([old, ahead, backwards]);
  await mustPush(server, request);
  assert.deepEqual(await readTrace(server, traceId), plainRequest(request));
  await server.restart();
  assert.deepEqual(await readTrace(server, traceId), plainRequest(request));
});
