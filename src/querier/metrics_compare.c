/* compare() over a row group: for each attribute a matrix of its values' codes by side and interval. */
#include "columns_priv.h"
#include "metrics_groups.h"
#include "metrics_loops.h"

#define CONTEXT_MATRIX_MAX (1U << 24) /* counters: interval by resource, both are bounded; twice */
#define FEW_NUMBERS        256
#define MATRIX_MIN         4096 /* counters that are always worth it; more only for as many values */

/* Where the rows that count belong. A cell is side * steps + interval - first_step; the one behind the last
 * is that of the rows that do not count. */
struct cells {
    struct group_reader *r;
    uint32_t *of_row;      /* by row of all */
    uint32_t *of_counting; /* by row that counts: r->rows[k]'s */
    uint64_t *counting;    /* those as a mask; NULL: every row counts */
    uint32_t first_step, steps, nowhere;
    uint32_t *some;           /* the cells of some rows, one after the other */
    const uint64_t *some_are; /* which ones: those of this mask; NULL: none yet */
    uint32_t *some_at;        /* the place of each among the mask's; unused when every row counts */
    size_t some_count;
    struct compare_set *set;
};

static uint32_t
stride(const struct cells *c)
{
    return c->nowhere + 1;
}

static enum compare_side
side_of(const struct cells *c, uint32_t cell)
{
    return cell >= c->steps ? COMPARE_SELECTION : COMPARE_BASELINE;
}

static uint32_t
step_of(const struct cells *c, uint32_t cell)
{
    return c->first_step + cell - (cell >= c->steps ? c->steps : 0);
}

static bool
is_told(const struct tql_static *v)
{
    return v->type != TQL_NIL && !tql_type_is_array(v->type);
}

static void
add(const struct cells *c, struct compare_attr *at, uint32_t cell, const struct tql_static *v, uint64_t n)
{
    if (at && cell != c->nowhere && is_told(v)) {
        compare_add(c->set, at, side_of(c, cell), step_of(c, cell), v, n);
    }
}

/* A line of counters by cell, all of one value. */
static void
add_line(const struct cells *c, struct compare_attr *at, const uint32_t *line, const struct tql_static *v)
{
    uint32_t cell = 0;
    while (cell < c->nowhere && line[cell] == 0) {
        cell++;
    }
    if (at == NULL || cell == c->nowhere || !is_told(v)) {
        return;
    }
    const uint32_t place = compare_place(c->set, at, v);
    for (; cell < c->nowhere; cell++) {
        if (line[cell]) {
            compare_count(c->set, at, place, side_of(c, cell), step_of(c, cell), line[cell]);
        }
    }
}

/* --- sides ---------------------------------------------------------------------------------------------- */

/* Memory for as many cells as there are rows, and which rows count. */
static err
open_cells(struct group_reader *r, struct cells *c, struct fault *f)
{
    const size_t rows = r->scan->rows;
    err rc = OK;
    c->of_row = arena_alloc(&r->memory, (rows + 1) * sizeof *c->of_row);
    c->of_counting = r->rows ? arena_alloc(&r->memory, (rows + 1) * sizeof *c->of_counting) : c->of_row;
    c->some = arena_alloc(&r->memory, (rows + 1) * sizeof *c->some);
    c->some_at = arena_alloc(&r->memory, (rows + 1) * sizeof *c->some_at);
    if (!c->of_row || !c->of_counting || !c->some || !c->some_at) {
        return group_reader_no_memory(f);
    }
    if (r->rows) {
        TRY(group_mask(r->scan, f, &c->counting));
        for (size_t row = 0; row < rows; row++) {
            c->of_row[row] = c->nowhere;
        }
        for (size_t k = 0; k < r->count; k++) {
            c->counting[r->rows[k] / 64] |= UINT64_C(1) << r->rows[k] % 64;
        }
    }
out:
    return rc;
}

