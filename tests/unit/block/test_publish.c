/* A block is there whole or not at all, and the list says what is there. */
#include "block_test.h"

#include "vivace/base/budget.h"
#include "vivace/base/clock.h"
#include "vivace/base/file.h"

#include <errno.h>
#include <sys/stat.h>

struct failing {
    int countdown; /* operations until the failure; < 0: never */
    int code;
    size_t seen;
    bool once; /* the disk works again after it */
};

static int
fail_at(void *ctx, enum file_op op, const char *path, size_t bytes)
{
    struct failing *x = ctx;
    (void)path;
    if (op == FILE_READ) {
        return 0;
    }
    x->seen++;
    if (x->countdown == 0) {
        if (!x->once) {
            return x->code == -1 ? ENOSPC : x->code;
        }
        x->countdown = -1;
        return x->code == -1 && op == FILE_WRITE ? -(int)(bytes / 2) - 1 : x->code == -1 ? EIO : x->code;
    }
    if (x->countdown > 0) {
        x->countdown--;
    }
    return 0;
}

static struct block_list
scan(void)
{
    struct block_list list;
    struct fault f = {0};
    assert_ok(block_list_scan(blocks_dir(), NULL, NULL, &f, &list), &f);
    return list;
}

/* Publish with the n-th operation failing; false when it was never reached. */
static bool
publish_failing(int n, int code, bool once)
{
    struct block_builder *b = random_builder(5, 400, 30);
    struct block_publish p = {.dir = tenant_dir()};
    struct failing x = {.countdown = n, .code = code, .once = once};
    struct block_meta meta = {.source_count = 0};
    struct fault f = {0};
    file_set_hook(fail_at, &x);
    err rc = block_builder_publish(b, &p, &f, &meta);
    file_set_hook(NULL, NULL);
    block_builder_destroy(b);
    struct block_list list = scan();
    if (rc == OK) {
        assert_int_equal(list.count, 1);
        assert_ok(block_remove(tenant_dir(), &meta.id, &f), &f);
        block_meta_fini(&meta);
    } else {
        assert_true(rc == ERR_IO);
        assert_true(strstr(f.msg, "block ") != NULL);
        assert_int_equal(list.problems[BLOCK_PROBLEM_CORRUPT] + list.problems[BLOCK_PROBLEM_FOREIGN], 0);
        if (list.count) { /* the last fsync failed and the removal too: a whole block, that is the caller's
                             retry */
            assert_false(once);
            assert_ok(block_remove(tenant_dir(), &list.blocks[0].id, &f), &f);
        }
    }
    block_list_fini(&list);
    list = scan();
    assert_int_equal(list.count + list.swept, 0); /* the first scan swept what stayed */
    block_list_fini(&list);
    return rc != OK;
}

static void
a_failing_disk_never_leaves_half_a_block(void **state)
{
    static const int codes[] = {EIO, ENOSPC, -1};
    (void)state;
    for (size_t c = 0; c < 3; c++) {
        for (int once = 0; once < 2; once++) {
            int n = 0;
            while (publish_failing(n, codes[c], once != 0)) {
                n++;
            }
            assert_true(n >= 8);
        }
    }
}

