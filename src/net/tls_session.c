#include "tls_context.h"
#include "tls_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>

struct tls_session {
    SSL *ssl;
    slice in; /* ciphertext not yet read, in the loop's buffer */
    struct outq *out;
};

/* --- the BIO: reads from `in`, writes to `out`
 * --------------------------------------------------------------- */

static int
bio_write(BIO *b, const char *p, size_t n, size_t *ret_n)
{
    struct tls_session *s = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    outq_copy(s->out, p, n);
    *ret_n = n;
    return 1;
}

static int
bio_read(BIO *b, char *p, size_t n, size_t *ret_n)
{
    struct tls_session *s = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (s->in.n == 0) {
        BIO_set_retry_read(b);
        return 0;
    }
    if (n > s->in.n) {
        n = s->in.n;
    }
    memcpy(p, s->in.p, n);
    s->in = slice_sub(s->in, n, s->in.n);
    *ret_n = n;
    return 1;
}

static long
bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *method; /* made once, for the process's life */

static void
method_make(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "vivace connection");
    MUST(method != NULL);
    MUST(BIO_meth_set_write_ex(method, bio_write) == 1);
    MUST(BIO_meth_set_read_ex(method, bio_read) == 1);
    MUST(BIO_meth_set_ctrl(method, bio_ctrl) == 1);
}

/* --- the session
 * -------------------------------------------------------------------------------------------- */

struct tls_session *
tls_session_create(struct tls_context *c, struct outq *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, method_make);
    SSL_CTX *ctx = tls_context_ref(c);
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    BIO *bio = ssl ? BIO_new(method) : NULL;
    if (!bio) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    struct tls_session *s = mem_new(struct tls_session);
    s->ssl = ssl;
    s->out = out;
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    return s;
}

void
tls_session_destroy(struct tls_session *s)
{
    if (s) {
        SSL_free(s->ssl);
        mem_free(s);
    }
}

void
tls_session_input(struct tls_session *s, slice in)
{
    s->in = in;
}

/* What a failed SSL call means: come back with more bytes, or never. */
static err
tls_verdict(struct tls_session *s, int rc)
{
    int why = SSL_get_error(s->ssl, rc);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ ? ERR_AGAIN : ERR_INVALID;
}

err
tls_session_handshake(struct tls_session *s)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(s->ssl);
    return rc == 1 ? OK : tls_verdict(s, rc);
}

err
tls_session_read(struct tls_session *s, void *p, size_t cap, size_t *ret_n)
{
    ERR_clear_error();
    size_t n = 0;
    int rc = SSL_read_ex(s->ssl, p, cap, &n);
    if (rc == 1) {
        *ret_n = n;
        return OK;
    }
    if (SSL_get_error(s->ssl, rc) == SSL_ERROR_ZERO_RETURN) {
        *ret_n = 0;
        return OK;
    }
    return tls_verdict(s, rc);
}

err
tls_session_write(struct tls_session *s, slice in)
{
    ERR_clear_error();
    size_t n = 0;
    int rc = SSL_write_ex(s->ssl, in.p, in.n, &n);
    if (rc == 1 && n == in.n) { /* our BIO takes everything */
        return OK;
    }
    ERR_clear_error();
    return ERR_IO;
}

void
tls_session_shutdown(struct tls_session *s)
{
    ERR_clear_error();
    (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
}

slice
tls_session_alpn(const struct tls_session *s)
{
    const unsigned char *p = NULL;
    unsigned n = 0;
    SSL_get0_alpn_selected(s->ssl, &p, &n);
    return slice_of(p, n);
}