static err
make_cells(struct group_reader *r, struct cells *c, struct fault *f)
{
    const struct tql_metric_plan *m = &r->sink->q->plan->metric;
    const struct tql_filter *filter = &r->sink->q->plan->filters[m->compare_filter];
    uint64_t *chosen = NULL;
    err rc = OK;
    *c = (struct cells){.r = r,
                        .first_step = r->first_step,
                        .steps = r->last_step - r->first_step + 1,
                        .set = &r->sink->compare};
    c->nowhere = 2 * c->steps;
    TRY(open_cells(r, c, f));
    if (!filter->always && !filter->never) {
        /* asked of rows that count alone: its run-time error on another one would be the query's */
        TRY(group_mask(r->scan, f, &chosen));
        TRY(group_filter(r->scan, m->compare_filter, c->counting, f, chosen));
    }
    for (size_t k = 0; k < r->count; k++) {
        const uint32_t row = group_reader_row(r, k);
        const uint64_t start = r->starts[row];
        bool selected = filter->always || (chosen && mask_has(chosen, row));
        selected = selected && (!m->ast->has_range || (start > (uint64_t)m->ast->compare_start_ns &&
                                                       start <= (uint64_t)m->ast->compare_end_ns));
        c->of_counting[k] = r->steps[k] - c->first_step + (selected ? c->steps : 0);
        c->of_row[row] = c->of_counting[k];
    }
out:
    return rc;
}

/* --- codes ---------------------------------------------------------------------------------------------- */

typedef struct tql_static value_of_code(const void *ctx, uint32_t code);

static struct tql_static
dict_value(const void *ctx, uint32_t code)
{
    return ((const struct slot_vector *)ctx)->dict[code];
}

static struct tql_static
raw_value(const void *ctx, uint32_t code)
{
    return value_static(ctx, code, TQL_INT);
}

/* Some values, and the cell of each. `codes` NULL: each value is its own entry. */
struct coded {
    const uint32_t *codes, *cells;
    const uint32_t *at; /* which of the codes or values; NULL: the first of them, in order */
    size_t count;
    uint32_t entries;
    value_of_code *value;
    const void *ctx;
};

/* Few entries: a matrix of counters. */
static err
count_matrix(const struct cells *c, struct compare_attr *at, const struct coded *v, struct fault *f)
{
    struct arena *a = &c->r->memory;
    struct arena_mark mark = arena_mark(a);
    const uint32_t width = stride(c);
    uint32_t *matrix = arena_new_array(a, uint32_t, (size_t)v->entries * width * 2 + 1);
    if (matrix == NULL) {
        return group_reader_no_memory(f);
    }
    loop_count_pairs(&(struct loop_rows){v->at, v->cells, v->count}, v->codes, width, matrix,
                     (size_t)v->entries * width);
    for (uint32_t code = 0; code < v->entries; code++) {
        const struct tql_static value = v->value(v->ctx, code);
        add_line(c, at, matrix + (size_t)code * width, &value);
    }
    arena_rewind(a, mark);
    return OK;
}

#define UNTOLD UINT64_MAX

/* Many entries: each is looked for when it is first met. */
static err
count_places(const struct cells *c, struct compare_attr *at, const struct coded *v, struct fault *f)
{
    struct arena *a = &c->r->memory;
    struct arena_mark mark = arena_mark(a);
    uint64_t *places = arena_new_array(a, uint64_t, v->entries + (size_t)1); /* + 1 */
    if (places == NULL) {
        return group_reader_no_memory(f);
    }
    for (size_t i = 0; i < v->count; i++) {
        const uint32_t cell = v->cells[i];
        const uint32_t code = v->codes[v->at ? v->at[i] : i];
        uint64_t *place = &places[code];
        if (cell == c->nowhere) {
            continue;
        }
        if (*place == 0) {
            const struct tql_static value = v->value(v->ctx, code);
            *place = is_told(&value) ? (uint64_t)compare_place(c->set, at, &value) + 1 : UNTOLD;
        }
        if (*place != UNTOLD) {
            compare_count(c->set, at, (uint32_t)(*place - 1), side_of(c, cell), step_of(c, cell), 1);
        }
    }
    arena_rewind(a, mark);
    return OK;
}

