/* count, min, max, sum and avg over the spans of a spanset. */
#include "eval_priv.h"

bool
value_is_there(const struct tql_static *v)
{
    return v->type != TQL_NIL;
}

struct sum {
    struct tql_static first, least, most;
    double least_x, most_x; /* as numbers */
    double total;           /* of all numbers */
    uint64_t exact;         /* wraps, of what has the first value's type (int, duration) */
    double same;            /* the same for floats */
    uint64_t count;
    bool all_durations;
};

static void
sum_add(struct sum *s, const struct tql_static *v)
{
    double x = 0;
    if (!tql_static_number(v, &x)) {
        return;
    }
    if (s->count++ == 0) {
        s->first = s->least = s->most = *v;
        s->least_x = s->most_x = x;
        s->all_durations = true;
    }
    if (x < s->least_x) {
        s->least = *v;
        s->least_x = x;
    }
    if (x > s->most_x) {
        s->most = *v;
        s->most_x = x;
    }
    s->total += x;
    s->all_durations = s->all_durations && v->type == TQL_DURATION;
    if (v->type == s->first.type) {
        s->exact += v->type == TQL_FLOAT ? 0 : (uint64_t)v->i;
        s->same += x;
    }
}

static struct tql_static
sum_result(const struct sum *s, enum tql_aggregate aggregate)
{
    struct tql_static v = s->first;
    switch (aggregate) {
    case TQL_AGGREGATE_MIN:
        return s->least;
    case TQL_AGGREGATE_MAX:
        return s->most;
    case TQL_AGGREGATE_SUM:
        if (v.type == TQL_FLOAT) {
            return tql_static_float(s->same);
        }
        v.i = (int64_t)s->exact;
        return v;
    default:
        if (s->all_durations) {
            return tql_static_duration((int64_t)s->exact / (int64_t)s->count);
        }
        return tql_static_float(s->total / (double)s->count);
    }
}

err
aggregate_of(struct eval *e, const struct tql_step *step, const struct slot_use *use,
             const struct spanset *set, struct fault *f, struct tql_static *ret)
{
    struct sum sum = {0};
    if (step->aggregate == TQL_AGGREGATE_COUNT) {
        *ret = tql_static_int(set->count);
        return OK;
    }
    const struct eval_rows *from = e->priv->from;
    const struct tql_insn *insn = step->program.insns;
    const bool lone = from && !use->parts && step->program.insn_count == 1 && insn->code == TQL_CODE_SLOT;
    for (uint32_t i = 0; i < set->count; i++) {
        struct tql_static v;
        if (lone) { /* avg(duration): straight from its vector */
            from->value(from, insn->arg, set->rows[i], &v);
            sum_add(&sum, &v);
            continue;
        }
        err rc = eval_program(e, &step->program, use, set->rows[i], value_is_there, f, &v);
        if (rc != OK) {
            return rc;
        }
        sum_add(&sum, &v);
    }
    *ret = sum.count ? sum_result(&sum, (enum tql_aggregate)step->aggregate) : TQL_STATIC_NIL;
    return OK;
}
