/* A query judged on one trace: every operator, on a tree that can be read.
 *
 *   a1 server "root" 100ms, shop          b1 server "late", pay: a second root
 *   |- a2 client "call" 50ms, shop
 *   |  `- a3 server "serve" 40ms, pay, error
 *   |     `- a4 internal "query" 30ms, pay, n = 4
 *   `- a5 internal "render" 20ms, shop, n = 5
 *   o1 internal "orphan" (its parent never came), shop
 *   `- o2 internal "lost"
 */
#include "planned.h"
#include "test.h"

#include "vivace/querier/eval.h"

static struct span_batch trace;

static struct attr *
attribute(slice key)
{
    struct attr *a = span_batch_add_attr(&trace);
    a->key = key.p;
    a->key_n = (uint32_t)key.n;
    return a;
}

static void
text_attribute(const char *key, const char *value)
{
    struct attr *a = attribute(slice_cstr(key));
    a->kind = VALUE_STRING;
    a->p = (const uint8_t *)value;
    a->n = (uint32_t)strlen(value);
}

static void
service(const char *name)
{
    uint32_t at = (uint32_t)trace.attr_count;
    text_attribute("service.name", name);
    span_batch_add_resource(&trace)->attrs = (struct run){at, 1};
    struct scope *s = span_batch_add_scope(&trace);
    s->resource = (uint32_t)trace.resource_count - 1;
    s->name = SL("lib");
}

static struct span *
span(uint8_t id, uint8_t parent, int32_t kind, const char *name, uint64_t ms)
{
    struct span *s = span_batch_add_span(&trace);
    s->trace.b[15] = 7;
    s->id.b[7] = id;
    s->parent.b[7] = parent;
    s->kind = kind;
    s->name = slice_cstr(name);
    s->start_ns = 1000000000;
    s->end_ns = s->start_ns + ms * 1000000;
    s->scope = (uint32_t)trace.scope_count - 1;
    return s;
}

static void
number(struct span *s, int64_t n)
{
    s->attrs = (struct run){(uint32_t)trace.attr_count, 1};
    struct attr *a = attribute(SL("n"));
    a->kind = VALUE_INT;
    a->i = n;
}

static int
make_trace(void **state)
{
    (void)state;
    span_batch_init(&trace, 0);
    service("shop");
    span(0xa1, 0, 2, "root", 100);
    span(0xa2, 0xa1, 3, "call", 50);
    number(span(0xa5, 0xa1, 1, "render", 20), 5);
    span(0x01, 0x99, 1, "orphan", 10);
    span(0x02, 0x01, 1, "lost", 5);
    service("pay");
    span(0xa3, 0xa2, 2, "serve", 40)->status_code = 2;
    number(span(0xa4, 0xa3, 1, "query", 30), 4);
    span(0xb1, 0, 2, "late", 10);
    return 0;
}

static int
free_trace(void **state)
{
    (void)state;
    span_batch_fini(&trace);
    return 0;
}

struct judged {
    struct planned planned;
    struct eval eval;
    struct query_guard guard;
    struct fault f;
    err rc;
};

static void
judge(struct judged *j, const char *q)
{
    memset(j, 0, sizeof *j);
    planned_make(&j->planned, q);
    eval_init(&j->eval, &j->planned.plan, 1 << 20, &j->guard);
    j->rc = eval_run(&j->eval, &trace, &j->f);
}

static void
judged_fini(struct judged *j)
{
    eval_fini(&j->eval);
    planned_fini(&j->planned);
}

/* "a1 a2 | a3 [count()=1]" */
static void
print_sets(const struct eval *e, struct buf *out)
{
    for (size_t i = 0; i < e->set_count; i++) {
        buf_append_cstr(out, i ? " | " : "");
        for (uint32_t k = 0; k < e->sets[i].count; k++) {
            buf_printf(out, "%s%02x", k ? " " : "", trace.spans[e->sets[i].rows[k]].id.b[7]);
        }
        for (const struct spanset_attr *a = e->sets[i].attrs; a; a = a->older) {
            buf_printf(out, " [%.*s=", SL_FMT(a->key));
            tql_static_print_plain(&a->value, out);
            buf_append_byte(out, ']');
        }
    }
}

