#include "http1_parser.h"

#include "vivace/base/must.h"

/* What a byte may be. */
enum {
    T = 1, /* token (names, methods) */
    V = 2, /* field value: VCHAR, obs-text, SP, HTAB */
    U = 4, /* request target: no blanks, no controls (bytes >= 0x80 pass, as in Go) */
    H = 8, /* Host */
};

static uint8_t
classify(unsigned c)
{
    unsigned k = 0;
    bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    k |= (alnum || (c && c < 0x80 && strchr("!#$%&'*+-.^_`|~", (int)c))) ? T : 0;
    k |= (c == '\t' || (c >= ' ' && c != 0x7f)) ? V : 0;
    k |= (c > ' ' && c != 0x7f) ? U : 0;
    k |= (alnum || (c && c < 0x80 && strchr("!$%&'()*+,-.:;=[]_~", (int)c))) ? H : 0;
    return (uint8_t)k;
}

static uint8_t classes[256];

__attribute__((constructor)) static void
classes_fill(void)
{
    for (unsigned c = 0; c < 256; c++) {
        classes[c] = classify(c);
    }
}

bool
http1_is_token(uint8_t c)
{
    return classes[c] & T;
}

static bool
all_are(slice s, uint8_t kind)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!(classes[s.p[i]] & kind)) {
            return false;
        }
    }
    return true;
}

/* --- the end of a head
 * --------------------------------------------------------------------------------------- */

err
http1_scan_head(struct http1_scan *scan, const uint8_t *p, size_t n, size_t *ret_n)
{
    size_t at = scan->at;
    for (; at < n; at++) {
        uint8_t c = p[at];
        bool after_cr = at > 0 && p[at - 1] == '\r';
        if (__builtin_expect(classes[c] & V, V)) {
            if (after_cr) {
                return ERR_INVALID; /* bare CR */
            }
            continue;
        }
        if (c == '\r' && !after_cr) {
            continue;
        }
        if (c != '\n' || !after_cr) {
            return ERR_INVALID;
        }
        bool empty = at - scan->line_start == 1;
        scan->line_start = at + 1;
        if (!empty) {
            scan->lines++;
        } else if (scan->lines == 0 && !scan->blank) {
            scan->blank = true;
        } else {
            *ret_n = at + 1;
            return OK;
        }
    }
    scan->at = at;
    return ERR_AGAIN;
}

/* --- a head
 * -------------------------------------------------------------------------------------------------- */

/* What the framing headers said; judged once all are read. */
struct framing {
    size_t hosts, lengths, codings;
    slice host, length, coding;
    bool close, keep_alive;
    slice expect;
};

static bool
refuse(struct http1_refusal *why, int status, const char *text)
{
    *why = (struct http1_refusal){status, text};
    return false;
}

/* The next line without its CRLF (which the scan has found). */
static slice
next_line(slice *rest)
{
    slice line = slice_cut(rest, '\n');
    return slice_sub(line, 0, line.n - 1);
}

static bool
parse_version(slice v, struct http1_head *h, struct http1_refusal *why)
{
    if (v.n != 8 || memcmp(v.p, "HTTP/", 5) != 0 || v.p[5] < '0' || v.p[5] > '9' || v.p[6] != '.' ||
        v.p[7] < '0' || v.p[7] > '9') {
        return refuse(why, 400, "malformed HTTP version");
    }
    if (v.p[5] != '1') {
        return refuse(why, 505, "unsupported protocol version");
    }
    h->version = v.p[7] == '0' ? 10 : 11;
    return true;
}

/* "http://authority/path?query" -> authority and the rest; false when it is neither that nor "/...". */
static bool
split_absolute(slice target, struct http1_head *h, slice *ret_origin)
{
    size_t scheme = slice_starts_with(target, SL("http://"))    ? 7
                    : slice_starts_with(target, SL("https://")) ? 8
                                                                : 0;
    if (scheme == 0) {
        return false;
    }
    slice rest = slice_sub(target, scheme, target.n);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?') {
        n++;
    }
    h->authority = slice_sub(rest, 0, n);
    *ret_origin = slice_sub(rest, n, rest.n);
    return n > 0 && all_are(h->authority, H);
}

static bool
parse_target(slice target, struct http1_head *h, struct http1_refusal *why)
{
    if (target.n == 0 || !all_are(target, U)) {
        return refuse(why, 400, "malformed request target");
    }
    if (slice_eq(h->method, SL("CONNECT"))) {
        return refuse(why, 405, "CONNECT is not supported");
    }
    if (slice_eq(target, SL("*")) && slice_eq(h->method, SL("OPTIONS"))) {
        h->options_star = true;
        h->path = target;
        return true;
    }
    slice origin = target;
    if (target.p[0] != '/' && !split_absolute(target, h, &origin)) {
        return refuse(why, 400, "malformed request target");
    }
    size_t mark = slice_find_byte(origin, '?');
    h->path = mark == 0 || origin.n == 0 ? SL("/") : slice_sub(origin, 0, mark);
    h->query = slice_sub(origin, mark + 1, origin.n);
    return true;
}

static bool
parse_request_line(slice line, struct http1_head *h, struct http1_refusal *why)
{
    slice rest = line;
    h->method = slice_cut(&rest, ' ');
    slice target = slice_cut(&rest, ' ');
    if (h->method.n == 0 || !all_are(h->method, T) || !rest.p) {
        return refuse(why, 400, "malformed request line");
    }
    return parse_version(rest, h, why) && parse_target(target, h, why);
}

