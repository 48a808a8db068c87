/* A listener's TLS context from its configuration keys (receivers.md 1.5, api.md 3.2). */
#pragma once

#include "vivace/config/config.h"
#include "vivace/net/tls.h"

/* `*ret` is NULL when no certificate is configured. `min_version` and `cipher_suites` stand in where `t` has
 * none (server.tls_min_version, server.tls_cipher_suites); "" = the defaults. */
struct tls_config_options {
    const struct config_tls *tls;
    const char *min_version, *cipher_suites;
    bool h2, http1; /* what ALPN offers */
};
CHECKED err tls_context_from_config(const struct tls_config_options *o, struct fault *f,
                                    struct tls_context **ret);
