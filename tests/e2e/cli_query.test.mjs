// vivace query search|trace|tags against a running server, over TLS, and against servers that lie.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { makeCerts } from './lib/certs.mjs';
import { makeRequest, makeSpan, mustPush, newSpanId, newTraceId } from './lib/otlp.mjs';
import { Server, binary } from './lib/server.mjs';

const dir = mkdtempSync(join(tmpdir(), 'vivace-cli-query-'));
let server;
const traceId = newTraceId();
const [root, child] = [newSpanId(), newSpanId()];
before(async () => {
  server = await Server.start({ multitenancy_enabled: true });
  const headers = { 'x-scope-orgid': 'team-a' };
  await mustPush(server, makeRequest([
    makeSpan({ traceId, spanId: root, name: 'GET /\u001b[31mcart' }),
    makeSpan({ traceId, spanId: newSpanId(), parentSpanId: newSpanId(), name: 'orphan' }),
  ]), headers);
  await mustPush(server, makeRequest([makeSpan({ traceId, spanId: child, parentSpanId: root, name: 'SELECT', status: { code: 2, message: 'deadlock' } })], { service: 'db' }), headers);
});
after(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

// Not spawnSync: some of the servers asked run in this process.
async function run(args, env = {}) {
  const child = spawn(binary, ['query', ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const out = [], err = [];
  child.stdout.on('data', (d) => out.push(d));
  child.stderr.on('data', (d) => err.push(d));
  const timer = setTimeout(() => child.kill('SIGKILL'), 30000);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  assert.equal(signal, null, 'it ended by itself');
  return { code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
}
const tenant = ['--tenant', 'team-a'];

test('search lists traces with root, duration and counts; --json is the answer of the server', async () => {
  const r = await run(['search', server.url, '{ status = error }', ...tenant]);
  assert.equal(r.code, 0, r.err);
  assert.match(r.out, /^TRACE +ROOT SERVICE +ROOT SPAN +START +DURATION +MATCHED +SPANS +ERRORS\n/);
  const id = traceId.replace(/^0+/, '');
  assert.match(r.out, new RegExp(`\n${id} +shop +GET /.\\[31mcart +\\S+Z +\\S+ +1 +3 +1\n`));
  assert.ok(!r.out.includes('\u001b'), 'no escape sequence of a span name reaches the terminal');
  const doc = JSON.parse((await run(['search', server.url, '--json', ...tenant])).out);
  assert.equal(doc.traces.length, 1);
  assert.match((await run(['search', server.url, '{ name = "nothing" }', ...tenant])).out, /^0 traces/);
});

test('a time range, a limit, and the wrong tenant', async () => {
  const yesterday = String(Math.floor(Date.now() / 1000) - 86400);
  assert.match((await run(['search', server.url, '--start', yesterday, '--end', String(Number(yesterday) + 60), ...tenant])).out, /^0 traces/);
  assert.match((await run(['search', server.url, '--start', new Date(Date.now() - 60000).toISOString(), ...tenant])).out, /\n1 trace,/);
  assert.match((await run(['search', server.url, '--header', 'X-Scope-OrgID: team-b'])).out, /^0 traces/);
  const none = await run(['search', server.url]);
  assert.equal(none.code, 1);
  assert.match(none.err, /answered 401: no org id/);
  const bad = await run(['search', server.url, '{ bogus', ...tenant]);
  assert.match(bad.err, /answered 400: invalid TraceQL query/);
  for (const args of [['--since', 'soon'], ['--start', 'now'], ['--start', '9', '--end', '8'], ['--color', 'blue'], ['--header', 'x'], ['--timeout', '-1s']])
    assert.notEqual((await run(['search', server.url, ...args, ...tenant])).code, 0, args.join(' '));
});

test('trace draws a waterfall; colour only on request', async () => {
  const r = await run(['trace', server.url, traceId, '--width', '80', ...tenant]);
  assert.equal(r.code, 0, r.err);
  const lines = r.out.split('\n');
  assert.match(lines[0], new RegExp(`^trace ${traceId}  \\d{4}-`));
  assert.match(r.out, /\nshop GET \/.\[31mcart +500µs █/);
  assert.match(r.out, /\n└ ✗ db SELECT +500µs +[█▐▌]+/);
  assert.match(r.out, /\n\? shop orphan /);
  assert.match(r.out, /\n✗ SELECT: deadlock\n3 spans, 2 services, 1 error, 2 levels\n/);
  for (const line of lines) assert.ok([...line].length <= 80, line);
  assert.ok(!r.out.includes('\u001b'));
  const forced = await run(['trace', server.url, traceId, '--color', 'always', ...tenant], { NO_COLOR: '1' });
  assert.ok(forced.out.includes('\u001b[31m'));
  const doc = JSON.parse((await run(['trace', server.url, traceId, '--json', ...tenant])).out);
  assert.equal(doc.batches.length, 2);
  const none = await run(['trace', server.url, 'abcd', ...tenant]);
  assert.deepEqual([none.code, none.err], [1, 'vivace: the server does not have the trace 0000000000000000000000000000abcd\n']);
  assert.equal((await run(['trace', server.url, 'xyz', ...tenant])).code, 2);
});

test('a trace of ten thousand spans is drawn whole', async () => {
  const big = newTraceId();
  const first = newSpanId();
  for (let i = 0; i < 10; i++)
    await mustPush(server, makeRequest(Array.from({ length: 1000 }, (_, k) =>
      makeSpan({ traceId: big, spanId: i + k ? newSpanId() : first, parentSpanId: i + k ? first : undefined, name: `n${i * 1000 + k}` }))), { 'x-scope-orgid': 'team-a' });
  const r = await run(['trace', server.url, big, ...tenant]);
  assert.equal(r.code, 0, r.err);
  assert.match(r.out, /\n10000 spans, 1 service, 0 errors, 2 levels\n$/);
  assert.equal(r.out.split('\n').length, 10004);
});

test('tags lists names, and values of one under a query', async () => {
  const names = (await run(['tags', server.url, ...tenant])).out.split('\n');
  assert.ok(names.includes('resource.service.name') && names.includes('name'), names.join());
  const values = await run(['tags', server.url, 'resource.service.name', ...tenant]);
  assert.match(values.out, /^VALUE +TYPE\ndb +string\nshop +string\n$/);
  const under = await run(['tags', server.url, 'name', '--query', '{ resource.service.name = "db" }', ...tenant]);
  assert.match(under.out, /SELECT/);
  assert.ok(!under.out.includes('orphan'));
});

test('TLS: the certificate is checked against --ca, the name included', async () => {
  const certs = makeCerts(dir);
  const ca = { ca: certs.ca };
  const secure = await Server.start(
    { server: { http_tls_config: { cert_file: certs.path('server.crt'), key_file: certs.path('server.key') } } },
    { scheme: 'https', readyUrl: async (s) => {
      const { request } = await import('node:https');
      return new Promise((done) => request({ host: '127.0.0.1', port: s.httpPort, path: '/ready', ...ca }, (res) => { res.resume(); done(res.statusCode === 200); }).on('error', () => done(false)).end());
    } });
  try {
    assert.match((await run(['search', secure.url, '--ca', certs.path('ca.crt')])).out, /^0 traces/);
    assert.match((await run(['search', `https://localhost:${secure.httpPort}`, '--ca', certs.path('ca.crt')])).out, /^0 traces/);
    const untrusted = await run(['search', secure.url]);
    assert.equal(untrusted.code, 1);
    assert.match(untrusted.err, /tls: .*(certificate|issuer)/);
    assert.equal((await run(['search', secure.url, '--ca', certs.path('otherca.crt')])).code, 1);
    assert.match((await run(['search', secure.url, '--insecure'])).out, /^0 traces/);
    assert.match((await run(['search', secure.url, '--ca', '/nonexistent'])).err, /tls: \/nonexistent/);
  } finally {
    await secure.stop();
  }
});

/** A server that says `bytes` to whoever connects, and `keep`s the connection open. */
async function liar(bytes, keep = false) {
  const s = createServer((c) => {
    c.on('error', () => {});
    c.once('data', () => (keep ? c.write(bytes) : c.end(bytes)));
  }).listen(0, '127.0.0.1');
  await once(s, 'listening');
  return { url: `http://127.0.0.1:${s.address().port}`, close: () => s.close() };
}
const ok = (body, extra = '') => Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${extra}\r\n`), Buffer.from(body)]);

test('servers that answer something else, nothing, or without end', async () => {
  const cases = [
    [Buffer.from('SSH-2.0-x\r\n\r\n'), /not HTTP/],
    [Buffer.from(''), /without an answer/],
    [ok('<html>'), /not what was asked for/],
    [ok('{"traces":[{"traceID":1}]}'), /not what was asked for/],
    [ok('{"traces":' + '['.repeat(5000)), /not what was asked for/],
    [Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}'), /ended inside/],
    [Buffer.from('HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\n\u001b[2Jowned'), /answered 500: .\[2Jowned/],
    [ok(gzipSync(Buffer.alloc(300 << 20)), 'Content-Encoding: gzip\r\n'), /./],
  ];
  for (const [bytes, want] of cases) {
    const s = await liar(bytes);
    const r = await run(['search', s.url]);
    assert.equal(r.code, 1);
    assert.match(r.err, want);
    assert.ok(!r.err.includes('\u001b'));
    assert.equal((await run(['trace', s.url, 'ab'])).code, 1);
    s.close();
  }
  const silent = await liar('', true);
  const began = performance.now();
  assert.match((await run(['search', silent.url, '--timeout', '300ms'])).err, /did not answer in time/);
  assert.ok(performance.now() - began < 10000);
  silent.close();
  assert.match((await run(['search', 'http://127.0.0.1:1'])).err, /cannot be reached: Connection refused/);
  assert.equal((await run(['search', 'ftp://x'])).code, 1);
});
