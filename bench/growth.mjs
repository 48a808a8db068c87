// Ten times the spans: does a span cost the same, and do queries stay what they were?
// node bench/growth.mjs [--server build/release/vivace] [--spans 1000000] [--times 10] [--runs 5] [--result file] [--dir folder]
// Runs bench_ingest and bench_search (beside the server's binary, or in --programs) at both sizes, prints a table,
// writes one flat JSON. Exits with 1 when a bound is broken.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const options = { server: 'build/release/vivace', spans: '1000000', times: '10', runs: '5', budget: '10', quiet: '6', dir: tmpdir(), result: '-' };
for (let i = 2; i < process.argv.length; i += 2) {
  const name = process.argv[i].replace(/^--/, '');
  if (!(name in options || name === 'programs') || process.argv[i + 1] === undefined) {
    console.error(`${process.argv[i]}: one of ${Object.keys(options).map((k) => `--${k}`).join(' ')} with a value`);
    process.exit(2);
  }
  options[name] = process.argv[i + 1];
}
const programs = options.programs ?? dirname(options.server);
const folder = mkdtempSync(join(options.dir, 'vivace-growth-'));
let failed = 0;

/** Run a program and read its result; one that judges itself bad still has one. */
function run(name, ...args) {
  const file = join(folder, 'result.json');
  rmSync(file, { force: true });
  try {
    execFileSync(join(programs, `bench_${name}`), ['--server', options.server, '--result', file, '--quiet', options.quiet, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  } catch (e) {
    failed++;
    if (e.status !== 1) throw e;
  }
  return JSON.parse(readFileSync(file, 'utf8'));
}

function measure(spans) {
  const data = join(folder, `data-${spans}`);
  const ingest = run('ingest', '--spans', String(spans), '--stream', '--sample', '2000', '--settle-limit', '1800', '--dir', data, '--keep');
  const search = run('search', '--dir', data, '--reuse', '--runs', options.runs, '--budget', options.budget);
  rmSync(data, { recursive: true, force: true });
  return { ingest, search };
}

try {
  const spans = Number(options.spans);
  const times = Number(options.times);
  const small = measure(spans);
  const large = measure(spans * times);
  const out = { small_spans: small.ingest.acknowledged_spans, large_spans: large.ingest.acknowledged_spans };
  const rows = [];
  const compare = (name, a, b, bound, unit) => {
    if (a === undefined || b === undefined || a === null || b === null) return; // not measured: left out
    const ratio = a === 0 ? 1 : b / a;
    const good = bound(ratio);
    Object.assign(out, { [`${name}_small`]: a, [`${name}_large`]: b, [`${name}_ratio`]: ratio, [`${name}_good`]: good ? 1 : 0 });
    if (!good) failed++;
    rows.push([name, a, b, ratio, `${unit}${good ? '' : ' TOO MUCH'}`]);
  };
  const near = (ratio) => ratio > 0.85 && ratio < 1.15;
  compare('spans_per_second', small.ingest.spans_per_second, large.ingest.spans_per_second, (r) => r > 0.85, 'not below 0.85');
  for (const key of ['settled_cpu_s_per_million_spans', 'settled_peak_rss_mib']) compare(key, small.ingest[key], large.ingest[key], (r) => r < 1.15, 'at most 1.15');
  for (const key of ['settled_disk_bytes_per_span', 'settled_block_bytes_per_span']) compare(key, small.ingest[key], large.ingest[key], near, 'within 15 %');
  compare('search_peak_rss_mib', small.search.search_peak_rss_mib, large.search.search_peak_rss_mib, (r) => r < 1.5, 'at most 1.5');
  // A search that has its limit of traces may stop there; one that has not looks at everything.
  for (const key of Object.keys(small.search).filter((k) => k.endsWith('_p50_ms'))) {
    const shape = key.slice(0, -'_p50_ms'.length);
    const stops = small.search[`${shape}_limited`] === 1 && large.search[`${shape}_limited`] === 1;
    const bound = stops ? 1.5 : times;
    // Below a millisecond a ratio is the machine's noise.
    compare(key, small.search[key], large.search[key], (r) => r <= bound || large.search[key] < 1, stops ? 'stops at the limit: 1.5' : `looks at all: ${times}`);
  }
  const ratios = (stops) =>
    Object.keys(small.search)
      .filter((k) => k.endsWith('_limited') && (small.search[k] === 1 && large.search[k] === 1) === stops)
      .map((k) => out[`${k.replace(/_limited$/, '_p50_ms')}_ratio`])
      .filter((r) => r !== undefined)
      .sort((a, b) => a - b);
  for (const [name, list] of [['limited', ratios(true)], ['scanning', ratios(false)]]) {
    if (!list.length) continue;
    out[`${name}_searches`] = list.length;
    out[`${name}_median_ratio`] = list[Math.floor((list.length - 1) / 2)];
    out[`${name}_worst_ratio`] = list.at(-1);
  }
  out.faults = failed;
  out.verdict = failed ? 'bad' : 'good';
  const short = (v) => (Number.isInteger(v) ? String(v) : v.toPrecision(4));
  for (const [name, a, b, ratio, note] of rows) {
    console.error(`${name.padEnd(34)} ${short(a).padStart(10)} ${short(b).padStart(10)} ${ratio.toFixed(2).padStart(7)}  ${note}`);
  }
  const text = `${JSON.stringify(out, null, 2)}\n`;
  if (options.result === '-') process.stdout.write(text);
  else writeFileSync(options.result, text);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
