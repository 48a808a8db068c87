// The command line as charts, operators and people use it, and signals.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server, binary } from './lib/server.mjs';
import { makeRequest, makeSpan, mustPush, push, str } from './lib/otlp.mjs';

const dir = mkdtempSync(join(tmpdir(), 'vivace-cli-'));
after(() => rmSync(dir, { recursive: true, force: true }));

function file(name, text) {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}
function run(...args) {
  const r = spawnSync(binary, args, { encoding: 'utf8', timeout: 10000, env: { ...process.env, WAL: '/tmp/x' } });
  return { code: r.status, out: r.stdout, err: r.stderr };
}

test('-version prints a line that scripts can read', () => {
  const r = run('-version');
  assert.equal(r.code, 0);
  assert.match(r.out, /^tempo, version v3\.\d+\.\d+ \(branch: \S+, revision: \S+\)\n/);
});

test('flags in every form Go takes; unknown ones exit 2 with usage', () => {
  const good = file('good.yaml', 'server: {http_listen_port: 3200}\n');
  for (const args of [['-config.file', good], [`--config.file=${good}`], [`-config.file=${good}`]])
    assert.equal(run(...args, '-config.verify=true', '-mem-ballast-size-mbs=1024', '-target=all', '-log.level=debug').code, 0, args.join(' '));
  const r = run('-nonsense');
  assert.equal(r.code, 2);
  assert.match(r.err, /^flag provided but not defined: -nonsense\n/);
});

test('-config.verify: 0 without warnings, 1 with them, each with its place', () => {
  assert.equal(run('-config.verify', `-config.file=${file('ok.yaml', 'multitenancy_enabled: false\nmemberlist: {bind_port: 1}\n')}`).code, 0);
  const warn = run('-config.verify', `-config.file=${file('warn.yaml', 'server:\n  bogus: 1\n')}`);
  assert.equal(warn.code, 1);
  assert.match(warn.err, /warn\.yaml:2:3: .*bogus/);
  const bad = run('-config.verify', `-config.file=${file('bad.yaml', 'server:\n  http_listen_port: abc\n')}`);
  assert.equal(bad.code, 1);
  assert.match(bad.err, /bad\.yaml:2:21: /);
});

test('a wrong value ends the start with exit 1; a missing file says so in the words of Tempo', () => {
  const bad = run(`-config.file=${file('bad2.yaml', 'ingester: {max_block_bytes: lots}\n')}`);
  assert.equal(bad.code, 1);
  assert.match(bad.err, /bad2\.yaml:1:/);
  const none = run('-config.file=/nonexistent/x.yaml');
  assert.equal(none.code, 1);
  assert.match(none.err, /failed parsing config: failed to read configFile \/nonexistent\/x\.yaml: open \/nonexistent\/x\.yaml: no such file or directory/);
});

test('-config.expand-env fills ${VAR} and ${VAR:default}', () => {
  const path = file('env.yaml', 'storage: {trace: {backend: "${KIND:local}", wal: {path: "${WAL}"}}}\n');
  assert.equal(run('-config.verify', '-config.expand-env=true', `-config.file=${path}`).code, 0);
});

test('-health asks the running server', async () => {
  const server = await Server.start();
  try {
    const up = run('-health', `-health.url=${server.url}/ready`);
    assert.deepEqual([up.code, up.out], [0, 'Tempo is healthy\n']);
  } finally {
    await server.stop();
  }
  assert.equal(run('-health', `-health.url=${server.url}/ready`).code, 1);
});

test('SIGHUP reads the per-tenant overrides again', async () => {
  const overrides = file('overrides.yaml', 'overrides: {}\n');
  const server = await Server.start({
    multitenancy_enabled: true,
    overrides: { per_tenant_override_config: overrides, per_tenant_override_period: '10m' },
  });
  try {
    const headers = { 'x-scope-orgid': 'small' };
    const request = makeRequest([makeSpan({ attributes: [str('blob', 'x'.repeat(500))] })]);
    await mustPush(server, request, headers);
    writeFileSync(overrides, 'overrides: {small: {ingestion: {rate_limit_bytes: 100, burst_size_bytes: 100}}}\n');
    server.child.kill('SIGHUP');
    let status = 200;
    for (let i = 0; i < 100 && status === 200; i++) {
      await sleep(20);
      status = (await push(server, request, headers)).status;
    }
    assert.equal(status, 429);
  } finally {
    await server.stop();
  }
});