static err
count_coded(const struct cells *c, struct compare_attr *at, const struct coded *v, struct fault *f)
{
    if (at == NULL) {
        return OK;
    }
    if (v->codes && (uint64_t)v->entries * stride(c) <= MATRIX_MIN + (uint64_t)v->count) {
        return count_matrix(c, at, v, f);
    }
    if (v->codes) {
        return count_places(c, at, v, f);
    }
    for (size_t i = 0; i < v->count; i++) {
        const struct tql_static value = v->value(v->ctx, v->at ? v->at[i] : (uint32_t)i);
        add(c, at, v->cells[i], &value, 1);
    }
    return OK;
}

static struct tql_static
vector_value(const void *ctx, uint32_t i)
{
    return vector_at(ctx, i);
}

static err
count_elements(const struct cells *c, struct compare_attr *at, const struct slot_vector *v,
               const struct loop_rows *elements, struct fault *f)
{
    const bool is_coded = v->form == VECTOR_CODED;
    const struct coded coded = {.codes = is_coded ? v->codes : NULL,
                                .cells = elements->cells,
                                .at = elements->rows,
                                .count = elements->count,
                                .entries = v->dict_count,
                                .value = is_coded ? dict_value : vector_value,
                                .ctx = v};
    return count_coded(c, at, &coded, f);
}

/* `cells`: by element of the vector. */
static err
count_vector(const struct cells *c, struct compare_attr *at, const struct slot_vector *v,
             const uint32_t *cells, struct fault *f)
{
    return count_elements(c, at, v, &(struct loop_rows){NULL, cells, v->count}, f);
}

/* Of a vector by row. */
static err
count_rows(const struct cells *c, struct compare_attr *at, const struct slot_vector *v, struct fault *f)
{
    return count_elements(c, at, v, &(struct loop_rows){c->r->rows, c->of_counting, c->r->count}, f);
}

/* --- columns of spans ----------------------------------------------------------------------------------- */

/* Cells of the rows that count and have a value, in their order, and which values those are. */
static void
take_values(struct cells *c, const uint64_t *present)
{
    size_t before = 0; /* values of the words passed */
    size_t n = 0;
    for (size_t w = 0; w < c->r->scan->words; w++) {
        const uint64_t word = present[w];
        for (uint64_t bits = c->counting ? word & c->counting[w] : word; bits; bits &= bits - 1) {
            const uint64_t below = (bits & (0 - bits)) - 1;
            c->some[n] = c->of_row[w * 64 + (size_t)__builtin_ctzll(bits)];
            if (c->counting) {
                c->some_at[n] = (uint32_t)(before + (size_t)__builtin_popcountll(word & below));
            }
            n++;
        }
        before += (size_t)__builtin_popcountll(word);
    }
    c->some_count = n;
    c->some_are = present;
}

/* Those of a column's values that count. */
static struct loop_rows
values_of(struct cells *c, const struct raw_column *raw)
{
    if (raw->present == NULL) {
        return (struct loop_rows){c->r->rows, c->of_counting, c->r->count};
    }
    /* attributes that come together stand together */
    if (c->some_are == NULL ||
        memcmp(c->some_are, raw->present, c->r->scan->words * sizeof *raw->present) != 0) {
        take_values(c, raw->present);
    }
    return (struct loop_rows){c->counting ? c->some_at : NULL, c->some, c->some_count};
}

/* As it stands in the file, without a vector. False when it does not have one entry a row. */
static bool
is_flat(const struct raw_column *raw)
{
    return raw_is_flat(raw) && (raw->codes || raw->type != PARQUET_FIXED);
}

