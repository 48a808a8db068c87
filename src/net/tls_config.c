#include "vivace/net/tls_config.h"

#include "vivace/base/clock.h"

#define LIST_MAX ((size_t)8 << 10) /* bytes of a joined suite or curve list */

static const char *
or_null(const char *s)
{
    return *s ? s : NULL;
}

/* "a,b,c" in `out`, NUL-terminated; NULL for an empty list. */
static const char *
joined(const struct config_strings *list, struct buf *out)
{
    for (size_t i = 0; i < list->n; i++) {
        if (i) {
            buf_append_byte(out, ',');
        }
        buf_append_cstr(out, list->v[i]);
    }
    buf_append_byte(out, '\0');
    return list->n ? (const char *)out->p : NULL;
}

err
tls_context_from_config(const struct tls_config_options *o, struct fault *f, struct tls_context **ret)
{
    const struct config_tls *t = o->tls;
    struct buf suites;
    struct buf curves;
    if (!config_tls_is_on(t)) {
        *ret = NULL;
        return OK;
    }
    buf_init(&suites, LIST_MAX);
    buf_init(&curves, LIST_MAX);
    const char *suite_list = joined(&t->cipher_suites, &suites);
    struct tls_options options = {
        .cert_file = or_null(t->cert_file),
        .cert_pem = or_null(t->cert_pem),
        .key_file = or_null(t->key_file),
        .key_pem = or_null(t->key_pem),
        .client_ca_file = or_null(t->client_ca_file),
        .client_ca_pem = or_null(t->client_ca_pem),
        .client_auth = (enum tls_client_auth)t->client_auth,
        .min_version = *t->min_version ? t->min_version : or_null(o->min_version),
        .max_version = or_null(t->max_version),
        .cipher_suites = suite_list ? suite_list : or_null(o->cipher_suites),
        .curves = joined(&t->curve_preferences, &curves),
        .reload_interval_ms = (uint64_t)(t->reload_interval_ns / NS_PER_MS),
        .h2 = o->h2,
        .http1 = o->http1,
    };
    err rc = suites.failed || curves.failed
                 ? FAULT(f, ERR_LIMIT, "the list of cipher suites or curves is too long")
                 : tls_context_create(&options, f, ret);
    buf_fini(&suites);
    buf_fini(&curves);
    return rc;
}
