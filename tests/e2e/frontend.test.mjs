// The small endpoints of :3200 and trace by id: statuses, bodies and headers as api.md 1 gives them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';
import { exchange } from './lib/http1.mjs';
import { decode, makeRequest, makeSpan, mustPush, newTraceId, plainSpans, str } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

let server;
let traceId;
before(async () => {
  server = await Server.start();
  traceId = newTraceId();
  await mustPush(server, makeRequest([makeSpan({ traceId })]));
});
after(() => server?.stop());

async function get(path, headers = {}, method = 'GET') {
  const r = await fetch(server.url + path, { headers, method });
  return { status: r.status, type: r.headers.get('content-type'), text: await r.text(), headers: r.headers };
}

test('/ready', async () => {
  const r = await get('/ready');
  assert.deepEqual([r.status, r.text], [200, 'ready\n']);
  assert.match(r.type, /^text\/plain/);
});

test('/api/echo', async () => {
  const r = await get('/api/echo');
  assert.deepEqual([r.status, r.text], [200, 'echo\n']);
  assert.match(r.type, /^text\/plain/);
});

test('/api/status/buildinfo has the keys Grafana reads and a version it can compare', async () => {
  const r = await get('/api/status/buildinfo');
  const info = JSON.parse(r.text);
  assert.equal(r.status, 200);
  for (const key of ['version', 'revision', 'branch', 'buildUser', 'buildDate', 'goVersion']) assert.equal(typeof info[key], 'string', key);
  assert.match(info.version, /^v?\d+\.\d+\.\d+/);
  const post = await get('/api/status/buildinfo', {}, 'POST');
  assert.deepEqual([post.status, post.text], [405, '']);
});

test('/metrics is Prometheus text, and OpenMetrics when asked for', async () => {
  const text = await get('/metrics');
  assert.equal(text.status, 200);
  assert.match(text.type, /^text\/plain; version=0\.0\.4; charset=utf-8/);
  const open = await get('/metrics', { accept: 'application/openmetrics-text; version=1.0.0; charset=utf-8, text/plain;q=0.5' });
  assert.match(open.type, /^application\/openmetrics-text; version=1\.0\.0/);
  assert.ok(open.text.endsWith('# EOF\n'));
});

test('/metrics in either form is well-formed: one TYPE a family, every sample parses', async () => {
  for (const accept of ['text/plain', 'application/openmetrics-text; version=1.0.0']) {
    const { text } = await get('/metrics', { accept });
    const types = new Map();
    for (const line of text.trimEnd().split('\n')) {
      const type = /^# TYPE (\S+) (\S+)$/.exec(line);
      if (type) {
        assert.equal(types.has(type[1]), false, `${type[1]} has two TYPE lines`);
        types.set(type[1], type[2]);
      } else if (!line.startsWith('#')) {
        assert.match(line, /^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (NaN|[+-]Inf|[-+0-9.e]+)( .*)?$/, line);
      }
    }
    for (const name of ['tempo_build_info', 'tempo_distributor_push_duration_seconds', 'tempo_distributor_traces_per_batch']) {
      assert.ok([...types.keys()].some((k) => k === name), `${name} in ${accept}`);
    }
  }
});

test('/status answers JSON unless text is asked for', async () => {
  const all = await get('/status');
  assert.deepEqual([all.status, all.type], [200, 'application/json']);
  const page = JSON.parse(all.text);
  assert.equal(page.status, 'Running');
  for (const part of ['version', 'services', 'endpoints', 'runtime_config', 'config']) {
    const r = await get(`/status/${part}`);
    assert.deepEqual(JSON.parse(r.text), page[part], part);
  }
  assert.equal(page.config.server.http_listen_port, server.httpPort);
  assert.ok(page.services.every((s) => typeof s === 'string'), 'names, as Kiali reads them');
});

test('/status as text lists its sections; unknown ones are 404', async () => {
  const text = { accept: 'text/plain' };
  const all = await get('/status', text);
  assert.equal(all.status, 200);
  for (const part of ['version', 'services', 'endpoints', 'runtime_config', 'config']) {
    const r = await get(`/status/${part}`, text);
    assert.equal(r.status, 200, part);
    assert.ok(r.text.startsWith(`GET /status/${part}\n`), `${part}: ${r.text.slice(0, 80)}`);
    assert.ok(all.text.includes(`GET /status/${part}\n`), `/status shows ${part}`);
  }
  assert.equal((await get('/status/nonsense')).status, 404);
  const post = await get('/status', {}, 'POST');
  assert.deepEqual([post.status, post.text], [405, '']);
});