static err
count_raw(struct cells *c, struct compare_attr *at, const struct raw_column *raw, struct fault *f)
{
    const struct loop_rows values = values_of(c, raw);
    const struct coded coded = {.codes = raw->codes,
                                .cells = values.cells,
                                .at = values.rows,
                                .count = values.count,
                                .entries = (uint32_t)raw->values.count,
                                .value = raw_value,
                                .ctx = raw};
    return count_coded(c, at, &coded, f);
}

/* --- attributes ----------------------------------------------------------------------------------------- */

static enum tql_scope
scope_of(enum owner owner)
{
    return owner == OWNER_ROW ? TQL_SCOPE_SPAN : owner == OWNER_EVENT ? TQL_SCOPE_EVENT : TQL_SCOPE_LINK;
}

struct generic_counter {
    const struct cells *c;
    enum owner owner;
    const uint32_t *cells; /* by owner */
    /* the attribute before */
    slice key;
    struct compare_attr *at;
};

static bool
wants_items(void *ctx, uint32_t owner)
{
    const struct generic_counter *g = ctx;
    return g->cells[owner] != g->c->nowhere;
}

static err
count_item(void *ctx, uint32_t owner, slice key, const struct tql_static *v)
{
    struct generic_counter *g = ctx;
    const uint32_t cell = g->cells[owner];
    if (!is_told(v)) {
        return OK;
    }
    if (g->at == NULL || !slice_eq(g->key, key)) {
        const struct tql_attr attr = {.name = key, .scope = (uint8_t)scope_of(g->owner)};
        g->key = key;
        g->at = compare_attr_of(g->c->set, &attr);
    }
    add(g->c, g->at, cell, v, 1);
    return OK;
}

/* By event or link the cell of its row. */
static err
cells_of_parts(const struct cells *c, const struct group_parts *parts, uint32_t **ret, struct fault *f)
{
    uint32_t *cells = arena_alloc(&c->r->memory, (parts->count + (size_t)1) * sizeof *cells);
    if (cells == NULL) {
        return group_reader_no_memory(f);
    }
    for (uint32_t row = 0; row < c->r->scan->rows; row++) {
        for (uint32_t i = parts->first[row]; i < parts->first[row + 1]; i++) {
            cells[i] = c->of_row[row];
        }
    }
    *ret = cells;
    return OK;
}

/* Attributes of spans, events or links: columns of their own, then the list of the others. */
static err
count_attrs(struct cells *c, enum owner owner, struct fault *f)
{
    struct group_scan *s = c->r->scan;
    const struct block_schema *schema = s->priv->schema;
    const struct group_parts *parts = NULL;
    struct generic_counter generic = {.c = c, .owner = owner, .cells = c->of_row};
    size_t owners = 0;
    uint32_t *of_parts = NULL;
    err rc = OK;
    if (owner != OWNER_ROW) {
        TRY(group_parts(s, owner == OWNER_EVENT ? TQL_LEVEL_EVENT : TQL_LEVEL_LINK, f, &parts));
        if (parts->count == 0) {
            return OK;
        }
        TRY(cells_of_parts(c, parts, &of_parts, f));
        generic.cells = of_parts;
    }
    TRY(owner_count(s, owner, f, &owners));
    for (size_t i = 0; i < schema->attr_count; i++) {
        const struct block_attr_column *column = &schema->attrs[i];
        const struct tql_attr attr = {.name = column->key, .scope = (uint8_t)scope_of(owner)};
        struct raw_column raw;
        struct slot_vector v;
        if (column->scope != (enum block_scope)owner || raw_is_empty(s, column->column)) {
            continue;
        }
        struct compare_attr *at = compare_attr_of(c->set, &attr);
        TRY(raw_load_among(s, column->column, owner == OWNER_ROW ? c->counting : NULL, f, &raw));
        if (owner == OWNER_ROW && is_flat(&raw)) {
            TRY(count_raw(c, at, &raw, f));
            continue;
        }
        TRY(raw_vector(s, &raw, owner, owners, TQL_INT, f, &v));
        TRY(count_vector(c, at, &v, generic.cells, f));
    }
    TRY(attr_scalars_each(s, owner, wants_items, count_item, &generic, f));
out:
    return rc;
}

