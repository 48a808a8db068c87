/* Conditions that no row of a row group satisfies are told before a column is read; whatever bounds and
 * filters say, or do not say, the rows of the answer are those that looking at each span gives. */
#include "columns_priv.h"
#include "fake_store.h"
#include "planned.h"

#include "vivace/base/rng.h"
#include "vivace/querier/eval.h"
#include "vivace/querier/search.h"

#include <math.h>
#include <stdatomic.h>

#define GROUPS  6
#define ROWS    96 /* of a row group */
#define START   UINT64_C(1700000000000000000)
#define SECOND  UINT64_C(1000000000)
#define LONG    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define HIGH    "\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf"
#define MISSING "ffffffff-0000"

/* --- spans: every row group has values of its own ---------------------------------------------------------
 */

static struct attr *
add_attr(struct span_batch *b, const char *key, uint8_t kind)
{
    struct attr *a = span_batch_add_attr(b);
    a->key = (const uint8_t *)key;
    a->key_n = (uint32_t)strlen(key);
    a->kind = kind;
    return a;
}

static void
put_int(struct span_batch *b, const char *key, int64_t i)
{
    add_attr(b, key, VALUE_INT)->i = i;
}

static void
put_double(struct span_batch *b, const char *key, double d)
{
    add_attr(b, key, VALUE_DOUBLE)->d = d;
}

static void
put_text(struct span_batch *b, const char *key, slice s)
{
    struct attr *a = add_attr(b, key, VALUE_STRING);
    a->p = s.p;
    a->n = (uint32_t)s.n;
}

static slice
numbered(struct span_batch *b, const char *prefix, uint32_t x)
{
    char text[256];
    int n = snprintf(text, sizeof text, "%s%u", prefix, x);
    return arena_copy(&b->arena, slice_of(text, (size_t)n));
}

static slice
twice_numbered(struct span_batch *b, const char *prefix, uint32_t x, uint32_t y)
{
    char text[256];
    int n = snprintf(text, sizeof text, "%s%u-%u", prefix, x, y);
    return arena_copy(&b->arena, slice_of(text, (size_t)n));
}

/* Scattered all over, so that bounds of row groups overlap and only a filter tells. */
static uint32_t
scatter(uint32_t g, uint32_t k)
{
    return (g * ROWS + k + 1) * 2654435761U;
}

static void
put_id(struct span_batch *b, uint32_t g, uint32_t k)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%08x-%04x", scatter(g, k), k);
    put_text(b, "id", arena_copy(&b->arena, slice_of(text, (size_t)n)));
}

static struct run
span_attrs(struct span_batch *b, uint32_t g, uint32_t k)
{
    static const char *const others[GROUPS] = {"other0", "other1", "other2", "other3", "other4", "other5"};
    const uint32_t at = (uint32_t)b->attr_count;
    put_int(b, "i", 100 * g + k);
    put_double(b, "d", g + (k % 4) / 4.0);
    put_text(b, "s", twice_numbered(b, "g", g, k % 4));
    put_id(b, g, k);
    add_attr(b, "b", VALUE_BOOL)->b = g == 2 && k % 2;
    put_text(b, "long", twice_numbered(b, LONG "", g, k % 4));
    put_text(b, "high", twice_numbered(b, HIGH HIGH HIGH HIGH "", g, k % 4));
    put_int(b, "big", g == 0 ? INT64_MIN + k : g == 5 ? INT64_MAX - (int64_t)k : (int64_t)g << 53);
    put_double(b, "nan", g == 1 || (g == 0 && k % 2) ? (double)NAN : g == 0 ? 1.0 : 2.0);
    put_double(b, "zero", g == 3 ? -0.0 : g == 4 ? 0.0 : 1.0);
    if (g == 4) {
        put_text(b, "mixed", SL("text"));
    } else {
        put_int(b, "mixed", g);
    }
    if (g == 0) {
        put_int(b, "opt", k % 7);
    }
    if (g == 3) { /* twice: the first counts, the second stands in the generic list */
        put_int(b, "twice", 1);
        put_text(b, "twice", SL("second"));
    } else {
        put_int(b, "twice", 2);
    }
    if (k < 3) { /* too rare for columns */
        put_text(b, others[g], SL("v"));
    }
    if (k < 3 && g == 1) {
        put_text(b, "rare", SL("r"));
        put_int(b, "rare", 5);
    }
    return (struct run){at, (uint32_t)b->attr_count - at};
}

