/* What is nearly the same stays apart: attributes whose keys and values differ in one letter. */
#include "block_test.h"

#define VALUE_BYTES_MAX 40
#define MANY_ATTRS      70

static void
add_span(struct span_batch *b, uint8_t id, uint32_t attrs_at)
{
    struct span *s = span_batch_add_span(b);
    s->trace = (trace_id){{1}};
    s->id.b[0] = id;
    s->id.b[1] = (uint8_t)b->span_count;
    s->name = SL("op");
    s->attrs = (struct run){attrs_at, (uint32_t)b->attr_count - attrs_at};
}

static void
add_attr(struct span_batch *b, slice key, slice value)
{
    struct attr *a = span_batch_add_attr(b);
    *a = (struct attr){
        .key = key.p, .key_n = (uint32_t)key.n, .kind = VALUE_STRING, .p = value.p, .n = (uint32_t)value.n};
}

static slice
text(struct span_batch *b, size_t n, size_t at, char c)
{
    char *p = arena_alloc(&b->arena, n + 1);
    memset(p, 'a', n);
    if (at < n) {
        p[at] = c;
    }
    return slice_of(p, n);
}

static void
begin(struct span_batch *b)
{
    span_batch_init(b, 0);
    (void)span_batch_add_resource(b);
    (void)span_batch_add_scope(b);
}

/* Every span with the attributes it was pushed with. */
static void
check(struct span_batch *b)
{
    struct block_builder_options o = {.tenant = SL("tenant-a")};
    struct block_publish p = {.dir = tenant_dir()};
    struct block_builder *builder = NULL;
    struct block_reader *reader = NULL;
    struct span_batch got;
    struct block_meta meta;
    struct fault f = {0};
    struct buf in, out;
    uint64_t inspected = 0;
    span_batch_init(&got, 0);
    buf_init(&in, 1 << 26);
    buf_init(&out, 1 << 26);
    assert_ok(block_builder_create(&o, &f, &builder), &f);
    assert_ok(block_builder_add(builder, b, &f), &f);
    assert_ok(block_builder_publish(builder, &p, &f, &meta), &f);
    assert_ok(block_reader_open(block_dir(&meta.id), &f, &reader), &f);
    assert_ok(block_find_trace(reader, &(trace_id){{1}}, &got, &inspected, &f), &f);
    assert_int_equal(otlp_encode(b, &in), OK);
    assert_int_equal(otlp_encode(&got, &out), OK);
    assert_int_equal(in.n, out.n);
    assert_memory_equal(in.p, out.p, in.n);
    buf_fini(&in);
    buf_fini(&out);
    block_reader_close(reader);
    block_builder_destroy(builder);
    block_meta_fini(&meta);
    span_batch_fini(&got);
    span_batch_fini(b);
}

static void
values_that_differ_in_one_letter_are_different(void **state)
{
    struct span_batch b;
    (void)state;
    begin(&b);
    for (size_t n = 0; n <= VALUE_BYTES_MAX; n++) {
        for (size_t at = 0; at <= n; at++) {
            uint32_t from = (uint32_t)b.attr_count;
            add_attr(&b, SL("key"), text(&b, n, at, 'b'));
            add_span(&b, (uint8_t)n, from);
        }
    }
    check(&b);
}

static void
keys_that_differ_in_one_letter_are_different(void **state)
{
    struct span_batch b;
    (void)state;
    begin(&b);
    for (int round = 0; round < 3; round++) { /* the same lists of attributes come again */
        for (size_t n = 1; n <= VALUE_BYTES_MAX; n++) {
            for (size_t at = 0; at <= n; at++) {
                uint32_t from = (uint32_t)b.attr_count;
                add_attr(&b, SL("first"), SL("x"));
                add_attr(&b, text(&b, n, at, 'b'), SL("y"));
                add_span(&b, (uint8_t)n, from);
            }
        }
    }
    check(&b);
}

static void
keys_of_any_length_come_back(void **state)
{
    struct span_batch b;
    (void)state;
    begin(&b);
    for (int round = 0; round < 3; round++) {
        for (size_t n = 120; n <= 300; n += n < 130 ? 1 : 17) { /* 128 and more take two bytes of length */
            uint32_t from = (uint32_t)b.attr_count;
            add_attr(&b, text(&b, n, n / 2, 'b'), SL("y"));
            add_span(&b, (uint8_t)n, from);
        }
    }
    check(&b);
}

static void
a_list_that_begins_as_another_is_another(void **state)
{
    static const slice keys[] = {{(const uint8_t *)"abc", 3}, {(const uint8_t *)"xbc", 3}};
    struct span_batch b;
    (void)state;
    begin(&b);
    for (size_t n = 0; n < MANY_ATTRS; n++) { /* more than what is hashed ahead */
        uint32_t from = (uint32_t)b.attr_count;
        for (size_t i = 0; i < n; i++) {
            add_attr(&b, keys[i % 2], text(&b, i % 9, i % 4, 'b'));
        }
        add_span(&b, (uint8_t)n, from);
    }
    check(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_differ_in_one_letter_are_different),
        cmocka_unit_test(keys_that_differ_in_one_letter_are_different),
        cmocka_unit_test(keys_of_any_length_come_back),
        cmocka_unit_test(a_list_that_begins_as_another_is_another),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
