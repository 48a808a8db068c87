/* Our HTTP/1.x parser beside node-llhttp in its strict mode (Debian: node-llhttp), on mutated requests.
 *
 * What llhttp refuses and we take must be on the list of known differences; where both take a message, they
 * must agree on method, version, framing and on where it ends: that is what request smuggling is made of. */
#include "test.h"

#define HAVE_LLHTTP __has_include("/usr/share/llhttp/llhttp.c")

#if HAVE_LLHTTP
#define LLHTTP_STRICT_MODE 1
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-label"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
/* The parser declares its callbacks with unsigned bytes, api.c defines them with plain ones: two units in
 * one. */
#define llhttp__on_message_begin                  api_on_message_begin
#define llhttp__on_url                            api_on_url
#define llhttp__on_url_complete                   api_on_url_complete
#define llhttp__on_status                         api_on_status
#define llhttp__on_status_complete                api_on_status_complete
#define llhttp__on_method                         api_on_method
#define llhttp__on_method_complete                api_on_method_complete
#define llhttp__on_version                        api_on_version
#define llhttp__on_version_complete               api_on_version_complete
#define llhttp__on_header_field                   api_on_header_field
#define llhttp__on_header_field_complete          api_on_header_field_complete
#define llhttp__on_header_value                   api_on_header_value
#define llhttp__on_header_value_complete          api_on_header_value_complete
#define llhttp__on_headers_complete               api_on_headers_complete
#define llhttp__on_message_complete               api_on_message_complete
#define llhttp__on_body                           api_on_body
#define llhttp__on_chunk_header                   api_on_chunk_header
#define llhttp__on_chunk_extension_name           api_on_chunk_extension_name
#define llhttp__on_chunk_extension_name_complete  api_on_chunk_extension_name_complete
#define llhttp__on_chunk_extension_value          api_on_chunk_extension_value
#define llhttp__on_chunk_extension_value_complete api_on_chunk_extension_value_complete
#define llhttp__on_chunk_complete                 api_on_chunk_complete
#define llhttp__on_reset                          api_on_reset
#include "/usr/share/llhttp/api.c"
#undef llhttp__on_message_begin
#undef llhttp__on_url
#undef llhttp__on_url_complete
#undef llhttp__on_status
#undef llhttp__on_status_complete
#undef llhttp__on_method
#undef llhttp__on_method_complete
#undef llhttp__on_version
#undef llhttp__on_version_complete
#undef llhttp__on_header_field
#undef llhttp__on_header_field_complete
#undef llhttp__on_header_value
#undef llhttp__on_header_value_complete
#undef llhttp__on_headers_complete
#undef llhttp__on_message_complete
#undef llhttp__on_body
#undef llhttp__on_chunk_header
#undef llhttp__on_chunk_extension_name
#undef llhttp__on_chunk_extension_name_complete
#undef llhttp__on_chunk_extension_value
#undef llhttp__on_chunk_extension_value_complete
#undef llhttp__on_chunk_complete
#undef llhttp__on_reset
#undef CALLBACK_MAYBE
#define llhttp__before_headers_complete api_before_headers_complete
#define llhttp__after_headers_complete  api_after_headers_complete
#define llhttp__after_message_complete  api_after_message_complete
#include "/usr/share/llhttp/http.c"
#undef llhttp__before_headers_complete
#undef llhttp__after_headers_complete
#undef llhttp__after_message_complete
#undef CALLBACK_MAYBE
#include "/usr/share/llhttp/llhttp.c"
#define WRAP(name)                                                                                           \
    int llhttp__##name(llhttp__internal_t *s, const unsigned char *p, const unsigned char *end)              \
    {                                                                                                        \
        return api_##name(s, (const char *)p, (const char *)end);                                            \
    }