static void
span_parts(struct span_batch *b, uint32_t g, uint32_t k, struct run *events, struct run *links)
{
    *events = (struct run){(uint32_t)b->event_count, k % 3 ? 1 : 0};
    *links = (struct run){(uint32_t)b->link_count, g == 5 ? 1 : 0};
    if (events->n) {
        const uint32_t at = (uint32_t)b->attr_count;
        put_int(b, "n", 100 * g + k);
        const slice name = numbered(b, "ev-", g);
        struct span_event *e = span_batch_add_event(b);
        e->attrs = (struct run){at, 1};
        e->name = name;
        e->time_ns = START;
    }
    if (links->n) {
        const uint32_t at = (uint32_t)b->attr_count;
        put_text(b, "l", numbered(b, "x", g));
        struct span_link *l = span_batch_add_link(b);
        l->attrs = (struct run){at, 1};
        l->trace.b[3] = 7;
    }
}

static void
add_span(struct span_batch *b, uint32_t g, uint32_t k, bool odd_times)
{
    struct run events;
    struct run links;
    const struct run attrs = span_attrs(b, g, k);
    span_parts(b, g, k, &events, &links);
    const slice name = numbered(b, "op-", g);
    const slice message = numbered(b, "m", g);
    struct span *s = span_batch_add_span(b);
    *s = (struct span){.attrs = attrs, .events = events, .links = links, .name = name};
    s->status_message = message;
    s->trace.b[1] = (uint8_t)(k / 8 * 37 + 1);
    s->trace.b[15] = (uint8_t)(g * 16 + k / 8 + 1);
    s->id.b[0] = (uint8_t)(k % 8 + 1);
    s->id.b[7] = (uint8_t)k;
    if (k % 8) {
        s->parent = s->id;
        s->parent.b[0] = 1;
        s->parent.b[7] = (uint8_t)(k - k % 8);
    }
    s->start_ns = START + g * 100 * SECOND + k;
    s->end_ns = s->start_ns + (g + 1) * SECOND + k;
    s->kind = g == 4 ? 5 : 3;
    s->status_code = g == 1 ? 2 : 0;
    s->scope = (uint32_t)b->scope_count - 1;
    if (odd_times && k % 5 == 0) { /* it ends before it begins, or is later than signed numbers go */
        s->end_ns = g % 2 ? s->start_ns - 1 : UINT64_MAX;
    }
    if (odd_times && g == 5) {
        s->start_ns = UINT64_MAX - k;
    }
}

static void
add_block(struct block_store *store, bool odd_times)
{
    struct span_batch b;
    span_batch_init(&b, 0);
    for (uint32_t g = 0; g < GROUPS; g++) {
        const uint32_t at = (uint32_t)b.attr_count;
        put_int(&b, g == 2 ? "i" : "n", 7000);
        put_text(&b, "service.name", SL("shop"));
        span_batch_add_resource(&b)->attrs = (struct run){at, 2};
        b.resources[g].has_resource = true;
        span_batch_add_scope(&b)->resource = g;
        for (uint32_t k = 0; k < ROWS; k++) {
            add_span(&b, g, k, odd_times);
        }
    }
    fake_store_add(store, &b, ROWS, 32);
    span_batch_fini(&b);
}

/* --- questions --------------------------------------------------------------------------------------------
 */

enum telling {
    ANY,   /* the rows must be right */
    TOLD,  /* and no column is read where no row is kept */
    READ,  /* and columns are read in any case: nothing tells that no row is kept */
    TRACE, /* as ANY; what it asks of the trace is the block's to know */
};