/* Rows print in order of arrival: a1 a2 a5 01 02 a3 a4 b1. */
static const struct {
    const char *q, *want;
} rows[] = {
    {"{ }", "a1 a2 a5 01 02 a3 a4 b1"},
    {"{ false }", ""},
    {"{ name = \"call\" }", "a2"},
    {"{ resource.service.name = \"pay\" && status = error }", "a3"},
    {"{ .n > 4 || kind = client }", "a2 a5"},
    {"{ .n = 4.0 }", "a4"},
    {"{ 4 < .n }", "a5"},
    {"{ !(kind = server) }", "a2 a5 01 02 a4"},
    {"{ .n = nil }", "a1 a2 01 02 a3 b1"},
    {"{ .n != nil }", "a5 a4"},
    {"{ name =~ \"r.*\" }", "a1 a5"},
    {"{ nestedSetParent < 0 }", "a1 b1"},
    {"{ nestedSetParent = 0 }", "01 02"},
    {"{ nestedSetLeft = 1 && nestedSetRight = 10 }", "a1"},
    {"{ span:childCount > 0 }", "a1 a2 01 a3"},
    {"{ rootName = \"late\" && name = \"call\" }", "a2"},
    {"{ traceDuration = 100ms && name = \"call\" }", "a2"},
    {"{ trace:id = \"7\" && span:id = \"00000000000000a2\" }", "a2"},
    {"{ span:parentID = \"00000000000000a1\" }", "a2 a5"},
    {"{ instrumentation:name = \"lib\" && name = \"call\" }", "a2"},
    /* sets */
    {"{ kind = client } && { status = error }", "a2 a3"},
    {"{ kind = client } && { name = \"none\" }", ""},
    {"{ kind = client } || { name = \"none\" }", "a2"},
    {"{ name = \"root\" } || { true } && { name = \"none\" }", ""},
    /* relations */
    {"{ name = \"root\" } > { }", "a2 a5"},
    {"{ name = \"root\" } >> { }", "a2 a5 a3 a4"},
    {"{ name = \"query\" } < { }", "a3"},
    {"{ name = \"query\" } << { }", "a1 a2 a3"},
    {"{ } ~ { }", "a1 a2 a5 b1"},
    {"{ name = \"call\" } ~ { }", "a5"},
    {"{ name = \"orphan\" } > { }", ""},
    {"{ name = \"root\" } !> { }", "a1 01 02 a3 a4 b1"},
    {"{ name = \"root\" } !>> { }", "a1 01 02 b1"},
    {"{ name = \"query\" } !< { }", "a1 a2 a5 01 02 a4 b1"},
    {"{ name = \"query\" } !<< { }", "a5 01 02 a4 b1"},
    {"{ name = \"call\" } !~ { }", "a1 a2 01 02 a3 a4 b1"},
    {"{ name = \"none\" } !> { kind = client }", "a2"},
    {"{ kind = client } !> { name = \"none\" }", ""},
    {"{ name = \"root\" } &> { }", "a1 a2 a5"},
    {"{ name = \"root\" } &>> { status = error }", "a1 a3"},
    {"{ name = \"query\" } &< { }", "a3 a4"},
    {"{ name = \"query\" } &<< { kind = client }", "a2 a4"},
    {"{ name = \"call\" } &~ { }", "a2 a5"},
    {"{ name = \"late\" } &> { }", ""},
    {"{ name = \"root\" } > { } > { }", "a3"},
    /* the pipeline */
    {"{ kind = server } | { name = \"serve\" }", "a3"},
    {"{ } | count() > 7", "a1 a2 a5 01 02 a3 a4 b1 [count()=8]"},
    {"{ } | count() > 8", ""},
    {"{ kind = server } | avg(duration) = 50ms", "a1 a3 b1 [avg(duration)=50ms]"},
    {"{ kind = server } | min(duration) = 10ms", "a1 a3 b1 [min(duration)=10ms]"},
    {"{ kind = server } | max(duration) >= 100ms", "a1 a3 b1 [max(duration)=100ms]"},
    {"{ } | sum(.n) = 9", "a1 a2 a5 01 02 a3 a4 b1 [sum(.n)=9]"},
    {"{ } | avg(.n) = 4.5", "a1 a2 a5 01 02 a3 a4 b1 [avg(.n)=4.5]"},
    {"{ } | max(.none) > 0", ""},
    {"{ } | by(resource.service.name) | count() = 3", "a3 a4 b1 [count()=3] [by(resource.service.name)=pay]"},
    {"{ kind = server } | by(status)", "a1 b1 [by(status)=unset] | a3 [by(status)=error]"},
    {"{ .n > 0 || kind = client } | by(.n)", "a2 [by(.n)=nil] | a5 [by(.n)=5] | a4 [by(.n)=4]"},
    {"{ } | by(kind) | count() = 3 | coalesce()", "a1 a3 b1"},
    {"{ } | by(kind) | { name = \"render\" } || { name = \"call\" }",
     "a2 [by(kind)=client] | a5 [by(kind)=internal]"},
    {"{ } | by(resource.service.name) | { } > { }",
     "a2 a5 [by(resource.service.name)=shop] | a4 [by(resource.service.name)=pay]"},
    {"({ } | by(kind)) && ({ name = \"root\" })", "a1 a2 a5 01 02 a3 a4 b1"},
    {"({ kind = server } | count() > 2) >> ({ kind = internal } | count() > 2)", "a5 a4"},
    {"{ name = \"call\" } | select(resource.service.name)", "a2"},
    {"{ name = \"call\" } | rate()", "a2"},
};

