// Browsers sending OTLP: CORS as receivers.md 4.4 gives it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exchange, post } from './lib/http1.mjs';
import { encodeRequest, makeRequest, makeSpan } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

let plain;
let cors;
const start = (http) => Server.start((s) => ({
  distributor: { receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${s.otlpHttpPort}`, ...http } } } } },
}));
before(async () => {
  plain = await Server.start();
  cors = await start({ cors: { allowed_origins: ['https://shop.example', 'https://*.apps.example'], max_age: 7200 } });
});
after(async () => {
  await plain?.stop();
  await cors?.stop();
});

const send = (server, origin) =>
  exchange(server.otlpHttpPort, post('/v1/traces', { 'Content-Type': 'application/x-protobuf', ...(origin ? { Origin: origin } : {}) }, encodeRequest(makeRequest([makeSpan()]))));

const preflight = (server, origin, headers = 'content-type', method = 'POST') =>
  exchange(server.otlpHttpPort,
    `OPTIONS /v1/traces HTTP/1.1\r\nHost: x\r\nOrigin: ${origin}\r\nAccess-Control-Request-Method: ${method}\r\n` +
      `${headers ? `Access-Control-Request-Headers: ${headers}\r\n` : ''}\r\n`, { waitMs: 1000 });

const aca = (r) => Object.fromEntries(Object.entries(r.headers).filter(([k]) => k.startsWith('access-control-')));

test('without allowed_origins there is no CORS, and OPTIONS is 405', async () => {
  const r = await send(plain, 'https://shop.example');
  assert.deepEqual([r.status, aca(r), r.headers.vary], [200, {}, undefined]);
  assert.equal((await preflight(plain, 'https://shop.example')).status, 405);
});

for (const origin of ['https://shop.example', 'https://a.apps.example']) {
  test(`an allowed origin is named in the answer: ${origin}`, async () => {
    const r = await send(cors, origin);
    assert.equal(r.status, 200);
    assert.equal(r.headers.vary, 'Origin');
    assert.deepEqual(aca(r), { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true' });
  });
}

test('a foreign origin is served without the headers', async () => {
  const r = await send(cors, 'https://evil.example');
  assert.deepEqual([r.status, aca(r), r.headers.vary], [200, {}, 'Origin']);
});

test('no origin: Vary all the same', async () => {
  const r = await send(cors);
  assert.deepEqual([r.status, aca(r), r.headers.vary], [200, {}, 'Origin']);
});

test('a preflight of an allowed origin', async () => {
  const r = await preflight(cors, 'https://shop.example');
  assert.equal(r.status, 204);
  assert.equal(r.headers.vary, 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers');
  assert.deepEqual(aca(r), {
    'access-control-allow-origin': 'https://shop.example',
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': 'content-type',
    'access-control-allow-credentials': 'true',
    'access-control-max-age': '7200',
  });
});

for (const [name, args] of [
  ['a foreign origin', ['https://evil.example']],
  ['a method that is not allowed', ['https://shop.example', 'content-type', 'DELETE']],
  ['a header that is not allowed', ['https://shop.example', 'x-secret']],
]) {
  test(`a preflight with ${name} is 204 and allows nothing`, async () => {
    const r = await preflight(cors, ...args);
    assert.deepEqual([r.status, aca(r)], [204, {}]);
  });
}

test('OPTIONS that is no preflight is 405', async () => {
  const r = await exchange(cors.otlpHttpPort, 'OPTIONS /v1/traces HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.example\r\n\r\n', { waitMs: 1000 });
  assert.equal(r.status, 405);
});

test('allowed_headers replace the usual ones: content-type is no longer implied', async () => {
  const server = await start({ cors: { allowed_origins: ['*'], allowed_headers: ['X-Shop'] } });
  try {
    assert.equal(aca(await preflight(server, 'https://any.example', 'x-shop'))['access-control-allow-origin'], 'https://any.example');
    assert.deepEqual(aca(await preflight(server, 'https://any.example', 'content-type')), {});
  } finally {
    await server.stop();
  }
});
