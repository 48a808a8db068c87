#include "result.h"

#include "vivace/base/table.h"

#include <stdlib.h>

struct maker {
    struct eval *e;
    const struct search_query *q;
    struct arena *out;
    bool full;
};

static void *
take(struct maker *m, size_t count, size_t size)
{
    void *p = arena_calloc(m->out, count + 1, size);
    m->full = m->full || p == NULL;
    return p;
}

static slice
keep(struct maker *m, slice s)
{
    slice copy = s.n ? arena_copy(m->out, s) : SL_EMPTY;
    m->full = m->full || (s.n && copy.p == NULL);
    return copy;
}

/* A value that outlives the trace. */
static struct tql_static
keep_value(struct maker *m, const struct tql_static *v)
{
    struct tql_static copy = *v;
    if (v->type == TQL_STRING) {
        return tql_static_string(keep(m, tql_static_slice(v)));
    }
    if (!tql_type_is_array(v->type)) {
        return copy;
    }
    if (v->type == TQL_STRING_ARRAY) {
        slice *strings = take(m, v->n, sizeof *strings);
        for (uint32_t i = 0; strings && i < v->n; i++) {
            strings[i] = keep(m, v->strings[i]);
        }
        copy.strings = strings;
    } else {
        size_t size = v->type == TQL_BOOL_ARRAY ? sizeof(bool) : sizeof(int64_t);
        copy.s = keep(m, slice_of(v->ints, v->n * size)).p;
    }
    return m->full ? TQL_STATIC_NIL : copy;
}

static void
make_span_attrs(struct maker *m, uint32_t row, slice name, struct search_span *out)
{
    const struct tql_slots *slots = &m->e->plan->compiler.slots;
    out->attrs = take(m, slots->count, sizeof *out->attrs);
    for (uint32_t i = 0; !m->full && i < slots->count; i++) {
        const struct tql_attr *attr = &slots->slots[i].attr;
        if (attr->intrinsic == TQL_INTRINSIC_NAME) {
            out->has_name = true;
            out->name = keep(m, name);
        }
        if (!tql_attr_is_listed(attr)) {
            continue;
        }
        struct tql_static v = eval_shown(m->e, row, i);
        if (v.type != TQL_NIL) {
            out->attrs[out->attr_count++] =
                (struct search_attr){keep(m, tql_attr_key(attr)), keep_value(m, &v)};
        }
    }
}

static void
make_set_attrs(struct maker *m, const struct spanset *set, struct search_spanset *out)
{
    size_t n = 0;
    for (const struct spanset_attr *a = set->attrs; a; a = a->older) {
        n++;
    }
    out->attrs = take(m, n, sizeof *out->attrs);
    out->attr_count = n;
    for (const struct spanset_attr *a = set->attrs; !m->full && a; a = a->older) {
        out->attrs[--n] = (struct search_attr){keep(m, a->key), keep_value(m, &a->value)};
    }
}

static void
make_set(struct maker *m, const struct spanset *set, struct search_spanset *out)
{
    uint32_t shown = set->count;
    if (m->q->spans_per_set && shown > m->q->spans_per_set) {
        shown = m->q->spans_per_set;
    }
    out->matched = set->count;
    out->spans = take(m, shown, sizeof *out->spans);
    for (uint32_t i = 0; !m->full && i < shown; i++) {
        struct search_span *x = &out->spans[out->span_count++];
        struct row_facts span;
        eval_row_facts(m->e, set->rows[i], &span);
        x->id = span.id;
        x->start_ns = span.start_ns;
        x->duration_ns = span.duration_ns;
        make_span_attrs(m, set->rows[i], span.name, x);
    }
    make_set_attrs(m, set, out);
}

static int
by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct search_service *)a)->name, ((const struct search_service *)b)->name);
}

static void
make_services(struct maker *m, struct search_trace *out)
{
    struct str_table seen;
    size_t cursor = 0;
    slice key;
    void *value = NULL;
    str_table_init(&seen);
    for (size_t i = 0; !m->full && i < m->e->rows; i++) {
        struct row_facts span;
        eval_row_facts(m->e, i, &span);
        struct search_service *s = str_table_get(&seen, span.service);
        if (s == NULL) {
            s = take(m, 0, sizeof *s);
            if (s == NULL) {
                break;
            }
            s->name = keep(m, span.service);
            str_table_put(&seen, span.service, s);
        }
        s->spans++;
        s->errors += span.error;
    }
    out->services = take(m, seen.count, sizeof *out->services);
    while (!m->full && str_table_next(&seen, &cursor, &key, &value)) {
        out->services[out->service_count++] = *(struct search_service *)value;
    }
    if (out->service_count) {
        qsort(out->services, out->service_count, sizeof *out->services, by_name);
    }
    str_table_fini(&seen);
}

err
result_make(struct eval *e, const struct search_query *q, struct arena *out, struct fault *f,
            struct search_trace **ret)
{
    struct maker m = {.e = e, .q = q, .out = out};
    const struct trace_facts *facts = eval_facts(e);
    struct search_trace *t = take(&m, 1, sizeof *t);
    if (t) {
        t->id = facts->id;
        t->start_ns = facts->start_ns;
        t->duration_ns = facts->end_ns - facts->start_ns;
        t->root_name = keep(&m, facts->root_name);
        t->root_service = keep(&m, facts->root_service);
    }
    if (t && !q->headers_only) {
        t->sets = take(&m, e->set_count, sizeof *t->sets);
        for (size_t i = 0; !m.full && i < e->set_count; i++) {
            make_set(&m, &e->sets[i], &t->sets[t->set_count++]);
        }
        make_services(&m, t);
    }
    if (m.full) {
        return FAULT(f, ERR_LIMIT, "the answer is too large, ask for fewer traces or spans");
    }
    *ret = t;
    return OK;
}
