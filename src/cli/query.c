#include "query.h"

#include "text.h"

#include "vivace/base/clock.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define URL_MAX          ((size_t)300 << 10)
#define SINCE_DEFAULT    (INT64_C(3600) * NS_PER_S)
#define TIMEOUT_LIMIT_MS INT64_C(86400000)

/* --- time -------------------------------------------------------------------------------------------------
 */

static bool
digits(slice s, size_t at, size_t n, int *ret)
{
    int v = 0;
    for (size_t i = at; i < at + n; i++) {
        if (i >= s.n || s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        v = v * 10 + (s.p[i] - '0');
    }
    *ret = v;
    return true;
}

/* 2026-01-02T03:04:05Z, with fractions (left out) and offsets. */
static bool
parse_rfc3339(slice s, uint64_t *ret_ns)
{
    struct tm t = {.tm_isdst = 0};
    int hours = 0, minutes = 0;
    size_t at = 19;
    if (!digits(s, 0, 4, &t.tm_year) || !digits(s, 5, 2, &t.tm_mon) || !digits(s, 8, 2, &t.tm_mday) ||
        !digits(s, 11, 2, &t.tm_hour) || !digits(s, 14, 2, &t.tm_min) || !digits(s, 17, 2, &t.tm_sec) ||
        s.p[4] != '-' || s.p[7] != '-' || (s.p[10] | 0x20) != 't' || s.p[13] != ':' || s.p[16] != ':' ||
        t.tm_year < 1970 || t.tm_mon < 1 || t.tm_mon > 12) {
        return false;
    }
    t.tm_year -= 1900;
    t.tm_mon--;
    if (at < s.n && s.p[at] == '.') {
        at++;
        while (at < s.n && s.p[at] >= '0' && s.p[at] <= '9') {
            at++;
        }
    }
    slice zone = slice_sub(s, at, s.n);
    if (!slice_ieq(zone, SL("z"))) {
        if (zone.n != 6 || (zone.p[0] != '+' && zone.p[0] != '-') || zone.p[3] != ':' ||
            !digits(zone, 1, 2, &hours) || !digits(zone, 4, 2, &minutes)) {
            return false;
        }
        hours = zone.p[0] == '-' ? -hours : hours;
        minutes = zone.p[0] == '-' ? -minutes : minutes;
    }
    int64_t unix_s = (int64_t)timegm(&t) - hours * INT64_C(3600) - minutes * INT64_C(60);
    *ret_ns = unix_s > 0 ? (uint64_t)unix_s * (uint64_t)NS_PER_S : 0;
    return true;
}

static err
parse_time(const char *name, const char *text, uint64_t *ret_ns, struct fault *f)
{
    uint64_t s = 0;
    if (slice_to_u64(slice_cstr(text), &s) && s <= UINT32_MAX) {
        *ret_ns = s * (uint64_t)NS_PER_S;
        return OK;
    }
    if (parse_rfc3339(slice_cstr(text), ret_ns)) {
        return OK;
    }
    return FAULT(f, ERR_INVALID, "--%s takes unix seconds or a time like 2026-01-02T03:04:05Z, not '%.60s'",
                 name, text);
}

static err
parse_range(struct query *q, struct fault *f)
{
    int64_t since = SINCE_DEFAULT;
    err rc = OK;
    q->has_range = q->since || q->start || q->end;
    if (q->since && q->start) {
        return FAULT(f, ERR_INVALID, "--since and --start exclude each other");
    }
    if (q->since && (!duration_parse(slice_cstr(q->since), true, &since) || since <= 0)) {
        return FAULT(f, ERR_INVALID, "--since takes a duration like 15m or 2h, not '%.60s'", q->since);
    }
    q->end_ns = (uint64_t)clock_wall_ns();
    if (q->end) {
        TRY(parse_time("end", q->end, &q->end_ns, f));
    }
    q->start_ns = q->end_ns > (uint64_t)since ? q->end_ns - (uint64_t)since : 0;
    if (q->start) {
        TRY(parse_time("start", q->start, &q->start_ns, f));
    }
    if (q->start_ns >= q->end_ns) {
        rc = FAULT(f, ERR_INVALID, "the time range is empty: it ends before it begins");
    }
out:
    return rc;
}

/* --- options ----------------------------------------------------------------------------------------------
 */

err
query_parse(struct query *q, int argc, char *const *argv, const struct option *options, size_t option_count,
            size_t min, size_t max, struct arguments *args, struct fault *f)
{
    err rc = options_parse(argc, argv, options, option_count, args, f);
    if (rc != OK) {
        return rc;
    }
    if (args->n < min || args->n > max) {
        return FAULT(f, ERR_INVALID,
                     args->n < min ? "an argument is missing" : "there is an argument too many");
    }
    if (q->color && strcmp(q->color, "auto") != 0 && strcmp(q->color, "always") != 0 &&
        strcmp(q->color, "never") != 0) {
        return FAULT(f, ERR_INVALID, "--color is auto, always or never, not '%.40s'", q->color);
    }
    q->url = args->v[0];
    return parse_range(q, f);
}

static err
timeout_of(const struct query *q, uint32_t *ret_ms, struct fault *f)
{
    int64_t ns = 0;
    if (q->timeout && (!duration_parse(slice_cstr(q->timeout), false, &ns) || ns < NS_PER_MS ||
                       ns / NS_PER_MS > TIMEOUT_LIMIT_MS)) {
        return FAULT(f, ERR_INVALID, "--timeout takes a duration like 30s, not '%.60s'", q->timeout);
    }
    *ret_ms = (uint32_t)(ns / NS_PER_MS);
    return OK;
}

/* --- asking -----------------------------------------------------------------------------------------------
 */

void
param_text(struct buf *params, const char *name, const char *value)
{
    if (value) {
        buf_printf(params, "%s%s=", params->n ? "&" : "", name);
        url_encode(params, slice_cstr(value));
    }
}

void
param_number(struct buf *params, const char *name, uint64_t value)
{
    buf_printf(params, "%s%s=%llu", params->n ? "&" : "", name, (unsigned long long)value);
}

void
param_range(struct buf *params, const struct query *q)
{
    param_number(params, "start", q->start_ns / (uint64_t)NS_PER_S);
    param_number(params, "end", (q->end_ns + (uint64_t)NS_PER_S - 1) / (uint64_t)NS_PER_S);
}

static err
headers_of(const struct query *q, const char *accept, struct http_header *headers, size_t *ret_n,
           struct fault *f)
{
    size_t n = 0;
    headers[n++] = (struct http_header){SL("accept"), slice_cstr(accept)};
    if (q->tenant) {
        headers[n++] = (struct http_header){SL("x-scope-orgid"), slice_cstr(q->tenant)};
    }
    for (size_t i = 0; i < q->headers.n; i++) {
        slice value = slice_cstr(q->headers.v[i]);
        slice name = slice_trim(slice_cut(&value, ':'));
        if (value.p == NULL) {
            return FAULT(f, ERR_INVALID, "--header takes 'Name: value', not '%.60s'", q->headers.v[i]);
        }
        headers[n++] = (struct http_header){name, slice_trim(value)};
    }
    *ret_n = n;
    return OK;
}

/* The server's own words for an answer that is none. */
static err
refused(const struct query *q, const struct http_reply *r, struct fault *f)
{
    slice text = slice_sub(buf_slice(&r->body), 0, 300);
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r')) {
        text.n--;
    }
    err rc = r->status == 404                       ? ERR_NOT_FOUND
             : r->status == 401 || r->status == 403 ? ERR_DENIED
             : r->status >= 500 || r->status == 429 ? ERR_UNAVAILABLE
                                                    : ERR_INVALID;
    return FAULT(f, rc, "%.80s answered %d%s%.*s", q->url, r->status, text.n ? ": " : "", SL_FMT(text));
}