static const struct question {
    const char *text;
    enum telling telling;
} questions[] = {
    /* whole numbers */
    {"{ span.i = 305 }", TOLD},
    {"{ span.i = 305.0 }", TOLD},
    {"{ span.i = 305.5 }", ANY},
    {"{ span.i = 7777 }", TOLD},
    {"{ span.i > 400 }", TOLD},
    {"{ span.i >= 595 }", TOLD},
    {"{ span.i > 594.5 }", TOLD},
    {"{ span.i < 100 }", TOLD},
    {"{ span.i <= 0 }", TOLD},
    {"{ span.i < 0.5 }", TOLD},
    {"{ 305 = span.i }", TOLD},
    {"{ 400 < span.i }", TOLD},
    {"{ span.i = \"305\" }", TOLD},
    {"{ span.i =~ \"3.*\" }", TOLD},
    {"{ span.i = true }", TOLD},
    {"{ span.i = 305ns }", TOLD},
    {"{ span.i != 305 }", READ},
    {"{ span.i != \"x\" }", TOLD}, /* types that do not compare */
    {"{ span.i = nil }", ANY},
    {"{ span.i != nil }", READ},
    {"{ !(span.i = 305) }", ANY},
    {"{ !(span.i != 305) }", READ},
    {"{ span.big > 9223372036854775800 }", TOLD},
    {"{ span.big = 9223372036854775807 }", TOLD},
    {"{ span.big >= 9223372036854775807.0 }", TOLD},
    {"{ span.big < -9223372036854775000 }", TOLD},
    {"{ span.big = 9007199254740993.0 }", ANY},
    /* floats */
    {"{ span.d = 2.25 }", TOLD},
    {"{ span.d > 3.5 }", TOLD},
    {"{ span.d < 1 }", TOLD},
    {"{ span.d = 3 }", TOLD},
    {"{ span.d > 2s }", TOLD},
    {"{ span.d = \"2.25\" }", TOLD},
    {"{ span.nan = 2.0 }", ANY},
    {"{ span.nan > 1.5 }", ANY},
    {"{ span.nan <= 1.0 }", ANY},
    {"{ span.nan != 1.0 }", READ},
    {"{ span.nan != nil }", READ},
    {"{ span.zero = 0.0 }", TOLD},
    {"{ span.zero <= -0.0 }", TOLD},
    {"{ span.zero = -0.0 }", TOLD},
    /* strings */
    {"{ span.s = \"g3-1\" }", TOLD},
    {"{ span.s = \"g3-9\" }", ANY},
    {"{ span.s > \"g4-2\" }", TOLD},
    {"{ span.s <= \"g0-0\" }", TOLD},
    {"{ span.s = \"\" }", TOLD},
    {"{ span.s = 3 }", TOLD},
    {"{ span.s != \"g3-1\" }", READ},
    {"{ span.s =~ \"g3-.\" }", READ},
    {"{ span.s !~ \"g.*\" }", READ},
    {"{ span.id = \"" MISSING "\" }", TOLD},
    {"{ span.id = \"@id\" }", TOLD},
    {"{ span.id != \"@id\" }", READ},
    {"{ span.long = \"" LONG "3-1\" }", ANY},
    {"{ span.long = \"" LONG "\" }", ANY},
    {"{ span.long = \"y\" }", TOLD},
    {"{ span.long > \"" LONG "4\" }", ANY},
    {"{ span.long < \"" LONG "1\" }", ANY},
    {"{ span.high = \"" HIGH HIGH HIGH HIGH "2-2\" }", ANY},
    {"{ span.high > \"" HIGH HIGH HIGH HIGH "4\" }", ANY},
    {"{ span.high < \"a\" }", ANY},
    /* booleans, several types, what is rare or missing */
    {"{ span.b = true }", TOLD},
    {"{ span.b }", TOLD},
    {"{ span.b = false }", TOLD},
    {"{ span.b != true }", READ},
    {"{ span.mixed = \"text\" }", TOLD},
    {"{ span.mixed = 3 }", TOLD},
    {"{ span.mixed != 3 }", ANY},
    {"{ span.twice = 1 }", ANY},
    {"{ span.twice = \"second\" }", ANY},
    {"{ span.opt = 5 }", TOLD},
    {"{ span.opt != 5 }", TOLD},
    {"{ span.opt != nil }", TOLD},
    {"{ span.opt = nil }", ANY},
    {"{ span.rare = \"r\" }", TOLD},
    {"{ span.rare = 5 }", ANY},
    {"{ span.rare = 6 }", ANY},
    {"{ span.other3 != nil }", TOLD},
    {"{ span.other3 = nil }", ANY},
    {"{ span.nowhere = 1 }", TOLD},
    {"{ span.nowhere != 1 }", TOLD},
    {"{ span.nowhere != nil }", TOLD},
    {"{ span.nowhere = nil }", ANY},
    {"{ !(span.nowhere = 1) }", ANY},
    /* without a scope, resources */
    {"{ .i = 305 }", TOLD},
    {"{ .i = 7000 }", ANY},
    {"{ .i > 6999 }", ANY},
    {"{ .n = 7000 }", ANY},
    {"{ .n != nil }", ANY},
    {"{ .nowhere = nil }", ANY},
    {"{ .service.name = \"shop\" }", ANY},
    {"{ .service.name = \"none\" }", TOLD},
    {"{ resource.service.name = \"none\" }", TOLD},
    {"{ resource.service.name =~ \"n.*\" }", TOLD},
    {"{ resource.service.name != \"shop\" }", ANY},
    {"{ resource.service.name < \"a\" }", ANY},
    {"{ resource.n = 7000 }", TOLD},
    {"{ resource.n != nil }", TOLD},
    {"{ resource.n = nil }", ANY},
    {"{ instrumentation.n = 7000 }", TOLD},
    {"{ resource.service.name = \"\" }", ANY},
    /* intrinsics */
    {"{ duration > 5100ms }", TOLD},
    {"{ duration <= 1s }", TOLD},
    {"{ duration = 3000000001 }", TOLD},
    {"{ duration > 1h }", TOLD},
    {"{ duration > 2.5e9 }", TOLD},
    {"{ duration != 3s }", READ},
    {"{ name = \"op-3\" }", TOLD},
    {"{ name = \"op\" }", TOLD},
    {"{ name != \"op-3\" }", READ},
    {"{ statusMessage = \"m5\" }", TOLD},
    {"{ status = error }", TOLD},
    {"{ status = ok }", ANY},
    {"{ status != error }", READ},
    {"{ kind = consumer }", TOLD},
    {"{ kind = client }", TOLD},
    {"{ kind != client }", READ},
    {"{ trace:id = \"10000000000000000000000000032\" }", TOLD},
    {"{ trace:id = \"010000000000000000000000000032\" }", TOLD},
    {"{ trace:id = \"\" }", TOLD},
    {"{ span:id = \"0100000000000000\" }", ANY},
    {"{ span:id = \"none\" }", TOLD},
    {"{ span:childCount > 7 }", TRACE},
    {"{ span:childCount = 7 }", TRACE},
    {"{ nestedSetParent < 0 }", TRACE},
    {"{ nestedSetLeft > 100 }", TRACE},
    {"{ rootName = \"op-2\" }", TRACE},
    {"{ rootServiceName = \"none\" }", TRACE},
    {"{ traceDuration > 6s }", TRACE},
    {"{ traceDuration <= 1s }", TRACE},
    /* events, links */
    {"{ event:name = \"ev-3\" }", TOLD},
    {"{ event.n = 305 }", TOLD},
    {"{ event.n = 305 && event:name = \"ev-3\" }", TOLD},
    {"{ event.n = 305 || event:name = \"ev-4\" }", TOLD},
    {"{ event.n != 305 }", READ},
    {"{ event.n = nil }", READ},
    {"{ !(event.n = 305) }", ANY},
    {"{ event.n = 305 && span.i = 305 }", TOLD},
    {"{ link.l = \"x5\" }", TOLD},
    {"{ link.l != nil }", TOLD},
    {"{ link.l = nil }", READ},
    {"{ link:traceID != \"\" }", TOLD},
    {"{ link:spanID != \"x\" && event:name = \"ev-5\" }", ANY},
    /* together */
    {"{ span.d > -1.0 && span.id = \"@id\" }", TOLD},
    {"{ span.i != nil && span.s != \"\" && span.i = 305 }", TOLD},
    {"{ span.i = 305 || span.s = \"g4-1\" }", TOLD},
    {"{ span.i = 305 || span.s != \"g4-1\" }", READ},
    {"{ (span.i = 305 || span.i = 401) && (name = \"op-3\" || name = \"op-4\") }", TOLD},
    {"{ !(span.i = 305) && name = \"op-3\" }", TOLD},
    {"{ !(span.i = 305 && name != \"x\") }", ANY},
    {"{ true && span.i = 305 }", TOLD},
    {"{ span.i = 305 && span.i + 1 > 0 }", TOLD},
    {"{ span.i = 305 && span.i = span.mixed }", ANY},
    {"{ span.i + 1 > 0 && span.i = 305 }", READ},
    {"{ 1 / span.mixed > 0 }", ANY},
};