WRAP(on_message_begin)
WRAP(on_url)
WRAP(on_url_complete)
WRAP(on_status)
WRAP(on_status_complete)
WRAP(on_method)
WRAP(on_method_complete)
WRAP(on_version)
WRAP(on_version_complete)
WRAP(on_header_field)
WRAP(on_header_field_complete)
WRAP(on_header_value)
WRAP(on_header_value_complete)
WRAP(on_headers_complete)
WRAP(on_message_complete)
WRAP(on_body)
WRAP(on_chunk_header)
WRAP(on_chunk_extension_name)
WRAP(on_chunk_extension_name_complete)
WRAP(on_chunk_extension_value)
WRAP(on_chunk_extension_value_complete)
WRAP(on_chunk_complete)
WRAP(on_reset)
WRAP(before_headers_complete)
WRAP(after_headers_complete)
WRAP(after_message_complete)
#pragma GCC diagnostic pop
#endif

#include "http1_parser.h"

#include "vivace/base/rng.h"

#if HAVE_LLHTTP

struct verdict {
    bool taken;  /* one whole message was read */
    size_t end;  /* bytes of it */
    size_t body; /* bytes of body */
    int minor;   /* HTTP version */
    size_t headers;
    bool head_done, trailers;
};

static struct verdict theirs;

static int
on_body(llhttp_t *p, const char *at, size_t n)
{
    (void)p;
    (void)at;
    theirs.body += n;
    return 0;
}

static int
on_header(llhttp_t *p)
{
    (void)p;
    theirs.headers += theirs.head_done ? 0 : 1; /* trailers come the same way */
    return 0;
}

static int
on_head(llhttp_t *p)
{
    (void)p;
    theirs.head_done = true;
    return 0;
}

static int
on_complete(llhttp_t *p)
{
    theirs.taken = true;
    theirs.minor = p->http_minor;
    return HPE_PAUSED;
}

static void
ask_llhttp(const uint8_t *p, size_t n)
{
    llhttp_settings_t settings;
    llhttp_t parser;
    llhttp_settings_init(&settings);
    settings.on_body = on_body;
    settings.on_header_value_complete = on_header;
    settings.on_headers_complete = on_head;
    settings.on_message_complete = on_complete;
    theirs = (struct verdict){0};
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    if (llhttp_execute(&parser, (const char *)p, n) == HPE_PAUSED && theirs.taken) {
        theirs.end = (size_t)(llhttp_get_error_pos(&parser) - (const char *)p);
    } else {
        theirs.taken = theirs.taken && parser.error == HPE_PAUSED_UPGRADE;
    }
}

static struct verdict
ask_ours(const uint8_t *p, size_t n, struct http1_head *ret_head)
{
    struct verdict v = {0};
    struct http1_scan scan = {0};
    struct http1_refusal why;
    static struct arena arena;
    size_t head_n = 0;
    arena_reset(&arena);
    if (http1_scan_head(&scan, p, n, &head_n) != OK) {
        return v;
    }
    uint8_t *block = arena_alloc(&arena, head_n);
    memcpy(block, p, head_n);
    if (!http1_parse_head(block, head_n, 100, &arena, ret_head, &why)) {
        return v;
    }
    v.minor = ret_head->version - 10;
    v.headers = ret_head->header_count;
    slice rest = slice_of(p + head_n, n - head_n);
    if (!ret_head->chunked) {
        v.taken = ret_head->length <= rest.n;
        v.body = (size_t)ret_head->length;
        v.end = head_n + v.body;
        return v;
    }
    struct http1_chunks c;
    http1_chunks_init(&c);
    enum http1_chunk got;
    do {
        slice data = SL_EMPTY;
        got = http1_chunks_next(&c, &rest, &data);
        v.body += data.n;
    } while (got == CHUNK_DATA);
    v.taken = got == CHUNK_END;
    v.trailers = c.trailer > 2;
    v.end = n - rest.n;
    return v;
}

/* Known and harmless: llhttp knows a fixed list of methods, no HTTP/1.2+, no bytes over 0x7f in a target, and
 * takes Upgrade and PRI for another protocol, and refuses some chunk extensions. */