static void
every_operator_keeps_the_spans_the_language_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct judged j;
        struct buf got;
        buf_init(&got, 1 << 16);
        judge(&j, rows[i].q);
        assert_ok(j.rc, &j.f);
        print_sets(&j.eval, &got);
        if (!slice_eq(buf_slice(&got), slice_cstr(rows[i].want))) {
            fail_msg("%s: got '%.*s', want '%s'", rows[i].q, SL_FMT(buf_slice(&got)), rows[i].want);
        }
        buf_fini(&got);
        judged_fini(&j);
    }
}

static void
errors_of_a_running_query_have_tempos_words(void **state)
{
    (void)state;
    static const struct {
        const char *q, *want;
    } errors[] = {
        {"({ } | by(kind)) >> ({ })",
         "spanset operators are not supported for multiple spansets per trace. consider using coalesce()"},
        {"{ .n / 0 = 1 }", "division by zero"},
        {"{ !.n }", "expression (!.n) expected a boolean, but got TypeInt"},
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct judged j;
        judge(&j, errors[i].q);
        assert_int_not_equal(j.rc, OK);
        assert_string_equal(j.f.msg, errors[i].want);
        judged_fini(&j);
    }
}

static void
a_query_stops_when_its_client_is_gone(void **state)
{
    (void)state;
    struct judged j;
    _Atomic bool gone = true;
    judge(&j, "{ } >> { }");
    assert_int_equal(j.rc, OK);
    j.guard.cancelled = &gone;
    assert_int_equal(eval_run(&j.eval, &trace, &j.f), ERR_CANCELLED);
    judged_fini(&j);
}

static void
a_deep_trace_costs_no_stack_and_little_time(void **state)
{
    (void)state;
    struct span_batch shallow = trace;
    struct judged j;
    span_batch_init(&trace, 0);
    service("deep");
    for (uint32_t i = 1; i <= 200000; i++) {
        struct span *s = span(0, 0, 1, "s", 1);
        memcpy(s->id.b, &i, sizeof i);
        uint32_t up = i - 1;
        memcpy(s->parent.b, &up, sizeof up);
    }
    judge(&j, "{ nestedSetLeft = 1 } >> { nestedSetRight = nestedSetLeft + 1 }");
    assert_int_equal(j.rc, ERR_LIMIT); /* 1 MiB is not enough, and is not passed */
    eval_fini(&j.eval);
    eval_init(&j.eval, &j.planned.plan, (size_t)64 << 20, &j.guard);
    j.f = (struct fault){0};
    assert_ok(eval_run(&j.eval, &trace, &j.f), &j.f);
    assert_int_equal(j.eval.set_count, 1);
    assert_int_equal(j.eval.sets[0].count, 1);
    assert_int_equal(j.eval.sets[0].rows[0], 199999);
    judged_fini(&j);
    span_batch_fini(&trace);
    trace = shallow;
}