err
query_get(const struct query *q, const char *path, const struct buf *params, const char *accept,
          struct fault *f, struct http_reply *ret)
{
    struct http_header headers[OPTION_VALUES_MAX + 2];
    struct http_client_options o = {.ca_file = q->ca, .insecure = q->insecure, .headers = headers};
    struct buf url;
    slice base = slice_cstr(q->url);
    err rc = OK;
    buf_init(&url, URL_MAX);
    TRY(timeout_of(q, &o.timeout_ms, f));
    TRY(headers_of(q, accept, headers, &o.header_count, f));
    while (base.n && base.p[base.n - 1] == '/') {
        base.n--;
    }
    if (slice_find(base, SL("://")) == SIZE_MAX) {
        buf_append_cstr(&url, "http://");
    }
    buf_append_slice(&url, base);
    buf_append_cstr(&url, path);
    if (params && params->n) {
        buf_append_byte(&url, '?');
        buf_append_slice(&url, buf_slice(params));
    }
    buf_append_byte(&url, 0);
    if (url.failed || (params && params->failed)) {
        rc = FAULT(f, ERR_LIMIT, "the query is too long");
        goto out;
    }
    TRY(http_get((const char *)url.p, &o, f, ret));
    if (ret->status != 200) {
        rc = refused(q, ret, f);
        http_reply_fini(ret);
    }
out:
    buf_fini(&url);
    return rc;
}

