/* Spans that were judged, into the numbers of a metrics query. */
#include "metrics_priv.h"

void
metrics_sink_init(struct metrics_sink *s, const struct metrics_query *q)
{
    *s = (struct metrics_sink){.q = q};
    eval_init(&s->eval, q->plan, SEARCH_TRACE_BYTES_MAX, &q->guard);
    timelines_init(&s->timelines, q);
    compare_set_init(&s->compare, q);
    arena_init(&s->root_texts, METRICS_BYTES_MAX);
}

void
metrics_sink_fini(struct metrics_sink *s)
{
    eval_fini(&s->eval);
    timelines_fini(&s->timelines);
    compare_set_fini(&s->compare);
    arena_fini(&s->root_texts);
    if (s->q && s->q->budget) {
        budget_release(s->q->budget, s->reserved);
    }
    *s = (struct metrics_sink){0};
}

err
metrics_sink_account(struct metrics_sink *s, struct fault *f)
{
    size_t held = (s->roots ? metrics_roots_bytes(s->roots) : 0) + s->root_texts.bytes + s->eval.arena.bytes +
                  timelines_bytes(&s->timelines) + compare_set_bytes(&s->compare);
    if (s->q->budget == NULL || held <= s->reserved) {
        return OK;
    }
    if (budget_reserve(s->q->budget, held - s->reserved) != OK) {
        return FAULT(f, ERR_LIMIT, "the memory for queries is used up, ask for less or try again");
    }
    s->reserved = held;
    return OK;
}

void
metrics_sink_merge(struct metrics_sink *into, const struct metrics_sink *from)
{
    timelines_merge(&into->timelines, &from->timelines);
    compare_set_merge(&into->compare, &from->compare);
}

/* --- series --------------------------------------------------------------------------------------------- */

void
metrics_sink_add(struct metrics_sink *s, uint32_t step, uint64_t start_ns, const trace_id *trace,
                 const struct tql_static *measured)
{
    double number = 0;
    if (measured && !tql_static_number(measured, &number) && !s->q->with_counts) {
        return;
    }
    struct timeline *at = timeline_of(&s->timelines, s->labels);
    if (at && timeline_observe(&s->timelines, at, step, measured)) {
        exemplars_add(&s->timelines.exemplars, (size_t)(at - s->timelines.v),
                      &(struct exemplar){.start_ns = start_ns,
                                         .trace = *trace,
                                         .measured = measured ? *measured : TQL_STATIC_NIL});
    }
}

/* Of a batch of single spans each has its trace. */
static void
row_identity(const struct eval *e, uint32_t row, uint64_t *ret_start, const trace_id **ret_trace)
{
    if (e->batch) {
        *ret_start = e->batch->spans[row].start_ns;
        *ret_trace = &e->batch->spans[row].trace;
        return;
    }
    *ret_start = eval_row_start(e, row);
    *ret_trace = &eval_facts(e)->id;
}

static void
add_row(struct metrics_sink *s, struct eval *e, uint32_t row, uint32_t step, uint64_t start_ns,
        const trace_id *trace)
{
    const struct tql_metric_plan *m = &s->q->plan->metric;
    struct tql_static measured;
    for (size_t i = 0; i < m->by_count; i++) {
        s->labels[i] = eval_value(e, row, m->by[i]);
        if (tql_type_is_array(s->labels[i].type)) {
            s->labels[i] = TQL_STATIC_NIL;
        }
    }
    if (metrics_measures(s->q)) {
        measured = eval_value(e, row, m->slot);
    }
    metrics_sink_add(s, step, start_ns, trace, metrics_measures(s->q) ? &measured : NULL);
}

/* --- compare -------------------------------------------------------------------------------------------- */

/* Where the values of a span go. */
struct comparing {
    struct compare_set *set;
    const struct span_batch *batch;
    enum compare_side side;
    uint32_t step;
};

static void
compare_value(struct comparing *c, enum tql_scope scope, enum tql_intrinsic intrinsic, slice name,
              struct tql_static value)
{
    const struct tql_attr attr = {.name = name, .scope = (uint8_t)scope, .intrinsic = (uint8_t)intrinsic};
    struct compare_attr *at = value.type == TQL_NIL ? NULL : compare_attr_of(c->set, &attr);
    if (at) {
        compare_add(c->set, at, c->side, c->step, &value, 1);
    }
}

struct tql_static
metrics_scalar(const struct attr *a)
{
    struct tql_static one = TQL_STATIC_NIL;
    switch (a->kind) {
    case VALUE_STRING:
        return tql_static_string(attr_bytes(a));
    case VALUE_BOOL:
        return tql_static_bool(a->b);
    case VALUE_INT:
        return tql_static_int(a->i);
    case VALUE_DOUBLE:
        return tql_static_float(a->d);
    case VALUE_ARRAY: /* of one element: that, as everywhere */
        return value_of_one(attr_bytes(a), &one) ? one : TQL_STATIC_NIL;
    default:
        return TQL_STATIC_NIL;
    }
}