/* --- resources and scopes ------------------------------------------------------------------------------- */

static void
count_context(const struct cells *c, const struct span_batch *b, enum tql_scope scope, struct run run,
              const uint32_t *line)
{
    for (uint32_t i = 0; i < run.n; i++) {
        const struct attr *a = &b->attrs[run.at + i];
        const struct tql_attr attr = {.name = attr_key(a), .scope = (uint8_t)scope};
        const struct tql_static v = metrics_scalar(a);
        if (v.type != TQL_NIL) {
            add_line(c, compare_attr_of(c->set, &attr), line, &v);
        }
    }
}

static void
count_scope_names(const struct cells *c, const struct scope *s, const uint32_t *line)
{
    const struct tql_attr name = {.intrinsic = TQL_INTRINSIC_INSTRUMENTATION_NAME};
    const struct tql_attr version = {.intrinsic = TQL_INTRINSIC_INSTRUMENTATION_VERSION};
    const struct tql_static values[] = {tql_static_string(s->name), tql_static_string(s->version)};
    add_line(c, compare_attr_of(c->set, &name), line, &values[0]);
    add_line(c, compare_attr_of(c->set, &version), line, &values[1]);
}

static bool
line_counts(const struct cells *c, const uint32_t *line)
{
    uint32_t all = 0;
    for (uint32_t cell = 0; cell < c->nowhere; cell++) {
        all |= line[cell];
    }
    return all != 0;
}

/* Each that is different is looked at once. */
static err
count_contexts(const struct cells *c, bool scopes, struct fault *f)
{
    const struct group_reader *r = c->r;
    struct group_scan_private *p = r->scan->priv;
    const uint32_t width = stride(c);
    struct context_entries contexts;
    err rc = OK;
    TRY(context_entries(r->scan, scopes ? p->scopes : p->resources, f, &contexts));
    const size_t size = (contexts.count + 1) * width;
    uint32_t *matrix = size > CONTEXT_MATRIX_MAX ? NULL : arena_new_array(&c->r->memory, uint32_t, 2 * size);
    if (matrix == NULL) {
        return group_reader_no_memory(f);
    }
    loop_count_pairs(&(struct loop_rows){r->rows, c->of_counting, r->count}, contexts.codes, width, matrix,
                     size);
    for (uint32_t i = 0; i < contexts.count; i++) {
        const uint32_t *line = matrix + (size_t)(i + 1) * width;
        const uint32_t at = contexts.of_entry ? contexts.of_entry[i] : i;
        if (!line_counts(c, line)) {
            continue;
        }
        if (scopes) {
            count_scope_names(c, &contexts.batch->scopes[at], line);
            count_context(c, contexts.batch, TQL_SCOPE_INSTRUMENTATION, contexts.batch->scopes[at].attrs,
                          line);
        } else {
            count_context(c, contexts.batch, TQL_SCOPE_RESOURCE, contexts.batch->resources[at].attrs, line);
        }
    }
out:
    return rc;
}

/* --- intrinsics ----------------------------------------------------------------------------------------- */

/* kind and status_code are numbers in the block. */
static struct tql_static
as_intrinsic(struct tql_static v, enum tql_intrinsic intrinsic)
{
    if (intrinsic == TQL_INTRINSIC_KIND) {
        return tql_static_kind(v.i);
    }
    return intrinsic == TQL_INTRINSIC_STATUS ? tql_static_status(v.i) : v;
}

