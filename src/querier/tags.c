#include "vivace/querier/tags.h"

#include "live_records.h"
#include "tags_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/base/table.h"
#include "vivace/querier/eval.h"

#include <stdlib.h>

struct tag_collector {
    const struct tags_query *q;
    struct eval eval;
    struct arena memory;
    struct str_table names[TAG_SCOPE_COUNT]; /* values: &fresh, or &told */
    struct tql_static *values;
    uint32_t *table; /* value + 1, open addressing */
    size_t value_count, value_cap, table_cap;
    bool full;
};

struct tags {
    struct tags_query q;
    struct tag_collector collector;
    struct search *search; /* for plans that need whole traces */
    void **cursors;        /* by tenant and source; NULL = read */
    struct search_hunt *hunts;
    size_t cursor_count, at;
    slice *sorted[TAG_SCOPE_COUNT];
    struct tags_result result, news;
    size_t told_values; /* of collector.values */
    bool opened;
};

static char fresh, told; /* is a name in a stream already */

/* --- collecting ----------------------------------------------------------------------------------------- */

const struct tags_query *
tag_query(const struct tag_collector *c)
{
    return c->q;
}

bool
tag_is_full(const struct tag_collector *c)
{
    return c->full;
}

void
tag_add_name(struct tag_collector *c, enum tag_scope scope, slice name)
{
    struct str_table *t = &c->names[scope];
    if (!(c->q->scopes & 1U << scope) || c->full || str_table_get(t, name)) {
        return;
    }
    if ((c->q->limit && t->count >= c->q->limit) || arena_alloc(&c->memory, name.n + sizeof(slice)) == NULL) {
        c->full = true; /* the arena keeps count of bytes; the table owns the key */
        return;
    }
    str_table_put(t, name, &fresh);
}

static void
add_names(struct tag_collector *c, enum tag_scope scope, const struct span_batch *b, struct run run)
{
    for (uint32_t i = 0; i < run.n; i++) {
        tag_add_name(c, scope, attr_key(&b->attrs[run.at + i]));
    }
}

static void
names_of_span(struct tag_collector *c, const struct span_batch *b, size_t row)
{
    const struct span *s = &b->spans[row];
    const struct scope *scope = &b->scopes[s->scope];
    add_names(c, TAG_SCOPE_SPAN, b, s->attrs);
    add_names(c, TAG_SCOPE_INSTRUMENTATION, b, scope->attrs);
    add_names(c, TAG_SCOPE_RESOURCE, b, b->resources[scope->resource].attrs);
    for (uint32_t i = 0; i < s->events.n; i++) {
        add_names(c, TAG_SCOPE_EVENT, b, b->events[s->events.at + i].attrs);
    }
    for (uint32_t i = 0; i < s->links.n; i++) {
        add_names(c, TAG_SCOPE_LINK, b, b->links[s->links.at + i].attrs);
    }
}

/* Where `v` stands or would stand. */
static uint32_t *
value_slot(struct tag_collector *c, const struct tql_static *v)
{
    size_t at = tql_static_hash(v, 7) & (c->table_cap - 1);
    while (c->table[at] && !tql_static_same(&c->values[c->table[at] - 1], v)) {
        at = (at + 1) & (c->table_cap - 1);
    }
    return &c->table[at];
}

static void
grow_values(struct tag_collector *c)
{
    c->value_cap = c->value_cap ? 2 * c->value_cap : 64;
    c->table_cap = 2 * c->value_cap;
    c->values = mem_realloc(c->values, c->value_cap, sizeof *c->values);
    mem_free(c->table);
    c->table = mem_new_array(uint32_t, c->table_cap);
    for (size_t i = 0; i < c->value_count; i++) {
        *value_slot(c, &c->values[i]) = (uint32_t)i + 1;
    }
}

static void
add_value(struct tag_collector *c, const struct tql_static *v)
{
    struct tql_static copy = *v;
    if (c->full || v->type == TQL_NIL) {
        return;
    }
    if (c->value_count == c->value_cap) {
        grow_values(c);
    }
    uint32_t *slot = value_slot(c, v);
    if (*slot) {
        return;
    }
    void *bytes = arena_alloc(&c->memory, sizeof copy + v->n); /* counts the entry too */
    if (bytes == NULL || (c->q->limit && c->value_count >= c->q->limit)) {
        c->full = true;
        return;
    }
    if (v->type == TQL_STRING && v->n) {
        memcpy(bytes, v->s, v->n);
        copy.s = bytes;
    }
    c->values[c->value_count++] = copy;
    *slot = (uint32_t)c->value_count;
}

void
tag_add_value(struct tag_collector *c, const struct tql_static *v)
{
    if (!tql_type_is_array(v->type)) {
        add_value(c, v);
        return;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        struct tql_static element = tql_static_element(v, i);
        add_value(c, &element);
    }
}