#define QUESTIONS (sizeof questions / sizeof *questions)

/* A question, with an id that is there for "@id". */
struct asked {
    char text[1024];
    struct planned of;
};

static void
ask(struct asked *a, const char *text)
{
    const char *id = strstr(text, "@id");
    if (id) {
        snprintf(a->text, sizeof a->text, "%.*s%08x-%04x%s", (int)(id - text), text, scatter(3, 7), 7,
                 id + strlen("@id"));
    } else {
        snprintf(a->text, sizeof a->text, "%s", text);
    }
    planned_make(&a->of, a->text);
}

/* --- the same rows ----------------------------------------------------------------------------------------
 */

enum forget { KEEP_ALL, NO_BOUNDS, NO_ORDER, NO_FILTERS, NO_NULLS, NOTHING, FORGET_COUNT };

/* Files of other writers do not say everything: change what is known in memory. */
static void
forget(struct block_reader *r, enum forget what)
{
    struct parquet_meta *m = (struct parquet_meta *)(uintptr_t)block_reader_file(r)->meta;
    m->typed_order = what != NO_ORDER;
    for (uint32_t g = 0; g < m->row_group_count; g++) {
        for (int32_t i = 0; i < m->schema->column_count; i++) {
            struct parquet_chunk *c = &m->row_groups[g].chunks[i];
            if (what == NO_BOUNDS || what == NOTHING) {
                c->bounds = (struct parquet_bounds){0};
            }
            if (what == NO_FILTERS || what == NOTHING) {
                c->bloom_offset = c->bloom_bytes = 0;
            }
            if (what == NO_NULLS || what == NOTHING) {
                c->has_null_count = false;
            }
        }
    }
}

