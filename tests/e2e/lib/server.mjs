// A server of our own for a test: built binary, temporary directory, ports the kernel chose.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, mkdirSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url)); // import.meta.dirname is newer than Debian's node

export const binary = resolve(
  process.env.VIVACE_BIN ?? join(here, '../../../build/release/vivace'),
);

/** `n` different ports of 127.0.0.1 that are free now. */
export async function freePorts(n) {
  const listeners = await Promise.all(
    Array.from({ length: n }, async () => {
      const s = createServer().listen(0, '127.0.0.1');
      await once(s, 'listening');
      return s;
    }),
  );
  const ports = listeners.map((s) => s.address().port);
  await Promise.all(listeners.map((s) => new Promise((done) => s.close(done))));
  return ports;
}

const isMap = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);

export function merge(base, over) {
  const out = { ...base };
  for (const [key, value] of Object.entries(over)) {
    out[key] = isMap(value) && isMap(base[key]) ? merge(base[key], value) : value;
  }
  return out;
}

/** Block YAML of nested maps, lists and scalars; null is an empty value. */
export function toYaml(value, indent = '') {
  return Object.entries(value)
    .map(([key, v]) => {
      if (v === null) return `${indent}${key}:\n`;
      if (Array.isArray(v)) return `${indent}${key}: [${v.map((x) => JSON.stringify(x)).join(', ')}]\n`;
      if (isMap(v)) return `${indent}${key}:\n${toYaml(v, indent + '  ')}`;
      return `${indent}${key}: ${typeof v === 'string' ? JSON.stringify(v) : v}\n`;
    })
    .join('');
}

export class Server {
  /** `config` is merged over the defaults; it may be a function of the server (ports, dir). */
  static async start(config = {}, options = {}) {
    const server = new Server();
    const names = ['httpPort', 'grpcPort', 'otlpGrpcPort', 'otlpHttpPort', 'zipkinPort', 'internalPort'];
    const ports = await freePorts(names.length);
    names.forEach((name, i) => (server[name] = ports[i]));
    server.dir = mkdtempSync(join(tmpdir(), 'vivace-e2e-'));
    mkdirSync(join(server.dir, 'data'));
    server.scheme = options.scheme ?? 'http';
    server.readyUrl = options.readyUrl;
    server.args = options.args ?? [];
    server.env = options.env ?? {};
    const defaults = {
      server: {
        http_listen_address: '127.0.0.1',
        http_listen_port: server.httpPort,
        grpc_listen_address: '127.0.0.1',
        grpc_listen_port: server.grpcPort,
      },
      distributor: {
        receivers: {
          otlp: {
            protocols: {
              grpc: { endpoint: `127.0.0.1:${server.otlpGrpcPort}` },
              http: { endpoint: `127.0.0.1:${server.otlpHttpPort}` },
            },
          },
        },
      },
      storage: {
        trace: {
          backend: 'local',
          wal: { path: join(server.dir, 'data/wal') },
          local: { path: join(server.dir, 'data/blocks') },
        },
      },
      usage_report: { reporting_enabled: false },
    };
    server.config = merge(defaults, typeof config === 'function' ? config(server) : config);
    await server.launch();
    return server;
  }

  get url() {
    return `${this.scheme}://127.0.0.1:${this.httpPort}`;
  }

  get otlpUrl() {
    return `http://127.0.0.1:${this.otlpHttpPort}`;
  }

  /** Start the process on the configuration as it is now; resolves once /ready says so. */
  async launch() {
    writeFileSync(join(this.dir, 'config.yaml'), toYaml(this.config));
    const log = openSync(join(this.dir, 'server.log'), 'a');
    const began = performance.now();
    this.child = spawn(binary, [`-config.file=${join(this.dir, 'config.yaml')}`, ...this.args], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...this.env },
    });
    closeSync(log);
    let failure;
    this.child.on('error', (e) => (failure = e));
    this.exited = once(this.child, 'exit').catch(() => [null, 'spawn failed']);
    const isReady = this.readyUrl ?? (async () => (await fetch(`${this.url}/ready`)).status === 200);
    for (let waited = 0; waited < 10_000; waited += 5) {
      if (failure || this.child.exitCode !== null || this.child.signalCode !== null) break;
      if (await isReady(this).catch(() => false)) {
        this.readyMs = performance.now() - began;
        return;
      }
      await sleep(5);
    }
    this.child.kill('SIGKILL');
    throw new Error(`the server did not get ready (${failure ?? `exit code ${this.child.exitCode}`}):\n${this.log().slice(-3000)}`);
  }

  log() {
    return readFileSync(join(this.dir, 'server.log'), 'utf8');
  }

  /** SIGTERM; resolves with the exit code, the signal and how long it took. */
  async terminate(limitMs = 20_000) {
    const began = performance.now();
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), limitMs);
    const [code, signal] = await this.exited;
    clearTimeout(timer);
    return { code, signal, ms: performance.now() - began };
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  async restart() {
    await this.terminate();
    await this.launch();
  }

  /** For `after`: end the process and remove its files. */
  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.terminate();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Value of a metric's sample whose labels include `labels`; undefined when there is none. */
  async metric(name, labels = {}) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    for (const line of text.split('\n')) {
      const match = /^([a-zA-Z0-9_:]+)(?:\{(.*)\})? (\S+)/.exec(line);
      if (match?.[1] !== name) continue;
      const found = Object.fromEntries([...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1], m[2]]));
      if (Object.entries(labels).every(([k, v]) => found[k] === v)) return Number(match[3]);
    }
    return undefined;
  }
}
