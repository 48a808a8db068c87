// The small data set of tests/data/traceql, shifted to lie twenty minutes ago, and what real Tempo answered on it.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url)); // import.meta.dirname is newer than Debian's node

const data = (name) => JSON.parse(readFileSync(join(here, '../../data/traceql', name), 'utf8'));

export const { cases, base_unix_seconds: writtenBase } = data('api_cases.json');

export const { cases: metricsCases } = data('metrics_cases.json');

/** Unix seconds the data set's offsets count from; whole minutes away from the written ones. */
export const base = Math.floor(Date.now() / 60_000) * 60 - 1200;

const shift = BigInt(base - writtenBase) * 1_000_000_000n;
const shifted = (value) =>
  JSON.parse(JSON.stringify(value), (key, v) => (/UnixNano$/.test(key) ? String(BigInt(v) + shift) : v));

export const dataset = () => shifted(data('dataset.json'));

/**
 * Push it as OTLP/JSON; `split` sends every span in a request of its own, `spread` those of a trace far apart; `between` runs
 * after each.
 */
export async function pushDataset(server, { split = false, spread = false, headers = {}, between } = {}) {
  const whole = dataset();
  const requests = split
    ? whole.resourceSpans.flatMap((rs) =>
        rs.scopeSpans.flatMap((ss) => ss.spans.map((s) => ({ resourceSpans: [{ ...rs, scopeSpans: [{ ...ss, spans: [s] }] }] }))),
      )
    : [whole];
  if (spread) requests.splice(0, requests.length, ...requests.map((_, i) => requests[(i * 5) % requests.length]));
  for (const [i, request] of requests.entries()) {
    const r = await fetch(`${server.otlpUrl}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(request),
    });
    if (r.status !== 200) throw new Error(`push: ${r.status} ${await r.text()}`);
    await between?.(i);
  }
}

/** GET with parameters; {status, text, json}. */
export async function query(server, path, params = {}, headers = {}) {
  const url = new URL(server.url + path);
  for (const [k, v] of Object.entries(params)) if (v !== undefined) url.searchParams.set(k, v);
  const r = await fetch(url, { headers });
  const text = await r.text();
  return { status: r.status, text, type: r.headers.get('content-type'), json: r.status === 200 ? JSON.parse(text) : undefined };
}

/** /api/search over the data set's time; start and end are offsets. */
export const search = (server, q, { start = -60, end = 600, ...rest } = {}, headers) =>
  query(server, '/api/search', { q, start: base + start, end: base + end, spss: 100, limit: 100, ...rest }, headers);

/** /api/metrics/query_range or query; start and end are offsets. */
export const metrics = (server, path, q, { start, end, ...rest } = {}, headers) =>
  query(server, `/api/metrics/${path}`, { q, start: start === undefined ? undefined : base + start, end: end === undefined ? undefined : base + end, ...rest }, headers);

// Everything a strict reader knows (grafana.md 2.1). A type is a function, a list a one-element array.
const text = (v) => typeof v === 'string';
const number = (v) => Number.isInteger(v) && v >= 0;
const digits = (v) => typeof v === 'string' && /^\d+$/.test(v);
const value = (v) => {
  const [key, ...more] = Object.keys(v);
  if (more.length) return false;
  if (key === 'stringValue') return text(v[key]);
  if (key === 'intValue') return typeof v[key] === 'string' && /^-?\d+$/.test(v[key]);
  if (key === 'doubleValue') return typeof v[key] === 'number' || ['NaN', 'Infinity', '-Infinity'].includes(v[key]);
  return key === 'boolValue' && typeof v[key] === 'boolean';
};
const attributes = [{ key: text, value }];
const spans = [{ spanID: text, name: text, startTimeUnixNano: digits, durationNanos: digits, attributes }];
const spanSet = { spans, matched: number, attributes };
const serviceStats = (v) => Object.values(v).every((s) => Object.entries(s).every(([k, n]) => /^(span|error)Count$/.test(k) && number(n)));
const searchMetrics = {
  inspectedTraces: number,
  inspectedBytes: digits,
  totalBlocks: number,
  completedJobs: number,
  totalJobs: number,
  totalBlockBytes: digits,
  inspectedSpans: digits,
};
const double = (v) => typeof v === 'number' || ['NaN', 'Infinity', '-Infinity'].includes(v);
export const metricsShape = {
  series: [
    {
      labels: attributes,
      value: double,
      samples: [{ timestampMs: digits, value: double }],
      exemplars: [{ labels: attributes, value: double, timestampMs: digits }],
    },
  ],
  metrics: searchMetrics,
  status: text,
  message: text,
};
export const searchShape = {
  traces: [
    {
      traceID: text,
      rootServiceName: text,
      rootTraceName: text,
      startTimeUnixNano: digits,
      durationMs: number,
      spanSet,
      spanSets: [spanSet],
      serviceStats,
    },
  ],
  metrics: searchMetrics,
};

/** Throws at the first key or type a strict reader would refuse. */
export function checkShape(v, shape = searchShape, at = '$') {
  if (typeof shape === 'function') {
    if (!shape(v)) throw new Error(`${at}: ${JSON.stringify(v)} has the wrong type`);
  } else if (Array.isArray(shape)) {
    if (!Array.isArray(v)) throw new Error(`${at} is no list`);
    v.forEach((e, i) => checkShape(e, shape[0], `${at}[${i}]`));
  } else {
    for (const [key, e] of Object.entries(v)) {
      if (!(key in shape)) throw new Error(`${at}: unknown key ${key}`);
      checkShape(e, shape[key], `${at}.${key}`);
    }
  }
}
