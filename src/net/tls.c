#include "vivace/net/tls.h"

#include "tls_context.h"

#include "vivace/base/clock.h"
#include "vivace/base/file.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/base/mutex.h"

#include <ctype.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>

#define TLS_PEM_BYTES_MAX  ((size_t)1 << 20) /* a certificate chain or a CA bundle */
#define TLS_LIST_BYTES_MAX ((size_t)4 << 10) /* cipher and curve lists */

struct tls_context {
    struct tls_options o; /* strings are ours */
    struct mutex mu;
    SSL_CTX *ctx; /* guarded by mu; the object itself is shared by reference */
    _Atomic int64_t reload_at_ns;
    uint8_t alpn[16]; /* our protocols, best first, as ALPN writes them */
    unsigned alpn_n;
};

/* FAULT with OpenSSL's reason. */
static err
tls_fault(struct fault *f, const char *what, const char *name)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return FAULT(f, ERR_INVALID, "tls: %s %s: %s", what, name, reason ? reason : "not usable");
}

/* --- reading PEM
 * -------------------------------------------------------------------------------------------- */

/* A memory BIO over the PEM text or the file's content (`*ret_p` to be freed after the BIO). */
static err
pem_open(const char *file, const char *pem, struct fault *f, uint8_t **ret_p, BIO **ret)
{
    const void *p = pem;
    size_t n = pem ? strlen(pem) : 0;
    *ret_p = NULL;
    if (!pem) {
        err rc = file_read_all(file, TLS_PEM_BYTES_MAX, f, ret_p, &n);
        if (rc != OK) {
            fault_prefix(f, "tls");
            return rc;
        }
        p = *ret_p;
    }
    *ret = n <= INT_MAX ? BIO_new_mem_buf(p, (int)n) : NULL;
    if (!*ret) {
        mem_free(*ret_p);
        return FAULT(f, ERR_LIMIT, "tls: PEM text is too long");
    }
    return OK;
}

static err
load_cert(SSL_CTX *ctx, const struct tls_options *o, struct fault *f)
{
    uint8_t *p;
    BIO *b;
    const char *name = o->cert_pem ? "(inline)" : o->cert_file;
    err rc = pem_open(o->cert_file, o->cert_pem, f, &p, &b);
    if (rc != OK) {
        return rc;
    }
    X509 *leaf = PEM_read_bio_X509_AUX(b, NULL, NULL, NULL);
    if (!leaf || SSL_CTX_use_certificate(ctx, leaf) != 1) {
        rc = tls_fault(f, "certificate", name);
    }
    X509_free(leaf);
    X509 *link;
    while (rc == OK && (link = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(ctx, link) != 1) {
            X509_free(link);
            rc = tls_fault(f, "certificate chain", name);
        }
    }
    ERR_clear_error(); /* the end of the chain reads as an error */
    BIO_free(b);
    mem_free(p);
    return rc;
}

static err
load_key(SSL_CTX *ctx, const struct tls_options *o, struct fault *f)
{
    uint8_t *p;
    BIO *b;
    const char *name = o->key_pem ? "(inline)" : o->key_file;
    err rc = pem_open(o->key_file, o->key_pem, f, &p, &b);
    if (rc != OK) {
        return rc;
    }
    /* No password prompt: an encrypted key is an error. */
    EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, (void *)(uintptr_t) "");
    if (!key || SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        rc = tls_fault(f, "private key", name);
    }
    EVP_PKEY_free(key);
    BIO_free(b);
    mem_free(p);
    return rc;
}

