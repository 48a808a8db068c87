/* TLS on a listener: ALPN, client certificates, reload, plain HTTP by mistake. Certificates are made here. */
#include "net_client.h"

#include "vivace/net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define GET_CLOSE "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

struct identity {
    EVP_PKEY *key;
    X509 *cert;
    char *cert_pem, *key_pem;
};

static char *
pem_text(BIO *b)
{
    char *p;
    long n = BIO_get_mem_data(b, &p);
    char *text = strndup(p, (size_t)n);
    BIO_free(b);
    return text;
}

/* Signed by `ca`, or a CA by itself. */
static struct identity
identity_make(const char *name, const struct identity *ca)
{
    static long serial = 1;
    struct identity id = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
    X509_set_version(id.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(id.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(id.cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(id.cert), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(id.cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(id.cert, X509_get_subject_name(ca ? ca->cert : id.cert));
    X509_set_pubkey(id.cert, id.key);
    if (!ca) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
        X509_add_ext(id.cert, e, -1);
        X509_EXTENSION_free(e);
    }
    assert_true(X509_sign(id.cert, ca ? ca->key : id.key, EVP_sha256()) > 0);
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(b, id.cert);
    id.cert_pem = pem_text(b);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, id.key, NULL, NULL, 0, NULL, NULL);
    id.key_pem = pem_text(b);
    return id;
}

static void
identity_free(struct identity *id)
{
    EVP_PKEY_free(id->key);
    X509_free(id->cert);
    free(id->cert_pem);
    free(id->key_pem);
}

static struct identity ca, other_ca, server_id, server_id2, client_id, stranger_id;

static int
make_identities(void **state)
{
    (void)state;
    ca = identity_make("ca", NULL);
    other_ca = identity_make("other ca", NULL);
    server_id = identity_make("localhost", &ca);
    server_id2 = identity_make("renewed", &ca);
    client_id = identity_make("client", &ca);
    stranger_id = identity_make("stranger", &other_ca);
    return 0;
}

static int
free_identities(void **state)
{
    (void)state;
    struct identity *all[] = {&ca, &other_ca, &server_id, &server_id2, &client_id, &stranger_id};
    for (size_t i = 0; i < 6; i++) {
        identity_free(all[i]);
    }
    return 0;
}

struct tls_client {
    const struct identity *id; /* certificate to show */
    const char *alpn;          /* wire form */
    int max_version;
    const char *request;
};

struct tls_result {
    bool handshake;
    char alpn[16], peer[64];
    char text[4096];
    size_t total;
};

static struct tls_result
tls_ask(int port, struct tls_client c)
{
    struct tls_result r = {0};
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (c.max_version) {
        SSL_CTX_set_max_proto_version(ctx, c.max_version);
    }
    if (c.id) {
        SSL_CTX_use_certificate(ctx, c.id->cert);
        SSL_CTX_use_PrivateKey(ctx, c.id->key);
    }
    SSL *ssl = SSL_new(ctx);
    if (c.alpn) {
        SSL_set_alpn_protos(ssl, (const unsigned char *)c.alpn, (unsigned)strlen(c.alpn));
    }
    int fd = client_connect(port);
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) == 1) {
        r.handshake = true;
        const unsigned char *name;
        unsigned n;
        SSL_get0_alpn_selected(ssl, &name, &n);
        memcpy(r.alpn, name ? name : (const unsigned char *)"", n < 15 ? n : 15);
        X509 *peer = SSL_get1_peer_certificate(ssl);
        X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, r.peer, sizeof r.peer);
        X509_free(peer);
        static char block[65536];
        if (c.request && SSL_write(ssl, c.request, (int)strlen(c.request)) > 0) {
            int got;
            while ((got = SSL_read(ssl, block, sizeof block)) > 0) {
                size_t room = sizeof r.text - 1 - (r.total < sizeof r.text - 1 ? r.total : sizeof r.text - 1);
                memcpy(r.text + (sizeof r.text - 1 - room), block, (size_t)got < room ? (size_t)got : room);
                r.total += (size_t)got;
            }
        }
    }
    ERR_clear_error();
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return r;
}

static struct tls_options
tls_base(void)
{
    return (struct tls_options){
        .cert_pem = server_id.cert_pem, .key_pem = server_id.key_pem, .h2 = true, .http1 = true};
}

