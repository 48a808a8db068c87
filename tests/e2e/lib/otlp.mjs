// OTLP messages for tests: making spans, encoding, and one plain form that every answer is brought into.
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const here = dirname(fileURLToPath(import.meta.url)); // import.meta.dirname is newer than Debian's node
const root = protobuf.loadSync(join(here, '../proto/otlp.proto'));
const type = (name) => root.lookupType(`otlp.${name}`);
const toObject = { longs: String, enums: String, bytes: Buffer };

export const encode = (name, object) => Buffer.from(type(name).encode(type(name).fromObject(object)).finish());
export const decode = (name, bytes) => type(name).toObject(type(name).decode(bytes), toObject);
export const encodeRequest = (request) => encode('ExportTraceServiceRequest', request);

export const newTraceId = () => randomBytes(16).toString('hex');
export const newSpanId = () => randomBytes(8).toString('hex');
export const hex = (s) => Buffer.from(s, 'hex');

export const str = (key, stringValue) => ({ key, value: { stringValue } });
export const int = (key, intValue) => ({ key, value: { intValue: String(intValue) } });

let clock = BigInt(Date.now()) * 1_000_000n - 5_000_000_000n;

/** A span in the shape protobufjs takes; ids are hex here. */
export function makeSpan({ traceId = newTraceId(), spanId = newSpanId(), parentSpanId, ...rest } = {}) {
  clock += 1_000_000n;
  return {
    traceId: hex(traceId),
    spanId: hex(spanId),
    ...(parentSpanId ? { parentSpanId: hex(parentSpanId) } : {}),
    name: 'span',
    kind: 1,
    startTimeUnixNano: String(clock),
    endTimeUnixNano: String(clock + 500_000n),
    ...rest,
  };
}

/** One ResourceSpans with one scope around the spans. */
export const makeRequest = (spans, { service = 'shop', resource = {}, scope = { name: 'lib' } } = {}) => ({
  resourceSpans: [{ resource: { attributes: [str('service.name', service)], ...resource }, scopeSpans: [{ scope, spans }] }],
});

/** A request as OTLP/JSON: hex ids, base64 bytes values, 64-bit numbers as strings. */
export const toJson = (request) =>
  JSON.stringify(request, function (key, value) {
    const raw = this[key];
    if (Buffer.isBuffer(raw)) return raw.toString(/Id$/.test(key) ? 'hex' : 'base64');
    return value;
  });

const fromBase64 = (v) => (v === undefined ? '' : Buffer.isBuffer(v) ? v.toString('hex') : Buffer.from(v, 'base64').toString('hex'));

function plainValue(v = {}) {
  if (v.arrayValue) return { arrayValue: (v.arrayValue.values ?? []).map(plainValue) };
  if (v.kvlistValue) return { kvlistValue: plainAttributes(v.kvlistValue.values) };
  if (v.bytesValue !== undefined) return { bytesValue: fromBase64(v.bytesValue) };
  if (v.intValue !== undefined) return { intValue: String(v.intValue) };
  return { ...v };
}

/** Attributes as {key: tagged value}; the order of attributes carries no meaning. A doubled key is an error. */
export function plainAttributes(list = []) {
  const out = {};
  for (const { key, value } of list) {
    if (key in out) throw new Error(`attribute ${key} stands twice`);
    out[key] = plainValue(value);
  }
  return out;
}