test('/status/config shows what is configured; mode=diff only what differs; mode=defaults the defaults', async () => {
  const text = { accept: 'text/plain' };
  const now = await get('/status/config', text);
  const diff = await get('/status/config?mode=diff', text);
  const defaults = await get('/status/config?mode=defaults', text);
  assert.match(now.text, /\n---\n/);
  assert.ok(now.text.includes(`http_listen_port: ${server.httpPort}`));
  assert.ok(diff.text.includes(`http_listen_port: ${server.httpPort}`));
  assert.ok(diff.text.length < now.text.length);
  assert.ok(defaults.text.includes('http_listen_port: 3200'));
});

test('unknown paths are 404 as Go writes them', async () => {
  for (const path of ['/', '/nothing', '/api/search/', '/api/traces/', '/loki/api/v1/push']) {
    const r = await get(path);
    assert.deepEqual([r.status, r.text], [404, '404 page not found\n'], path);
    assert.equal(r.type, 'text/plain; charset=utf-8');
    assert.equal(r.headers.get('x-content-type-options'), 'nosniff');
  }
});

test('a double slash is redirected to the clean path', async () => {
  const r = await exchange(server.httpPort, 'GET /api//echo HTTP/1.1\r\nHost: x\r\n\r\n', { waitMs: 500 });
  assert.deepEqual([r.status, r.headers.location], [301, '/api/echo']);
});

const idErrors = [
  ['/api/traces/xyz', 'trace IDs can only contain hex characters: invalid character \'x\' at position 1'],
  ['/api/v2/traces/12g4', 'trace IDs can only contain hex characters: invalid character \'g\' at position 3'],
  [`/api/traces/${'1'.repeat(33)}`, "trace IDs can't be larger than 128 bits"],
  [`/api/v2/traces/${'1'.repeat(33)}`, "trace IDs can't be larger than 128 bits"],
  ['/api/traces/1?mode=foo', 'invalid value for mode foo'],
  ['/api/v2/traces/1?start=x&end=2', 'invalid start: strconv.ParseInt: parsing "x": invalid syntax'],
  ['/api/v2/traces/1?start=1&end=y', 'invalid end: strconv.ParseInt: parsing "y": invalid syntax'],
  ['/api/traces/1?start=5&end=3', 'http parameter start must be before end. received start=5 end=3'],
  ['/api/v2/traces/1?start=5&end=5', 'http parameter start must be before end. received start=5 end=5'],
];
for (const [path, text] of idErrors) {
  test(`${path.slice(0, 40)} -> 400 ${text.slice(0, 60)}`, async () => {
    const r = await get(path);
    assert.deepEqual([r.status, r.text, r.type], [400, text, 'text/plain; charset=utf-8']);
    assert.equal(r.headers.get('vary'), 'Accept-Encoding');
  });
}

for (const [path, start] of [
  ['/api/traces/1?blockStart=zz', 'invalid value for blockstart: '],
  ['/api/traces/1?blockEnd=zz', 'invalid value for blockEnd: '],
]) {
  test(`${path} -> 400 ${start}`, async () => {
    const r = await get(path);
    assert.equal(r.status, 400);
    assert.ok(r.text.startsWith(start), r.text);
  });
}

test('mode=ingesters skips the validation of the rest', async () => {
  assert.equal((await get(`/api/v2/traces/${traceId}?mode=ingesters&start=x`)).status, 200);
});

test('a missing trace: v1 404 with nothing, v2 200 with an empty trace', async () => {
  const v1 = await get('/api/traces/abcdef');
  assert.deepEqual([v1.status, v1.text, v1.type], [404, '', null]);
  const v2 = await get('/api/v2/traces/abcdef');
  assert.deepEqual([v2.status, v2.type, v2.text], [200, 'application/json', '{"trace":{},"metrics":{}}']);
  const proto = await fetch(`${server.url}/api/v2/traces/abcdef`, { headers: { accept: 'application/protobuf' } });
  const bytes = Buffer.from(await proto.arrayBuffer());
  assert.equal(proto.headers.get('content-type'), 'application/protobuf');
  assert.equal(bytes.subarray(0, 2).toString('hex'), '0a00');
  assert.deepEqual(decode('TraceByIDResponse', bytes).trace, {});
});

