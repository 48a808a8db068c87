#include "metrics_keys.h"

#define DIRECT_MAX (1U << 18) /* combinations of codes that are looked up in an array */
#define SMALL_INTS 4096       /* a range of numbers that are their own codes */

/* --- values by row -------------------------------------------------------------------------------------- */

/* The first event or link of a row that has a value; `to` when none has. */
static uint32_t
first_element(const struct slot_vector *v, uint32_t from, uint32_t to)
{
    while (from < to && vector_at(v, from).type == TQL_NIL) {
        from++;
    }
    return from;
}

/* Values of events or links as values of the rows that count: the first a row has, as eval_value says. */
static err
parts_by_row(struct group_reader *r, const struct slot_vector *v, const struct group_parts *parts,
             struct fault *f, const struct slot_vector **ret)
{
    const size_t rows = r->scan->rows;
    struct slot_vector *by_row = arena_new(&r->memory, struct slot_vector);
    uint32_t *codes = arena_new_array(&r->memory, uint32_t, rows + 1);
    int64_t *ints = arena_new_array(&r->memory, int64_t, rows + 1);
    uint64_t *present = arena_new_array(&r->memory, uint64_t, rows / 64 + 1);
    if (!by_row || !codes || !ints || !present) {
        return group_reader_no_memory(f);
    }
    for (size_t k = 0; k < r->count; k++) {
        const uint32_t row = group_reader_row(r, k);
        const uint32_t at = first_element(v, parts->first[row], parts->first[row + 1]);
        if (at == parts->first[row + 1]) {
            continue; /* code 0, or a bit that is not set: nil */
        }
        present[row / 64] |= UINT64_C(1) << row % 64;
        if (v->form == VECTOR_CODED) {
            codes[row] = v->codes[at];
        } else {
            ints[row] = v->ints[at];
        }
    }
    *by_row = *v;
    by_row->count = rows;
    by_row->codes = codes;
    by_row->ints = ints;
    by_row->present = present;
    *ret = by_row;
    return OK;
}

err
row_keys_slot(struct group_reader *r, uint32_t slot, struct fault *f, const struct slot_vector **ret)
{
    const struct tql_slot *s = &r->sink->q->plan->compiler.slots.slots[slot];
    const struct slot_vector *v = NULL;
    const struct group_parts *parts = NULL;
    err rc = group_slot(r->scan, slot, f, &v);
    *ret = v;
    if (rc == OK && slot_is_part(s)) {
        rc = group_parts(r->scan, (enum tql_level)s->level, f, &parts);
        rc = rc == OK ? parts_by_row(r, v, parts, f, ret) : rc;
    }
    return rc;
}

/* --- dense numbers for 64-bit keys ---------------------------------------------------------------------- */

struct dense {
    uint64_t *keys;
    uint32_t *numbers; /* + 1 */
    size_t cap;
    uint32_t count;
};

static bool
dense_init(struct dense *d, struct arena *a, size_t n)
{
    d->cap = 64;
    while (d->cap < 2 * n) {
        d->cap *= 2;
    }
    d->keys = arena_alloc(a, d->cap * sizeof *d->keys);
    d->numbers = arena_new_array(a, uint32_t, d->cap);
    d->count = 0;
    return d->keys && d->numbers;
}

static uint32_t
dense_number(struct dense *d, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (h ^ h >> 29) & (d->cap - 1);
    while (d->numbers[at] && d->keys[at] != key) {
        at = (at + 1) & (d->cap - 1);
    }
    if (d->numbers[at] == 0) {
        d->keys[at] = key;
        d->numbers[at] = ++d->count;
    }
    return d->numbers[at] - 1;
}

/* --- groups --------------------------------------------------------------------------------------------- */

