// The tables of docs/benchmarks.md from a folder of results: node bench/tables.mjs build/bench [--write docs/benchmarks.md]
// --write puts them into the page, in place of everything behind its line of this program.
// What was not measured is left out and named at the end; nothing is filled in.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
if (!folder || !existsSync(folder)) {
  console.error('usage: node bench/tables.mjs <folder of results>');
  process.exit(2);
}
const page = process.argv[3] === '--write' ? process.argv[4] : undefined;
const lines = [];
const print = (text = '') => lines.push(text);
const read = (name) => (existsSync(join(folder, `${name}.json`)) ? JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) : undefined);
const names = ['machine', 'ingest', 'ingest_http_gzip', 'ingest_open_loop', 'search', 'metrics', 'byid', 'overload', 'crash', 'decode', 'parquet', 'growth', 'soak'];
const results = Object.fromEntries(names.map((name) => [name, read(name)]));
const { machine, ingest, search, metrics, byid, overload, crash, decode, parquet, growth, soak } = results;

const isNumber = (v) => typeof v === 'number' && Number.isFinite(v);
const show = (v, digits = 3) => {
  if (!isNumber(v)) return '';
  if (Math.abs(v) >= 1000) return Math.round(v).toLocaleString('en-US');
  return String(Number(v.toPrecision(digits)));
};
/** Numbers joined by " / "; empty when one is missing. */
const join2 = (...values) => (values.every(isNumber) ? values.map((v) => show(v)).join(' / ') : '');
const missing = [];

function table(head, rows, align) {
  const whole = rows.filter((row) => row.slice(1).some((cell) => cell !== ''));
  if (!whole.length) return;
  print(`| ${head.join(' | ')} |`);
  print(`|${(align ?? head.map((_, i) => (i ? 'r' : 'l'))).map((a) => (a === 'r' ? '--:' : '---')).join('|')}|`);
  for (const row of whole) print(`| ${row.join(' | ')} |`);
  print();
}

function title(text, result, name) {
  if (!result) {
    missing.push(name);
    return false;
  }
  print(`### ${text}\n`);
  if (result.verdict && result.verdict !== 'good') {
    // Growth is judged by ratios, which stand in its table; the others by answers and losses.
    print(name === 'growth' ? `**${result.faults} of the bounds in bench/growth.mjs do not hold.**\n` : '**This run found faults: its figures are not to be trusted.**\n');
  }
  return true;
}

if (machine) {
  print(
    `Measured on ${machine.date}, commit ${machine.commit}: ${machine.cores} cores of ${machine.cpu}, ${machine.memory_gib} GiB, ` +
      `Linux ${machine.kernel}, load ${machine.load_before} before; ${show(machine.spans)} spans, client and server on the same cores.\n`,
  );
}

// The rows of the design's table. Tempo and VictoriaTraces were measured with the same corpus on a machine of this kind.
{
  print('### Against the aims\n');
  const trusted = (r) => (r?.verdict === 'good' ? r : undefined); // a run with faults measured something else
  const [ingest, search, byid] = [results.ingest, results.search, results.byid].map(trusted);
  const blocks = isNumber(ingest?.settled_block_bytes_per_span);
  const disk = ingest && (blocks ? show(ingest.settled_disk_bytes_per_span) : '');
  const rows = [
    ['CPU, receive to settled, s per million spans', '<= 2', '50.9', '36.8', '22.7', blocks ? show(ingest?.settled_cpu_s_per_million_spans) : ''],
    ['the same, times `zstd -1`', '<= 4', '', '', '', blocks ? show(ingest?.settled_cpu_ratio_to_zstd1) : ''],
    ['peak memory, MiB', '<= 150', '2918', '1881', '374', show(ingest?.settled_peak_rss_mib)],
    ['idle memory, MiB / binary, MB', '<= 10 / 3', '83 / 157', '80 / 151', '- / 20', join2(ingest?.idle_rss_mib, ingest?.binary_mb)],
    ['on disk, bytes per span', '<= 50', '118', '235', '92', disk],
    ['searches, median / slowest, ms', '<= 15 / 90', '305 / 1731', '350 / 1950', '-', join2(search?.search_median_ms, search?.search_slowest_ms)],
    ['trace by ID, p50, ms', '<= 2', '46', '51', '-', show(byid?.warm_json_p50_ms)],
    ['ready after start, s', '<= 0.1', '0.5', '16', '-', isNumber(byid?.restart_ready_max_ms) ? show(byid.restart_ready_max_ms / 1000) : ''],
    ['a span is searchable after its ack', 'at once', '10-30 s', '10 s', '-', isNumber(byid?.visible_by_search_max_ms) ? `${show(byid.visible_by_search_max_ms)} ms` : ''],
  ].map((row) => (row.at(-1) === '' ? [...row.slice(0, -1), 'not measured yet'] : row));
  table(['', "Vivace's aim", 'Tempo 3.0.3', 'Tempo 2.10.8', 'VictoriaTraces', 'measured'], rows);
  if (ingest && !blocks) print('The server wrote no blocks in this run: its CPU and disk figures are those of the log alone, and are left out.\n');
}

