/* TLS for listeners and clients, on OpenSSL.
 *
 * A context is made from file names or PEM text and re-read when `reload_interval_ms` has passed (the new
 * certificate serves new connections; a bad one is logged and the old one stays). Threads: any.
 */
#pragma once

#include "vivace/base/err.h"
#include "vivace/base/slice.h"

struct tls_context;

enum tls_client_auth {
    TLS_CLIENT_NONE,
    TLS_CLIENT_REQUEST,
    TLS_CLIENT_REQUIRE_ANY,
    TLS_CLIENT_VERIFY_IF_GIVEN,
    TLS_CLIENT_REQUIRE_AND_VERIFY
};

struct tls_options { /* strings may be NULL */
    const char *cert_file, *cert_pem, *key_file, *key_pem;
    const char *client_ca_file, *client_ca_pem;
    enum tls_client_auth client_auth;
    const char *min_version, *max_version; /* "1.0".."1.3", "VersionTLS12"; NULL = 1.2 / newest */
    const char *cipher_suites;             /* comma-separated IANA or Go names; NULL = library default */
    const char *curves;                    /* comma-separated */
    uint64_t reload_interval_ms;           /* 0 = only on SIGHUP (tls_context_reload) */
    bool h2;                               /* offer h2 by ALPN */
    bool http1;                            /* offer http/1.1 */
};

CHECKED err tls_context_create(const struct tls_options *o, struct fault *f, struct tls_context **ret);
CHECKED err tls_context_reload(struct tls_context *c, struct fault *f);
void tls_context_destroy(struct tls_context *c);