/* Rows that judging each span keeps; false when the query has a run-time error. */
static bool
rows_of_spans(struct group_scan *s, uint64_t *ret)
{
    struct span_batch b;
    struct query_guard guard = {0};
    struct eval e;
    struct fault f = {0};
    uint64_t bytes = 0;
    span_batch_init(&b, 0);
    assert_ok(block_read_rows(s->reader, s->row_group, 0, s->rows, &b, &bytes, &f), &f);
    eval_init(&e, s->plan, 0, &guard);
    const err rc = eval_run(&e, &b, &f);
    for (size_t i = 0; rc == OK && e.set_count && i < e.sets[0].count; i++) {
        ret[e.sets[0].rows[i] / 64] |= UINT64_C(1) << e.sets[0].rows[i] % 64;
    }
    eval_fini(&e);
    span_batch_fini(&b);
    return rc == OK;
}

struct tally {
    uint64_t told, kept;
};

static void
check_group(struct group_scan *s, const struct question *q, const char *text, enum forget what, size_t group,
            const uint64_t *plain, struct tally *tally)
{
    uint64_t want[ROWS / 64 + 2] = {0};
    uint64_t *mask = NULL;
    struct fault f = {0};
    assert_ok(group_scan_open(s, group, &f), &f);
    assert_true(s->rows <= ROWS);
    bool fine = rows_of_spans(s, want);
    assert_ok(group_mask(s, &f, &mask), &f);
    const err rc = group_filter(s, 0, NULL, &f, mask);
    assert_int_equal(rc == OK, fine);
    if (!fine) {
        return;
    }
    if (q->telling == TRACE) {
        memcpy(want, plain, sizeof want);
    }
    for (size_t i = 0; i < s->rows; i++) {
        if (mask_has(mask, i) != mask_has(want, i)) {
            fail_msg("%s: row %zu of group %zu, forgetting %d", text, i, group, what);
        }
    }
    const bool any = mask_any(mask, s->words);
    if (q->telling == READ || (any && q->telling == TOLD)) {
        assert_int_equal(s->looked, s->rows);
    }
    if (q->telling == TOLD && !any && what == KEEP_ALL && s->looked) {
        fail_msg("%s reads group %zu in vain", text, group);
    }
    tally->told += s->looked == 0;
    tally->kept += any;
    /* among others */
    uint64_t *half = NULL;
    assert_ok(group_mask(s, &f, &half), &f);
    for (size_t i = 0; i < s->rows; i += 2) {
        half[i / 64] |= UINT64_C(1) << i % 64;
    }
    assert_ok(group_filter(s, 0, half, &f, half), &f);
    for (size_t i = 0; i < s->rows; i++) {
        assert_int_equal(mask_has(half, i), i % 2 == 0 && mask_has(want, i));
    }
}

