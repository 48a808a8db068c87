/* Any bytes as a query: parsing, checking, planning and running never crash; the normal form is read back as
 * itself; the lenient reading of tag queries never fails for its form. */
#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/traceql/plan.h"
#include "vivace/traceql/traceql.h"

#define ARENA_MAX (64u << 20)
#define PRINT_MAX (16u << 20)

/* Slots filled with values of every type in turn. */
static void
run_programs(const struct tql_plan *plan)
{
    static const int64_t ints[] = {1, -1};
    struct tql_static kinds[] = {
        TQL_STATIC_NIL,
        tql_static_int(3),
        tql_static_float(0.5),
        tql_static_string(SL("abc")),
        tql_static_bool(true),
        tql_static_duration(1000),
        tql_static_status(2),
        tql_static_kind(1),
        {.type = TQL_INT_ARRAY, .ints = ints, .n = 2},
    };
    size_t kind_count = sizeof kinds / sizeof *kinds, slots = plan->compiler.slots.count;
    struct tql_static *values = mem_new_array(struct tql_static, slots + 1);
    struct tql_static *stack = mem_new_array(struct tql_static, plan->values_max + 1);
    for (size_t round = 0; round < kind_count; round++) {
        for (size_t i = 0; i < slots; i++) {
            values[i] = kinds[(i + round) % kind_count];
        }
        for (size_t i = 0; i < plan->filter_count; i++) {
            const struct tql_filter *f = &plan->filters[i];
            struct tql_static v = TQL_STATIC_NIL;
            err rc = tql_program_eval(&f->program, values, stack, NULL, &v);
            if (rc != OK || f->push == TQL_PUSH_NONE) {
                continue;
            }
            size_t held = 0;
            for (size_t k = 0; k < f->cond_count; k++) {
                held += tql_cond_eval(&f->conds[k], &values[f->conds[k].slot]);
            }
            bool pushed = f->push == TQL_PUSH_ANY ? held > 0 : !f->never && held == f->cond_count;
            if (pushed && f->has_residue) {
                struct tql_static w = TQL_STATIC_NIL;
                MUST(tql_program_eval(&f->residue, values, stack, NULL, &w) == OK);
                pushed = tql_static_is_true(&w);
            }
            MUST(pushed == tql_static_is_true(&v));
        }
    }
    mem_free(values);
    mem_free(stack);
}

static void
print_twice(const struct tql_query *q)
{
    struct arena a;
    struct buf once, twice;
    struct fault f = {0};
    struct tql_query *again = NULL;
    arena_init(&a, ARENA_MAX);
    buf_init(&once, PRINT_MAX);
    buf_init(&twice, PRINT_MAX);
    traceql_print(q, &once);
    if (!once.failed && traceql_parse(buf_slice(&once), &a, &f, &again) != ERR_LIMIT) {
        MUST(again != NULL);
        traceql_print(again, &twice);
        MUST(slice_eq(buf_slice(&once), buf_slice(&twice)));
        MUST(traceql_check(q, NULL) == traceql_check(again, NULL));
    }
    buf_fini(&once);
    buf_fini(&twice);
    arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = slice_of(data, size);
    struct arena a;
    struct fault f = {0};
    struct tql_query *q = NULL;
    struct tql_plan plan;
    struct tql_attr attr;
    struct tql_tag_filter filter;
    arena_init(&a, ARENA_MAX);
    err rc = traceql_parse(text, &a, &f, &q);
    MUST((rc == OK) == (f.msg[0] == 0));
    if (rc == OK) {
        print_twice(q);
        if (traceql_check(q, &f) == OK && tql_plan_make(q, &a, &f, &plan) == OK) {
            run_programs(&plan);
            tql_plan_fini(&plan);
        }
    }
    arena_reset(&a);
    (void)traceql_parse_identifier(text, &a, NULL, &attr);
    arena_reset(&a);
    rc = traceql_parse_tag_filter(text, &a, NULL, &filter);
    MUST(rc == OK || rc == ERR_LIMIT);
    arena_fini(&a);
    return 0;
}