if (title('Ingest', ingest, 'ingest')) {
  const runs = [['gRPC', ingest], ['HTTP, gzip', results.ingest_http_gzip], ['gRPC, 100,000/s', results.ingest_open_loop]].filter(([, r]) => r);
  const row = (label, pick) => [label, ...runs.map(([, r]) => pick(r))];
  table(
    ['', ...runs.map(([label]) => label)],
    [
      row('spans a second', (r) => show(r.spans_per_second)),
      row('times `zstd -1`', (r) => show(r.throughput_ratio_to_zstd1)),
      row('latency p50 / p99 / max, ms', (r) => join2(r.latency_p50_ms, r.latency_p99_ms, r.latency_max_ms)),
      row('CPU s per million spans: acknowledged / flushed / settled', (r) => join2(r.acknowledged_cpu_s_per_million_spans, r.flushed_cpu_s_per_million_spans, r.settled_cpu_s_per_million_spans)),
      row('times `zstd -1`', (r) => join2(r.acknowledged_cpu_ratio_to_zstd1, r.flushed_cpu_ratio_to_zstd1, r.settled_cpu_ratio_to_zstd1)),
      row('memory, MiB: peak / settled', (r) => join2(r.settled_peak_rss_mib, r.settled_rss_mib)),
      row('bytes per span on disk: flushed / settled', (r) => join2(r.flushed_disk_bytes_per_span, r.settled_disk_bytes_per_span)),
      row('blocks alone: flushed / settled', (r) => join2(r.flushed_block_bytes_per_span, r.settled_block_bytes_per_span)),
      row('blocks alone, times `zstd -1`', (r) => join2(r.flushed_block_ratio_to_zstd1, r.settled_block_ratio_to_zstd1)),
      row('flush / compaction, s', (r) => join2(r.flush_seconds, r.compaction_seconds)),
      row('`zstd -1`: MB/s / bytes per span', (r) => join2(r.zstd1_mb_per_second, r.zstd1_bytes_per_span)),
    ],
  );
}

/** One line a shape: every "<shape>_p50_ms" between the run's own keys. */
function shapes(result) {
  const rows = Object.keys(result)
    .filter((k) => k.endsWith('_results'))
    .map((k) => k.slice(0, -'_results'.length))
    .map((s) => [
      s,
      show(result[`${s}_p50_ms`]),
      show(result[`${s}_p99_ms`]),
      show(result[`${s}_results`]),
      show(result[`${s}_inspected_bytes`] / 1e3),
      show(result[`${s}_peak_mib`]),
    ]);
  table(['', 'p50 ms', 'p99 ms', 'results', 'KB read', 'peak MiB'], rows);
}

for (const [name, text, result, kinds] of [
  ['search', 'Search', search, ['search', 'tags']],
  ['metrics', 'TraceQL metrics', metrics, ['metrics']],
]) {
  if (!title(text, result, name)) continue;
  for (const kind of kinds) {
    if (!isNumber(result[`${kind}_median_ms`])) continue;
    print(
      `${result[`${kind}_shapes`]} ${kind === 'tags' ? 'tag queries' : 'queries'}: median ${show(result[`${kind}_median_ms`])} ms (${result[`${kind}_median_shape`]}), ` +
        `slowest ${show(result[`${kind}_slowest_ms`])} ms (${result[`${kind}_slowest_shape`]}), worst single run ${show(result[`${kind}_worst_run_ms`])} ms, ` +
        `peak memory ${show(result[`${kind}_peak_rss_mib`])} MiB.\n`,
    );
  }
  shapes(result);
}

if (title('Trace by ID', byid, 'byid')) {
  const row = (label, key) => [label, show(byid[`${key}_p50_ms`]), show(byid[`${key}_p99_ms`]), show(byid[`${key}_max_ms`])];
  table(
    ['', 'p50 ms', 'p99 ms', 'max ms'],
    [
      row('first after a start, page cache cold', 'cold_first'),
      row('page cache cold', 'cold'),
      row('warm, protobuf', 'warm_protobuf'),
      row('warm, JSON', 'warm_json'),
      row('an id that is not there', 'missing'),
      row('start on the data until ready', 'restart_ready'),
      row('found by ID after the acknowledgement', 'visible_by_id'),
      row('found by search after the acknowledgement', 'visible_by_search'),
    ],
  );
}

if (title('Overload and crashes', overload ?? crash, 'overload and crash')) {
  table(
    ['', ''],
    [
      ['memory budget / peak, MiB', join2(overload?.memory_limit_mib, overload?.settled_peak_rss_mib)],
      ['spans acknowledged / refused', join2(overload?.acknowledged_spans, overload?.refused_spans)],
      ['of a sample: missing / invented / doubled', join2(overload?.verify_missing_spans, overload?.verify_invented_spans, overload?.verify_doubled_spans)],
      ['`/ready` at worst, ms', show(overload?.ready_worst_ms)],
      ['`kill -9` under load: rounds / spans acknowledged', join2(crash?.rounds, crash?.acknowledged_spans)],
      ['of all: missing / invented / doubled', join2(crash?.at_end_missing, crash?.at_end_invented, crash?.at_end_doubled)],
      ['ready after a crash, at most, ms', show(crash?.ready_after_crash_max_ms)],
    ],
  );
}