static struct block_reader *
open_again(const struct block_store *store, size_t block)
{
    struct block_reader *r = NULL;
    struct fault f = {0};
    char uuid[BLOCK_UUID_TEXT + 1];
    char path[192];
    block_uuid_format(&store->blocks[block]->meta.id, uuid);
    snprintf(path, sizeof path, "%s/%s", store->dir, uuid);
    assert_ok(block_reader_open(path, &f, &r), &f);
    return r;
}

/* What a reader that knows nothing of the columns finds. */
static void
plain_rows(struct block_reader *nothing, const struct tql_plan *plan, size_t group, uint64_t *ret)
{
    struct group_scan *s = group_scan_create(nothing, plan, NULL, NULL);
    uint64_t *mask = NULL;
    struct fault f = {0};
    assert_ok(group_scan_open(s, group, &f), &f);
    assert_ok(group_mask(s, &f, &mask), &f);
    if (group_filter(s, 0, NULL, &f, mask) == OK) {
        memcpy(ret, mask, s->words * sizeof *ret);
    }
    group_scan_destroy(s);
}

static void
check_all(struct block_store *store, size_t block, enum forget what, bool odd, struct tally *tally)
{
    struct block_reader *r = open_again(store, block);
    struct block_reader *nothing = open_again(store, block);
    forget(r, what);
    forget(nothing, NOTHING);
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct question q = questions[i];
        struct asked a;
        q.telling = odd && q.telling != TRACE ? ANY : q.telling;
        ask(&a, q.text);
        struct group_scan *s = group_scan_create(r, &a.of.plan, NULL, NULL);
        for (size_t g = 0; g < block_reader_file(r)->meta->row_group_count; g++) {
            uint64_t plain[ROWS / 64 + 2] = {0};
            plain_rows(nothing, &a.of.plan, g, plain);
            check_group(s, &q, a.text, what, g, plain, tally);
        }
        group_scan_destroy(s);
        planned_fini(&a.of);
    }
    block_reader_close(r);
    block_reader_close(nothing);
}