static bool
differs_by_design(const struct http1_head *h, const uint8_t *p, size_t n)
{
    static const char *const methods[] = {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"};
    bool known = false;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        known = known || slice_eq(h->method, slice_cstr(methods[i]));
    }
    slice line = slice_of(p, n);
    line = slice_sub(line, 0, slice_find_byte(line, '\n') == 1 ? n : slice_find(line, SL("HTTP/1.")) + 8);
    for (size_t i = 0; i < line.n; i++) {
        known = known && line.p[i] < 0x80;
    }
    size_t minor = slice_find(slice_of(p, n), SL("HTTP/1."));
    bool odd_minor = minor != SIZE_MAX && minor + 7 < n && p[minor + 7] > '1';
    bool upgrade = false;
    for (size_t i = 0; i < h->header_count; i++) {
        upgrade = upgrade || slice_eq(h->headers[i].name, SL("upgrade"));
    }
    bool extension = slice_find_byte(slice_of(p, n), ';') < n && !theirs.taken; /* its grammar is narrower */
    bool tab = slice_find_byte(slice_of(p, n), '\t') < n; /* it knows no tab around framing values */
    return !known || odd_minor || upgrade || tab || extension;
}

static const char *const seeds[] = {
    "GET /a?b HTTP/1.1\r\nHost: a\r\nAccept: x\r\n\r\nGET",
    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: y\r\n\r\nhelloGET",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;b=c\r\n012\r\n0\r\n\r\n",
    "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\nGET",
    "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabcGET",
};

static const char *const splices[] = {"\r\n",
                                      "\n",
                                      "\r",
                                      " ",
                                      "\t",
                                      ":",
                                      "\0",
                                      "0",
                                      ";",
                                      ",",
                                      "\x0b",
                                      "+",
                                      "Content-Length: 3\r\n",
                                      "Transfer-Encoding: chunked\r\n",
                                      "Transfer-Encoding: gzip, chunked\r\n",
                                      "chunked",
                                      "Host: b\r\n",
                                      "\r\n\r\n",
                                      "Content-Length: 5\r\n",
                                      " chunked",
                                      "identity",
                                      "-1",
                                      "\xff"};

static size_t
mutate(struct rng *rng, uint8_t *p, size_t cap)
{
    const char *seed = seeds[rng_below(rng, sizeof seeds / sizeof seeds[0])];
    size_t n = strlen(seed);
    memcpy(p, seed, n);
    for (uint64_t left = 1 + rng_below(rng, 3); left > 0; left--) {
        const char *s = splices[rng_below(rng, sizeof splices / sizeof splices[0])];
        size_t at = rng_below(rng, n), add = strlen(s) ? strlen(s) : 1;
        size_t drop = rng_below(rng, 3) == 0 ? (n - at < add ? n - at : add) : 0;
        if (n + add > cap) {
            break;
        }
        memmove(p + at + add, p + at + drop, n - at - drop);
        memcpy(p + at, s, add);
        n = n + add - drop;
    }
    return n;
}

static void
whatever_we_take_a_strict_parser_reads_the_same(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    size_t both = 0, refused = 0;
    for (int i = 0; i < 300000; i++) {
        uint8_t p[1024];
        size_t n = mutate(&rng, p, sizeof p);
        struct http1_head head = {0};
        struct verdict ours = ask_ours(p, n, &head);
        if (!ours.taken) {
            refused++;
            continue;
        }
        ask_llhttp(p, n);
        /* It reads framing headers in trailers; ours are thrown away unread. */
        if (differs_by_design(&head, p, n) || (ours.trailers && !theirs.taken)) {
            continue;
        }
        if (!theirs.taken || theirs.end != ours.end || theirs.body != ours.body ||
            theirs.minor != ours.minor || theirs.headers != ours.headers) {
            fail_msg("case %d: taken %d, end %zu/%zu, body %zu/%zu, minor %d/%d, headers %zu/%zu\n%.*s", i,
                     theirs.taken, ours.end, theirs.end, ours.body, theirs.body, ours.minor, theirs.minor,
                     ours.headers, theirs.headers, (int)n, (const char *)p);
        }
        both++;
    }
    print_message("%zu read alike, %zu refused\n", both, refused);
    assert_true(both > 10000 && refused > 10000);
}
#else
static void
whatever_we_take_a_strict_parser_reads_the_same(void **state)
{
    (void)state;
    print_message("node-llhttp is not installed\n");
    skip();
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_we_take_a_strict_parser_reads_the_same)};
    return cmocka_run_group_tests_name("llhttp", tests, NULL, NULL);
}
