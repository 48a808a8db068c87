/* Which attributes get a column of their own: those that occur often in this block. */
#include "builder_priv.h"

#include "vivace/base/mem.h"

#include <stdlib.h>

/* A column costs about 700 bytes and some 150 us in each row group of 65536 rows; an element of the generic
 * list about 5 bytes more than a value in its column. So 1 in 200 owners, and 1 in 1000 rows. */
#define COUNT_MIN        8
#define OWNERS_PER_VALUE 200
#define ROWS_PER_VALUE   1000

static const size_t scope_max[BLOCK_SCOPE_COUNT] = {
    [BLOCK_SPAN] = 128,    [BLOCK_EVENT] = 32,           [BLOCK_LINK] = 16,
    [BLOCK_RESOURCE] = 64, [BLOCK_INSTRUMENTATION] = 16,
};

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

static bool
is_candidate(const struct block_builder *b, const struct field *f, const uint64_t owners[BLOCK_SCOPE_COUNT])
{
    if (f->kind < VALUE_STRING || f->kind > VALUE_DOUBLE || b->strings.strings[f->key].bad ||
        !schema_key_fits(intern_get(&b->strings, f->key))) {
        return false;
    }
    if (f->scope == BLOCK_RESOURCE || f->scope == BLOCK_INSTRUMENTATION) {
        return true;
    }
    return f->count >= COUNT_MIN && f->count * OWNERS_PER_VALUE >= owners[f->scope] &&
           f->count * ROWS_PER_VALUE >= b->row_count;
}

/* Engines that fold names' case must not meet two columns of one name. */
static bool
name_is_free(const struct schema_attr *chosen, size_t n, const struct schema_attr *want, bool *ret_suffixed)
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
    for (size_t i = 0; i < count && at - from < scope_max[scope]; i++) {
        struct field *f = &b->fields[all[i].field];
        struct schema_attr a = {
            .scope = scope, .kind = f->kind, .key = intern_get(&b->strings, f->key), .bad = f->bad};
        if (f->scope == scope && name_is_free(ret + from, at - from, &a, &a.suffixed)) {
            f->chosen = (int32_t)at;
            ret[at++] = a;
        }
    }
    return at;
}

static bool
generic_is_bad(const struct block_builder *b)
{
    for (size_t i = 0; i < b->field_count; i++) {
        const struct field *f = &b->fields[i];
        if (f->chosen < 0 && (f->bad || b->strings.strings[f->key].bad)) {
            return true;
        }
    }
    for (size_t i = 0; i < b->shape_count; i++) { /* second values of a key with a column */
        const struct shape *s = &b->shapes[i];
        for (uint32_t k = 0; k < s->attr_count; k++) {
            if (s->attrs[k].repeated && b->fields[s->attrs[k].field].bad) {
                return true;
            }
        }
    }
    return false;
}

size_t
builder_select(struct block_builder *b, struct schema_attr *ret, bool *ret_bad_text)
{
    uint64_t owners[BLOCK_SCOPE_COUNT] = {0};
    struct candidate *all = mem_new_array(struct candidate, b->field_count + 1);
    size_t count = 0, n = 0;
    count_fields(b, owners);
    for (uint32_t i = 0; i < b->field_count; i++) {
        const struct field *f = &b->fields[i];
        bool service = f->scope == BLOCK_RESOURCE && f->key == b->service_key;
        if (is_candidate(b, f, owners)) {
            all[count++] = (struct candidate){i, service ? UINT64_MAX : f->count};
        }
    }
    qsort(all, count, sizeof *all, by_count);
    for (int scope = 0; scope < BLOCK_SCOPE_COUNT; scope++) {
        n = select_scope(b, (enum block_scope)scope, all, count, ret, n);
    }
    mem_free(all);
    *ret_bad_text = b->bad_text || generic_is_bad(b);
    return n;
}
