// kill -9 under load, again and again (bench/crash.c): every acknowledged span is there after each restart, none is
// doubled, none was never sent. Segments become blocks meanwhile. VIVACE_CRASH_ROUNDS says how often (10).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { binary } from '../e2e/lib/server.mjs';

const program = process.env.VIVACE_BENCH_CRASH ?? join(dirname(binary), 'bench_crash');
const rounds = Number(process.env.VIVACE_CRASH_ROUNDS ?? 10);

for (const [protocol, seed] of [['grpc', 1], ['http', 2]]) {
  test(`nothing acknowledged over ${protocol} is lost in ${rounds} kills`, { timeout: 60_000 + rounds * 20_000 }, async (t) => {
    assert.ok(existsSync(program), `${program} is not built`);
    const child = spawn(program, ['--server', binary, '--protocol', protocol, '--rounds', String(rounds), '--seed', String(seed), '--rate', '8000'],
      { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (d) => (out += d));
    child.stderr.on('data', (d) => (err += d));
    const [code] = await once(child, 'close');
    t.diagnostic(out.replace(/\s+/g, ' '));
    assert.equal(code, 0, err);
    const result = JSON.parse(out);
    assert.equal(result.rounds, rounds);
    assert.ok(result.acknowledged_spans > rounds * 100, 'the load was worth killing');
    assert.ok(result.blocks > rounds, `segments became blocks meanwhile: ${result.blocks}`);
    assert.equal(result.at_end_missing + result.at_end_invented + result.at_end_doubled + result.at_end_bad_answers, 0);
  });
}