static void
note_connection(slice value, struct framing *f)
{
    slice rest = value;
    while (rest.p) {
        slice token = slice_trim(slice_cut(&rest, ','));
        f->close = f->close || slice_ieq(token, SL("close"));
        f->keep_alive = f->keep_alive || slice_ieq(token, SL("keep-alive"));
    }
}

static void
note_framing(const struct http_header *h, struct framing *f)
{
    if (slice_eq(h->name, SL("host"))) {
        f->hosts++;
        f->host = h->value;
    } else if (slice_eq(h->name, SL("content-length"))) {
        f->lengths++;
        f->length = h->value;
    } else if (slice_eq(h->name, SL("transfer-encoding"))) {
        f->codings++;
        f->coding = h->value;
    } else if (slice_eq(h->name, SL("connection"))) {
        note_connection(h->value, f);
    } else if (slice_eq(h->name, SL("expect"))) {
        f->expect = h->value;
    }
}

static bool
parse_header(slice line, uint8_t *base, struct http_header *ret, struct http1_refusal *why)
{
    size_t colon = 0;
    MUST(line.p != NULL);                   /* the scan has counted it */
    uint8_t *name = base + (line.p - base); /* the same bytes, writable */
    while (colon < line.n && (classes[line.p[colon]] & T)) {
        uint8_t c = name[colon];
        name[colon++] = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
    }
    if (colon == 0 || colon == line.n || line.p[colon] != ':') {
        return refuse(why, 400, "malformed header line"); /* folding and blanks before the colon as well */
    }
    ret->name = slice_sub(line, 0, colon);
    ret->value = slice_trim(slice_sub(line, colon + 1, line.n));
    return true; /* the scan has seen that no control character is in the value */
}

static bool
judge_coding(const struct framing *f, struct http1_head *h, struct http1_refusal *why)
{
    if (f->lengths) {
        return refuse(why, 400, "both Content-Length and Transfer-Encoding");
    }
    if (h->version == 10) {
        return refuse(why, 400, "Transfer-Encoding in HTTP/1.0");
    }
    if (f->codings > 1) {
        return refuse(why, 400, "more than one Transfer-Encoding");
    }
    if (slice_ieq(f->coding, SL("chunked"))) {
        h->chunked = true;
        return true;
    }
    bool has_chunked = false, last = false;
    slice rest = f->coding;
    while (rest.p) {
        last = slice_ieq(slice_trim(slice_cut(&rest, ',')), SL("chunked"));
        has_chunked = has_chunked || last;
    }
    if (has_chunked && !last) {
        return refuse(why, 400, "chunked is not the last transfer coding");
    }
    return refuse(why, 501, "unsupported transfer encoding");
}

static bool
judge_framing(const struct framing *f, struct http1_head *h, struct http1_refusal *why)
{
    if (f->hosts > 1) {
        return refuse(why, 400, "too many Host headers");
    }
    if (f->hosts == 0 && h->version >= 11) {
        return refuse(why, 400, "missing required Host header");
    }
    if (!all_are(f->host, H)) {
        return refuse(why, 400, "malformed Host header");
    }
    if (!h->authority.p) {
        h->authority = f->host; /* an absolute target goes before Host */
    }
    if (f->codings) {
        if (!judge_coding(f, h, why)) {
            return false;
        }
    } else if (f->lengths > 1) {
        return refuse(why, 400, "more than one Content-Length");
    } else if (f->lengths && !slice_to_u64(f->length, &h->length)) {
        return refuse(why, 400, "malformed Content-Length");
    }
    if (f->expect.n) {
        if (!slice_ieq(f->expect, SL("100-continue"))) {
            return refuse(why, 417, "unsupported expectation");
        }
        h->expect_continue = h->version >= 11;
    }
    h->keep_alive = !f->close && (h->version >= 11 || f->keep_alive);
    return true;
}

static size_t
count_lines(slice s)
{
    size_t lines = 0;
    MUST(s.p != NULL);
    for (size_t i = 0; i < s.n; i++) {
        lines += s.p[i] == '\n' ? 1 : 0;
    }
    return lines;
}

bool
http1_parse_head(uint8_t *p, size_t n, size_t header_count_max, struct arena *a, struct http1_head *ret,
                 struct http1_refusal *ret_why)
{
    struct http1_head h = {0};
    struct framing f = {0};
    slice rest = slice_of(p, n);
    if (slice_starts_with(rest, SL("\r\n"))) {
        rest = slice_sub(rest, 2, rest.n);
    }
    size_t lines = count_lines(rest);
    if (!parse_request_line(next_line(&rest), &h, ret_why)) {
        return false;
    }
    if (lines - 2 > header_count_max) {
        return refuse(ret_why, 431, "too many request headers");
    }
    struct http_header *headers = arena_new_array(a, struct http_header, lines - 2);
    for (size_t i = 0; i < lines - 2; i++) {
        if (!parse_header(next_line(&rest), p, &headers[i], ret_why)) {
            return false;
        }
        note_framing(&headers[i], &f);
    }
    h.headers = headers;
    h.header_count = lines - 2;
    if (!judge_framing(&f, &h, ret_why)) {
        return false;
    }
    *ret = h;
    return true;
}
