/* Search, tag and metrics requests as protobuf, the tags of legacy searches, times: the first byte says
 * which. */
#include "frontend/metrics_request.h"

#include "vivace/traceql/traceql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_plain(slice s)
{
    bool plain = true;
    for (size_t i = 0; i < s.n; i++) {
        plain = plain && s.p[i] >= ' ' && s.p[i] < 0x7f;
    }
    return plain;
}

/* A legacy search becomes a query that parses, as long as it is text. */
static void
legacy(struct query_request *r, struct arena *a)
{
    struct fault f = {0};
    struct tql_query *query = NULL;
    slice text;
    for (size_t i = 0; i < r->tag_count; i++) {
        if (!is_plain(r->tags[i].key) || !is_plain(r->tags[i].value) || r->tags[i].key.n == 0) {
            return;
        }
    }
    if (search_request_legacy(r, a, &f, &text) == OK && text.n < 65536 &&
        traceql_parse(text, a, &f, &query) != OK) {
        __builtin_trap();
    }
}

/* Whatever is asked for, the aligned intervals cover it (but for what the cutoff takes). */
static void
metrics(slice in, bool instant)
{
    struct metrics_request r;
    struct fault f = {0};
    uint64_t at = 0;
    (void)metrics_parse_time(in, &at);
    if (metrics_request_from_pb(in, instant, &r, &f) != OK || r.end_ns <= r.start_ns ||
        r.end_ns > INT64_MAX) {
        return;
    }
    if (r.step_ns == 0 || (r.end_ns - r.start_ns) / r.step_ns > METRICS_STEPS_MAX) {
        r.step_ns = metrics_default_step(r.end_ns - r.start_ns);
    }
    metrics_align(&r, 0);
    if (r.steps == 0 || r.from_ns > r.start_ns || r.from_ns + r.steps * r.step_ns < r.end_ns ||
        r.from_ns % r.step_ns) {
        __builtin_trap();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct query_request r = {0};
    struct arena arena;
    struct fault f = {0};
    if (size == 0) {
        return 0;
    }
    slice in = slice_of(data + 1, size - 1);
    if (data[0] % 8 > 5) {
        metrics(in, data[0] % 8 == 7);
        return 0;
    }
    arena_init(&arena, 64 << 20);
    if (data[0] % 4 == 0 && search_request_from_pb(in, &arena, &r, &f) == OK) {
        legacy(&r, &arena);
    } else if (data[0] % 4 == 1) {
        (void)tag_request_from_pb(in, true, &arena, &r, &f);
    } else if (data[0] % 4 == 2) {
        (void)tag_request_from_pb(in, false, &arena, &r, &f);
    } else if (search_request_tags(&r, in, &arena, &f) == OK) {
        legacy(&r, &arena);
    }
    arena_fini(&arena);
    return 0;
}
