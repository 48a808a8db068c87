/* Counting over a row group: a matrix of small counters by group and interval (and bucket), which stays in
 * the nearest cache, then what is in it to the timelines, once for each number of it that is not 0. */
#include "metrics_counts.h"

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

/* The row may become an exemplar of its series. */
static err
offer(struct group_reader *r, struct timeline *at, uint32_t row, const struct slot_vector *measured,
      struct fault *f)
{
    struct timelines *t = &r->sink->timelines;
    struct tql_static value = TQL_STATIC_NIL;
    trace_id trace;
    err rc = OK;
    if (at == NULL || !timeline_wants_exemplar(t, at, r->starts[row])) {
        return OK;
    }
    if (measured) {
        value = vector_at(measured, row);
        if (!is_measured(r, &value)) {
            return OK;
        }
    }
    TRY(group_trace_of(r->scan, row, f, &trace));
    timeline_exemplar(t, at, r->starts[row], &trace, &value);
out:
    return rc;
}

static err
offer_each(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured, struct fault *f)
{
    err rc = OK;
    for (size_t k = 0; k < r->count; k++) {
        TRY(offer(r, row_keys_timeline(r, keys, group_of(keys, k)), group_reader_row(r, k), measured, f));
    }
out:
    return rc;
}

/* By cell the hash above which a row is of no use; 0: none is. (It may be too high, never too low.) */
struct limits {
    uint32_t *stretch_of; /* by interval - first_step */
    uint32_t *hashes;     /* by cell */
};

static uint32_t
limit_of(const struct group_reader *r, const struct timeline *at, uint32_t stretch)
{
    return at ? (uint32_t)(timeline_exemplar_limit(&r->sink->timelines, at, stretch) >> 32) : 0;
}

/* Limits of a group's intervals from `i` on that lie in one stretch: the next one behind them. */
static uint32_t
set_limits(struct limits *l, const struct row_keys *keys, uint32_t group, uint32_t i, uint32_t limit)
{
    const uint32_t stretch = l->stretch_of[i];
    for (; i < keys->width && l->stretch_of[i] == stretch; i++) {
        l->hashes[(size_t)group * keys->width + i] = limit;
    }
    return i;
}

static err
make_limits(struct group_reader *r, struct row_keys *keys, struct fault *f, struct limits *ret)
{
    const struct timelines *t = &r->sink->timelines;
    struct limits l = {0};
    l.stretch_of = arena_alloc(&r->memory, keys->width * sizeof *l.stretch_of);
    l.hashes = arena_alloc(&r->memory, ((size_t)keys->count * keys->width + 1) * sizeof *l.hashes);
    if (!l.stretch_of || !l.hashes) {
        return group_reader_no_memory(f);
    }
    for (uint32_t i = 0; i < keys->width; i++) {
        l.stretch_of[i] = exemplars_stretch(r->sink->q, r->first_step + i);
    }
    for (uint32_t group = 0; group < keys->count; group++) {
        const uint32_t place = keys->timelines[group];
        const struct timeline *at = place && place != KEYS_NO_TIMELINE ? &t->v[place - 1] : NULL;
        for (uint32_t i = 0; i < keys->width;) {
            i = set_limits(&l, keys, group, i, limit_of(r, at, l.stretch_of[i]));
        }
    }
    *ret = l;
    return OK;
}

static err
offer_hit(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured, struct limits *l,
          size_t k, struct fault *f)
{
    const uint32_t row = group_reader_row(r, k);
    const uint32_t group = group_of(keys, k);
    uint32_t i = r->steps[k] - r->first_step;
    struct timeline *at = NULL;
    err rc = OK;
    if (exemplars_hash(r->starts[row]) > l->hashes[keys->cells[k]]) {
        return OK; /* not any more */
    }
    at = row_keys_timeline(r, keys, group);
    TRY(offer(r, at, row, measured, f));
    const uint32_t limit = limit_of(r, at, l->stretch_of[i]);
    while (i > 0 && l->stretch_of[i - 1] == l->stretch_of[i]) {
        i--;
    }
    (void)set_limits(l, keys, group, i, limit);
out:
    return rc;
}

err
counts_choose_exemplars(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured,
                        struct fault *f)
{
    uint8_t hits[LOOP_PIECE];
    struct limits l;
    err rc = OK;
    if (keys->cells == NULL) {
        return offer_each(r, keys, measured, f);
    }
    TRY(make_limits(r, keys, f, &l));
    for (size_t k = 0; k < r->count; k += LOOP_PIECE) {
        const size_t n = r->count - k < LOOP_PIECE ? r->count - k : LOOP_PIECE;
        memset(hits, 0, sizeof hits);
        loop_hits(r->starts + (r->rows ? 0 : k), r->rows ? r->rows + k : NULL, keys->cells + k, l.hashes, n,
                  hits);
        for (size_t i = 0; i < n; i += 8) {
            uint64_t some = 0;
            memcpy(&some, hits + i, sizeof some);
            for (; some; some &= some - 1) {
                TRY(offer_hit(r, keys, measured, &l, k + i + (size_t)__builtin_ctzll(some) / 8, f));
            }
        }
    }
out:
    return rc;
}