static err
load_client_ca(SSL_CTX *ctx, const struct tls_options *o, struct fault *f)
{
    uint8_t *p;
    BIO *b;
    const char *name = o->client_ca_pem ? "(inline)" : o->client_ca_file;
    err rc = pem_open(o->client_ca_file, o->client_ca_pem, f, &p, &b);
    if (rc != OK) {
        return rc;
    }
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    int count = 0;
    X509 *ca;
    while (rc == OK && (ca = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
        count++;
        if (X509_STORE_add_cert(store, ca) != 1 || SSL_CTX_add_client_CA(ctx, ca) != 1) {
            rc = tls_fault(f, "client CA", name);
        }
        X509_free(ca);
    }
    if (rc == OK && count == 0) {
        rc = tls_fault(f, "client CA", name);
    }
    ERR_clear_error();
    BIO_free(b);
    mem_free(p);
    return rc;
}

/* --- settings
 * ----------------------------------------------------------------------------------------------- */

/* "1.2", "TLS12", "VersionTLS12": the digits count. 0 = library's choice, -1 = no such version. */
static int
version_number(const char *s)
{
    char digits[4] = {0};
    size_t n = 0;
    for (; s && *s; s++) {
        if (isdigit((unsigned char)*s) && n < sizeof digits - 1) {
            digits[n++] = *s;
        }
    }
    if (n == 0) {
        return 0;
    }
    static const struct {
        const char *digits;
        int version;
    } table[] = {
        {"10", TLS1_VERSION}, {"11", TLS1_1_VERSION}, {"12", TLS1_2_VERSION}, {"13", TLS1_3_VERSION}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(digits, table[i].digits) == 0) {
            return table[i].version;
        }
    }
    return -1;
}

static err
set_versions(SSL_CTX *ctx, const struct tls_options *o, struct fault *f)
{
    int low = version_number(o->min_version);
    int high = version_number(o->max_version);
    if (low < 0 || high < 0) {
        return FAULT(f, ERR_INVALID, "tls: unknown TLS version \"%s\"",
                     low < 0 ? o->min_version : o->max_version);
    }
    low = low ? low : TLS1_2_VERSION;
    if (high && high < low) {
        return FAULT(f, ERR_INVALID, "tls: max_version is below min_version");
    }
    if (low < TLS1_2_VERSION) {
        SSL_CTX_set_security_level(ctx, 0); /* OpenSSL 3.0 refuses them otherwise */
    }
    if (SSL_CTX_set_min_proto_version(ctx, low) != 1 || SSL_CTX_set_max_proto_version(ctx, high) != 1) {
        return tls_fault(f, "version", "");
    }
    return OK;
}

/* IANA and Go names; what OpenSSL has not is skipped with a warning, an empty rest is an error. */
static err
set_ciphers(SSL_CTX *ctx, const struct tls_options *o, struct fault *f)
{
    struct buf list12, list13;
    buf_init(&list12, TLS_LIST_BYTES_MAX);
    buf_init(&list13, TLS_LIST_BYTES_MAX);
    slice rest = slice_cstr(o->cipher_suites);
    while (rest.p) {
        slice one = slice_trim(slice_cut(&rest, ','));
        char iana[96];
        if (one.n == 0 || one.n > sizeof iana - 8) {
            continue;
        }
        bool go_name = slice_ends_with(one, SL("CHACHA20_POLY1305")); /* Go's old name lacks the hash */
        (void)snprintf(iana, sizeof iana, "%.*s%s", SL_FMT(one), go_name ? "_SHA256" : "");
        const char *name = OPENSSL_cipher_name(iana);
        bool tls13 = slice_starts_with(one, SL("TLS_AES_")) || slice_starts_with(one, SL("TLS_CHACHA20_"));
        if (!tls13 && (!name || strcmp(name, "(NONE)") == 0)) {
            LOG_W("tls: cipher suite is not available, skipped", LOG_STR("cipher_suite", one));
            continue;
        }
        struct buf *to = tls13 ? &list13 : &list12;
        buf_printf(to, "%s%s", to->n ? ":" : "", tls13 ? iana : name);
    }
    err rc = OK;
    if (list12.n + list13.n == 0 || list12.failed || list13.failed) {
        rc = FAULT(f, ERR_INVALID, "tls: no usable name in cipher_suites");
    }
    buf_append_byte(&list12, 0);
    buf_append_byte(&list13, 0);
    if (rc == OK && list12.n > 1 && SSL_CTX_set_cipher_list(ctx, (const char *)list12.p) != 1) {
        rc = tls_fault(f, "cipher_suites", o->cipher_suites);
    }
    if (rc == OK && list13.n > 1 && SSL_CTX_set_ciphersuites(ctx, (const char *)list13.p) != 1) {
        rc = tls_fault(f, "cipher_suites", o->cipher_suites);
    }
    buf_fini(&list12);
    buf_fini(&list13);
    return rc;
}

