/* Nested sets, roots and service counts stand in the columns as TraceQL means them. */
#include "block_test.h"

#include "vivace/parquet/record.h"

enum { INTERNAL = 1, SERVER = 2, CLIENT = 3 };

struct span_spec {
    uint8_t id, parent;
    int32_t kind, status;
    const char *name;
    int32_t left, right, parent_left, children; /* wanted */
};

struct tree_spec {
    const char *promise, *root, *services;
    struct span_spec spans[8];
};

static const struct tree_spec trees[] = {
    {"children in order of arrival, a parent that comes later",
     "root",
     "[{\"service\":\"shop\",\"spans\":4,\"errors\":1}]",
     {{2, 1, INTERNAL, 0, "a", 2, 5, 1, 1},
      {3, 2, INTERNAL, 2, "b", 3, 4, 2, 0},
      {1, 0, SERVER, 0, "root", 1, 8, -1, 2},
      {4, 1, INTERNAL, 0, "c", 6, 7, 1, 0}}},
    {"two roots share one counter, the last names the trace",
     "second",
     "[{\"service\":\"shop\",\"spans\":3,\"errors\":0}]",
     {{1, 0, SERVER, 0, "first", 1, 4, -1, 1},
      {2, 1, CLIENT, 0, "a", 2, 3, 1, 0},
      {3, 0, SERVER, 0, "second", 5, 6, -1, 0}}},
    {"what no root reaches has no place",
     "",
     "[{\"service\":\"shop\",\"spans\":4,\"errors\":0}]",
     {{2, 9, SERVER, 0, "orphan", 0, 0, 0, 1},
      {3, 2, CLIENT, 0, "its child", 0, 0, 0, 0},
      {4, 5, CLIENT, 0, "circle", 0, 0, 0, 1},
      {5, 4, CLIENT, 0, "circle", 0, 0, 0, 1}}},
    {"a span that is its own parent",
     "root",
     "[{\"service\":\"shop\",\"spans\":2,\"errors\":0}]",
     {{1, 0, SERVER, 0, "root", 1, 2, -1, 0}, {2, 2, CLIENT, 0, "self", 0, 0, 0, 0}}},
    {"Zipkin's shared id: a server hangs on the client, others on the server",
     "root",
     "[{\"service\":\"shop\",\"spans\":5,\"errors\":0}]",
     {{1, 0, SERVER, 0, "root", 1, 10, -1, 2},
      {2, 1, CLIENT, 0, "call", 2, 5, 1, 1},
      {2, 1, SERVER, 0, "serve", 6, 9, 1, 1},
      {3, 2, INTERNAL, 0, "work", 7, 8, 6, 0},
      {4, 2, SERVER, 0, "next", 3, 4, 2, 0}}},
    {"an id three times over: no numbers at all",
     "root",
     "[{\"service\":\"shop\",\"spans\":4,\"errors\":0}]",
     {{1, 0, SERVER, 0, "root", 0, 0, 0, 0},
      {2, 1, CLIENT, 0, "a", 0, 0, 0, 0},
      {2, 1, CLIENT, 0, "b", 0, 0, 0, 0},
      {2, 1, CLIENT, 0, "c", 0, 0, 0, 0}}},
};

static void
fill(struct span_batch *b, const struct tree_spec *t)
{
    struct attr *a = span_batch_add_attr(b);
    *a = (struct attr){.key = (const uint8_t *)"service.name",
                       .key_n = 12,
                       .p = (const uint8_t *)"shop",
                       .n = 4,
                       .kind = VALUE_STRING};
    span_batch_add_resource(b)->attrs = (struct run){0, 1};
    (void)span_batch_add_scope(b);
    for (const struct span_spec *x = t->spans; x < t->spans + 8 && x->name; x++) {
        struct span *s = span_batch_add_span(b);
        s->trace.b[0] = 1;
        s->id.b[7] = x->id;
        s->parent.b[7] = x->parent;
        s->kind = x->kind;
        s->status_code = x->status;
        s->name = slice_cstr(x->name);
        s->start_ns = 1000 + x->id;
        s->end_ns = 2000 + x->id;
    }
}

static void
check_row(const struct tree_spec *t, size_t i, slice row)
{
    const struct span_spec *x = &t->spans[i];
    char want[6][160];
    snprintf(want[0], 160, "\"name\":\"%s\"", x->name);
    snprintf(want[1], 160,
             "\"nested_set_left\":%d,\"nested_set_right\":%d,\"nested_set_parent\":%d,\"child_count\":%d",
             x->left, x->right, x->parent_left, x->children);
    snprintf(want[2], 160, "\"root_span_name\":\"%s\"", t->root);
    snprintf(want[3], 160, "\"root_service_name\":\"%s\"", *t->root ? "shop" : "");
    snprintf(want[4], 160, "\"trace_services\":%s", i == 0 ? t->services : "[]");
    snprintf(want[5], 160, "\"batch_start\":%d", i == 0 ? 2 : 0);
    for (size_t k = 0; k < 6; k++) {
        if (slice_find(row, slice_cstr(want[k])) == SIZE_MAX) {
            fail_msg("%s: span %zu: %s is not in %.*s", t->promise, i, want[k], SL_FMT(row));
        }
    }
}

