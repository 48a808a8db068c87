// Zipkin's shared span ids on read (api.md 1.1): the server half of a pair gets an id of its own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeRequest, makeSpan, mustPush, newTraceId, readTrace } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server?.stop());

const CLIENT = 3;
const SERVER = 2;
const shared = '00000000000000a1';

async function pair() {
  const traceId = newTraceId();
  const span = (fields) => makeSpan({ traceId, ...fields });
  await mustPush(server, makeRequest([span({ spanId: shared, kind: CLIENT, name: 'call', parentSpanId: '00000000000000a0' })], { service: 'front' }));
  await mustPush(server, makeRequest([
    span({ spanId: shared, kind: SERVER, name: 'serve', parentSpanId: '00000000000000a0' }),
    span({ spanId: '00000000000000b1', kind: CLIENT, name: 'query', parentSpanId: shared }),
  ], { service: 'back' }));
  return traceId;
}

const byName = (spans) => Object.fromEntries(spans.map((s) => [s.name, s]));

async function check(traceId) {
  const { call, serve, query } = byName(await readTrace(server, traceId));
  assert.equal(call.spanId, shared);
  assert.equal(serve.spanId, '0000000000000001', 'the smallest unused id');
  assert.equal(serve.parentSpanId, shared, 'the server half hangs under the client half');
  assert.equal(query.parentSpanId, serve.spanId, "the server's child hangs under the server half");
}

test('client and server with one id come back as parent and child, live and from a block', async () => {
  const traceId = await pair();
  await check(traceId);
  await fetch(`${server.url}/flush`, { method: 'POST' });
  await check(traceId);
});

test('a new id never collides with one that is there', async () => {
  const traceId = await pair();
  await mustPush(server, makeRequest([makeSpan({ traceId, spanId: '0000000000000001', name: 'one' })]));
  const { serve, one } = byName(await readTrace(server, traceId));
  assert.equal(one.spanId, '0000000000000001');
  assert.equal(serve.spanId, '0000000000000002');
});

test('a server span without its client half keeps its id', async () => {
  const traceId = newTraceId();
  await mustPush(server, makeRequest([makeSpan({ traceId, spanId: shared, kind: SERVER, name: 'serve' })]));
  assert.equal((await readTrace(server, traceId))[0].spanId, shared);
});