static void
what_bounds_and_filters_exclude_is_not_read(void **state)
{
    struct block_store store;
    struct tally tally = {0};
    (void)state;
    fake_store_init(&store);
    add_block(&store, false);
    assert_true(block_reader_file(store.blocks[0]->priv->reader)->meta->row_group_count >= GROUPS);
    check_all(&store, 0, KEEP_ALL, false, &tally);
    print_message("%llu row groups not read, %llu with rows\n", (unsigned long long)tally.told,
                  (unsigned long long)tally.kept);
    assert_true(tally.told > 300 && tally.kept > 200);
    fake_store_fini(&store);
}

static void
a_block_that_says_less_gives_the_same_rows(void **state)
{
    struct block_store store;
    uint64_t told[FORGET_COUNT];
    (void)state;
    fake_store_init(&store);
    add_block(&store, false);
    for (int what = KEEP_ALL; what < FORGET_COUNT; what++) {
        struct tally tally = {0};
        check_all(&store, 0, (enum forget)what, what != KEEP_ALL, &tally);
        told[what] = tally.told;
        assert_true(what == KEEP_ALL || told[what] < told[KEEP_ALL]);
    }
    assert_true(told[NOTHING] < told[NO_BOUNDS] && told[NO_BOUNDS] <= told[NO_ORDER]);
    fake_store_fini(&store);
}

static void
spans_that_end_before_they_begin_or_begin_very_late_are_found(void **state)
{
    struct block_store store;
    struct tally tally = {0};
    (void)state;
    fake_store_init(&store);
    add_block(&store, true);
    check_all(&store, 0, KEEP_ALL, true, &tally);
    assert_true(tally.told > 0);
    fake_store_fini(&store);
}

/* --- bytes ------------------------------------------------------------------------------------------------
 */

static void
a_missing_unique_string_costs_far_less_than_its_column(void **state)
{
    struct block_store store;
    struct planned p;
    struct fault f = {0};
    _Atomic(struct block_store *) at;
    slice tenant = SL("t");
    uint64_t column = 0;
    (void)state;
    fake_store_init(&store);
    add_block(&store, false);
    atomic_store(&at, &store);
    planned_make(&p, "{ span.s != \"\" && span.id = \"88888888-0000\" }");
    const struct block_reader *r = store.blocks[0]->priv->reader;
    const struct block_attr_column *a =
        block_schema_attr(block_reader_schema(r), BLOCK_SPAN, VALUE_STRING, SL("id"));
    assert_non_null(a);
    for (size_t g = 0; g < block_reader_file(r)->meta->row_group_count; g++) {
        const struct parquet_chunk *c = parquet_meta_chunk(block_reader_file(r)->meta, g, (size_t)a->column);
        assert_true(c->bloom_offset > 0);
        column += c->compressed_bytes;
    }
    struct search_source source = search_source_blocks(&at);
    struct search_query q = {.plan = &p.plan,
                             .tenants = &tenant,
                             .tenant_count = 1,
                             .sources = &source,
                             .source_count = 1,
                             .end_ns = UINT64_MAX};
    struct search *s = search_create(&q);
    assert_ok(search_to_end(s, &f), &f);
    const struct search_stats *stats = &search_result(s)->stats;
    assert_int_equal(search_result(s)->count, 0);
    assert_int_equal(stats->spans, 0);
    assert_true(stats->bytes > 0); /* the filter was asked, and what it took is counted */
    assert_true(stats->bytes * 4 < column);
    search_destroy(s);
    planned_fini(&p);
    fake_store_fini(&store);
}

/* --- damage -----------------------------------------------------------------------------------------------
 */

static void
spoil(struct rng *r, struct parquet_chunk *c, const uint8_t *bytes)
{
    struct parquet_bounds *b = &c->bounds;
    b->min = rng_below(r, 3) ? slice_of(bytes + rng_below(r, 16), rng_below(r, 17)) : b->min;
    b->max = rng_below(r, 3) ? slice_of(bytes + rng_below(r, 16), rng_below(r, 17)) : b->max;
    if (rng_below(r, 4) == 0) {
        c->bloom_offset = rng_next(r) >> rng_below(r, 64);
    }
    if (rng_below(r, 8) == 0) {
        c->has_null_count = true;
        c->null_count = rng_below(r, 2) ? c->value_count : rng_next(r);
    }
}