static void
the_tree_of_a_trace_is_numbered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) {
        struct block_builder_options o = {.tenant = SL("tenant-a")};
        struct block_publish p = {.dir = tenant_dir()};
        struct block_builder *b = NULL;
        struct block_reader *r = NULL;
        struct span_batch batch;
        struct block_meta meta;
        struct fault f = {0};
        struct buf row;
        span_batch_init(&batch, 0);
        fill(&batch, &trees[i]);
        assert_ok(block_builder_create(&o, &f, &b), &f);
        assert_ok(block_builder_add(b, &batch, &f), &f);
        assert_ok(block_builder_publish(b, &p, &f, &meta), &f);
        assert_ok(block_reader_open(block_dir(&meta.id), &f, &r), &f);
        struct parquet_rows *rows = parquet_rows_create(block_reader_file(r), NULL);
        buf_init(&row, 1 << 16);
        for (size_t k = 0; k < batch.span_count; k++) {
            buf_clear(&row);
            assert_ok(parquet_rows_next(rows, &row, &f), &f);
            check_row(&trees[i], k, buf_slice(&row));
        }
        buf_fini(&row);
        parquet_rows_destroy(rows);
        block_reader_close(r);
        block_builder_destroy(b);
        block_meta_fini(&meta);
        span_batch_fini(&batch);
    }
}

#define LONG_TRACE 4998 /* more than what is gathered at once */
#define TRACES     3

/* Resources 0 and 1 have the same service. Spans of a trace follow its root; each trace is of all resources.
 */
static void
fill_long(struct span_batch *b)
{
    static const char *const names[] = {"shop", "shop", "cart"};
    for (uint32_t i = 0; i < 3; i++) {
        struct attr *a = span_batch_add_attr(b);
        *a = (struct attr){.key = (const uint8_t *)"service.name",
                           .key_n = 12,
                           .p = (const uint8_t *)names[i],
                           .n = 4,
                           .kind = VALUE_STRING};
        struct attr *version = span_batch_add_attr(b);
        *version = (struct attr){.key = (const uint8_t *)"n", .key_n = 1, .kind = VALUE_INT, .i = i};
        span_batch_add_resource(b)->attrs = (struct run){i * 2, 2};
        span_batch_add_scope(b)->resource = i;
        for (uint32_t k = 0; k < TRACES * LONG_TRACE / 3; k++) {
            struct span *s = span_batch_add_span(b);
            uint32_t id = (i * LONG_TRACE + k) + 1;
            s->trace.b[15] = (uint8_t)(k % TRACES + 1);
            memcpy(s->id.b, &id, sizeof id);
            s->parent.b[7] = 9;
            s->scope = i;
            s->start_ns = 1000 + k;
            s->end_ns = 2000 + k;
            s->status_code = k / TRACES % 100 == 7 ? 2 : 0;
            s->name = SL("op");
            if (k % 1000 == 3) { /* few have events, fewer more than one */
                s->events = (struct run){(uint32_t)b->event_count, 1 + k / 1000 % 2};
                for (uint32_t n = 0; n < s->events.n; n++) {
                    struct span_event *e = span_batch_add_event(b);
                    e->name = SL("event");
                    e->time_ns = 3000 + n;
                }
            }
        }
    }
}

static void
check_long(struct block_reader *r)
{
    char services[160];
    struct parquet_rows *rows = parquet_rows_create(block_reader_file(r), NULL);
    struct fault f = {0};
    struct buf row;
    size_t events[3] = {0};
    uint32_t each = LONG_TRACE / 3, errors = (each - 7 + 99) / 100;
    buf_init(&row, 1 << 16);
    snprintf(services, sizeof services,
             "\"trace_services\":[{\"service\":\"shop\",\"spans\":%u,\"errors\":%u},"
             "{\"service\":\"cart\",\"spans\":%u,\"errors\":%u}]",
             each * 2, errors * 2, each, errors);
    for (size_t i = 0; i < (size_t)TRACES * each * 3; i++) {
        buf_clear(&row);
        assert_ok(parquet_rows_next(rows, &row, &f), &f);
        bool has = slice_find(buf_slice(&row), slice_cstr(services)) != SIZE_MAX;
        bool none = slice_find(buf_slice(&row), SL("\"trace_services\":[]")) != SIZE_MAX;
        assert_true(i % ((size_t)each * 3) == 0 ? has : none);
        size_t n = 0;
        for (slice rest = buf_slice(&row); n < 3; n++) {
            size_t at = slice_find(rest, SL("\"event\""));
            if (at == SIZE_MAX) {
                break;
            }
            rest = slice_sub(rest, at + 1, rest.n - at - 1);
        }
        events[n]++;
    }
    assert_int_equal(events[1], 9);
    assert_int_equal(events[2], 6);
    buf_fini(&row);
    parquet_rows_destroy(rows);
}

static void
services_of_a_long_trace_stand_in_its_first_row(void **state)
{
    struct block_builder_options o = {.tenant = SL("tenant-a")};
    struct block_publish p = {.dir = tenant_dir()};
    struct block_builder *b = NULL;
    struct block_reader *r = NULL;
    struct span_batch batch;
    struct block_meta meta;
    struct fault f = {0};
    (void)state;
    span_batch_init(&batch, 0);
    fill_long(&batch);
    assert_ok(block_builder_create(&o, &f, &b), &f);
    assert_ok(block_builder_add(b, &batch, &f), &f);
    assert_ok(block_builder_publish(b, &p, &f, &meta), &f);
    assert_ok(block_reader_open(block_dir(&meta.id), &f, &r), &f);
    check_long(r);
    block_reader_close(r);
    block_builder_destroy(b);
    block_meta_fini(&meta);
    span_batch_fini(&batch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_of_a_trace_is_numbered),
        cmocka_unit_test(services_of_a_long_trace_stand_in_its_first_row),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