const plainSpan = (s) => ({
  traceId: fromBase64(s.traceId),
  spanId: fromBase64(s.spanId),
  parentSpanId: fromBase64(s.parentSpanId),
  traceState: s.traceState ?? '',
  flags: s.flags ?? 0,
  name: s.name ?? '',
  kind: s.kind ?? 'SPAN_KIND_UNSPECIFIED',
  start: String(s.startTimeUnixNano ?? 0),
  end: String(s.endTimeUnixNano ?? 0),
  attributes: plainAttributes(s.attributes),
  droppedAttributesCount: s.droppedAttributesCount ?? 0,
  events: (s.events ?? []).map((e) => ({
    time: String(e.timeUnixNano ?? 0),
    name: e.name ?? '',
    attributes: plainAttributes(e.attributes),
    droppedAttributesCount: e.droppedAttributesCount ?? 0,
  })),
  droppedEventsCount: s.droppedEventsCount ?? 0,
  links: (s.links ?? []).map((l) => ({
    traceId: fromBase64(l.traceId),
    spanId: fromBase64(l.spanId),
    traceState: l.traceState ?? '',
    flags: l.flags ?? 0,
    attributes: plainAttributes(l.attributes),
    droppedAttributesCount: l.droppedAttributesCount ?? 0,
  })),
  droppedLinksCount: s.droppedLinksCount ?? 0,
  status: { code: s.status?.code ?? 'STATUS_CODE_UNSET', message: s.status?.message ?? '' },
});

/** Every span of a trace with its resource and scope, in span id order: the form all comparisons are made in.
 * `resourceSpans` is a decoded protobuf or a parsed JSON answer. */
export function plainSpans(resourceSpans = []) {
  const out = [];
  for (const rs of resourceSpans) {
    for (const ss of rs.scopeSpans ?? []) {
      for (const s of ss.spans ?? []) {
        out.push({
          ...plainSpan(s),
          resource: plainAttributes(rs.resource?.attributes),
          resourceDropped: rs.resource?.droppedAttributesCount ?? 0,
          resourceSchema: rs.schemaUrl ?? '',
          scope: {
            name: ss.scope?.name ?? '',
            version: ss.scope?.version ?? '',
            attributes: plainAttributes(ss.scope?.attributes),
            droppedAttributesCount: ss.scope?.droppedAttributesCount ?? 0,
          },
          scopeSchema: ss.schemaUrl ?? '',
        });
      }
    }
  }
  return out.sort((a, b) => a.spanId.localeCompare(b.spanId) || a.kind.localeCompare(b.kind));
}

/** The plain form of a request, as a reader must see it. */
export const plainRequest = (request) => plainSpans(decode('ExportTraceServiceRequest', encodeRequest(request)).resourceSpans);

export const readers = {
  'v1 JSON': async (server, id, headers = {}) => (await (await get(server, `/api/traces/${id}`, headers)).json()).batches,
  'v2 JSON': async (server, id, headers = {}) =>
    (await (await get(server, `/api/v2/traces/${id}`, { accept: 'application/json', ...headers })).json()).trace.resourceSpans,
  'v1 protobuf': async (server, id, headers = {}) =>
    decode('Trace', await bytes(server, `/api/traces/${id}`, headers)).resourceSpans,
  'v2 protobuf': async (server, id, headers = {}) =>
    decode('TraceByIDResponse', await bytes(server, `/api/v2/traces/${id}`, headers)).trace.resourceSpans,
};

async function get(server, path, headers) {
  const response = await fetch(server.url + path, { headers });
  if (response.status !== 200) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
  return response;
}

async function bytes(server, path, headers) {
  const response = await get(server, path, { accept: 'application/protobuf', ...headers });
  const type = response.headers.get('content-type');
  if (type !== 'application/protobuf') throw new Error(`GET ${path}: content type ${type}`);
  return Buffer.from(await response.arrayBuffer());
}

/** The trace's spans in plain form, through v2 protobuf. */
export const readTrace = async (server, id, headers) => plainSpans(await readers['v2 protobuf'](server, id, headers));

/** Push over OTLP/HTTP; returns the response. */
export const push = (server, request, headers = {}) =>
  fetch(`${server.otlpUrl}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-protobuf', ...headers },
    body: encodeRequest(request),
  });

export async function mustPush(server, request, headers) {
  const response = await push(server, request, headers);
  if (response.status !== 200) throw new Error(`push: ${response.status} ${await response.text()}`);
}