/* Whole numbers without a dictionary: kind, status. */
static err
count_numbers(const struct cells *c, struct compare_attr *at, enum tql_intrinsic intrinsic,
              const struct slot_vector *v, struct fault *f)
{
    const uint32_t width = stride(c);
    uint32_t *few = arena_new_array(&c->r->memory, uint32_t, (size_t)FEW_NUMBERS * width);
    if (few == NULL) {
        return group_reader_no_memory(f);
    }
    for (size_t row = 0; row < v->count; row++) {
        const int64_t x = v->ints[row];
        if (x >= 0 && x < FEW_NUMBERS) {
            few[(size_t)x * width + c->of_row[row]]++;
        } else {
            const struct tql_static odd = as_intrinsic(tql_static_int(x), intrinsic);
            add(c, at, c->of_row[row], &odd, 1);
        }
    }
    for (uint32_t x = 0; x < FEW_NUMBERS; x++) {
        const struct tql_static value = as_intrinsic(tql_static_int(x), intrinsic);
        add_line(c, at, few + (size_t)x * width, &value);
    }
    return OK;
}

static err
count_intrinsic(const struct cells *c, enum tql_intrinsic intrinsic, enum block_column column,
                struct fault *f)
{
    const struct tql_attr attr = {.intrinsic = (uint8_t)intrinsic};
    const struct slot_vector *v = NULL;
    err rc = OK;
    TRY(group_column(c->r->scan, column, f, &v));
    struct compare_attr *at = compare_attr_of(c->set, &attr);
    if (v->form != VECTOR_CODED) {
        return count_numbers(c, at, intrinsic, v, f);
    }
    struct slot_vector typed = *v;
    struct tql_static *dict = arena_alloc(&c->r->memory, (v->dict_count + (size_t)1) * sizeof *dict);
    if (dict == NULL) {
        return group_reader_no_memory(f);
    }
    for (uint32_t i = 0; i < v->dict_count; i++) {
        dict[i] = v->dict[i].type == TQL_INT ? as_intrinsic(v->dict[i], intrinsic) : v->dict[i];
    }
    typed.dict = dict;
    rc = count_rows(c, at, &typed, f);
out:
    return rc;
}

/* --- roots ---------------------------------------------------------------------------------------------- */

static const struct tql_attr root_attrs[] = {{.intrinsic = TQL_INTRINSIC_TRACE_ROOT_NAME},
                                             {.intrinsic = TQL_INTRINSIC_TRACE_ROOT_SERVICE}};

static bool
has_root(const struct slot_vector *const *v, size_t row)
{
    return vector_at(v[0], row).n || vector_at(v[1], row).n;
}

/* Has the dictionary nothing empty but its nil? */
static bool
is_never_empty(const struct slot_vector *v)
{
    bool empty = v->form != VECTOR_CODED;
    for (uint32_t i = 1; !empty && i < v->dict_count; i++) {
        empty = v->dict[i].n == 0;
    }
    return !empty;
}

/* Rows of traces whose root lies elsewhere: it is asked for, once a trace. */
static err
ask_for_roots(const struct cells *c, const struct slot_vector *const *v, struct fault *f)
{
    struct group_reader *r = c->r;
    struct group_traces traces;
    err rc = OK;
    TRY(group_traces(r->scan, f, &traces));
    for (size_t t = 0; t < traces.count; t++) {
        struct tql_static root[2];
        bool asked = false;
        for (uint32_t row = traces.v[t].from; row < traces.v[t].to; row++) {
            if (c->of_row[row] == c->nowhere || has_root(v, row)) {
                continue;
            }
            if (!asked) {
                TRY(metrics_roots_find(r->sink, &traces.v[t].id, &root[0], &root[1], f));
                asked = true;
            }
            for (int i = 0; i < 2; i++) {
                add(c, compare_attr_of(c->set, &root_attrs[i]), c->of_row[row], &root[i], 1);
            }
        }
    }
out:
    return rc;
}

