/* net-private: one TLS connection over bytes somebody else moves.
 *
 * Ciphertext goes in through tls_session_input and out into the connection's queue, through a BIO of our own:
 * nothing is buffered twice, and an idle session holds no buffers (SSL_MODE_RELEASE_BUFFERS).
 * Threads: one owner.
 */
#pragma once

#include "outq.h"

#include "vivace/net/tls.h"

struct tls_session;

/* A server's session with the certificate of now; NULL when OpenSSL refuses. `out` outlives it. */
struct tls_session *tls_session_create(struct tls_context *c, struct outq *out);
void tls_session_destroy(struct tls_session *s);
/* The bytes the next calls read; they must be used up (handshake, then read until ERR_AGAIN) before `in`
 * dies. */
void tls_session_input(struct tls_session *s, slice in);
/* OK when done, ERR_AGAIN for more input, ERR_INVALID when it failed (an alert is queued). */
CHECKED err tls_session_handshake(struct tls_session *s);
/* OK with *ret_n == 0: the peer said goodbye. */
CHECKED err tls_session_read(struct tls_session *s, void *p, size_t cap, size_t *ret_n);
CHECKED err tls_session_write(struct tls_session *s, slice in);
/* Queue our goodbye. */
void tls_session_shutdown(struct tls_session *s);
/* What ALPN chose; empty when the client offered nothing. */
slice tls_session_alpn(const struct tls_session *s);