test('ids are padded on the left, of odd length and either case alike', async () => {
  const short = '00000000000000000000000000ABCDEF';
  await mustPush(server, makeRequest([makeSpan({ traceId: short.toLowerCase() })]));
  for (const id of ['abcdef', 'ABCDEF', '0abcdef', '00AbCdEf', short]) assert.equal((await get(`/api/traces/${id}`)).status, 200, id);
  assert.equal((await get('/api/traces/abcde')).status, 404);
});

test('Accept is looked at by its parts: protobuf first, then JSON, then JSON anyway', async () => {
  const type = async (accept) => (await get(`/api/v2/traces/${traceId}`, { accept })).type;
  assert.equal(await type('application/json, application/protobuf'), 'application/protobuf');
  assert.equal(await type('text/html, application/json;q=0.9'), 'application/json');
  assert.equal(await type('text/html'), 'application/json');
});

test('every method answers a query', async () => {
  for (const method of ['POST', 'PUT', 'OPTIONS', 'DELETE']) assert.equal((await get(`/api/v2/traces/${traceId}`, {}, method)).status, 200, method);
  const head = await get(`/api/v2/traces/${traceId}`, {}, 'HEAD');
  assert.deepEqual([head.status, head.text], [200, '']);
});

test('large answers are gzip when asked for, small ones and unasked ones never; Vary always', async () => {
  const id = newTraceId();
  await mustPush(server, makeRequest([makeSpan({ traceId: id, attributes: [str('text', 'lorem ipsum '.repeat(160))] })]));
  const raw = (path, accept) =>
    new Promise((resolve, reject) => {
      import('node:http').then(({ default: http }) =>
        http.get(`${server.url}${path}`, { headers: accept ? { 'accept-encoding': accept } : {} }, (r) => {
          const parts = [];
          r.on('data', (d) => parts.push(d));
          r.on('end', () => resolve({ encoding: r.headers['content-encoding'], vary: r.headers.vary, body: Buffer.concat(parts) }));
        }).on('error', reject));
    });
  const zipped = await raw(`/api/v2/traces/${id}`, 'gzip, deflate, br');
  assert.deepEqual([zipped.encoding, zipped.vary], ['gzip', 'Accept-Encoding']);
  const plain = await raw(`/api/v2/traces/${id}`);
  assert.deepEqual([plain.encoding, plain.vary], [undefined, 'Accept-Encoding']);
  assert.deepEqual(JSON.parse(zlib.gunzipSync(zipped.body)).trace, JSON.parse(plain.body).trace);
  assert.equal((await raw('/api/v2/traces/abcdef', 'gzip')).encoding, undefined);
  assert.equal((await raw(`/api/v2/traces/${id}`, 'gzip;q=0')).encoding, undefined);
});

test('a trace over max_bytes_per_trace when put together: v1 422, v2 partial', async () => {
  // Two traces of a size just under the limit each, of which the reader's limit is lowered by a new start.
  const id = newTraceId();
  const own = await Server.start();
  try {
    for (let i = 0; i < 4; i++) await mustPush(own, makeRequest([makeSpan({ traceId: id, attributes: [str('t', 'x'.repeat(1500))] })]));
    own.config.overrides = { defaults: { global: { max_bytes_per_trace: 3000 } } };
    await own.restart();
    const v1 = await fetch(`${own.url}/api/traces/${id}`);
    assert.equal(v1.status, 422);
    assert.match(await v1.text(), /trace exceeds max size \(max bytes: 3000\)/);
    const v2 = await (await fetch(`${own.url}/api/v2/traces/${id}`)).json();
    assert.deepEqual([v2.status, v2.message], ['PARTIAL', 'Trace exceeds maximum size of 3000 bytes, a partial trace is returned']);
    const kept = plainSpans(v2.trace.resourceSpans).length;
    assert.ok(kept >= 1 && kept < 4, `${kept} spans kept`);
  } finally {
    await own.stop();
  }
});
