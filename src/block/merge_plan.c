/* The columns of a merged block, from the footers of its inputs. */
#include "merge_priv.h"

#include "vivace/base/mem.h"

#include <stdlib.h>

/* An attribute that is a column in some input. */
struct merge_attr {
    struct schema_attr a;
    uint64_t count; /* values in columns */
    uint64_t rows;  /* of the inputs where it is a column */
};

struct merge_attrs {
    struct merge_attr *at;
    size_t count, cap;
};

static uint64_t
value_count(const struct block_reader *r, int32_t column)
{
    uint64_t n = 0;
    for (size_t g = 0; column >= 0 && g < r->meta->row_group_count; g++) {
        const struct parquet_chunk *c = parquet_meta_chunk(r->meta, g, (size_t)column);
        n += c->value_count > c->null_count ? c->value_count - c->null_count : 0;
    }
    return n;
}

/* Text that is not UTF-8 stands in a column without STRING. */
static bool
is_bad(const struct block_reader *r, int32_t column)
{
    const struct parquet_node *node = parquet_schema_column(r->meta->schema, (size_t)column);
    return node->field.type == PARQUET_BYTE_ARRAY && node->field.logical.kind != PARQUET_STRING;
}

static bool
has_bad_text(const struct block_reader *r)
{
    return is_bad(r, r->schema.column[BLOCK_NAME]);
}

static struct merge_attr *
find(struct merge_attrs *all, const struct block_attr_column *c)
{
    for (size_t i = 0; i < all->count; i++) {
        struct schema_attr *a = &all->at[i].a;
        if (a->scope == c->scope && a->kind == c->kind && slice_eq(a->key, c->key)) {
            return &all->at[i];
        }
    }
    if (all->count == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 256;
        all->at = mem_realloc(all->at, all->cap, sizeof *all->at);
    }
    struct merge_attr *m = &all->at[all->count++];
    *m = (struct merge_attr){.a = {.scope = c->scope, .kind = c->kind, .key = c->key}};
    return m;
}

static void
gather(struct merge_attrs *all, const struct block_reader *r)
{
    for (size_t i = 0; i < r->schema.attr_count && all->count < BLOCK_MERGE_INPUTS_MAX * SCHEMA_ATTRS_MAX;
         i++) {
        const struct block_attr_column *c = &r->schema.attrs[i];
        struct merge_attr *m = find(all, c);
        bool service = c->scope == BLOCK_RESOURCE && slice_eq(c->key, SL("service.name"));
        m->count = service ? UINT64_MAX : m->count + value_count(r, c->column);
        m->rows += r->meta->row_count;
        m->a.bad |= is_bad(r, c->column);
    }
}

/* Where an input lacks the column its values are in the generic list, and that may hold bad text. */
static void
mark_bad(struct merge_attrs *all, const struct block_reader *r)
{
    for (size_t i = 0; i < all->count && has_bad_text(r); i++) {
        struct schema_attr *a = &all->at[i].a;
        a->bad |= a->kind == VALUE_STRING && block_schema_attr(&r->schema, a->scope, a->kind, a->key) == NULL;
    }
}

static int
by_count(const void *va, const void *vb)
{
    const struct merge_attr *a = va, *b = vb;
    if (a->count != b->count) {
        return a->count > b->count ? -1 : 1;
    }
    int order = slice_cmp(a->a.key, b->a.key);
    return order ? order : (a->a.kind > b->a.kind) - (a->a.kind < b->a.kind);
}

/* What the generic lists will hold. */
static void
plan_generic(const struct merge_attrs *all, struct block_reader *const *inputs, size_t count,
             struct schema_plan *plan)
{
    for (size_t i = 0; i < count; i++) {
        plan->bad_text |= has_bad_text(inputs[i]);
        plan->events_have_generic |= inputs[i]->schema.column[BLOCK_EVENT_GENERIC] >= 0;
        plan->links_have_generic |= inputs[i]->schema.column[BLOCK_LINK_GENERIC] >= 0;
    }
    for (size_t i = 0; i < all->count; i++) {
        const struct schema_attr *a = &all->at[i].a;
        bool chosen = false;
        for (size_t k = 0; k < plan->count && !chosen; k++) {
            const struct schema_attr *c = &plan->attrs[k];
            chosen = c->scope == a->scope && c->kind == a->kind && slice_eq(c->key, a->key);
        }
        if (!chosen) {
            plan->bad_text |= a->bad;
            plan->events_have_generic |= a->scope == BLOCK_EVENT;
            plan->links_have_generic |= a->scope == BLOCK_LINK;
        }
    }
}

/* Often enough in the whole: select_is_often's rule; what a resource says must be a column in half of it. */
static bool
is_wanted(const struct merge_attr *m, const uint64_t owners[BLOCK_SCOPE_COUNT], uint64_t rows)
{
    enum block_scope s = m->a.scope;
    if (s == BLOCK_RESOURCE || s == BLOCK_INSTRUMENTATION) {
        return m->rows * 2 >= rows || slice_eq(m->a.key, SL("service.name"));
    }
    return select_is_often(m->count, owners[s], rows);
}

void
merge_plan(struct block_reader *const *inputs, size_t count, struct schema_plan *ret)
{
    uint64_t owners[BLOCK_SCOPE_COUNT] = {0}, rows = 0;
    struct merge_attrs all = {0};
    *ret = (struct schema_plan){0};
    for (size_t i = 0; i < count; i++) {
        gather(&all, inputs[i]);
        rows += inputs[i]->meta->row_count;
        owners[BLOCK_EVENT] += value_count(inputs[i], inputs[i]->schema.column[BLOCK_EVENT_TIME]);
        owners[BLOCK_LINK] += value_count(inputs[i], inputs[i]->schema.column[BLOCK_LINK_TRACE]);
    }
    owners[BLOCK_SPAN] = rows;
    for (size_t i = 0; i < count; i++) {
        mark_bad(&all, inputs[i]);
    }
    if (all.count) {
        qsort(all.at, all.count, sizeof *all.at, by_count);
    }
    for (int scope = 0; scope < BLOCK_SCOPE_COUNT; scope++) {
        size_t from = ret->count;
        for (size_t i = 0; i < all.count && ret->count - from < select_scope_max[scope]; i++) {
            struct schema_attr a = all.at[i].a;
            if ((int)a.scope == scope && is_wanted(&all.at[i], owners, rows) &&
                select_name_is_free(ret->attrs + from, ret->count - from, &a, &a.suffixed)) {
                ret->attrs[ret->count++] = a;
            }
        }
    }
    plan_generic(&all, inputs, count, ret);
    mem_free(all.at);
}

void
merge_choose(struct block_builder *b, const struct schema_plan *plan)
{
    for (size_t i = 0; i < b->field_count; i++) {
        struct field *f = &b->fields[i];
        slice key = intern_get(&b->strings, f->key);
        f->chosen = -1;
        for (size_t k = 0; k < plan->count && f->chosen < 0; k++) {
            const struct schema_attr *a = &plan->attrs[k];
            f->chosen = a->scope == f->scope && a->kind == f->kind && slice_eq(a->key, key) ? (int32_t)k : -1;
        }
    }
}
