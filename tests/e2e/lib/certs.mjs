// A certificate authority, a server certificate for 127.0.0.1 and a client certificate, made by openssl.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export function makeCerts(dir) {
  const file = (name) => join(dir, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const key = (name) => openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file(name));
  const authority = (name) => {
    key(`${name}.key`);
    openssl('req', '-x509', '-new', '-key', file(`${name}.key`), '-subj', `/CN=${name}`, '-days', '2', '-out', file(`${name}.crt`));
  };
  const signed = (name, ca, extension) => {
    key(`${name}.key`);
    writeFileSync(file(`${name}.ext`), extension);
    openssl('req', '-new', '-key', file(`${name}.key`), '-subj', `/CN=${name}`, '-out', file(`${name}.csr`));
    openssl('x509', '-req', '-in', file(`${name}.csr`), '-CA', file(`${ca}.crt`), '-CAkey', file(`${ca}.key`), '-CAcreateserial',
      '-days', '2', '-extfile', file(`${name}.ext`), '-out', file(`${name}.crt`));
  };
  authority('ca');
  authority('otherca');
  signed('server', 'ca', 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n');
  signed('client', 'ca', 'extendedKeyUsage=clientAuth\n');
  signed('stranger', 'otherca', 'extendedKeyUsage=clientAuth\n');
  const text = (name) => readFileSync(file(name));
  const pair = (name) => ({ cert: text(`${name}.crt`), key: text(`${name}.key`) });
  return { path: file, ca: text('ca.crt'), client: pair('client'), stranger: pair('stranger') };
}
