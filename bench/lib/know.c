#include "know.h"

#include "pb.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const placeholders[KNOWN_COUNT] = {
    [KNOWN_ORDER] = "@order@", [KNOWN_MESSAGE] = "@message@", [KNOWN_CUSTOMER] = "@customer@",
    [KNOWN_URL] = "@url@",     [KNOWN_POD] = "@pod@",         [KNOWN_LINK] = "@link@",
    [KNOWN_TRACE] = "@trace@", [KNOWN_SPAN] = "@span@"};

static const struct {
    const char *key;
    enum known_name name;
} wanted[] = {{"app.order.id", KNOWN_ORDER},
              {"messaging.message.id", KNOWN_MESSAGE},
              {"enduser.id", KNOWN_CUSTOMER},
              {"url.full", KNOWN_URL}};

static void
text_take(struct known *k, enum known_name name, const void *p, size_t n)
{
    if (p && k->text[name][0] == 0 && n < sizeof k->text[name]) {
        memcpy(k->text[name], p, n);
        k->text[name][n] = 0;
    }
}

static void
hex_take(struct known *k, enum known_name name, const uint8_t *p, size_t n)
{
    char hex[33];
    for (size_t i = 0; i < n; i++) {
        snprintf(hex + 2 * i, 3, "%02x", p[i]);
    }
    /* link:traceID has no leading zeros in TraceQL */
    size_t skip = name == KNOWN_LINK ? strspn(hex, "0") : 0;
    text_take(k, name, hex + skip, 2 * n - skip);
}

/* The key and the string of a KeyValue; a value of another type is empty. */
static void
pair_read(const struct pb_field *kv, struct pb_field *key, struct pb_field *value)
{
    const uint8_t *p = kv->p, *end = p + kv->n;
    struct pb_field f;
    *key = *value = (struct pb_field){0};
    while (pb_next(&p, end, &f)) {
        if (f.number == 1) {
            *key = f;
        } else if (f.number == 2) {
            const uint8_t *q = f.p;
            struct pb_field any;
            if (pb_next(&q, f.p + f.n, &any) && any.number == 1 && any.type == 2) {
                *value = any;
            }
        }
    }
}

static bool
is_key(const struct pb_field *key, const char *name)
{
    return key->p && key->n == strlen(name) && memcmp(key->p, name, key->n) == 0;
}

static void
attr_take(struct known *k, const struct pb_field *kv)
{
    struct pb_field key, value;
    pair_read(kv, &key, &value);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (value.n && is_key(&key, wanted[i].key)) {
            text_take(k, wanted[i].name, value.p, value.n);
        }
    }
}

static void
link_take(struct known *k, const struct pb_field *link)
{
    const uint8_t *p = link->p, *end = p + link->n;
    struct pb_field f;
    while (pb_next(&p, end, &f)) {
        if (f.number == 1 && f.n == 16) {
            hex_take(k, KNOWN_LINK, f.p, 16);
        }
    }
}

static bool
failed(const struct pb_field *status)
{
    const uint8_t *p = status->p, *end = p + status->n;
    struct pb_field f;
    while (pb_next(&p, end, &f)) {
        if (f.number == 3 && f.value == 2) {
            return true;
        }
    }
    return false;
}

static void
span_know(struct known *k, const struct pb_field *span, bool take)
{
    const uint8_t *p = span->p, *end = p + span->n;
    struct pb_field f;
    k->spans++;
    while (pb_next(&p, end, &f)) {
        if (f.number == 7) {
            k->first_ns = k->first_ns == 0 || f.value < k->first_ns ? f.value : k->first_ns;
            k->last_ns = f.value > k->last_ns ? f.value : k->last_ns;
        } else if (f.number == 6) {
            k->requests += f.value == 2;
        } else if (f.number == 15) {
            k->errors += failed(&f);
        } else if (take && f.number == 1) {
            hex_take(k, KNOWN_TRACE, f.p, f.n);
        } else if (take && f.number == 2) {
            hex_take(k, KNOWN_SPAN, f.p, f.n);
        } else if (take && f.number == 9) {
            attr_take(k, &f);
        } else if (take && f.number == 13) {
            link_take(k, &f);
        }
    }
}

static void
resource_know(struct known *k, const struct pb_field *resource)
{
    const uint8_t *p = resource->p, *end = p + resource->n;
    struct pb_field f, key, value;
    while (pb_next(&p, end, &f)) {
        if (f.number == 1) {
            pair_read(&f, &key, &value);
            if (is_key(&key, "k8s.pod.name")) {
                text_take(k, KNOWN_POD, value.p, value.n);
            }
        }
    }
}

static void
body_know(struct known *k, const uint8_t *body, size_t n, bool take)
{
    const uint8_t *p = body, *end = body + n;
    struct pb_field rs, scope, f;
    while (pb_next(&p, end, &rs)) {
        const uint8_t *q = rs.p, *q_end = q + rs.n;
        while (rs.number == 1 && pb_next(&q, q_end, &scope)) {
            if (scope.number == 1 && take) {
                resource_know(k, &scope);
            }
            const uint8_t *s = scope.p, *s_end = s + scope.n;
            while (scope.number == 2 && pb_next(&s, s_end, &f)) {
                if (f.number == 2) {
                    span_know(k, &f, take);
                }
            }
        }
    }
}

void
know(const struct corpus_options *o, struct known *ret)
{
    struct corpus *c = corpus_create(o);
    struct corpus_request r;
    *ret = (struct known){0};
    while (corpus_next(c, &r)) {
        ret->bytes += r.n;
        body_know(ret, r.body, r.n, corpus_spans(c) * 2 >= o->spans);
    }
    corpus_destroy(c);
    for (int i = 0; i < KNOWN_COUNT; i++) {
        if (ret->text[i][0] == 0) {
            die("the corpus is too small for %s: ask for more spans", placeholders[i]);
        }
    }
}

char *
know_fill(const struct known *k, const char *text)
{
    struct blob out = {0};
    while (*text) {
        size_t i = 0;
        while (i < KNOWN_COUNT && strncmp(text, placeholders[i], strlen(placeholders[i])) != 0) {
            i++;
        }
        if (i < KNOWN_COUNT) {
            blob_add(&out, k->text[i], strlen(k->text[i]));
            text += strlen(placeholders[i]);
        } else {
            blob_add(&out, text++, 1);
        }
    }
    blob_add(&out, "", 1);
    return (char *)out.p;
}