static void
the_list_tells_blocks_by_time_and_sets_the_rest_aside(void **state)
{
    struct block_meta meta[5];
    char path[256];
    struct fault f = {0};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        publish_random(i, 50, &meta[i]);
    }
    struct block_list list = scan();
    assert_int_equal(list.count, 5);
    for (size_t i = 1; i < 5; i++) {
        assert_true(list.blocks[i - 1].max_end_ns >= list.blocks[i].max_end_ns);
    }
    assert_string_equal(list.blocks[0].tenant, "tenant-a");
    block_list_fini(&list);
    /* meta.json cut, of another version, another block's; a file of another length; foreign names */
    snprintf(path, sizeof path, "%s/meta.json", block_dir(&meta[0].id));
    assert_ok(file_replace(path, SL("{\"version\":\"vivace1\",\"blockID\":"), &f), &f);
    snprintf(path, sizeof path, "%s/meta.json", block_dir(&meta[1].id));
    assert_ok(file_replace(path, SL("{\"version\":\"vivace9\",\"more\":[1,{}]}"), &f), &f);
    snprintf(path, sizeof path, "%s/spans.parquet", block_dir(&meta[2].id));
    assert_int_equal(truncate(path, 100), 0);
    snprintf(path, sizeof path, "%s/not-a-block", tenant_dir());
    assert_int_equal(mkdir(path, 0750), 0);
    snprintf(path, sizeof path, "%s/.tmp-left", tenant_dir());
    assert_int_equal(mkdir(path, 0750), 0);
    snprintf(path, sizeof path, "%s/a file", blocks_dir());
    assert_ok(file_replace(path, SL("x"), &f), &f);
    list = scan();
    assert_int_equal(list.count, 2);
    assert_int_equal(list.problems[BLOCK_PROBLEM_CORRUPT], 2);
    assert_int_equal(list.problems[BLOCK_PROBLEM_VERSION], 1);
    assert_int_equal(list.problems[BLOCK_PROBLEM_FOREIGN], 2);
    assert_int_equal(list.swept, 1);
    block_list_fini(&list);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(block_remove(tenant_dir(), &meta[i].id, &f), OK);
        assert_int_equal(block_remove(tenant_dir(), &meta[i].id, NULL), ERR_NOT_FOUND);
        block_meta_fini(&meta[i]);
    }
}

static void
no_directory_is_an_empty_list(void **state)
{
    struct block_list list;
    (void)state;
    assert_int_equal(block_list_scan("/nonexistent/blocks", NULL, NULL, NULL, &list), OK);
    assert_int_equal(list.count, 0);
    block_list_fini(&list);
}

static void
meta_comes_back_as_it_was_written(void **state)
{
    struct block_source sources[2] = {{.from = 32, .to = UINT64_MAX}, {.from = 1, .to = 2}};
    block_uuid inputs[2] = {block_uuid_new(), block_uuid_new()};
    struct block_meta m = {.tenant = "t'(x)",
                           .spans = UINT64_MAX,
                           .traces = 3,
                           .min_start_ns = 1,
                           .max_end_ns = UINT64_MAX,
                           .bytes = 77,
                           .level = 4,
                           .created_ns = 9,
                           .sources = sources,
                           .source_count = 2,
                           .inputs = inputs,
                           .input_count = 2};
    struct block_meta back;
    struct fault f = {0};
    struct buf json;
    (void)state;
    m.id = block_uuid_new();
    sources[0].segment = block_uuid_new();
    buf_init(&json, BLOCK_META_MAX);
    assert_int_equal(block_meta_write(&m, &json), OK);
    assert_ok(block_meta_read(buf_slice(&json), &f, &back), &f);
    assert_memory_equal(&back.id, &m.id, sizeof m.id);
    assert_string_equal(back.tenant, m.tenant);
    assert_true(back.spans == m.spans && back.traces == 3 && back.min_start_ns == 1 &&
                back.max_end_ns == UINT64_MAX);
    assert_true(back.bytes == 77 && back.level == 4 && back.created_ns == 9 && back.source_count == 2);
    assert_memory_equal(back.sources, sources, sizeof sources);
    assert_int_equal(back.input_count, 2);
    assert_memory_equal(back.inputs, inputs, sizeof inputs);
    block_meta_fini(&back);
    for (size_t n = 0; n < json.n; n++) { /* cut anywhere: an error */
        assert_int_equal(block_meta_read(slice_sub(buf_slice(&json), 0, n), &f, &back), ERR_CORRUPT);
    }
    buf_fini(&json);
}

