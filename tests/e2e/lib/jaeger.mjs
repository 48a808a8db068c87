// A server with every Jaeger port and Zipkin's, and its gRPC messages.
import { createSocket } from 'node:dgram';
import { dirname, join } from 'node:path';
import grpc from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { freePorts, merge, Server } from './server.mjs';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url)); // import.meta.dirname is newer than Debian's node

const root = protobuf.loadSync(join(here, '../proto/jaeger.proto'));
const type = (name) => root.lookupType(`jaeger.api_v2.${name}`);
const encode = (name, object) => Buffer.from(type(name).encode(type(name).fromObject(object)).finish());

export const POST_SPANS = '/jaeger.api_v2.CollectorService/PostSpans';
export const encodePostSpans = (request) => encode('PostSpansRequest', request);

/** The ports are server.jaeger.{grpc, http, compact, binary} and server.zipkinPort. */
export async function startEverything(over = {}) {
  const [grpcPort, http, compact, binary] = await freePorts(4);
  const at = (port) => ({ endpoint: `127.0.0.1:${port}` });
  const server = await Server.start((s) =>
    merge(
      {
        distributor: {
          receivers: {
            zipkin: at(s.zipkinPort),
            jaeger: { protocols: { grpc: at(grpcPort), thrift_http: at(http), thrift_compact: at(compact), thrift_binary: at(binary) } },
          },
        },
      },
      over,
    ),
  );
  server.jaeger = { grpc: grpcPort, http, compact, binary };
  return server;
}

/** PostSpans with the ordinary client library; resolves with the answer or the status that came. */
export function postSpans(server, request, metadata = {}) {
  const client = new grpc.Client(`127.0.0.1:${server.jaeger.grpc}`, grpc.credentials.createInsecure());
  const meta = new grpc.Metadata();
  for (const [k, v] of Object.entries(metadata)) meta.set(k, v);
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      POST_SPANS,
      encodePostSpans,
      (b) => b,
      request,
      meta,
      (error, answer) => {
        client.close();
        resolve(error ? { code: error.code, message: error.details } : { code: 0, answer });
      },
    );
  });
}

export async function datagram(port, bytes) {
  const socket = createSocket('udp4');
  await new Promise((done, failed) => socket.send(bytes, port, '127.0.0.1', (e) => (e ? failed(e) : done())));
  socket.close();
}

/** Wait until `check` gives something. */
export async function until(check, ms = 5000) {
  for (let waited = 0; waited < ms; waited += 20) {
    const v = await check();
    if (v) return v;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error('it did not come');
}
