/* Which attributes get a column of their own: those that occur often in this block. */
#include "builder_priv.h"

#include "vivace/base/mem.h"

#include <stdlib.h>

/* A column costs about 700 bytes and some 150 us in each row group of 65536 rows; an element of the generic
 * list about 5 bytes more than a value in its column. So 1 in 200 owners, and 1 in 1000 rows. */
#define COUNT_MIN        8
#define OWNERS_PER_VALUE 200
#define ROWS_PER_VALUE   1000

const size_t select_scope_max[BLOCK_SCOPE_COUNT] = {
    [BLOCK_SPAN] = 128,    [BLOCK_EVENT] = 32,           [BLOCK_LINK] = 16,
    [BLOCK_RESOURCE] = 64, [BLOCK_INSTRUMENTATION] = 16,
};

/* A resource's attribute with more values than this costs half a byte and more a span, in each column, and
 * says what `resource` says: pods, hosts, instances. */
#define RESOURCE_VALUES_MAX 16

struct candidate {
    uint32_t field;
    uint64_t count;
};

static int
by_count(const void *va, const void *vb)
{
    const struct candidate *a = va, *b = vb;
    if (a->count != b->count) {
        return a->count > b->count ? -1 : 1;
    }
    return (a->field > b->field) - (a->field < b->field);
}

static void
count_fields(struct block_builder *b, uint64_t owners[BLOCK_SCOPE_COUNT])
{
    for (size_t i = 0; i < b->field_count; i++) {
        b->fields[i].count = 0;
        b->fields[i].chosen = -1;
    }
    for (size_t i = 0; i < b->shape_count; i++) {
        const struct shape *s = &b->shapes[i];
        owners[s->scope] += s->owners;
        for (uint32_t k = 0; k < s->attr_count; k++) {
            b->fields[s->attrs[k].field].count += s->attrs[k].repeated ? 0 : s->owners;
        }
    }
}

/* Count the values of resources' attributes. `service.name` counts as few. */
static void
mark_many(struct block_builder *b)
{
    struct id_map *values = mem_new_array(struct id_map, b->field_count + 1);
    for (size_t i = 0; i < b->resource_count; i++) {
        const struct held_resource *r = &b->resources[i];
        const struct shape *s = &b->shapes[r->shape];
        for (uint32_t k = 0; k < s->attr_count; k++) {
            const struct shape_attr *a = &s->attrs[k];
            struct field *f = &b->fields[a->field];
            size_t words = kind_cells((enum value_kind)a->kind);
            uint32_t cell = words ? r->cells[a->cell] ^ (words == 2 ? r->cells[a->cell + 1] << 7 : 0) : 0;
            bool is_new = false;
            if (!f->many) {
                *id_map_put(&values[a->field], cell & INT32_MAX, &is_new) = 1;
                f->many = values[a->field].count > RESOURCE_VALUES_MAX && f->key != b->service_key;
            }
        }
    }
    for (size_t i = 0; i < b->field_count; i++) {
        id_map_fini(&values[i]);
    }
    mem_free(values);
}

bool
select_is_often(uint64_t count, uint64_t owners, uint64_t rows)
{
    return count >= COUNT_MIN && count * OWNERS_PER_VALUE >= owners && count * ROWS_PER_VALUE >= rows;
}

static bool
is_candidate(const struct block_builder *b, const struct field *f, const uint64_t owners[BLOCK_SCOPE_COUNT])
{
    if (f->kind < VALUE_STRING || f->kind > VALUE_DOUBLE || b->strings.strings[f->key].bad ||
        !schema_key_fits(intern_get(&b->strings, f->key))) {
        return false;
    }
    if (f->scope == BLOCK_RESOURCE || f->scope == BLOCK_INSTRUMENTATION) {
        return !f->many;
    }
    return select_is_often(f->count, owners[f->scope], b->row_count);
}

bool
select_name_is_free(const struct schema_attr *chosen, size_t n, const struct schema_attr *want,
                    bool *ret_suffixed)
{
    *ret_suffixed = false;
    for (size_t i = 0; i < n; i++) {
        if (slice_eq(chosen[i].key, want->key)) {
            *ret_suffixed = true;
        } else if (slice_ieq(chosen[i].key, want->key)) {
            return false;
        }
    }
    return true;
}

static size_t
select_scope(struct block_builder *b, enum block_scope scope, const struct candidate *all, size_t count,
             struct schema_attr *ret, size_t at)
{
    size_t from = at;
    for (size_t i = 0; i < count && at - from < select_scope_max[scope]; i++) {
        struct field *f = &b->fields[all[i].field];
        struct schema_attr a = {
            .scope = scope, .kind = f->kind, .key = intern_get(&b->strings, f->key), .bad = f->bad};
        if (f->scope == scope && select_name_is_free(ret + from, at - from, &a, &a.suffixed)) {
            f->chosen = (int32_t)at;
            ret[at++] = a;
        }
    }
    return at;
}

/* What the generic lists will hold. */
static void
plan_generic(const struct block_builder *b, struct schema_plan *plan)
{
    for (size_t i = 0; i < b->shape_count; i++) {
        const struct shape *s = &b->shapes[i];
        for (uint32_t k = 0; k < s->attr_count; k++) {
            const struct field *f = &b->fields[s->attrs[k].field];
            if (f->chosen < 0 || s->attrs[k].repeated) {
                plan->bad_text |= f->bad || b->strings.strings[f->key].bad;
                plan->events_have_generic |= s->scope == BLOCK_EVENT;
                plan->links_have_generic |= s->scope == BLOCK_LINK;
            }
        }
    }
}

void
builder_select(struct block_builder *b, struct schema_plan *ret)
{
    uint64_t owners[BLOCK_SCOPE_COUNT] = {0};
    struct candidate *all = mem_new_array(struct candidate, b->field_count + 1);
    size_t count = 0;
    *ret = (struct schema_plan){.bad_text = b->bad_text};
    count_fields(b, owners);
    mark_many(b);
    for (uint32_t i = 0; i < b->field_count; i++) {
        const struct field *f = &b->fields[i];
        bool service = f->scope == BLOCK_RESOURCE && f->key == b->service_key;
        if (is_candidate(b, f, owners)) {
            all[count++] = (struct candidate){i, service ? UINT64_MAX : f->count};
        }
    }
    qsort(all, count, sizeof *all, by_count);
    for (int scope = 0; scope < BLOCK_SCOPE_COUNT; scope++) {
        ret->count = select_scope(b, (enum block_scope)scope, all, count, ret->attrs, ret->count);
    }
    mem_free(all);
    plan_generic(b, ret);
}