static void
compare_attrs(struct comparing *c, enum tql_scope scope, struct run run)
{
    for (uint32_t i = 0; i < run.n; i++) {
        const struct attr *a = &c->batch->attrs[run.at + i];
        compare_value(c, scope, TQL_INTRINSIC_NONE, attr_key(a), metrics_scalar(a));
    }
}

static void
compare_intrinsics(struct comparing *c, struct tql_static root_name, struct tql_static root_service,
                   const struct span *span)
{
    const struct scope *scope = &c->batch->scopes[span->scope];
    const struct {
        enum tql_intrinsic intrinsic;
        struct tql_static value;
    } rows[] = {
        {TQL_INTRINSIC_NAME, tql_static_string(span->name)},
        {TQL_INTRINSIC_KIND, tql_static_kind(span->kind)},
        {TQL_INTRINSIC_STATUS, tql_static_status(span->status_code)},
        {TQL_INTRINSIC_STATUS_MESSAGE, tql_static_string(span->status_message)},
        {TQL_INTRINSIC_TRACE_ROOT_NAME, root_name},
        {TQL_INTRINSIC_TRACE_ROOT_SERVICE, root_service},
        {TQL_INTRINSIC_INSTRUMENTATION_NAME, tql_static_string(scope->name)},
        {TQL_INTRINSIC_INSTRUMENTATION_VERSION, tql_static_string(scope->version)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        compare_value(c, TQL_SCOPE_NONE, rows[i].intrinsic, SL_EMPTY, rows[i].value);
    }
}

static bool
is_in_compare_range(const struct tql_metric *m, const struct span *span)
{
    return !m->has_range ||
           (span->start_ns > (uint64_t)m->compare_start_ns && span->start_ns <= (uint64_t)m->compare_end_ns);
}

static err
compare_row(struct metrics_sink *s, struct eval *e, uint32_t row, uint32_t step, struct fault *f)
{
    const struct tql_metric_plan *m = &s->q->plan->metric;
    const struct tql_filter *filter = &s->q->plan->filters[m->compare_filter];
    const struct span_batch *b = e->batch;
    const struct span *span = &b->spans[row];
    struct tql_static kept = tql_static_bool(filter->always);
    if (!filter->always && !filter->never) {
        err rc = eval_program(e, &filter->program, &e->priv->filters[m->compare_filter], row,
                              tql_static_is_true, f, &kept);
        if (rc != OK) {
            return rc;
        }
    }
    struct comparing c = {.set = &s->compare, .batch = b, .step = step};
    c.side =
        tql_static_is_true(&kept) && is_in_compare_range(m->ast, span) ? COMPARE_SELECTION : COMPARE_BASELINE;
    const struct scope *scope = &b->scopes[span->scope];
    struct tql_static root[] = {tql_static_string(eval_facts(e)->root_name),
                                tql_static_string(eval_facts(e)->root_service)};
    if (s->roots) {
        err rc = metrics_roots_find(s, &span->trace, &root[0], &root[1], f);
        if (rc != OK) {
            return rc;
        }
    }
    compare_intrinsics(&c, root[0], root[1], span);
    compare_attrs(&c, TQL_SCOPE_SPAN, span->attrs);
    compare_attrs(&c, TQL_SCOPE_RESOURCE, b->resources[scope->resource].attrs);
    compare_attrs(&c, TQL_SCOPE_INSTRUMENTATION, scope->attrs);
    for (uint32_t i = 0; i < span->events.n; i++) {
        compare_attrs(&c, TQL_SCOPE_EVENT, b->events[span->events.at + i].attrs);
    }
    for (uint32_t i = 0; i < span->links.n; i++) {
        compare_attrs(&c, TQL_SCOPE_LINK, b->links[span->links.at + i].attrs);
    }
    exemplars_add(&s->compare.exemplars, c.side,
                  &(struct exemplar){.start_ns = span->start_ns, .trace = span->trace});
    return OK;
}

err
metrics_sink_rows(struct metrics_sink *s, struct eval *e, struct fault *f)
{
    for (size_t i = 0; i < e->set_count; i++) {
        for (uint32_t k = 0; k < e->sets[i].count; k++) {
            uint32_t row = e->sets[i].rows[k];
            uint64_t start = 0;
            const trace_id *trace = NULL;
            row_identity(e, row, &start, &trace);
            uint32_t step = metrics_interval(s->q, start);
            err rc = OK;
            if (step == METRICS_NO_STEP) {
                continue;
            }
            if (s->q->plan->metric.fn == TQL_METRIC_COMPARE) {
                rc = compare_row(s, e, row, step, f);
            } else {
                add_row(s, e, row, step, start, trace);
            }
            if (rc != OK) {
                return rc;
            }
        }
    }
    return metrics_sink_account(s, f);
}

err
metrics_collect(struct metrics_sink *s, const struct span_batch *b, struct fault *f)
{
    err rc = eval_run(&s->eval, b, f);
    return rc == OK ? metrics_sink_rows(s, &s->eval, f) : rc;
}