static void
values_of_span(struct tag_collector *c, struct eval *e, size_t row)
{
    for (size_t i = 0; i < c->q->slot_count; i++) {
        struct tql_static v;
        for (uint32_t at = 0; eval_each(e, row, c->q->slots[i], at, &v); at++) {
            tag_add_value(c, &v);
        }
    }
}

static bool
is_in_range(const struct tags_query *q, const struct span *s)
{
    uint64_t end = s->end_ns > s->start_ns ? s->end_ns : s->start_ns;
    return s->start_ns <= q->end_ns && end >= q->start_ns;
}

/* The rows of e's last run. */
static void
collect_rows(struct tag_collector *c, struct eval *e, bool check_range)
{
    for (size_t i = 0; i < e->set_count && !c->full; i++) {
        for (uint32_t k = 0; k < e->sets[i].count && !c->full; k++) {
            uint32_t row = e->sets[i].rows[k];
            if (check_range && !is_in_range(c->q, &e->batch->spans[row])) {
                continue;
            }
            if (c->q->scopes) {
                names_of_span(c, e->batch, row);
            } else {
                values_of_span(c, e, row);
            }
        }
    }
}

bool
tag_collect(struct tag_collector *c, const struct span_batch *b, struct fault *f, err *ret_rc)
{
    *ret_rc = eval_run(&c->eval, b, f);
    if (*ret_rc == OK) {
        collect_rows(c, &c->eval, true);
    }
    return *ret_rc == OK && !c->full;
}

/* A trace in range that the plan keeps spans of. */
static err
collect_trace(void *ctx, struct eval *e, struct fault *f)
{
    (void)f;
    collect_rows(ctx, e, false);
    return OK;
}

/* --- live data ------------------------------------------------------------------------------------------ */

static err
live_open(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
          void **ret_cursor)
{
    struct live_records *r = NULL;
    err rc = live_records_open(ctx, hunt, 0, f, &r);
    if (rc == OK) {
        stats->jobs += (uint32_t)live_records_left(r);
        *ret_cursor = r;
    }
    return rc;
}

static void
live_close(void *cursor)
{
    live_records_close(cursor);
}

static err
live_advance(void *cursor, struct tag_collector *out, struct search_stats *stats, struct fault *f)
{
    struct live_records *r = cursor;
    err rc = live_records_next(r, NULL, stats, f);
    if (rc == ERR_AGAIN) {
        return OK;
    }
    if (rc != OK) {
        return rc;
    }
    return tag_collect(out, &r->batch, f, &rc) || rc != OK ? rc : ERR_NOT_FOUND;
}

struct tag_source
tag_source_live(_Atomic(struct ingester *) *at)
{
    return (struct tag_source){.open = live_open, .advance = live_advance, .close = live_close, .ctx = at};
}

/* --- a query -------------------------------------------------------------------------------------------- */

struct tags *
tags_create(const struct tags_query *q)
{
    struct tags *t = mem_new(struct tags);
    struct tag_collector *c = &t->collector;
    t->q = *q;
    c->q = &t->q;
    arena_init(&c->memory, q->bytes_max ? q->bytes_max : TAGS_BYTES_MAX);
    for (int i = 0; i < TAG_SCOPE_COUNT; i++) {
        str_table_init(&c->names[i]);
    }
    if (q->plan) {
        tags_start(t, q);
    }
    return t;
}

void
tags_start(struct tags *t, const struct tags_query *q)
{
    struct tag_collector *c = &t->collector;
    t->q = *q;
    eval_init(&c->eval, q->plan, SEARCH_TRACE_BYTES_MAX, &t->q.guard);
    if (q->plan->whole_trace || q->plan->needs_structure) {
        struct search_query search = {.plan = q->plan,
                                      .tenants = q->tenants,
                                      .tenant_count = q->tenant_count,
                                      .sources = q->sources,
                                      .source_count = q->source_count,
                                      .start_ns = q->start_ns,
                                      .end_ns = q->end_ns,
                                      .matched = collect_trace,
                                      .matched_ctx = c,
                                      .guard = q->guard,
                                      .budget = q->budget};
        t->search = search_create(&search);
    }
    t->cursors = mem_new_array(void *, q->tenant_count * q->tag_source_count + 1);
    t->hunts = mem_new_array(struct search_hunt, q->tenant_count + 1);
}

void
tags_destroy(struct tags *t)
{
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->cursor_count; i++) {
        if (t->cursors[i]) {
            t->q.tag_sources[i % t->q.tag_source_count].close(t->cursors[i]);
        }
    }
    search_destroy(t->search);
    eval_fini(&t->collector.eval);
    arena_fini(&t->collector.memory);
    for (int i = 0; i < TAG_SCOPE_COUNT; i++) {
        str_table_fini(&t->collector.names[i]);
        mem_free(t->sorted[i]);
    }
    mem_free(t->collector.values);
    mem_free(t->collector.table);
    mem_free(t->cursors);
    mem_free(t->hunts);
    mem_free(t);
}