bool
print_reply(struct http_reply *r)
{
    bool line = r->body.n == 0 || r->body.p[r->body.n - 1] != '\n';
    return print_buf(&r->body) && (!line || fputc('\n', stdout) != EOF);
}

/* --- the terminal -----------------------------------------------------------------------------------------
 */

#define WIDTH_MIN     40
#define WIDTH_MAX     400
#define WIDTH_DEFAULT 100

int
query_show(const struct query *q, const char *path, const struct buf *params,
           err (*show)(void *ctx, slice body, struct arena *memory, struct fault *f, bool *ret_good),
           void *ctx)
{
    struct http_reply reply = {.status = 0};
    struct arena arena;
    struct fault f = {0};
    bool good = false;
    arena_init(&arena, QUERY_ARENA_MAX);
    err rc = query_get(q, path, params, "application/json", &f, &reply);
    if (rc == OK && q->json) {
        good = print_reply(&reply);
    } else if (rc == OK) {
        rc = show(ctx, buf_slice(&reply.body), &arena, &f, &good);
    }
    if (rc != OK) {
        (void)complain(&f);
        good = false;
    }
    http_reply_fini(&reply);
    arena_fini(&arena);
    return good ? CLI_OK : CLI_FAILED;
}

size_t
terminal_width(const struct query *q)
{
    struct winsize size = {.ws_col = 0};
    const char *columns = getenv("COLUMNS"); // NOLINT(concurrency-mt-unsafe): one thread
    uint64_t n = q->width;
    if (n == 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        n = size.ws_col;
    }
    if (n == 0 && (columns == NULL || !slice_to_u64(slice_cstr(columns), &n))) {
        n = 0;
    }
    n = n ? n : WIDTH_DEFAULT;
    return n < WIDTH_MIN ? WIDTH_MIN : n > WIDTH_MAX ? WIDTH_MAX : (size_t)n;
}

bool
terminal_color(const struct query *q)
{
    const char *no_color = getenv("NO_COLOR"); // NOLINT(concurrency-mt-unsafe): one thread
    const char *term = getenv("TERM");         // NOLINT(concurrency-mt-unsafe): one thread
    if (q->color && strcmp(q->color, "auto") != 0) {
        return strcmp(q->color, "always") == 0;
    }
    return isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == 0) &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

void
paint(struct buf *out, bool on, int what)
{
    /* of the 256: light enough for black, dark enough for white; no red */
    static const uint8_t palette[] = {33, 35, 172, 133, 37, 142, 67, 108, 173, 104, 72, 136};
    if (!on) {
        return;
    }
    if (what >= 0) {
        buf_printf(out, "\x1b[38;5;%um", palette[(size_t)what % sizeof palette]);
    } else {
        buf_append_cstr(out, what == PAINT_ERROR ? "\x1b[31m" : what == PAINT_DIM ? "\x1b[2m" : "\x1b[1m");
    }
}

void
unpaint(struct buf *out, bool on)
{
    if (on) {
        buf_append_cstr(out, "\x1b[0m");
    }
}