/* "X25519", "P256", "P-256", "CurveP256". */
static err
set_curves(SSL_CTX *ctx, const struct tls_options *o, struct fault *f)
{
    static const struct {
        slice name, ours;
    } table[] = {{SL("X25519"), SL("X25519")},
                 {SL("P256"), SL("P-256")},
                 {SL("P384"), SL("P-384")},
                 {SL("P521"), SL("P-521")}};
    struct buf list;
    buf_init(&list, TLS_LIST_BYTES_MAX);
    slice rest = slice_cstr(o->curves);
    while (rest.p) {
        slice one = slice_trim(slice_cut(&rest, ','));
        if (one.n == 0 || !one.p) {
            continue;
        }
        slice bare = slice_starts_with(one, SL("Curve")) ? slice_sub(one, 5, one.n) : one;
        size_t i = 0;
        while (i < sizeof table / sizeof table[0] && !slice_eq(bare, table[i].name) &&
               !slice_eq(bare, table[i].ours)) {
            i++;
        }
        if (i < sizeof table / sizeof table[0]) {
            buf_printf(&list, "%s%.*s", list.n ? ":" : "", SL_FMT(table[i].ours));
        } else {
            LOG_W("tls: curve is not available, skipped", LOG_STR("curve", one));
        }
    }
    err rc = OK;
    bool empty = list.n == 0;
    buf_append_byte(&list, 0);
    if (empty || list.failed || SSL_CTX_set1_groups_list(ctx, (char *)list.p) != 1) {
        rc = tls_fault(f, "curve_preferences", o->curves);
    }
    buf_fini(&list);
    return rc;
}

static int
accept_any(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1; /* a certificate is asked for, not judged */
}

static err
set_client_auth(SSL_CTX *ctx, const struct tls_options *o, struct fault *f)
{
    switch (o->client_auth) {
    case TLS_CLIENT_NONE:
        return OK;
    case TLS_CLIENT_REQUEST:
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
        return OK;
    case TLS_CLIENT_REQUIRE_ANY:
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
        return OK;
    case TLS_CLIENT_VERIFY_IF_GIVEN:
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        break;
    case TLS_CLIENT_REQUIRE_AND_VERIFY:
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        break;
    }
    (void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN); /* as Go */
    if (!o->client_ca_file && !o->client_ca_pem) {
        return SSL_CTX_set_default_verify_paths(ctx) == 1 ? OK : tls_fault(f, "client CA", "of the system");
    }
    return load_client_ca(ctx, o, f);
}

