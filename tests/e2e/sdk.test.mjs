// What an application sends through the OpenTelemetry SDK's three OTLP exporters comes back field by field.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, createTraceState, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { plainSpans, readers } from './lib/otlp.mjs';
import { Server } from './lib/server.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server?.stop());

const exporters = {
  'otlp-grpc': () => new GrpcExporter({ url: `http://127.0.0.1:${server.otlpGrpcPort}` }),
  'otlp-proto': () => new ProtoExporter({ url: `${server.otlpUrl}/v1/traces` }),
  'otlp-http (JSON)': () => new JsonExporter({ url: `${server.otlpUrl}/v1/traces` }),
  'otlp-proto with gzip': () => new ProtoExporter({ url: `${server.otlpUrl}/v1/traces`, compression: 'gzip' }),
};

const resource = {
  'service.name': 'checkout',
  'service.version': '1.2.3',
  'process.pid': 4711,
  'host.cpu.load': 0.25,
  'k8s.ready': true,
  'process.command_args': ['node', 'main.js', '--port=80'],
};

const attributes = {
  'str.plain': 'x',
  'str.empty': '',
  'str.unicode': 'grüße 日本 \u{1f680} "quoted" \\ <a&b>\n\ttab',
  'int.zero': 0,
  'int.negative': -42,
  'int.large': Number.MAX_SAFE_INTEGER,
  'double.third': 1 / 3,
  'double.small': 5e-324,
  'bool.true': true,
  'bool.false': false,
  'array.strings': ['a', '', 'ü'],
  'array.ints': [1, -2, 3],
  'array.doubles': [0.5, 1.25],
  'array.bools': [true, false],
  'array.empty': [],
};

/** SDK value -> the tagged value it stands for. */
function tagged(value) {
  if (Array.isArray(value)) return { arrayValue: value.map(tagged) };
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
const taggedAll = (map) => Object.fromEntries(Object.entries(map).map(([k, v]) => [k, tagged(v)]));
const nanos = ([s, ns]) => String(BigInt(s) * 1_000_000_000n + BigInt(ns));
const kinds = ['INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'];
const codes = ['UNSET', 'OK', 'ERROR'];

/** A span of the SDK in the tests' plain form, made without any OTLP code. */
function expected(s) {
  const context = s.spanContext();
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    parentSpanId: s.parentSpanContext?.spanId ?? '',
    traceState: context.traceState?.serialize() ?? '',
    name: s.name,
    kind: `SPAN_KIND_${kinds[s.kind]}`,
    start: nanos(s.startTime),
    end: nanos(s.endTime),
    attributes: taggedAll(s.attributes),
    droppedAttributesCount: s.droppedAttributesCount,
    events: s.events.map((e) => ({
      time: nanos(e.time),
      name: e.name,
      attributes: taggedAll(e.attributes ?? {}),
      droppedAttributesCount: e.droppedAttributesCount ?? 0,
    })),
    droppedEventsCount: s.droppedEventsCount,
    links: s.links.map((l) => ({
      traceId: l.context.traceId,
      spanId: l.context.spanId,
      traceState: l.context.traceState?.serialize() ?? '',
      attributes: taggedAll(l.attributes ?? {}),
      droppedAttributesCount: l.droppedAttributesCount ?? 0,
    })),
    droppedLinksCount: s.droppedLinksCount,
    status: { code: `STATUS_CODE_${codes[s.status.code]}`, message: s.status.message ?? '' },
    resource: taggedAll(resource),
    resourceDropped: 0,
    scope: { name: s.instrumentationScope.name, version: s.instrumentationScope.version ?? '', attributes: {}, droppedAttributesCount: 0 },
    scopeSchema: s.instrumentationScope.schemaUrl ?? '',
  };
}

/** A trace with every kind, every status, events, links, limits passed and a remote parent. */
async function send(exporter) {
  const ended = [];
  const failures = [];
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes(resource),
    spanLimits: { attributeCountLimit: Object.keys(attributes).length, eventCountLimit: 3, linkCountLimit: 2 },
    spanProcessors: [
      { onStart() {}, onEnd: (s) => ended.push(s), forceFlush: async () => {}, shutdown: async () => {} },
      new BatchSpanProcessor({
        export: (spans, done) =>
          exporter.export(spans, (result) => {
            if (result.code !== 0) failures.push(result.error);
            done(result);
          }),
        shutdown: () => exporter.shutdown(),
      }),
    ],
  });
  const remote = {
    traceId: randomUUID().replaceAll('-', ''),
    spanId: 'b7ad6b7169203331',
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
    traceState: createTraceState('vendor=t61rcWkgMzE,other=00f067aa0ba902b7'),
  };
  const tracer = provider.getTracer('checkout-lib', '4.5.6', { schemaUrl: 'https://opentelemetry.io/schemas/1.27.0' });
  const other = provider.getTracer('bare-lib');
  const link = (n) => ({
    context: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: `00000000000000a${n}`, traceFlags: 1, traceState: createTraceState('l=1') },
    attributes: { 'link.kind': 'batch', 'link.n': n },
  });
  const root = tracer.startSpan(
    'POST /checkout',
    { kind: SpanKind.SERVER, attributes, links: [link(1), link(2), link(3)] },
    trace.setSpanContext(ROOT_CONTEXT, remote),
  );
  root.setAttribute('one.too.many', 1);
  for (let i = 0; i < 5; i++) root.addEvent(`event ${i}`, { attempt: i, 'event.list': ['x', 'y'] });
  const inRoot = trace.setSpan(ROOT_CONTEXT, root);
  for (const kind of [SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.INTERNAL]) {
    const child = (kind === SpanKind.INTERNAL ? other : tracer).startSpan(`child ${kind}`, { kind }, inRoot);
    if (kind === SpanKind.CLIENT) {
      child.recordException(new Error('connection refused'));
      child.setStatus({ code: SpanStatusCode.ERROR, message: 'could not reach payment: "refused"' });
    }
    if (kind === SpanKind.PRODUCER) child.setStatus({ code: SpanStatusCode.OK });
    child.end();
  }
  root.end();
  await provider.forceFlush();
  await provider.shutdown();
  assert.deepEqual(failures, []);
  return ended.map(expected).sort((a, b) => a.spanId.localeCompare(b.spanId));
}

for (const [name, make] of Object.entries(exporters)) {
  test(`a trace sent by ${name} comes back as it was`, async (t) => {
    const sent = await send(make());
    assert.equal(sent.length, 5);
    const root = sent.find((s) => s.name === 'POST /checkout');
    assert.equal(root.droppedAttributesCount + root.droppedEventsCount + root.droppedLinksCount, 1 + 2 + 1);
    for (const [reader, read] of Object.entries(readers)) {
      await t.test(reader, async () => {
        const got = plainSpans(await read(server, root.traceId));
        // The SDK's flags are its exporter's business; they are compared in attributes.test.mjs.
        const comparable = got.map(({ flags, resourceSchema, ...s }) => ({
          ...s,
          links: s.links.map(({ flags: linkFlags, ...l }) => l),
        }));
        assert.deepEqual(comparable, sent);
      });
    }
  });
}
