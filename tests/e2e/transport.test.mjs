// Ports and how they speak: h2c on the API port, the gRPC port, TLS and mTLS, unix sockets, the internal server, prefixes.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import https from 'node:https';
import tls from 'node:tls';
import { after, before, test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCerts } from './lib/certs.mjs';
import { EXPORT, call, exportSpans, frame } from './lib/grpc.mjs';
import { exchange, post } from './lib/http1.mjs';
import { encodeRequest, makeRequest, makeSpan, mustPush, newTraceId, readTrace } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

let dir;
let certs;
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'vivace-certs-'));
  certs = makeCerts(dir);
});
after(() => rmSync(dir, { recursive: true, force: true }));

async function withServer(config, body, options) {
  const server = await Server.start(config, options);
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

/** One request over HTTP/2; {status, headers, body}. */
function h2get(session, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, ...headers });
    const parts = [];
    let got;
    stream.on('response', (h) => (got = h));
    stream.on('data', (d) => parts.push(d));
    stream.on('error', reject);
    stream.on('end', () => resolve({ status: got[':status'], headers: got, body: Buffer.concat(parts).toString() }));
    stream.end();
  });
}

test('the API port speaks HTTP/1.1 and cleartext HTTP/2 alike, many streams on one connection', async () => {
  await withServer({ stream_over_http_enabled: true }, async (server) => {
    const traceId = newTraceId();
    await mustPush(server, makeRequest([makeSpan({ traceId })]));
    const session = http2.connect(server.url);
    try {
      const echo = await h2get(session, '/api/echo');
      assert.deepEqual([echo.status, echo.body], [200, 'echo\n']);
      const plain = await (await fetch(`${server.url}/api/v2/traces/${traceId}`)).json();
      const answers = await Promise.all(Array.from({ length: 50 }, () => h2get(session, `/api/v2/traces/${traceId}`)));
      for (const answer of answers) assert.deepEqual(JSON.parse(answer.body).trace, plain.trace);
      assert.equal((await h2get(session, '/nothing')).status, 404);
    } finally {
      session.destroy();
    }
    const health = await call(server.httpPort, { path: '/grpc.health.v1.Health/Check' });
    assert.deepEqual([health.http, health.status], [200, 0]);
    assert.equal(health.data.toString('hex'), '00000000020801', 'SERVING');
  });
});

test('the gRPC port answers the health check and names what it does not know', async () => {
  await withServer({}, async (server) => {
    const health = await call(server.grpcPort, { path: '/grpc.health.v1.Health/Check' });
    assert.deepEqual([health.http, health.status, health.data.toString('hex')], [200, 0, '00000000020801']);
    const unknown = await call(server.grpcPort, { path: '/grpc.health.v1.Health/Nope' });
    assert.deepEqual([unknown.status, unknown.message], [12, 'unknown method Nope for service grpc.health.v1.Health']);
    const other = await call(server.grpcPort, { path: EXPORT });
    assert.deepEqual([other.status, other.message], [12, 'unknown service opentelemetry.proto.collector.trace.v1.TraceService']);
  });
});

test('http_api_prefix moves /api, and leaves /ready, /metrics and /status', async () => {
  await withServer({ http_api_prefix: '/tempo' }, async (server) => {
    const status = async (path) => (await fetch(server.url + path)).status;
    assert.equal(await status('/tempo/api/echo'), 200);
    assert.equal(await status('/api/echo'), 404);
    const traceId = newTraceId();
    await mustPush(server, makeRequest([makeSpan({ traceId })]));
    assert.equal(await status(`/tempo/api/traces/${traceId}`), 200);
    for (const path of ['/ready', '/metrics', '/status']) assert.equal(await status(path), 200, path);
  });
});

test('internal_server serves /ready and /metrics on its own port, when enabled', async () => {
  const config = (s) => ({ internal_server: { enable: true, http_listen_address: '127.0.0.1', http_listen_port: s.internalPort } });
  await withServer(config, async (server) => {
    const get = async (path) => (await fetch(`http://127.0.0.1:${server.internalPort}${path}`)).status;
    assert.deepEqual([await get('/ready'), await get('/metrics'), await get('/api/echo')], [200, 200, 404]);
  });
  await withServer({}, async (server) => {
    await assert.rejects(fetch(`http://127.0.0.1:${server.internalPort}/ready`));
  });
});

const receiverTls = (extra) => (s) => {
  const settings = { cert_file: certs.path('server.crt'), key_file: certs.path('server.key'), ...extra };
  return {
    distributor: { receivers: { otlp: { protocols: {
      grpc: { endpoint: `127.0.0.1:${s.otlpGrpcPort}`, tls: settings },
      http: { endpoint: `127.0.0.1:${s.otlpHttpPort}`, tls: settings },
    } } } },
  };
};
const message = (traceId) => encodeRequest(makeRequest([makeSpan({ traceId })]));
const proto = { 'Content-Type': 'application/x-protobuf' };

test('TLS on the receivers: gRPC by ALPN h2, HTTP/1.1 and HTTP/2 by ALPN, plain text refused', async () => {
  await withServer(receiverTls({}), async (server) => {
    const [a, b, c] = [newTraceId(), newTraceId(), newTraceId()];
    assert.equal((await exportSpans(server.otlpGrpcPort, message(a), { tls: { ca: certs.ca } })).status, 0);
    const h1 = await exchange(server.otlpHttpPort, post('/v1/traces', proto, message(b)), { tlsOptions: { ca: certs.ca, ALPNProtocols: ['http/1.1'] } });
    assert.equal(h1.status, 200);
    const session = http2.connect(`https://127.0.0.1:${server.otlpHttpPort}`, { ca: certs.ca });
    try {
      const stream = session.request({ ':method': 'POST', ':path': '/v1/traces', 'content-type': 'application/x-protobuf' });
      const status = new Promise((resolve, reject) => stream.on('response', (h) => resolve(h[':status'])).on('error', reject));
      stream.end(message(c));
      assert.equal(await status, 200);
    } finally {
      session.destroy();
    }
    for (const id of [a, b, c]) assert.equal((await readTrace(server, id)).length, 1);
    const plain = await exchange(server.otlpHttpPort, post('/v1/traces', proto, message(a)), { waitMs: 1000 }).catch(() => ({ status: undefined }));
    assert.notEqual(plain.status, 200);
  });
});