static void
bounds_that_make_no_sense_do_no_harm(void **state)
{
    struct block_store store;
    struct rng rng;
    uint8_t bytes[64];
    size_t refused = 0;
    (void)state;
    rng_seed(&rng, 1);
    fake_store_init(&store);
    add_block(&store, false);
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct block_reader *r = open_again(&store, 0);
        const struct parquet_meta *m = block_reader_file(r)->meta;
        struct asked a;
        ask(&a, questions[i].text);
        rng_fill(&rng, bytes, sizeof bytes);
        for (uint32_t g = 0; g < m->row_group_count; g++) {
            for (int32_t c = 0; c < m->schema->column_count; c++) {
                spoil(&rng, &m->row_groups[g].chunks[c], bytes);
            }
        }
        struct group_scan *s = group_scan_create(r, &a.of.plan, NULL, NULL);
        for (size_t g = 0; g < m->row_group_count; g++) {
            uint64_t *mask = NULL;
            struct fault f = {0};
            assert_ok(group_scan_open(s, g, &f), &f);
            assert_ok(group_mask(s, &f, &mask), &f);
            const err rc = group_filter(s, 0, NULL, &f, mask);
            refused += rc != OK;
            assert_true(rc == OK || f.msg[0] != 0); /* every refusal says why */
        }
        group_scan_destroy(s);
        planned_fini(&a.of);
        block_reader_close(r);
    }
    assert_true(refused > 0);
    fake_store_fini(&store);
}

/* A bound of the wrong size is none: the rows are the same. */
static void
bounds_of_the_wrong_size_are_left_alone(void **state)
{
    static const uint8_t zeros[16];
    struct block_store store;
    (void)state;
    fake_store_init(&store);
    add_block(&store, false);
    for (size_t n = 0; n < sizeof zeros; n += n < 4 ? 1 : 3) {
        struct block_reader *r = open_again(&store, 0);
        const struct parquet_meta *m = block_reader_file(r)->meta;
        for (uint32_t g = 0; g < m->row_group_count; g++) {
            for (int32_t i = 0; i < m->schema->column_count; i++) {
                const struct parquet_node *node = parquet_schema_column(m->schema, (size_t)i);
                struct parquet_chunk *c = &m->row_groups[g].chunks[i];
                const bool number =
                    node->field.type != PARQUET_BYTE_ARRAY && node->field.type != PARQUET_FIXED;
                const size_t width = node->field.type == PARQUET_BOOLEAN ? 1 : parquet_value_bytes(node);
                if (number && n != width) {
                    c->bounds.min = c->bounds.max = slice_of(zeros, n);
                }
            }
        }
        for (size_t i = 0; i < QUESTIONS; i++) {
            struct question q = questions[i];
            struct asked a;
            struct tally tally = {0};
            ask(&a, q.text);
            struct group_scan *s = group_scan_create(r, &a.of.plan, NULL, NULL);
            for (size_t g = 0; q.telling != TRACE && g < m->row_group_count; g++) {
                q.telling = ANY;
                check_group(s, &q, a.text, KEEP_ALL, g, NULL, &tally);
            }
            group_scan_destroy(s);
            planned_fini(&a.of);
        }
        block_reader_close(r);
    }
    fake_store_fini(&store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_bounds_and_filters_exclude_is_not_read),
        cmocka_unit_test(a_block_that_says_less_gives_the_same_rows),
        cmocka_unit_test(spans_that_end_before_they_begin_or_begin_very_late_are_found),
        cmocka_unit_test(a_missing_unique_string_costs_far_less_than_its_column),
        cmocka_unit_test(bounds_that_make_no_sense_do_no_harm),
        cmocka_unit_test(bounds_of_the_wrong_size_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
