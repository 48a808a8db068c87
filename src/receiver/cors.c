#include "cors.h"

#include <stdio.h>

static void
add(struct cors_headers *h, slice name, slice value)
{
    h->v[h->n++] = (struct http_header){name, value};
}

/* An allowed origin: equal without regard to case, or around its one '*'. */
static bool
origin_matches(slice pattern, slice origin)
{
    size_t star = slice_find_byte(pattern, '*');
    if (star == pattern.n) {
        return slice_ieq(pattern, origin);
    }
    slice head = slice_sub(pattern, 0, star);
    slice tail = slice_sub(pattern, star + 1, pattern.n);
    return origin.n >= head.n + tail.n && slice_ieq(slice_sub(origin, 0, head.n), head) &&
           slice_ieq(slice_sub(origin, origin.n - tail.n, tail.n), tail);
}

static bool
origin_allowed(const struct config_receiver *c, slice origin)
{
    for (size_t i = 0; i < c->cors_allowed_origins.n; i++) {
        if (origin_matches(slice_cstr(c->cors_allowed_origins.v[i]), origin)) {
            return true;
        }
    }
    return false;
}

static bool
header_allowed(const struct config_receiver *c, slice name)
{
    static const char *const defaults[] = {"Accept", "Content-Type", "X-Requested-With"};
    const char *const *list = c->cors_allowed_headers.n ? c->cors_allowed_headers.v : defaults;
    size_t n = c->cors_allowed_headers.n ? c->cors_allowed_headers.n : 3;
    for (size_t i = 0; i < n; i++) {
        if (slice_ieq(name, slice_cstr(list[i])) || slice_eq(slice_cstr(list[i]), SL("*"))) {
            return true;
        }
    }
    return slice_ieq(name, SL("origin"));
}

static bool
all_headers_allowed(const struct config_receiver *c, slice asked)
{
    for (slice rest = asked; rest.p;) {
        slice name = slice_trim(slice_cut(&rest, ','));
        if (name.n && !header_allowed(c, name)) {
            return false;
        }
    }
    return true;
}

bool
cors_is_preflight(const struct config_receiver *c, const struct http_request *r)
{
    return c->cors_allowed_origins.n > 0 && slice_eq(r->method, SL("OPTIONS")) &&
           http_header_get(r, SL("origin")).n > 0 &&
           http_header_get(r, SL("access-control-request-method")).n > 0;
}

void
cors_preflight(const struct config_receiver *c, const struct http_request *r, struct cors_headers *ret)
{
    slice origin = http_header_get(r, SL("origin"));
    slice method = http_header_get(r, SL("access-control-request-method"));
    slice asked = http_header_get(r, SL("access-control-request-headers"));
    bool method_ok =
        slice_ieq(method, SL("GET")) || slice_ieq(method, SL("POST")) || slice_ieq(method, SL("HEAD"));
    ret->n = 0;
    add(ret, SL("Vary"), SL("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"));
    if (!origin_allowed(c, origin) || !method_ok || !all_headers_allowed(c, asked)) {
        return;
    }
    add(ret, SL("Access-Control-Allow-Origin"), origin);
    add(ret, SL("Access-Control-Allow-Methods"), method);
    if (asked.n) {
        add(ret, SL("Access-Control-Allow-Headers"), asked);
    }
    add(ret, SL("Access-Control-Allow-Credentials"), SL("true"));
    if (c->cors_max_age > 0) {
        int n = snprintf(ret->max_age, sizeof ret->max_age, "%llu", (unsigned long long)c->cors_max_age);
        add(ret, SL("Access-Control-Max-Age"), slice_of(ret->max_age, (size_t)n));
    }
}

void
cors_actual(const struct config_receiver *c, const struct http_request *r, struct cors_headers *ret)
{
    slice origin = http_header_get(r, SL("origin"));
    ret->n = 0;
    if (c->cors_allowed_origins.n == 0) {
        return;
    }
    add(ret, SL("Vary"), SL("Origin"));
    if (origin.n && origin_allowed(c, origin)) {
        add(ret, SL("Access-Control-Allow-Origin"), origin);
        add(ret, SL("Access-Control-Allow-Credentials"), SL("true"));
    }
}