/* The trace's root where it lies here. */
static err
count_roots(const struct cells *c, struct fault *f)
{
    struct group_scan *scan = c->r->scan;
    const struct slot_vector *v[2] = {NULL};
    uint32_t *here = NULL; /* NULL: all rows' roots are */
    err rc = OK;
    TRY(group_column(scan, BLOCK_ROOT_NAME, f, &v[0]));
    TRY(group_column(scan, BLOCK_ROOT_SERVICE, f, &v[1]));
    if (!is_never_empty(v[0]) && !is_never_empty(v[1])) {
        here = arena_alloc(&c->r->memory, (scan->rows + 1) * sizeof *here);
        if (here == NULL) {
            return group_reader_no_memory(f);
        }
        for (size_t row = 0; row < scan->rows; row++) {
            here[row] = has_root(v, row) ? c->of_row[row] : c->nowhere;
        }
        TRY(ask_for_roots(c, v, f));
    }
    for (int i = 0; i < 2; i++) {
        struct compare_attr *at = compare_attr_of(c->set, &root_attrs[i]);
        TRY(here ? count_vector(c, at, v[i], here, f) : count_rows(c, at, v[i], f));
    }
out:
    return rc;
}

/* --- exemplars ------------------------------------------------------------------------------------------ */

/* What exemplars_hash of a row must not be above to be of use, by cell. */
static void
set_limits(const struct cells *c, uint32_t *limits)
{
    const struct metrics_query *q = c->r->sink->q;
    for (uint32_t cell = 0; cell < c->nowhere; cell++) {
        const uint32_t stretch = exemplars_stretch(q, step_of(c, cell));
        limits[cell] = (uint32_t)(exemplars_limit(&c->set->exemplars, side_of(c, cell), stretch) >> 32);
    }
    limits[c->nowhere] = 0;
}

static err
choose_exemplars(const struct cells *c, struct fault *f)
{
    const struct group_reader *r = c->r;
    const size_t rows = r->scan->rows;
    uint8_t hits[LOOP_PIECE];
    uint32_t *limits = arena_alloc(&c->r->memory, stride(c) * sizeof *limits);
    if (limits == NULL) {
        return group_reader_no_memory(f);
    }
    set_limits(c, limits);
    for (size_t from = 0; from < rows; from += LOOP_PIECE) {
        const size_t n = rows - from < LOOP_PIECE ? rows - from : LOOP_PIECE;
        bool some = false;
        loop_hits(r->starts + from, NULL, c->of_row + from, limits, n, hits);
        for (size_t row = from; row < from + n; row++) {
            const uint32_t cell = c->of_row[row];
            if (hits[row - from]) {
                exemplars_add(&c->set->exemplars, side_of(c, cell),
                              &(struct exemplar){.start_ns = r->starts[row],
                                                 .block = r->block,
                                                 .row_group = (uint32_t)r->scan->row_group,
                                                 .row = (uint32_t)row});
                some = true;
            }
        }
        if (some) {
            set_limits(c, limits);
        }
    }
    return OK;
}

err
group_reader_compare(struct group_reader *r, struct fault *f)
{
    struct cells c;
    err rc = OK;
    TRY(make_cells(r, &c, f));
    TRY(count_intrinsic(&c, TQL_INTRINSIC_NAME, BLOCK_NAME, f));
    TRY(count_intrinsic(&c, TQL_INTRINSIC_KIND, BLOCK_KIND, f));
    TRY(count_intrinsic(&c, TQL_INTRINSIC_STATUS, BLOCK_STATUS_CODE, f));
    TRY(count_intrinsic(&c, TQL_INTRINSIC_STATUS_MESSAGE, BLOCK_STATUS_MESSAGE, f));
    TRY(count_roots(&c, f));
    TRY(count_contexts(&c, false, f));
    TRY(count_contexts(&c, true, f));
    for (int owner = OWNER_ROW; owner <= OWNER_LINK; owner++) {
        TRY(count_attrs(&c, (enum owner)owner, f));
    }
    if (r->sink->q->exemplars) {
        TRY(choose_exemplars(&c, f));
    }
out:
    return rc;
}
