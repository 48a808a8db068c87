// HTTP/1.1 by hand: what was sent is what stands here, and the answer is read as bytes.
import net from 'node:net';
import tls from 'node:tls';

/** Send `raw` (string or Buffer) on a connection of its own; resolves with what came back until the server closed
 * the connection, a whole answer was there, or `waitMs` passed. */
export function exchange(target, raw, { waitMs = 3000, tlsOptions } = {}) {
  return new Promise((resolve, reject) => {
    const at = typeof target === 'number' ? { port: target, host: '127.0.0.1' } : { path: target };
    const socket = tlsOptions ? tls.connect({ ...at, ...tlsOptions }) : net.connect(at);
    const parts = [];
    let closed = false;
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ ...parse(Buffer.concat(parts)), closed });
    };
    const timer = setTimeout(finish, waitMs);
    socket.on('data', (d) => {
      parts.push(d);
      if (parse(Buffer.concat(parts)).whole) setTimeout(finish, 30);
    });
    socket.on('error', (e) => (parts.length ? finish() : (clearTimeout(timer), reject(e))));
    socket.on('end', () => {
      closed = true;
      finish();
    });
    socket.write(raw);
  });
}

function parse(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return { status: undefined, headers: {}, body: '', whole: false };
  const [first, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = {};
  for (const line of lines) headers[line.slice(0, line.indexOf(':')).toLowerCase()] = line.slice(line.indexOf(':') + 1).trim();
  const body = bytes.subarray(end + 4);
  const length = headers['content-length'];
  return {
    status: Number(first.split(' ')[1]),
    headers,
    body: body.toString('utf8'),
    whole: length !== undefined && body.length >= Number(length),
  };
}

export const post = (path, headers, body) =>
  Buffer.concat([
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: x\r\n${Object.entries(headers).map(([k, v]) => `${k}: ${v}\r\n`).join('')}Content-Length: ${body.length}\r\n\r\n`,
    ),
    Buffer.from(body),
  ]);