const version = (port, options) =>
  new Promise((resolve) => {
    const socket = tls.connect({ port, host: '127.0.0.1', ca: certs.ca, ALPNProtocols: ['h2'], ...options });
    socket.on('secureConnect', () => (resolve(socket.getProtocol()), socket.destroy()));
    socket.on('error', (e) => resolve(e.code ?? 'error'));
  });

test('min_version and max_version hold', async () => {
  await withServer(receiverTls({ min_version: '1.3' }), async (server) => {
    assert.equal(await version(server.otlpGrpcPort, {}), 'TLSv1.3');
    assert.notEqual(await version(server.otlpGrpcPort, { maxVersion: 'TLSv1.2' }), 'TLSv1.2');
  });
  await withServer(receiverTls({ max_version: '1.2' }), async (server) => {
    assert.equal(await version(server.otlpGrpcPort, {}), 'TLSv1.2');
    assert.notEqual(await version(server.otlpGrpcPort, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }), 'TLSv1.1');
  });
});

test('client_ca_file demands a certificate of that authority, on gRPC and HTTP', async () => {
  await withServer(receiverTls({ client_ca_file: certs.path('ca.crt') }), async (server) => {
    const grpc = async (who) =>
      (await exportSpans(server.otlpGrpcPort, message(newTraceId()), { tls: { ca: certs.ca, ...who } }).catch(() => ({ status: 'refused' }))).status ?? 'refused';
    const http1 = async (who) =>
      (await exchange(server.otlpHttpPort, post('/v1/traces', proto, message(newTraceId())), { tlsOptions: { ca: certs.ca, ...who }, waitMs: 1000 }).catch(() => ({}))).status;
    assert.deepEqual([await grpc(certs.client), await grpc({}), await grpc(certs.stranger)], [0, 'refused', 'refused']);
    assert.deepEqual([await http1(certs.client), await http1({}), await http1(certs.stranger)], [200, undefined, undefined]);
  });
});

const httpsGet = (port, path, options) =>
  new Promise((resolve, reject) => {
    https.get({ port, host: '127.0.0.1', path, ca: certs.ca, agent: false, ...options }, (r) => {
      r.resume();
      r.on('end', () => resolve(r.statusCode));
    }).on('error', reject);
  });

const apiTls = (extra) => ({
  server: { http_tls_config: { cert_file: certs.path('server.crt'), key_file: certs.path('server.key'), ...extra } },
});

test('TLS on the API port: HTTP/1.1 and h2 by ALPN; plain HTTP is told so', async () => {
  const options = { scheme: 'https', readyUrl: async (s) => (await httpsGet(s.httpPort, '/ready', {})) === 200 };
  await withServer(apiTls({}), async (server) => {
    assert.equal(await httpsGet(server.httpPort, '/api/echo', {}), 200);
    const session = http2.connect(server.url, { ca: certs.ca });
    try {
      assert.equal((await h2get(session, '/api/echo')).body, 'echo\n');
    } finally {
      session.destroy();
    }
    const plain = await exchange(server.httpPort, 'GET /api/echo HTTP/1.1\r\nHost: x\r\n\r\n', { waitMs: 1000 });
    assert.equal(plain.status, 400);
    assert.match(plain.body, /^Client sent an HTTP request to an HTTPS server\./);
  }, options);
});

test('client_auth_type RequireAndVerifyClientCert on the API port', async () => {
  const options = { scheme: 'https', readyUrl: async (s) => (await httpsGet(s.httpPort, '/ready', certs.client)) === 200 };
  await withServer(apiTls({ client_auth_type: 'RequireAndVerifyClientCert', client_ca_file: certs.path('ca.crt') }), async (server) => {
    assert.equal(await httpsGet(server.httpPort, '/api/echo', certs.client), 200);
    await assert.rejects(httpsGet(server.httpPort, '/api/echo', {}));
    await assert.rejects(httpsGet(server.httpPort, '/api/echo', certs.stranger));
  }, options);
});

test('receivers listen on unix sockets', async () => {
  const config = (s) => ({
    distributor: { receivers: { otlp: { protocols: {
      grpc: { endpoint: join(s.dir, 'grpc.sock'), transport: 'unix' },
      http: { endpoint: join(s.dir, 'http.sock'), transport: 'unix' },
    } } } },
  });
  await withServer(config, async (server) => {
    const [a, b] = [newTraceId(), newTraceId()];
    const r = await exchange(join(server.dir, 'http.sock'), post('/v1/traces', proto, message(a)));
    assert.equal(r.status, 200);
    const { default: net } = await import('node:net');
    const session = http2.connect('http://localhost', { createConnection: () => net.connect(join(server.dir, 'grpc.sock')) });
    try {
      assert.equal((await call('', { session, body: frame(message(b)) })).status, 0);
    } finally {
      session.destroy();
    }
    for (const id of [a, b]) assert.equal((await readTrace(server, id)).length, 1);
    await server.restart(); // the old socket files are in the way, and must not be
    assert.equal((await exchange(join(server.dir, 'http.sock'), post('/v1/traces', proto, message(newTraceId())))).status, 200);
  });
});
