/* Counting over a row group: a matrix of small counters by group and interval (and bucket), which stays in
 * the nearest cache, then what is in it to the timelines, once for each number of it that is not 0. */
#include "metrics_counts.h"

#include "metrics_folds.h"
#include "metrics_loops.h"

/* Counters that are always worth it; more only for as many rows. */
#ifdef VIVACE_DEBUG
#define MATRIX_MIN 64
#else
#define MATRIX_MIN 65536
#endif

static bool
matrix_pays(const struct group_reader *r, uint64_t counters)
{
    return counters <= MATRIX_MIN + 4 * (uint64_t)r->count;
}

static uint32_t
intervals(const struct group_reader *r)
{
    return r->last_step - r->first_step + 1;
}

err
row_cells_make(struct group_reader *r, struct row_keys *keys, struct fault *f)
{
    keys->width = intervals(r);
    keys->cells = NULL;
    keys->counts = NULL;
    if (!matrix_pays(r, (uint64_t)keys->count * keys->width)) {
        return OK;
    }
    uint32_t *cells = arena_alloc(&r->memory, (r->count + 1) * sizeof *cells);
    if (cells == NULL) {
        return group_reader_no_memory(f);
    }
    loop_cells(keys->of, r->steps, r->count, r->first_step, keys->width, cells);
    keys->cells = cells;
    return OK;
}

/* --- rows one by one ------------------------------------------------------------------------------------ */

static uint32_t
group_of(const struct row_keys *keys, size_t k)
{
    return keys->of ? keys->of[k] : 0;
}

static void
add_each(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured)
{
    struct timelines *t = &r->sink->timelines;
    for (size_t k = 0; k < r->count; k++) {
        struct timeline *at = row_keys_timeline(r, keys, group_of(keys, k));
        if (at && measured) {
            const struct tql_static value = vector_at(measured, group_reader_row(r, k));
            (void)timeline_observe(t, at, r->steps[k], &value);
        } else if (at) {
            at->values[r->steps[k]]++;
        }
    }
}

/* --- counters ------------------------------------------------------------------------------------------- */

static err
count_rows(struct group_reader *r, struct row_keys *keys, struct fault *f)
{
    uint32_t *matrix = arena_new_array(&r->memory, uint32_t, (size_t)keys->count * keys->width);
    if (matrix == NULL) {
        return group_reader_no_memory(f);
    }
    loop_count(keys->cells, r->count, matrix);
    keys->counts = matrix;
    for (uint32_t group = 0; group < keys->count; group++) {
        for (uint32_t i = 0; i < keys->width; i++, matrix++) {
            struct timeline *at = *matrix ? row_keys_timeline(r, keys, group) : NULL;
            if (at) {
                at->values[r->first_step + i] += *matrix;
            }
        }
    }
    return OK;
}

/* --- histograms of whole numbers, the most asked for ---------------------------------------------------- */

static bool
is_plain_histogram(const struct timelines *t, const struct slot_vector *v)
{
    return t->histogram && t->width == 0 && v->form == VECTOR_INTS && v->present == NULL &&
           (v->type == TQL_INT || v->type == TQL_DURATION);
}

/* A matrix for each bucket, so that those hardly used stay out of the way. Bucket 0 counts for nothing. */
static err
count_buckets(struct group_reader *r, struct row_keys *keys, const struct slot_vector *v, struct fault *f)
{
    struct timelines *t = &r->sink->timelines;
    const size_t cells = (size_t)keys->count * keys->width;
    uint32_t *matrix = arena_new_array(&r->memory, uint32_t, cells * TIMELINE_BUCKETS);
    if (matrix == NULL) {
        return group_reader_no_memory(f);
    }
    loop_buckets(r->rows, v->ints, keys->cells, r->count, cells, matrix);
    for (uint32_t b = 1; b < TIMELINE_BUCKETS; b++) {
        const uint32_t *counter = matrix + b * cells;
        for (uint32_t group = 0; group < keys->count; group++) {
            for (uint32_t i = 0; i < keys->width; i++, counter++) {
                struct timeline *at = *counter ? row_keys_timeline(r, keys, group) : NULL;
                if (at) {
                    timeline_add_bucket(t, at, r->first_step + i, b, *counter);
                }
            }
        }
    }
    return OK;
}

err
counts_add(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured, struct fault *f)
{
    if (keys->cells && measured == NULL) {
        return count_rows(r, keys, f);
    }
    if (keys->cells && measured && is_plain_histogram(&r->sink->timelines, measured) &&
        matrix_pays(r, (uint64_t)TIMELINE_BUCKETS * keys->count * keys->width)) {
        return count_buckets(r, keys, measured, f);
    }
    if (folds_apply(r, keys, measured)) {
        return folds_add(r, keys, measured, f);
    }
    add_each(r, keys, measured);
    return OK;
}

/* --- exemplars ------------------------------------------------------------------------------------------ */

