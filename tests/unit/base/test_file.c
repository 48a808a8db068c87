/* File operations: whole or an error that names the path, and each can be made to fail. */
#include "test.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static char dir[] = "/tmp/vivace-file-XXXXXX";
static char path[64];

static int
setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/a/b/file", dir);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    char cmd[128];
    file_set_hook(NULL, NULL);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

static void
a_file_is_replaced_whole_and_read_back(void **state)
{
    (void)state;
    struct fault f = {0};
    char parent[64];
    uint8_t *data = NULL;
    size_t n = 0;
    snprintf(parent, sizeof parent, "%s/a/b", dir);
    assert_ok(file_mkdirs(parent, &f), &f);
    assert_ok(file_mkdirs(parent, &f), &f);
    assert_ok(file_replace(path, SL("first"), &f), &f);
    assert_ok(file_replace(path, SL("second"), &f), &f);
    assert_ok(file_read_all(path, 100, &f, &data, &n), &f);
    assert_slice_equal(slice_of(data, n), "second");
    mem_free(data);
    assert_int_equal(file_read_all(path, 3, &f, &data, &n), ERR_LIMIT);
    f = (struct fault){0};
    assert_int_equal(file_read_all("/nonexistent/x", 3, &f, &data, &n), ERR_NOT_FOUND);
    assert_string_equal(f.msg, "open /nonexistent/x: No such file or directory");
}

struct plan {
    int countdown;
    int verdict;
};

static int
fail_nth(void *ctx, enum file_op op, const char *p, size_t bytes)
{
    struct plan *plan = ctx;
    (void)op;
    (void)p;
    (void)bytes;
    return plan->countdown-- == 0 ? plan->verdict : 0;
}

static void
a_replace_that_fails_anywhere_leaves_the_old_content(void **state)
{
    (void)state;
    static const int verdicts[] = {EIO, ENOSPC, -2};
    struct fault f = {0};
    assert_ok(file_replace(path, SL("old"), &f), &f);
    for (size_t v = 0; v < 3; v++) {
        for (int nth = 0;; nth++) {
            struct plan plan = {nth, verdicts[v]};
            uint8_t *data = NULL;
            size_t n = 0;
            f = (struct fault){0};
            file_set_hook(fail_nth, &plan);
            err rc = file_replace(path, SL("new content"), &f);
            file_set_hook(NULL, NULL);
            f = (struct fault){0};
            assert_ok(file_read_all(path, 100, &f, &data, &n), &f);
            slice got = slice_of(data, n);
            assert_true(slice_eq(got, SL("old")) || slice_eq(got, SL("new content")));
            assert_true(rc != OK || slice_eq(got, SL("new content")));
            mem_free(data);
            assert_ok(file_replace(path, SL("old"), &f), &f);
            if (plan.countdown >= 0) {
                assert_int_equal(rc, OK);
                assert_true(nth >= 5); /* open, write, fsync, rename, fsync of the directory */
                break;
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced_whole_and_read_back),
        cmocka_unit_test(a_replace_that_fails_anywhere_leaves_the_old_content),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
