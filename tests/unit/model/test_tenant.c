/* Tenants as X-Scope-OrgID names them. */
#include "test.h"

#include "vivace/model/tenant.h"

static void
a_write_names_exactly_one_tenant(void **state)
{
    (void)state;
    char longest[TENANT_ID_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[TENANT_ID_MAX + 1] = 0;
    const struct {
        const char *header;
        size_t count;
        err rc;
        const char *text;
    } rows[] = {
        {"team-a", 1, OK, "team-a"},
        {"A_b.c*'()!-9", 1, OK, "A_b.c*'()!-9"},
        {"", 0, ERR_DENIED, "no org id"},
        {"a", 2, ERR_DENIED, "no org id"},
        {"a|b", 1, ERR_INVALID, "multiple org IDs present"},
        {"a/b", 1, ERR_INVALID, "tenant ID 'a/b' contains unsupported character '/'"},
        {"..", 1, ERR_INVALID, "tenant ID is '.' or '..'"},
        {longest, 1, ERR_INVALID, "tenant ID is too long: max 150 characters"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        slice got = SL_EMPTY;
        struct fault f = {0};
        assert_int_equal(tenant_for_write(true, slice_cstr(rows[i].header), rows[i].count, &got, &f),
                         rows[i].rc);
        assert_slice_equal(rows[i].rc == OK ? got : slice_cstr(f.msg), rows[i].text);
        assert_int_equal(tenant_for_write(false, slice_cstr(rows[i].header), rows[i].count, &got, &f), OK);
        assert_slice_equal(got, "single-tenant");
    }
}

static void
a_query_may_name_several(void **state)
{
    (void)state;
    slice ids[TENANTS_PER_QUERY_MAX];
    size_t n = 0;
    struct fault f = {0};
    assert_ok(tenants_for_query(true, true, SL("a|b|a"), ids, &n, &f), &f);
    assert_int_equal(n, 2);
    assert_slice_equal(ids[1], "b");
    assert_int_equal(tenants_for_query(true, false, SL("a|b"), ids, &n, &f), ERR_INVALID);
    assert_string_equal(f.msg, "multiple org IDs present");
    f = (struct fault){0};
    assert_int_equal(tenants_for_query(true, true, SL(""), ids, &n, &f), ERR_DENIED);
    assert_string_equal(f.msg, "no org id");
    assert_ok(tenants_for_query(false, true, SL("x|y"), ids, &n, &f), &f);
    assert_int_equal(n, 1);
    char many[4 * (TENANTS_PER_QUERY_MAX + 1) + 1] = "";
    for (int i = 0; i <= TENANTS_PER_QUERY_MAX; i++) {
        snprintf(many + strlen(many), sizeof many - strlen(many), "%s%d", i ? "|" : "", i + 100);
    }
    assert_int_equal(tenants_for_query(true, true, slice_cstr(many), ids, &n, &f), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_names_exactly_one_tenant),
        cmocka_unit_test(a_query_may_name_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