static err
int_codes(struct group_reader *r, const struct slot_vector *v, uint32_t *out, uint32_t *ret_count,
          struct fault *f)
{
    struct dense d;
    int64_t least = INT64_MAX;
    int64_t most = INT64_MIN;
    for (size_t k = 0; k < r->count; k++) {
        const int64_t x = v->ints[group_reader_row(r, k)];
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    const bool small = r->count && (uint64_t)most - (uint64_t)least < SMALL_INTS;
    if (!small && !dense_init(&d, &r->memory, r->count)) {
        return group_reader_no_memory(f);
    }
    for (size_t k = 0; k < r->count; k++) {
        const uint32_t row = group_reader_row(r, k);
        if (v->present && !mask_has(v->present, row)) {
            out[k] = 0;
        } else {
            out[k] =
                1 + (small ? (uint32_t)(v->ints[row] - least) : dense_number(&d, (uint64_t)v->ints[row]));
        }
    }
    *ret_count = small ? (uint32_t)(most - least) + 2 : d.count + 1;
    return OK;
}

/* Codes of the rows that count for one label: equal values have equal codes or not, different ones never. */
static err
label_codes(struct group_reader *r, const struct slot_vector *v, const uint32_t **ret, uint32_t *ret_count,
            struct fault *f)
{
    if (v->form == VECTOR_CODED && r->rows == NULL) {
        *ret = v->codes;
        *ret_count = v->dict_count;
        return OK;
    }
    uint32_t *out = arena_alloc(&r->memory, (r->count + 1) * sizeof *out);
    if (out == NULL) {
        return group_reader_no_memory(f);
    }
    *ret = out;
    if (v->form != VECTOR_CODED) {
        return int_codes(r, v, out, ret_count, f);
    }
    for (size_t k = 0; k < r->count; k++) {
        out[k] = v->codes[r->rows[k]];
    }
    *ret_count = v->dict_count;
    return OK;
}

/* keys->of[k] := a number for what it was together with codes[k]. */
static err
combine(struct group_reader *r, struct row_keys *keys, const uint32_t *codes, uint32_t code_count,
        struct fault *f)
{
    struct dense d;
    uint32_t *of = arena_alloc(&r->memory, (r->count + 1) * sizeof *of);
    if (of == NULL) {
        return group_reader_no_memory(f);
    }
    if ((uint64_t)keys->count * code_count <= DIRECT_MAX) {
        for (size_t k = 0; k < r->count; k++) {
            of[k] = keys->of[k] * code_count + codes[k];
        }
        keys->count *= code_count;
    } else {
        if (!dense_init(&d, &r->memory, r->count)) {
            return group_reader_no_memory(f);
        }
        for (size_t k = 0; k < r->count; k++) {
            of[k] = dense_number(&d, (uint64_t)keys->of[k] << 32 | codes[k]);
        }
        keys->count = d.count;
    }
    keys->of = of;
    return OK;
}

/* A row of each group, from which its labels are read. */
static err
take_samples(struct group_reader *r, struct row_keys *keys, struct fault *f)
{
    keys->sample = arena_alloc(&r->memory, (keys->count + (size_t)1) * sizeof *keys->sample);
    if (keys->sample == NULL) {
        return group_reader_no_memory(f);
    }
    for (size_t k = 0; k < r->count; k++) {
        keys->sample[keys->of[k]] = group_reader_row(r, k);
    }
    return OK;
}

err
row_keys_make(struct group_reader *r, struct row_keys *ret, struct fault *f)
{
    const struct tql_metric_plan *m = &r->sink->q->plan->metric;
    struct row_keys keys = {.count = 1};
    err rc = OK;
    for (size_t i = 0; i < m->by_count; i++) {
        const uint32_t *codes = NULL;
        uint32_t code_count = 0;
        TRY(row_keys_slot(r, m->by[i], f, &keys.labels[i]));
        TRY(label_codes(r, keys.labels[i], &codes, &code_count, f));
        if (i == 0) {
            keys.of = codes;
            keys.count = code_count;
        } else {
            TRY(combine(r, &keys, codes, code_count, f));
        }
    }
    if (m->by_count > 1 || (m->by_count == 1 && keys.labels[0]->form != VECTOR_CODED)) {
        TRY(take_samples(r, &keys, f));
    }
    keys.timelines = arena_new_array(&r->memory, uint32_t, keys.count + (size_t)1);
    if (keys.timelines == NULL) {
        return group_reader_no_memory(f);
    }
    *ret = keys;
out:
    return rc;
}

/* The group's label values, in the sink's. */
static void
read_labels(struct metrics_sink *s, const struct row_keys *keys, uint32_t group)
{
    for (size_t i = 0; i < s->q->plan->metric.by_count; i++) {
        const struct slot_vector *v = keys->labels[i];
        s->labels[i] = keys->sample ? vector_at(v, keys->sample[group]) : v->dict[group];
        if (tql_type_is_array(s->labels[i].type)) {
            s->labels[i] = TQL_STATIC_NIL;
        }
    }
}

struct timeline *
row_keys_timeline(struct group_reader *r, struct row_keys *keys, uint32_t group)
{
    struct timelines *t = &r->sink->timelines;
    uint32_t *at = &keys->timelines[group];
    if (*at == 0) {
        read_labels(r->sink, keys, group);
        const struct timeline *found = timeline_of(t, r->sink->labels);
        *at = found ? (uint32_t)(found - t->v) + 1 : KEYS_NO_TIMELINE;
    }
    return *at == KEYS_NO_TIMELINE ? NULL : &t->v[*at - 1];
}