static void
a_block_names_at_most_as_many_inputs_as_a_reader_takes(void **state)
{
    block_uuid *inputs = mem_new_array(block_uuid, BLOCK_INPUTS_MAX + 1);
    struct block_meta m = {.tenant = "t", .inputs = inputs, .input_count = BLOCK_INPUTS_MAX}, back;
    struct block_publish p = {.dir = tenant_dir(), .inputs = inputs, .input_count = BLOCK_INPUTS_MAX + 1};
    struct block_builder *b = random_builder(1, 10, 3);
    struct fault f = {0};
    struct buf json;
    (void)state;
    buf_init(&json, BLOCK_META_MAX);
    assert_int_equal(block_meta_write(&m, &json), OK);
    assert_ok(block_meta_read(buf_slice(&json), &f, &back), &f);
    assert_int_equal(back.input_count, BLOCK_INPUTS_MAX);
    block_meta_fini(&back);
    m.input_count++;
    buf_clear(&json);
    assert_int_equal(block_meta_write(&m, &json), OK);
    assert_int_equal(block_meta_read(buf_slice(&json), &f, &back), ERR_CORRUPT);
    assert_int_equal(block_builder_publish(b, &p, NULL, &back), ERR_INVALID);
    block_builder_destroy(b);
    buf_fini(&json);
    mem_free(inputs);
}

static void
uuids_read_as_they_print(void **state)
{
    block_uuid id = block_uuid_new(), back;
    char text[BLOCK_UUID_TEXT + 1];
    (void)state;
    block_uuid_format(&id, text);
    assert_true(block_uuid_parse(slice_cstr(text), &back));
    assert_memory_equal(&id, &back, sizeof id);
    static const char *const bad[] = {"",
                                      "x",
                                      "00000000-0000-0000-0000-00000000000",
                                      "00000000+0000-0000-0000-000000000000",
                                      "00000000-0000-0000-0000-00000000000g",
                                      "00000000-0000-0000-0000-0000000000000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(block_uuid_parse(slice_cstr(bad[i]), &back));
    }
}

static void
a_full_budget_refuses_the_batch_and_is_given_back(void **state)
{
    struct span_random r = {.traces = 5};
    struct budget budget;
    struct span_batch batch;
    struct block_builder *b = NULL;
    struct fault f = {0};
    (void)state;
    budget_init(&budget, "blocks", NULL, 8 << 20);
    struct block_builder_options o = {.tenant = SL("t"), .budget = &budget};
    rng_seed(&r.rng, 1);
    span_batch_init(&batch, 0);
    random_spans(&r, &batch, 500);
    assert_ok(block_builder_create(&o, &f, &b), &f);
    err rc = OK;
    uint64_t held = 0;
    for (int i = 0; i < 1000 && rc == OK; i++) {
        held = block_builder_spans(b);
        rc = block_builder_add(b, &batch, &f);
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_true(held > 0);
    assert_int_equal(block_builder_spans(b), held);
    assert_true(block_builder_bytes(b) <= 8 << 20);
    block_builder_destroy(b);
    assert_int_equal(budget_used(&budget), 0);
    span_batch_fini(&batch);
}

static void
a_block_needs_a_span_and_a_tenant(void **state)
{
    struct block_builder_options o = {.tenant = SL("t")}, nobody = {.zstd_level = 1};
    struct block_publish p = {.dir = tenant_dir()};
    struct block_builder *b = NULL;
    struct block_meta meta;
    (void)state;
    assert_int_equal(block_builder_create(&nobody, NULL, &b), ERR_INVALID);
    assert_int_equal(block_builder_create(&o, NULL, &b), OK);
    assert_int_equal(block_builder_publish(b, &p, NULL, &meta), ERR_INVALID);
    block_builder_destroy(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failing_disk_never_leaves_half_a_block, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(the_list_tells_blocks_by_time_and_sets_the_rest_aside, make_dir,
                                        drop_dir),
        cmocka_unit_test(no_directory_is_an_empty_list),
        cmocka_unit_test(meta_comes_back_as_it_was_written),
        cmocka_unit_test(a_block_names_at_most_as_many_inputs_as_a_reader_takes),
        cmocka_unit_test(uuids_read_as_they_print),
        cmocka_unit_test(a_full_budget_refuses_the_batch_and_is_given_back),
        cmocka_unit_test_setup_teardown(a_block_needs_a_span_and_a_tenant, make_dir, drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
