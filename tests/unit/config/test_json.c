/* /status/config as JSON: the same keys and values as its YAML. */
#include "test.h"

#include "vivace/config/config.h"

static void
yaml_becomes_json_with_types(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *json;
    } rows[] = {
        {"a: 1\nb: true\nc: \"1\"\nd: x y\n", "{\"a\":1,\"b\":true,\"c\":\"1\",\"d\":\"x y\"}"},
        {"a:\n  b: []\n  c: {}\n  d:\n    - 1.5\n    - name: \"q\\\"\"\n",
         "{\"a\":{\"b\":[],\"c\":{},\"d\":[1.5,{\"name\":\"q\\\"\"}]}}"},
        {"a:\nb: 5m\nc: 007\nd: -3\ne: 1.\n",
         "{\"a\":null,\"b\":\"5m\",\"c\":\"007\",\"d\":-3,\"e\":\"1.\"}"},
        {"{}\n", "{}"},
        {"", "null"},
    };
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_clear(&out);
        config_yaml_to_json(slice_cstr(rows[i].yaml), &out);
        assert_false(out.failed);
        assert_slice_equal(buf_slice(&out), rows[i].json);
    }
    buf_clear(&out);
    config_yaml_to_json(SL("a: [1"), &out);
    assert_true(out.failed);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(yaml_becomes_json_with_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
