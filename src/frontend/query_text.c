/* Legacy tag searches as TraceQL; what to write for a name without a scope. */
#include "query_request.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/traceql/traceql.h"

#include <stdio.h>

#define LEGACY_TEXT_MAX ((size_t)1 << 20)

/* --- logfmt --------------------------------------------------------------------------------------------- */

/* A value in quotes, its escapes undone. `*at` stands behind the opening quote. */
static err
quoted(slice in, size_t *at, struct arena *a, struct fault *f, slice *ret)
{
    size_t from = *at - 1;
    uint8_t *out = arena_alloc(a, in.n + 1);
    size_t n = 0;
    if (out == NULL) {
        return FAULT(f, ERR_INVALID, "invalid tags: too long");
    }
    for (; *at < in.n && in.p[*at] != '"'; (*at)++) {
        if (in.p[*at] == '\\' && *at + 1 < in.n) {
            (*at)++;
        }
        out[n++] = in.p[*at];
    }
    if (*at == in.n) {
        return FAULT(f, ERR_INVALID, "invalid tags: unterminated quoted value at pos %zu", from + 1);
    }
    (*at)++;
    *ret = slice_of(out, n);
    return OK;
}

static bool
is_blank(uint8_t c)
{
    return c <= ' ';
}

static err
add_tag(struct query_request *r, struct arena *a, struct query_tag tag, struct fault *f)
{
    for (size_t i = 0; i < r->tag_count; i++) {
        if (slice_eq(r->tags[i].key, tag.key)) {
            return FAULT(f, ERR_INVALID, "invalid tags: tag %.*s has been set twice",
                         SL_FMT(slice_sub(tag.key, 0, 100)));
        }
    }
    if (r->tag_count == 1000) { /* the search for repeats is quadratic */
        return FAULT(f, ERR_INVALID, "invalid tags: too many");
    }
    void *more = arena_grow(a, r->tags, r->tag_count, &r->tag_cap, r->tag_count + 1, sizeof tag);
    if (more == NULL) {
        return FAULT(f, ERR_INVALID, "invalid tags: too many");
    }
    r->tags = more;
    r->tags[r->tag_count++] = tag;
    return OK;
}

err
search_request_tags(struct query_request *r, slice in, struct arena *a, struct fault *f)
{
    size_t at = 0;
    while (at < in.n) {
        struct query_tag tag = {0};
        size_t from = at;
        err rc = OK;
        if (is_blank(in.p[at])) {
            at++;
            continue;
        }
        while (at < in.n && !is_blank(in.p[at]) && in.p[at] != '=' && in.p[at] != '"') {
            at++;
        }
        tag.key = slice_sub(in, from, at - from);
        if (tag.key.n == 0 || (at < in.n && in.p[at] == '"')) {
            return FAULT(f, ERR_INVALID, "invalid tags: unexpected '%c' at pos %zu", in.p[at], at + 1);
        }
        if (at < in.n && in.p[at] == '=') {
            at++;
            if (at < in.n && in.p[at] == '"') {
                at++;
                rc = quoted(in, &at, a, f, &tag.value);
            } else {
                from = at;
                while (at < in.n && !is_blank(in.p[at])) {
                    at++;
                }
                tag.value = slice_sub(in, from, at - from);
            }
        }
        rc = rc == OK ? add_tag(r, a, tag, f) : rc;
        if (rc != OK) {
            return rc;
        }
    }
    return OK;
}

/* --- tags as TraceQL ------------------------------------------------------------------------------------ */

static void
put_attr(struct buf *out, enum tql_scope scope, slice name)
{
    tql_attr_print(&(struct tql_attr){.name = name, .scope = (uint8_t)scope}, out);
}

static void
put_string(struct buf *out, slice s)
{
    struct tql_static v = tql_static_string(s);
    tql_static_print(&v, out);
}

/* `=~ ".*value.*"`, the value taken literally. */
static void
put_contains(struct buf *out, slice value)
{
    struct buf pattern;
    buf_init(&pattern, LEGACY_TEXT_MAX);
    buf_append_cstr(&pattern, ".*");
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = value.p[i];
        bool plain = c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!plain && c > ' ' && c < 0x7f) {
            buf_append_byte(&pattern, '\\');
        }
        buf_append_byte(&pattern, c);
    }
    buf_append_cstr(&pattern, ".*");
    buf_append_cstr(out, " =~ ");
    put_string(out, buf_slice(&pattern));
    out->failed = out->failed || pattern.failed;
    buf_fini(&pattern);
}