if (title('Decoders', decode, 'decode')) {
  print(`Bytes as they come to span batches, one core; \`zstd -1\` over the protobuf bytes: ${show(decode.zstd1_mb_per_second)} MB/s.\n`);
  const row = (label, key) => {
    const speed = decode[`${key}_mb_per_second`];
    return [label, show(speed), show(speed / decode.zstd1_mb_per_second), show(decode[`${key}_ns_per_span`]), show(decode[`${key}_bytes_per_span`])];
  };
  table(
    ['', 'MB/s', 'times `zstd -1`', 'ns a span', 'bytes a span'],
    [
      row('OTLP protobuf', 'otlp_protobuf'),
      row('OTLP/JSON', 'otlp_json'),
      row('Zipkin JSON', 'zipkin_json'),
      row('Jaeger Thrift, binary', 'jaeger_thrift_binary'),
      row('Jaeger Thrift, compact', 'jaeger_thrift_compact'),
    ],
  );
}

if (title('Parquet', parquet, 'parquet')) {
  print('Columns of 65,536 rows, one core: `plain` pages as they are, `zstd` compressed; `codes` are read without their values.\n');
  const end = '_read_mb_per_s';
  const cases = Object.keys(parquet)
    .filter((k) => k.endsWith(end))
    .map((k) => k.slice(0, -end.length))
    .filter((k) => !k.endsWith('_nulls'));
  table(
    ['', 'bytes a row', 'read, MB/s', 'M rows/s', 'M codes/s', 'write, ns a row'],
    cases.map((c) => [c, ...['bytes_per_row', 'read_mb_per_s', 'read_mrows_per_s', 'codes_mrows_per_s', 'write_ns_per_row'].map((key) => show(parquet[`${c}_${key}`]))]),
  );
}

if (title('Growth', growth, 'growth')) {
  const row = (label, key) => [label, show(growth[`${key}_small`]), show(growth[`${key}_large`]), show(growth[`${key}_ratio`])];
  table(
    ['', `${show(growth.small_spans)} spans`, `${show(growth.large_spans)} spans`, 'ratio'],
    [
      row('spans a second', 'spans_per_second'),
      row('CPU to settled, s per million spans', 'settled_cpu_s_per_million_spans'),
      row('peak memory, MiB', 'settled_peak_rss_mib'),
      row('bytes per span on disk', 'settled_disk_bytes_per_span'),
      row('blocks alone', 'settled_block_bytes_per_span'),
      row('peak memory of searches, MiB', 'search_peak_rss_mib'),
      ['searches that stop at the limit, median / worst ratio', '', '', join2(growth.limited_median_ratio, growth.limited_worst_ratio)],
      ['searches that look at all, median / worst ratio', '', '', join2(growth.scanning_median_ratio, growth.scanning_worst_ratio)],
    ],
  );
  const broken = Object.keys(growth)
    .filter((k) => k.endsWith('_good') && growth[k] === 0)
    .map((k) => k.slice(0, -'_good'.length));
  if (broken.length) print('The bounds that do not hold:\n');
  table(['', 'small', 'large', 'ratio'], broken.map((key) => row(key, key)));
}

if (title('Soak', soak, 'soak')) {
  const kinds = ['search', 'byid', 'metrics', 'tags'].filter((k) => isNumber(soak[`${k}_queries`]));
  print(
    `${show(soak.minutes)} minutes at ${show(soak.spans_per_second)} spans a second: ${show(soak.flushes)} blocks cut, ${show(soak.compactions)} compactions; ` +
      `memory ${show(soak.first_quarter_rss_mib)} MiB in the first quarter, ${show(soak.last_quarter_rss_mib)} in the last, ${show(soak.peak_rss_mib)} at most; ` +
      `of ${show(soak.verified_spans)} sampled spans ${show(soak.verify_missing_spans)} missing.\n`,
  );
  table(
    ['', 'queries', 'errors', 'p50 ms', 'p99 ms', 'max ms'],
    [
      ['push', show(soak.acknowledged_requests), show(soak.failed_spans), show(soak.latency_p50_ms), show(soak.latency_p99_ms), show(soak.latency_max_ms)],
      ...kinds.map((k) => [k, ...['queries', 'errors', 'p50_ms', 'p99_ms', 'max_ms'].map((key) => show(soak[`${k}_${key}`]))]),
    ],
  );
}

if (missing.length) print(`Not measured in this run: ${missing.join(', ')}.`);

const text = `${lines.join('\n').trimEnd()}\n`;
if (page) {
  const mark = '<!-- node bench/tables.mjs';
  const old = readFileSync(page, 'utf8');
  const at = old.indexOf(mark);
  if (at < 0) {
    console.error(`${page} has no line that begins with ${mark}`);
    process.exit(1);
  }
  writeFileSync(page, `${old.slice(0, old.indexOf('\n', at) + 1)}\n${text}`);
} else {
  process.stdout.write(text);
}