static int
tls_server(struct server *s, const struct tls_options *o)
{
    struct fault f = {0};
    server_init(s);
    assert_ok(tls_context_create(o, &f, &s->o.tls), &f);
    return server_listen(s);
}

static void
tls_server_fini(struct server *s)
{
    struct tls_context *c = s->o.tls;
    server_fini(s);
    tls_context_destroy(c);
}

static void
the_protocol_follows_alpn_and_falls_back_to_http1(void **state)
{
    (void)state;
    struct server s;
    struct tls_options o = tls_base();
    int port = tls_server(&s, &o);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_result r = tls_ask(
            port, (struct tls_client){.alpn = "\x08http/1.1", .max_version = version, .request = GET_CLOSE});
        assert_string_equal(r.alpn, "http/1.1");
        assert_contains(r.text, "tls=1");
        r = tls_ask(port, (struct tls_client){.max_version = version, .request = GET_CLOSE});
        assert_string_equal(r.alpn, "");
        assert_contains(r.text, "GET / 0 tcp tls=1");
        r = tls_ask(port, (struct tls_client){.alpn = "\x08http/1.1\x02h2", .max_version = version});
        assert_string_equal(r.alpn, "h2"); /* ours comes first */
        r = tls_ask(port, (struct tls_client){.alpn = "\x04nope", .max_version = version});
        assert_false(r.handshake);
    }
    tls_server_fini(&s);
}

static void
a_big_answer_arrives_whole(void **state)
{
    (void)state;
    struct server s;
    struct tls_options o = tls_base();
    int port = tls_server(&s, &o);
    struct tls_result r = tls_ask(
        port, (struct tls_client){.request = "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"});
    assert_true(r.total > (size_t)8 << 20);
    r = tls_ask(
        port, (struct tls_client){.request = "GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"});
    assert_contains(r.text, "later");
    tls_server_fini(&s);
}

static void
client_certificates_are_asked_for_as_configured(void **state)
{
    (void)state;
    /* served: without a certificate, with one of the CA, with a stranger's */
    static const struct {
        enum tls_client_auth auth;
        bool none, ours, strangers;
    } rows[] = {
        {TLS_CLIENT_NONE, true, true, true},
        {TLS_CLIENT_REQUEST, true, true, true},
        {TLS_CLIENT_REQUIRE_ANY, false, true, true},
        {TLS_CLIENT_VERIFY_IF_GIVEN, true, true, false},
        {TLS_CLIENT_REQUIRE_AND_VERIFY, false, true, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server s;
        struct tls_options o = tls_base();
        o.client_auth = rows[i].auth;
        o.client_ca_pem = ca.cert_pem;
        int port = tls_server(&s, &o);
        const struct identity *ids[] = {NULL, &client_id, &stranger_id};
        bool want[] = {rows[i].none, rows[i].ours, rows[i].strangers};
        for (int k = 0; k < 3; k++) {
            for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
                struct tls_result r = tls_ask(
                    port, (struct tls_client){.id = ids[k], .max_version = version, .request = GET_CLOSE});
                if ((strstr(r.text, "200 OK") != NULL) != want[k]) {
                    fail_msg("mode %zu, client %d: '%s'", i, k, r.text);
                }
            }
        }
        tls_server_fini(&s);
    }
}