void
tags_add_value(struct tags *t, const struct tql_static *v)
{
    add_value(&t->collector, v);
}

static err
open_all(struct tags *t, struct fault *f)
{
    t->opened = true;
    for (size_t i = 0; i < t->q.tenant_count; i++) {
        t->hunts[i] = (struct search_hunt){.tenant = t->q.tenants[i],
                                           .plan = t->q.plan,
                                           .start_ns = t->q.start_ns,
                                           .end_ns = t->q.end_ns,
                                           .budget = t->q.budget,
                                           .guard = &t->q.guard};
        for (size_t k = 0; k < t->q.tag_source_count; k++) {
            const struct tag_source *source = &t->q.tag_sources[k];
            err rc =
                source->open(source->ctx, &t->hunts[i], &t->result.stats, f, &t->cursors[t->cursor_count++]);
            if (rc != OK) {
                return rc;
            }
        }
    }
    return OK;
}

/* A record of the source at hand; ERR_NOT_FOUND when all are read. */
static err
work(struct tags *t, struct fault *f)
{
    if (t->at == t->cursor_count || t->collector.full) {
        return ERR_NOT_FOUND;
    }
    const struct tag_source *source = &t->q.tag_sources[t->at % t->q.tag_source_count];
    err rc = source->advance(t->cursors[t->at], &t->collector, &t->result.stats, f);
    if (rc == ERR_NOT_FOUND) {
        source->close(t->cursors[t->at]);
        t->cursors[t->at++] = NULL;
        rc = OK;
    }
    return rc;
}

err
tags_step(struct tags *t, int64_t slice_ns, struct fault *f)
{
    const int64_t until = clock_mono_ns() + slice_ns;
    if (t->q.plan == NULL || t->q.plan->never) {
        return OK;
    }
    if (t->search) {
        err rc = search_step(t->search, slice_ns, f);
        t->result.stats = search_result(t->search)->stats;
        return rc == ERR_AGAIN && t->collector.full ? OK : rc;
    }
    err rc = t->opened ? OK : open_all(t, f);
    while (rc == OK) {
        rc = query_guard_check(&t->q.guard, f);
        rc = rc == OK ? work(t, f) : rc;
        if (rc == OK && clock_mono_ns() >= until) {
            return ERR_AGAIN;
        }
    }
    return rc == ERR_NOT_FOUND ? OK : rc;
}

static int
by_name(const void *a, const void *b)
{
    return slice_cmp(*(const slice *)a, *(const slice *)b);
}

static int
by_value(const void *a, const void *b)
{
    return tql_static_order(a, b);
}

/* The names of a scope, or those that are not told yet, in order. */
static size_t
list_names(struct tags *t, int scope, bool only_fresh)
{
    struct str_table *names = &t->collector.names[scope];
    size_t cursor = 0;
    size_t n = 0;
    void *value = NULL;
    slice name;
    t->sorted[scope] = mem_realloc(t->sorted[scope], names->count + 1, sizeof(slice));
    while (str_table_next(names, &cursor, &name, &value)) {
        if (!only_fresh || value == &fresh) {
            t->sorted[scope][n++] = name;
        }
    }
    if (n) {
        qsort(t->sorted[scope], n, sizeof(slice), by_name);
    }
    return n;
}

const struct tags_result *
tags_news(struct tags *t)
{
    struct tags_result *r = &t->news;
    const struct tag_collector *c = &t->collector;
    r->stats = t->result.stats;
    for (int i = 0; i < TAG_SCOPE_COUNT; i++) {
        r->name_counts[i] = list_names(t, i, true);
        r->names[i] = t->sorted[i];
        for (size_t k = 0; k < r->name_counts[i]; k++) {
            str_table_put(&t->collector.names[i], t->sorted[i][k], &told);
        }
    }
    r->values = c->values + (c->values ? t->told_values : 0);
    r->value_count = c->value_count - t->told_values;
    t->told_values = c->value_count;
    return r;
}

const struct tags_result *
tags_result(struct tags *t)
{
    struct tags_result *r = &t->result;
    for (int i = 0; i < TAG_SCOPE_COUNT; i++) {
        r->name_counts[i] = list_names(t, i, false);
        r->names[i] = t->sorted[i];
    }
    if (t->collector.value_count) {
        qsort(t->collector.values, t->collector.value_count, sizeof *t->collector.values, by_value);
        memset(t->collector.table, 0, t->collector.table_cap * sizeof *t->collector.table);
        for (size_t i = 0; i < t->collector.value_count; i++) {
            *value_slot(&t->collector, &t->collector.values[i]) = (uint32_t)i + 1;
        }
    }
    r->values = t->collector.values;
    r->value_count = t->collector.value_count;
    return r;
}
