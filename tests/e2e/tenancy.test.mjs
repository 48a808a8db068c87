// Multitenancy: who may write, and that nobody reads what another tenant wrote.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exportSpans } from './lib/grpc.mjs';
import { exchange, post } from './lib/http1.mjs';
import { decode, encodeRequest, makeRequest, makeSpan, mustPush, newTraceId, plainRequest, push, readTrace, toJson } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

let server;
before(async () => (server = await Server.start({ multitenancy_enabled: true })));
after(() => server?.stop());

const as = (tenant) => ({ 'x-scope-orgid': tenant });
const good = () => encodeRequest(makeRequest([makeSpan()]));

test('without a tenant: gRPC 14, HTTP 503, both `no org id`', async () => {
  const g = await exportSpans(server.otlpGrpcPort, good());
  assert.deepEqual([g.status, g.message], [14, 'no org id']);
  const h = await push(server, makeRequest([makeSpan()]));
  const status = decode('RpcStatus', Buffer.from(await h.arrayBuffer()));
  assert.deepEqual([h.status, status.code, status.message], [503, 14, 'no org id']);
});

test('the header twice is as good as none', async () => {
  const body = toJson(makeRequest([makeSpan()]));
  const r = await exchange(server.otlpHttpPort,
    `POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Scope-OrgID: a\r\nX-Scope-OrgID: b\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  assert.equal(r.status, 503);
  assert.equal(JSON.parse(r.body).message, 'no org id');
});

const refused = {
  'a|b': 'multiple org IDs present',
  'a/b': "tenant ID 'a/b' contains unsupported character '/'",
  [`${'a'.repeat(151)}`]: 'tenant ID is too long: max 150 characters',
  '.': "tenant ID is '.' or '..'",
  '..': "tenant ID is '.' or '..'",
};
for (const [tenant, message] of Object.entries(refused)) {
  test(`tenant ${tenant.slice(0, 20)}: gRPC 3, HTTP 400: ${message}`, async () => {
    const g = await exportSpans(server.otlpGrpcPort, good(), { headers: as(tenant) });
    assert.deepEqual([g.status, g.message], [3, message]);
    const h = await push(server, makeRequest([makeSpan()]), as(tenant));
    assert.equal(h.status, 400);
    assert.equal(decode('RpcStatus', Buffer.from(await h.arrayBuffer())).message, message);
  });
}

test('every allowed character, and 150 of them, make a tenant', async () => {
  for (const tenant of ["aZ09!-_.*'()", 'x'.repeat(150), '...']) {
    const traceId = newTraceId();
    await mustPush(server, makeRequest([makeSpan({ traceId })]), as(tenant));
    assert.equal((await readTrace(server, traceId, as(tenant))).length, 1);
  }
});

test('a tenant reads its own spans only, live, in blocks and after a restart', async () => {
  const traceId = newTraceId();
  const mine = makeRequest([makeSpan({ traceId, name: 'mine' })]);
  const theirs = makeRequest([makeSpan({ traceId, name: 'theirs' })]);
  await mustPush(server, mine, as('red'));
  await mustPush(server, theirs, as('blue'));
  const check = async () => {
    assert.deepEqual(await readTrace(server, traceId, as('red')), plainRequest(mine));
    assert.deepEqual(await readTrace(server, traceId, as('blue')), plainRequest(theirs));
    assert.equal((await fetch(`${server.url}/api/traces/${traceId}`, { headers: as('green') })).status, 404);
  };
  await check();
  await fetch(`${server.url}/flush`, { method: 'POST' });
  await check();
  await server.restart();
  await check();
  const both = await readTrace(server, traceId, as('red|blue'));
  assert.deepEqual(both.map((s) => s.name).sort(), ['mine', 'theirs']);
});

test('reading without a tenant is 401, with a bad one 400; health and status need none', async () => {
  const get = async (path, headers) => {
    const r = await fetch(server.url + path, { headers });
    return [r.status, await r.text()];
  };
  for (const path of ['/api/traces/1', '/api/v2/traces/1']) {
    assert.deepEqual(await get(path), [401, 'no org id\n'], path);
  }
  const [status, text] = await get('/api/traces/1', as('a/b'));
  assert.equal(status, 400);
  assert.match(text, /^tenant ID 'a\/b' contains unsupported character '\/'/);
  for (const path of ['/api/echo', '/api/status/buildinfo', '/ready', '/status', '/metrics']) {
    assert.equal((await get(path))[0], 200, path);
  }
});

test('with multitenancy off any header is ignored', async () => {
  const single = await Server.start();
  try {
    const traceId = newTraceId();
    await mustPush(single, makeRequest([makeSpan({ traceId })]), as('a/b'));
    assert.equal((await readTrace(single, traceId, as('someone'))).length, 1);
    const r = await exchange(single.otlpHttpPort, post('/v1/traces', { 'Content-Type': 'application/json' }, '{}'));
    assert.equal(r.status, 200);
  } finally {
    await single.stop();
  }
});