/* Tags Tempo keeps in columns of their own, which it searches by substring. */
static bool
is_substring_tag(slice key, enum tql_scope *ret)
{
    static const char *const resource[] = {"service.name", "cluster", "namespace", "pod", "container"};
    for (size_t i = 0; i < sizeof resource / sizeof *resource; i++) {
        if (slice_eq(key, slice_cstr(resource[i]))) {
            *ret = TQL_SCOPE_RESOURCE;
            return true;
        }
    }
    *ret = slice_starts_with(key, SL("k8s.")) ? TQL_SCOPE_RESOURCE : TQL_SCOPE_SPAN;
    return (slice_starts_with(key, SL("k8s.")) && slice_ends_with(key, SL(".name"))) ||
           slice_eq(key, SL("http.method")) || slice_eq(key, SL("http.url"));
}

static bool
put_intrinsic_tag(struct buf *out, const struct query_tag *t)
{
    static const struct {
        const char *tag, *intrinsic;
    } rows[] = {{"name", "name"}, {"root.name", "rootName"}, {"root.service.name", "rootServiceName"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (slice_eq(t->key, slice_cstr(rows[i].tag))) {
            buf_append_cstr(out, rows[i].intrinsic);
            put_contains(out, t->value);
            return true;
        }
    }
    if (slice_eq(t->key, SL("status.code"))) {
        bool known = slice_eq(t->value, SL("ok")) || slice_eq(t->value, SL("error"));
        buf_append_cstr(out, "status = ");
        buf_append_slice(out, known ? t->value : SL("unset"));
        return true;
    }
    if (slice_eq(t->key, SL("error")) && slice_eq(t->value, SL("true"))) {
        buf_append_cstr(out, "status = error");
        return true;
    }
    return false;
}

static void
put_tag(struct buf *out, const struct query_tag *t)
{
    enum tql_scope scope = TQL_SCOPE_NONE;
    int64_t code = 0;
    if (put_intrinsic_tag(out, t)) {
        return;
    }
    if (slice_eq(t->key, SL("http.status_code")) && slice_to_i64(t->value, &code)) {
        buf_append_cstr(out, "span.http.status_code = ");
        buf_append_i64(out, code); /* not as it was written: 09 is no number there */
        return;
    }
    if (is_substring_tag(t->key, &scope)) {
        put_attr(out, scope, t->key);
        put_contains(out, t->value);
        return;
    }
    put_attr(out, TQL_SCOPE_SPAN, t->key);
    buf_append_cstr(out, " = ");
    put_string(out, t->value);
    buf_append_cstr(out, " || ");
    put_attr(out, TQL_SCOPE_RESOURCE, t->key);
    buf_append_cstr(out, " = ");
    put_string(out, t->value);
}

err
search_request_legacy(const struct query_request *r, struct arena *a, struct fault *f, slice *ret)
{
    struct buf out;
    buf_init(&out, LEGACY_TEXT_MAX);
    buf_append_cstr(&out, "{ ");
    if (r->min_duration_ns > 0) {
        buf_printf(&out, "traceDuration >= %lldns", (long long)r->min_duration_ns);
    }
    if (r->max_duration_ns > 0) {
        buf_printf(&out, "%straceDuration <= %lldns", r->min_duration_ns > 0 ? " && " : "",
                   (long long)r->max_duration_ns);
    }
    buf_append_cstr(&out, " }");
    for (size_t i = 0; i < r->tag_count; i++) {
        buf_append_cstr(&out, " && { ");
        put_tag(&out, &r->tags[i]);
        buf_append_cstr(&out, " }");
    }
    *ret = arena_copy(a, buf_slice(&out));
    bool failed = out.failed || ret->p == NULL;
    buf_fini(&out);
    return failed ? FAULT(f, ERR_INVALID, "invalid tags: too long") : OK;
}

/* --- a hint for a name without a scope ------------------------------------------------------------------ */

static bool
is_name_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-' || c == '/' || c >= 0x80;
}

static bool
is_resource_name(slice name)
{
    static const char *const prefixes[] = {"service.", "k8s.",  "host.",       "container.", "cloud.",
                                           "process.", "faas.", "deployment.", "telemetry.", "os."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (slice_starts_with(name, slice_cstr(prefixes[i]))) {
            return true;
        }
    }
    return false;
}

void
query_explain(slice q, struct fault *f)
{
    static const char marker[] = "unknown identifier: ";
    const char *at = strstr(f->msg, marker);
    if (at == NULL) {
        return;
    }
    slice word = slice_cstr(at + sizeof marker - 1);
    size_t from = slice_find(q, word);
    size_t end = from;
    if (word.n == 0 || from == SIZE_MAX) {
        return;
    }
    while (end < q.n && is_name_byte(q.p[end])) {
        end++;
    }
    slice name = slice_sub(q, from, end - from);
    size_t used = strlen(f->msg);
    if (name.n && name.n <= 100 && name.n >= word.n) {
        snprintf(f->msg + used, sizeof f->msg - used, "; did you mean %s%.*s?",
                 is_resource_name(name) ? "resource." : ".", SL_FMT(name));
    }
}