static void
cycles_and_shared_ids_do_no_harm(void **state)
{
    (void)state;
    struct span_batch before = trace;
    struct judged j;
    struct buf got;
    buf_init(&got, 1 << 10);
    span_batch_init(&trace, 0);
    service("odd");
    span(0xc1, 0xc2, 1, "one", 1); /* each other's parent */
    span(0xc2, 0xc1, 1, "two", 1);
    span(0xc3, 0xc3, 1, "self", 1);
    span(0xd1, 0, 3, "client", 2); /* a Zipkin pair */
    span(0xd1, 0, 2, "server", 1);
    span(0xd2, 0xd1, 1, "below", 1);
    judge(&j, "{ name = \"server\" } > { }");
    assert_ok(j.rc, &j.f);
    print_sets(&j.eval, &got);
    assert_slice_equal(buf_slice(&got), "d2");
    judged_fini(&j);
    judge(&j, "{ name = \"client\" } >> { }");
    buf_clear(&got);
    print_sets(&j.eval, &got);
    assert_slice_equal(buf_slice(&got), "d1 d2");
    judged_fini(&j);
    buf_fini(&got);
    span_batch_fini(&trace);
    trace = before;
}

/* One span: only = [4], flags = [false, true], and a service.name of bytes. */
static void
odd_values(void)
{
    static const uint8_t only[] = {0x0a, 2, 0x18, 4}, flags[] = {0x0a, 2, 0x10, 0, 0x0a, 2, 0x10, 1};
    struct attr *a = NULL;
    span_batch_init(&trace, 0);
    service("x");
    trace.attrs[0].kind = VALUE_BYTES;
    struct span *s = span(0xe1, 0, 1, "odd", 1);
    s->attrs = (struct run){(uint32_t)trace.attr_count, 2};
    a = attribute(SL("only"));
    a->kind = VALUE_ARRAY;
    a->p = only;
    a->n = sizeof only;
    a = attribute(SL("flags"));
    a->kind = VALUE_ARRAY;
    a->p = flags;
    a->n = sizeof flags;
}

static const struct {
    const char *q, *want;
} odd_rows[] = {
    {"{ span.only + 1 = 5 }", "e1"},
    {"{ } | by(span.only)", "e1 [by(span.only)=4]"},
    {"{ } | sum(span.only) = 4", "e1 [sum(span.only)=4]"},
    {"{ span.flags }", "e1"},
    {"{ span.flags && name = \"odd\" }", "e1"},
    {"{ resource.service.name = \"\" }", "e1"},
    {"{ resource.service.name != nil }", "e1"},
    {"{ -(-.missing) = 1 || name = \"odd\" }", "e1"},
    {"{ !.missing || name = \"odd\" }", "e1"},
    {"{ } | by(-.missing)", "e1 [by(-.missing)=nil]"},
};

static void
arrays_of_one_bare_arrays_and_absent_values_are_judged_alike_everywhere(void **state)
{
    (void)state;
    struct span_batch before = trace;
    odd_values();
    for (size_t i = 0; i < sizeof odd_rows / sizeof *odd_rows; i++) {
        struct judged j;
        struct buf got;
        buf_init(&got, 1 << 16);
        judge(&j, odd_rows[i].q);
        assert_ok(j.rc, &j.f);
        print_sets(&j.eval, &got);
        if (!slice_eq(buf_slice(&got), slice_cstr(odd_rows[i].want))) {
            fail_msg("%s: got '%.*s', want '%s'", odd_rows[i].q, SL_FMT(buf_slice(&got)), odd_rows[i].want);
        }
        buf_fini(&got);
        judged_fini(&j);
    }
    span_batch_fini(&trace);
    trace = before;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_keeps_the_spans_the_language_says),
        cmocka_unit_test(errors_of_a_running_query_have_tempos_words),
        cmocka_unit_test(a_query_stops_when_its_client_is_gone),
        cmocka_unit_test(a_deep_trace_costs_no_stack_and_little_time),
        cmocka_unit_test(cycles_and_shared_ids_do_no_harm),
        cmocka_unit_test(arrays_of_one_bare_arrays_and_absent_values_are_judged_alike_everywhere),
    };
    return cmocka_run_group_tests(tests, make_trace, free_trace);
}
