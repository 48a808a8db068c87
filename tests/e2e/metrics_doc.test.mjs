// docs/metrics.md is true: every family a server shows is on the page with its type, and nothing on the page is unknown to the source.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { Server } from './lib/server.mjs';

const root = new URL('../../', import.meta.url).pathname;
const page = new Map(
  readFileSync(`${root}docs/metrics.md`, 'utf8').split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter((cells) => /^(tempo|tempodb|vivace|process)_/.test(cells[1] ?? ''))
    .map((cells) => [cells[1], cells[2]]),
);

test('every metric of a running server is on the page, with its type', async () => {
  const server = await Server.start();
  try {
    const span = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', name: 'x' };
    const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
    await fetch(`http://127.0.0.1:${server.otlpHttpPort}/v1/traces`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    await fetch(`http://127.0.0.1:${server.httpPort}/api/traces/1`);
    const text = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text();
    const shown = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    assert.ok(shown.length > 30);
    for (const [, name, type] of shown) assert.equal(page.get(name), type, name);
    for (const name of ['tempo_distributor_spans_received_total', 'tempo_distributor_ingestion_requests_total', 'tempo_ingester_traces_created_total',
      'tempo_ingester_blocks_flushed_total', 'tempo_query_frontend_requests_total', 'tempo_query_frontend_request_duration_seconds',
      'tempo_compactor_compaction_total', 'tempo_request_duration_seconds', 'tempo_build_info'])
      assert.ok(shown.some(([, n]) => n === name), `${name} exists from the start`);
  } finally {
    await server.stop();
  }
});

test('every metric on the page is registered somewhere in the source', () => {
  const source = execFileSync('cat', execFileSync('git', ['ls-files', 'src/*.c'], { cwd: root, encoding: 'utf8' }).trim().split('\n'), { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  for (const name of page.keys()) assert.ok(source.includes(`"${name}"`), name);
});