static int
choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_n, const unsigned char *in, unsigned in_n,
            void *arg)
{
    (void)ssl;
    const struct tls_context *c = arg;
    union {
        const unsigned char *in;
        unsigned char *out;
    } chosen; /* OpenSSL's helper has no const */
    int rc = SSL_select_next_proto(&chosen.out, ret_n, c->alpn, c->alpn_n, in, in_n);
    *ret = chosen.in;
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void
set_habits(SSL_CTX *ctx, struct tls_context *c)
{
    SSL_CTX_set_options(ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    /* Resumption by tickets; no cache of ours to grow. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"vivace", 6);
    if (c->alpn_n) {
        SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, c);
    }
}

static err
context_make(struct tls_context *c, struct fault *f, SSL_CTX **ret)
{
    const struct tls_options *o = &c->o;
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        return tls_fault(f, "context", "");
    }
    err rc = OK;
    set_habits(ctx, c);
    TRY(set_versions(ctx, o, f));
    if (o->cipher_suites && o->cipher_suites[0]) {
        TRY(set_ciphers(ctx, o, f));
    }
    if (o->curves && o->curves[0]) {
        TRY(set_curves(ctx, o, f));
    }
    TRY(load_cert(ctx, o, f));
    TRY(load_key(ctx, o, f));
    TRY(set_client_auth(ctx, o, f));
    *ret = ctx;
    ctx = NULL;
out:
    SSL_CTX_free(ctx);
    return rc;
}

/* --- the context
 * -------------------------------------------------------------------------------------------- */

static const char **
option_string(struct tls_options *o, size_t i)
{
    const char **all[] = {&o->cert_file,      &o->cert_pem,      &o->key_file,    &o->key_pem,
                          &o->client_ca_file, &o->client_ca_pem, &o->min_version, &o->max_version,
                          &o->cipher_suites,  &o->curves};
    return i < sizeof all / sizeof all[0] ? all[i] : NULL;
}

static void
context_free(struct tls_context *c)
{
    const char **s;
    for (size_t i = 0; (s = option_string(&c->o, i)) != NULL; i++) {
        union {
            const char *in;
            void *out;
        } own = {.in = *s}; /* ours since tls_context_create */
        mem_free(own.out);
    }
    SSL_CTX_free(c->ctx);
    mutex_fini(&c->mu);
    mem_free(c);
}

err
tls_context_create(const struct tls_options *o, struct fault *f, struct tls_context **ret)
{
    bool cert = (o->cert_file && o->cert_file[0]) || (o->cert_pem && o->cert_pem[0]);
    bool key = (o->key_file && o->key_file[0]) || (o->key_pem && o->key_pem[0]);
    if (!cert || !key) {
        return FAULT(f, ERR_INVALID, "tls: both a certificate and a key are needed");
    }
    struct tls_context *c = mem_new(struct tls_context);
    mutex_init(&c->mu, LOCK_CONFIG);
    c->o = *o;
    const char **s;
    for (size_t i = 0; (s = option_string(&c->o, i)) != NULL; i++) {
        *s = *s && **s ? mem_strdup(*s) : NULL; /* "" in a configuration is "not given" */
    }
    slice offers[] = {o->h2 ? SL("\x02h2") : SL_EMPTY, o->http1 ? SL("\x08http/1.1") : SL_EMPTY};
    for (size_t i = 0; i < 2; i++) {
        if (offers[i].n) {
            memcpy(c->alpn + c->alpn_n, offers[i].p, offers[i].n);
            c->alpn_n += (unsigned)offers[i].n;
        }
    }
    err rc = context_make(c, f, &c->ctx);
    if (rc != OK) {
        context_free(c);
        return rc;
    }
    atomic_store(&c->reload_at_ns, clock_mono_ns() + (int64_t)o->reload_interval_ms * NS_PER_MS);
    *ret = c;
    return OK;
}

err
tls_context_reload(struct tls_context *c, struct fault *f)
{
    SSL_CTX *fresh = NULL;
    err rc = context_make(c, f, &fresh);
    if (rc != OK) {
        return rc;
    }
    mutex_lock(&c->mu);
    SSL_CTX *old = c->ctx;
    c->ctx = fresh;
    mutex_unlock(&c->mu);
    SSL_CTX_free(old);
    return OK;
}

SSL_CTX *
tls_context_ref(struct tls_context *c)
{
    int64_t now = clock_mono_ns();
    int64_t at = atomic_load(&c->reload_at_ns);
    int64_t next = now + (int64_t)c->o.reload_interval_ms * NS_PER_MS;
    if (c->o.reload_interval_ms && now >= at && atomic_compare_exchange_strong(&c->reload_at_ns, &at, next)) {
        struct fault f = {0};
        if (tls_context_reload(c, &f) != OK) {
            LOG_W("tls: reload failed, the old certificate stays", LOG_FAULT(&f));
        }
    }
    mutex_lock(&c->mu);
    SSL_CTX *ctx = c->ctx;
    SSL_CTX_up_ref(ctx);
    mutex_unlock(&c->mu);
    return ctx;
}

void
tls_context_destroy(struct tls_context *c)
{
    if (c) {
        context_free(c);
    }
}
