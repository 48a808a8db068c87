/* Counting over a row group: a matrix of small counters by group and interval (and bucket), which stays in
 * the nearest cache, then what is in it to the timelines, once for each number of it that is not 0. */
#include "metrics_counts.h"

#include "metrics_loops.h"

#define PIECE 512 /* rows */

/* Counters that are always worth it; more only for as many rows. */
#ifdef VIVACE_DEBUG
#define MATRIX_MIN 64
#else
#define MATRIX_MIN 65536
#endif

static err
no_matrix(struct fault *f)
{
    return group_reader_no_memory(f);
}

static bool
matrix_pays(const struct group_reader *r, uint64_t groups, uint64_t each)
{
    return groups * each <= MATRIX_MIN + 4 * (uint64_t)r->count;
}

static uint32_t
intervals(const struct group_reader *r)
{
    return r->last_step - r->first_step + 1;
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
    const uint32_t width = intervals(r);
    if (!matrix_pays(r, keys->count, width)) {
        add_each(r, keys, NULL);
        return OK;
    }
    uint32_t *matrix = arena_new_array(&r->memory, uint32_t, (size_t)keys->count * width);
    if (matrix == NULL) {
        return no_matrix(f);
    }
    loop_count(keys->of, r->steps, r->count, r->first_step, width, matrix);
    for (uint32_t group = 0; group < keys->count; group++) {
        const uint32_t *line = matrix + (size_t)group * width;
        for (uint32_t i = 0; i < width; i++) {
            struct timeline *at = line[i] ? row_keys_timeline(r, keys, group) : NULL;
            if (at) {
                at->values[r->first_step + i] += line[i];
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

/* Buckets stand apart, so that the intervals of one lie together. Bucket 0 counts for nothing. */
static err
count_buckets(struct group_reader *r, struct row_keys *keys, const struct slot_vector *v, struct fault *f)
{
    struct timelines *t = &r->sink->timelines;
    const uint32_t width = intervals(r);
    uint32_t *matrix = arena_new_array(&r->memory, uint32_t, (size_t)keys->count * TIMELINE_BUCKETS * width);
    if (matrix == NULL) {
        return no_matrix(f);
    }
    loop_buckets(r->rows, v->ints, keys->of, r->steps, r->count, r->first_step, width, matrix);
    for (uint32_t group = 0; group < keys->count; group++) {
        for (uint32_t b = 1; b < TIMELINE_BUCKETS; b++) {
            const uint32_t *line = matrix + ((size_t)group * TIMELINE_BUCKETS + b) * width;
            for (uint32_t i = 0; i < width; i++) {
                struct timeline *at = line[i] ? row_keys_timeline(r, keys, group) : NULL;
                if (at) {
                    timeline_add_bucket(t, at, r->first_step + i, b, line[i]);
                }
            }
        }
    }
    return OK;
}

err
counts_add(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured, struct fault *f)
{
    if (measured == NULL) {
        return count_rows(r, keys, f);
    }
    if (is_plain_histogram(&r->sink->timelines, measured) &&
        matrix_pays(r, keys->count, (uint64_t)TIMELINE_BUCKETS * intervals(r))) {
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

/* The stretches of the query's time that the row group's intervals lie in, and for each group and stretch the
 * hash above which a row is of no use. (It may be too high, never too low.) */
struct limits {
    uint32_t *stretch_of; /* by interval - first_step: 0, 1, ... */
    uint32_t first, count;
    uint32_t *hashes; /* group * count + stretch; 0: none is of use */
};

static uint32_t
limit_of(const struct group_reader *r, const struct timeline *at, uint32_t stretch)
{
    return (uint32_t)(timeline_exemplar_limit(&r->sink->timelines, at, stretch) >> 32);
}

static err
make_limits(struct group_reader *r, struct row_keys *keys, struct fault *f, struct limits *ret)
{
    const struct metrics_query *q = r->sink->q;
    const uint32_t width = intervals(r);
    struct limits l = {.first = exemplars_stretch(q, r->first_step)};
    l.count = exemplars_stretch(q, r->last_step) - l.first + 1;
    l.stretch_of = arena_alloc(&r->memory, (width + (size_t)1) * sizeof *l.stretch_of);
    l.hashes = arena_alloc(&r->memory, ((size_t)keys->count * l.count + 1) * sizeof *l.hashes);
    if (!l.stretch_of || !l.hashes) {
        return group_reader_no_memory(f);
    }
    for (uint32_t i = 0; i < width; i++) {
        l.stretch_of[i] = exemplars_stretch(q, r->first_step + i) - l.first;
    }
    for (uint32_t group = 0; group < keys->count; group++) {
        const uint32_t place = keys->timelines[group];
        const struct timeline *at =
            place && place != KEYS_NO_TIMELINE ? &r->sink->timelines.v[place - 1] : NULL;
        for (uint32_t i = 0; i < l.count; i++) {
            l.hashes[(size_t)group * l.count + i] = at ? limit_of(r, at, l.first + i) : 0;
        }
    }
    *ret = l;
    return OK;
}

/* Hashes of a piece of the rows are made together, then compared. */
static err
offer_piece(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured,
            struct limits *l, size_t from, struct fault *f)
{
    const size_t n = r->count - from < PIECE ? r->count - from : PIECE;
    uint32_t hashes[PIECE];
    err rc = OK;
    loop_hashes(r->starts + (r->rows ? 0 : from), r->rows ? r->rows + from : NULL, n, hashes);
    for (size_t i = 0; i < n; i++) {
        const uint32_t group = group_of(keys, from + i);
        const uint32_t stretch = l->stretch_of[r->steps[from + i] - r->first_step];
        uint32_t *limit = &l->hashes[(size_t)group * l->count + stretch];
        if (hashes[i] <= *limit) {
            struct timeline *at = row_keys_timeline(r, keys, group);
            TRY(offer(r, at, group_reader_row(r, from + i), measured, f));
            *limit = at ? limit_of(r, at, l->first + stretch) : 0;
        }
    }
out:
    return rc;
}

err
counts_choose_exemplars(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured,
                        struct fault *f)
{
    const struct metrics_query *q = r->sink->q;
    struct limits l;
    err rc = OK;
    if (!matrix_pays(r, keys->count,
                     exemplars_stretch(q, r->last_step) - (uint64_t)exemplars_stretch(q, r->first_step) +
                         1)) {
        return offer_each(r, keys, measured, f);
    }
    TRY(make_limits(r, keys, f, &l));
    for (size_t k = 0; k < r->count; k += PIECE) {
        TRY(offer_piece(r, keys, measured, &l, k, f));
    }
out:
    return rc;
}
