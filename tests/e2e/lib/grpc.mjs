// gRPC by hand over node's http2, so that a test sees every header, byte and trailer.
import http2 from 'node:http2';

export const EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

/** The 5-byte prefix and the message. */
export function frame(message, compressed = 0) {
  const prefix = Buffer.alloc(5);
  prefix[0] = compressed;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/**
 * One call on a connection of its own (or `session`). `body` are the raw bytes of the request stream.
 * Resolves with {http, status, message, headers, trailers, data, rst}.
 */
export async function call(target, { path = EXPORT, headers = {}, body = frame(Buffer.alloc(0)), session, tls } = {}) {
  const origin = typeof target === 'number' ? `${tls ? 'https' : 'http'}://127.0.0.1:${target}` : target;
  const own = session ?? http2.connect(origin, tls);
  try {
    return await new Promise((resolve, reject) => {
      own.once('error', reject);
      const stream = own.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      const result = { headers: {}, trailers: {}, data: Buffer.alloc(0), rst: 0 };
      const parts = [];
      stream.on('response', (h) => (result.headers = h));
      stream.on('trailers', (t) => (result.trailers = t));
      stream.on('data', (d) => parts.push(d));
      stream.on('error', () => {});
      stream.on('close', () => {
        result.rst = stream.rstCode;
        result.http = result.headers[':status'];
        result.data = Buffer.concat(parts);
        const status = result.trailers['grpc-status'] ?? result.headers['grpc-status'];
        result.status = status === undefined ? undefined : Number(status);
        result.message = decodeURIComponent(result.trailers['grpc-message'] ?? result.headers['grpc-message'] ?? '');
        result.details = result.trailers['grpc-status-details-bin'] ?? result.headers['grpc-status-details-bin'];
        resolve(result);
      });
      stream.end(body);
    });
  } finally {
    if (!session) own.destroy();
  }
}

/** Export `message` (encoded request). */
export const exportSpans = (target, message, options = {}) => call(target, { body: frame(message), ...options });