/* Does the row have a number that counts, as timeline_observe says? */
static bool
is_measured(const struct group_reader *r, const struct tql_static *v)
{
    double number = 0;
    if (r->sink->timelines.histogram) {
        return (v->type == TQL_INT || v->type == TQL_DURATION) && timeline_bucket(v->i) > 0;
    }
    return tql_static_number(v, &number) && number == number;
}

/* The row may become an exemplar of its series; does it? */
static bool
offer(struct group_reader *r, const struct timeline *at, uint32_t row, const struct slot_vector *measured)
{
    struct timelines *t = &r->sink->timelines;
    struct exemplar e = {
        .start_ns = r->starts[row], .block = r->block, .row_group = (uint32_t)r->scan->row_group, .row = row};
    if (measured) {
        e.measured = vector_at(measured, row);
    }
    if (measured && !is_measured(r, &e.measured)) {
        return false;
    }
    exemplars_add(&t->exemplars, (size_t)(at - t->v), &e);
    return true;
}

static void
offer_each(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured)
{
    for (size_t k = 0; k < r->count; k++) {
        const struct timeline *at = row_keys_timeline(r, keys, group_of(keys, k));
        if (at) {
            (void)offer(r, at, group_reader_row(r, k), measured);
        }
    }
}

/* By cell the hash above which a row is of no use; 0: none is. (It may be too high, never too low.) */
struct limits {
    uint32_t *stretch_of; /* by interval - first_step */
    uint32_t *hashes;     /* by cell */
};

/* Limits of a group's intervals. False: none of its rows is of use. */
static bool
set_limits(const struct group_reader *r, const struct limits *l, const struct row_keys *keys, uint32_t group)
{
    const struct exemplar_set *s = &r->sink->timelines.exemplars;
    const uint32_t place = keys->timelines[group];
    uint32_t *hashes = l->hashes + (size_t)group * keys->width;
    const uint32_t *counts = keys->counts ? keys->counts + (size_t)group * keys->width : NULL;
    bool some = false;
    for (uint32_t i = 0; i < keys->width; i++) {
        if (place == 0 || place == KEYS_NO_TIMELINE || (counts && counts[i] == 0)) {
            hashes[i] = 0;
        } else if (i && l->stretch_of[i] == l->stretch_of[i - 1] && hashes[i - 1]) {
            hashes[i] = hashes[i - 1];
        } else {
            hashes[i] = (uint32_t)(exemplars_limit(s, place - 1, l->stretch_of[i]) >> 32);
        }
        some = some || hashes[i];
    }
    return some;
}

static err
make_limits(struct group_reader *r, struct row_keys *keys, struct fault *f, struct limits *ret,
            bool *ret_some)
{
    struct limits l = {0};
    l.stretch_of = arena_alloc(&r->memory, keys->width * sizeof *l.stretch_of);
    l.hashes = arena_alloc(&r->memory, ((size_t)keys->count * keys->width + 1) * sizeof *l.hashes);
    if (!l.stretch_of || !l.hashes) {
        return group_reader_no_memory(f);
    }
    for (uint32_t i = 0; i < keys->width; i++) {
        l.stretch_of[i] = exemplars_stretch(r->sink->q, r->first_step + i);
    }
    *ret_some = false;
    for (uint32_t group = 0; group < keys->count; group++) {
        *ret_some = set_limits(r, &l, keys, group) || *ret_some;
    }
    *ret = l;
    return OK;
}

/* What a row that was looked at before is worth may have changed since. */
static void
offer_hit(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured,
          const struct limits *l, size_t k)
{
    const uint32_t row = group_reader_row(r, k);
    const uint32_t group = group_of(keys, k);
    if (exemplars_hash(r->starts[row]) <= l->hashes[keys->cells[k]] &&
        offer(r, &r->sink->timelines.v[keys->timelines[group] - 1], row, measured)) {
        (void)set_limits(r, l, keys, group);
    }
}

err
counts_choose_exemplars(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured,
                        struct fault *f)
{
    uint8_t hits[LOOP_PIECE];
    struct limits l;
    bool some = false;
    err rc = OK;
    if (keys->cells == NULL) {
        offer_each(r, keys, measured);
        return OK;
    }
    TRY(make_limits(r, keys, f, &l, &some));
    for (size_t k = 0; some && k < r->count; k += LOOP_PIECE) {
        const size_t n = r->count - k < LOOP_PIECE ? r->count - k : LOOP_PIECE;
        memset(hits, 0, sizeof hits);
        loop_hits(r->starts + (r->rows ? 0 : k), r->rows ? r->rows + k : NULL, keys->cells + k, l.hashes, n,
                  hits);
        for (size_t i = 0; i < n; i += 8) {
            uint64_t hit = 0;
            memcpy(&hit, hits + i, sizeof hit);
            for (; hit; hit &= hit - 1) {
                offer_hit(r, keys, measured, &l, k + i + (size_t)__builtin_ctzll(hit) / 8);
            }
        }
    }
out:
    return rc;
}