static void
plain_http_on_a_tls_port_is_told_so(void **state)
{
    (void)state;
    struct server s;
    struct tls_options o = tls_base();
    int port = tls_server(&s, &o);
    int fd = client_connect(port);
    client_send(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_string_equal(client_read_all(fd),
                        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    fd = client_connect(port);
    client_send(fd, "\x01garbage that is no record");
    assert_null(strstr(client_read_all(fd), "HTTP"));
    fd = client_connect(port);
    assert_int_equal(send(fd, "\x16\x03\x01", 3, 0), 3); /* half a record, then gone */
    close(fd);
    tls_server_fini(&s);
}

static void
write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void
a_new_certificate_is_taken_up_and_a_bad_one_is_not(void **state)
{
    (void)state;
    char dir[] = "/tmp/vivace-tls-XXXXXX", cert[64], key[64];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(cert, sizeof cert, "%s/cert", dir);
    (void)snprintf(key, sizeof key, "%s/key", dir);
    write_file(cert, server_id.cert_pem);
    write_file(key, server_id.key_pem);
    struct server s;
    struct tls_options o = {.cert_file = cert, .key_file = key, .http1 = true};
    int port = tls_server(&s, &o);
    struct fault f = {0};
    assert_string_equal(tls_ask(port, (struct tls_client){0}).peer, "localhost");
    write_file(cert, server_id2.cert_pem); /* does not fit the key yet */
    assert_int_equal(tls_context_reload(s.o.tls, &f), ERR_INVALID);
    assert_string_equal(tls_ask(port, (struct tls_client){0}).peer, "localhost");
    write_file(key, server_id2.key_pem);
    assert_string_equal(tls_ask(port, (struct tls_client){0}).peer, "localhost");
    assert_int_equal(tls_context_reload(s.o.tls, NULL), OK);
    assert_string_equal(tls_ask(port, (struct tls_client){0}).peer, "renewed");
    tls_server_fini(&s);

    o.reload_interval_ms = 20; /* by itself */
    port = tls_server(&s, &o);
    write_file(cert, server_id.cert_pem);
    write_file(key, server_id.key_pem);
    usleep(30000);
    assert_string_equal(tls_ask(port, (struct tls_client){0}).peer, "localhost");
    tls_server_fini(&s);
    unlink(cert);
    unlink(key);
    rmdir(dir);
}

static void
settings_are_checked_when_the_context_is_made(void **state)
{
    (void)state;
    struct tls_options base = tls_base();
    struct {
        struct tls_options o;
        bool ok;
        const char *why;
    } rows[16];
    size_t n = 0;
#define ROW(ok_, why_, ...)                                                                                  \
    do {                                                                                                     \
        struct tls_options o = base;                                                                         \
        __VA_ARGS__;                                                                                         \
        rows[n].o = o;                                                                                       \
        rows[n].ok = (ok_);                                                                                  \
        rows[n++].why = (why_);                                                                              \
    } while (0)
    ROW(true, "", (void)0);
    ROW(true, "", o.min_version = "VersionTLS13");
    ROW(true, "", o.min_version = "1.0", o.max_version = "1.2");
    ROW(true, "", o.cipher_suites = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_RC4_128_SHA");
    ROW(true, "", o.cipher_suites = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305,TLS_AES_128_GCM_SHA256");
    ROW(true, "", o.curves = "X25519,CurveP256,P-384,X25519MLKEM768");
    ROW(false, "version", o.min_version = "1.4");
    ROW(false, "below", o.min_version = "1.3", o.max_version = "1.2");
    ROW(false, "cipher_suites", o.cipher_suites = "NOPE");
    ROW(false, "curve", o.curves = "nope");
    ROW(false, "key", o.key_pem = NULL);
    ROW(false, "private key", o.key_pem = client_id.key_pem);
    ROW(false, "certificate", o.cert_pem = "junk");
    ROW(false, "/nonexistent/ca", o.client_auth = TLS_CLIENT_REQUIRE_AND_VERIFY,
        o.client_ca_file = "/nonexistent/ca");
    ROW(false, "client CA", o.client_auth = TLS_CLIENT_REQUIRE_AND_VERIFY, o.client_ca_pem = "junk");
    for (size_t i = 0; i < n; i++) {
        struct tls_context *c = NULL;
        struct fault f = {0};
        err rc = tls_context_create(&rows[i].o, &f, &c);
        if ((rc == OK) != rows[i].ok || !strstr(f.msg, rows[i].why)) {
            fail_msg("row %zu: %s '%s'", i, err_name(rc), f.msg);
        }
        tls_context_destroy(c);
    }
}

static void
an_old_client_is_refused_by_default(void **state)
{
    (void)state;
    struct server s;
    struct tls_options o = tls_base();
    o.min_version = "1.3";
    int port = tls_server(&s, &o);
    assert_false(tls_ask(port, (struct tls_client){.max_version = TLS1_2_VERSION}).handshake);
    assert_true(tls_ask(port, (struct tls_client){0}).handshake);
    tls_server_fini(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_protocol_follows_alpn_and_falls_back_to_http1),
        cmocka_unit_test(a_big_answer_arrives_whole),
        cmocka_unit_test(client_certificates_are_asked_for_as_configured),
        cmocka_unit_test(plain_http_on_a_tls_port_is_told_so),
        cmocka_unit_test(a_new_certificate_is_taken_up_and_a_bad_one_is_not),
        cmocka_unit_test(settings_are_checked_when_the_context_is_made),
        cmocka_unit_test(an_old_client_is_refused_by_default),
    };
    return cmocka_run_group_tests_name("tls", tests, make_identities, free_identities);
}
