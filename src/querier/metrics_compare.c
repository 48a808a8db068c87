/* compare() over a row group: for each attribute a matrix of its values' codes by side and interval. */
#include "columns_priv.h"
#include "metrics_groups.h"

#define MATRIX_MAX (1U << 21) /* numbers of a matrix; larger ones are counted value by value */

#define NO_CELL UINT32_MAX

/* Where the rows that count belong. */
struct cells {
    struct group_reader *r;
    uint32_t *of;     /* by counted row: side * steps + step - first_step */
    uint32_t *of_row; /* by row of all; NO_CELL: it does not count */
    uint32_t first_step, steps;
    struct compare_set *set;
};

static void
add(const struct cells *c, struct compare_attr *at, uint32_t cell, const struct tql_static *v, uint64_t n)
{
    if (at && v->type != TQL_NIL && !tql_type_is_array(v->type)) {
        const bool selected = cell >= c->steps;
        compare_add(c->set, at, selected ? COMPARE_SELECTION : COMPARE_BASELINE,
                    c->first_step + cell - (selected ? c->steps : 0), v, n);
    }
}

/* --- sides ---------------------------------------------------------------------------------------------- */

static err
make_cells(struct group_reader *r, struct cells *c, struct fault *f)
{
    const struct tql_metric_plan *m = &r->sink->q->plan->metric;
    const struct tql_filter *filter = &r->sink->q->plan->filters[m->compare_filter];
    uint64_t *chosen = NULL;
    err rc = OK;
    uint32_t last = 0;
    *c = (struct cells){.r = r, .first_step = UINT32_MAX, .set = &r->sink->compare};
    c->of = arena_alloc(&r->memory, (r->count + 1) * sizeof *c->of);
    c->of_row = arena_alloc(&r->memory, (r->scan->rows + 1) * sizeof *c->of_row);
    if (!c->of || !c->of_row) {
        return group_reader_no_memory(f);
    }
    memset(c->of_row, 0xff, r->scan->rows * sizeof *c->of_row);
    if (!filter->always && !filter->never) {
        TRY(group_mask(r->scan, f, &chosen));
        TRY(group_filter(r->scan, m->compare_filter, r->mask, f, chosen));
    }
    for (size_t k = 0; k < r->count; k++) {
        c->first_step = r->steps[k] < c->first_step ? r->steps[k] : c->first_step;
        last = r->steps[k] > last ? r->steps[k] : last;
    }
    c->steps = last - c->first_step + 1;
    for (size_t k = 0; k < r->count; k++) {
        const uint32_t row = group_reader_row(r, k);
        const uint64_t start = r->starts[row];
        bool selected = filter->always || (chosen && mask_has(chosen, row));
        selected = selected && (!m->ast->has_range || (start > (uint64_t)m->ast->compare_start_ns &&
                                                       start <= (uint64_t)m->ast->compare_end_ns));
        c->of[k] = r->steps[k] - c->first_step + (selected ? c->steps : 0);
        c->of_row[row] = c->of[k];
    }
out:
    return rc;
}

/* --- vectors -------------------------------------------------------------------------------------------- */

static void
flush_matrix(const struct cells *c, struct compare_attr *at, const uint32_t *matrix, uint32_t code_count,
             struct tql_static (*value_of)(const void *ctx, uint32_t code), const void *ctx)
{
    const uint32_t width = 2 * c->steps;
    for (uint32_t code = 0; code < code_count; code++) {
        const uint32_t *line = matrix + (size_t)code * width;
        uint32_t cell = 0;
        while (cell < width && line[cell] == 0) {
            cell++;
        }
        if (cell == width) {
            continue;
        }
        const struct tql_static v = value_of(ctx, code);
        for (; cell < width; cell++) {
            if (line[cell]) {
                add(c, at, cell, &v, line[cell]);
            }
        }
    }
}

static struct tql_static
dict_value(const void *ctx, uint32_t code)
{
    return ((const struct slot_vector *)ctx)->dict[code];
}

/* False when the matrix would be too large. */
static bool
count_codes(const struct cells *c, struct compare_attr *at, const struct slot_vector *v,
            const struct group_parts *parts)
{
    const uint32_t width = 2 * c->steps;
    const struct group_reader *r = c->r;
    if (v->form != VECTOR_CODED || (uint64_t)v->dict_count * width > MATRIX_MAX) {
        return false;
    }
    struct arena_mark mark = arena_mark(&c->r->memory);
    uint32_t *matrix = arena_new_array(&c->r->memory, uint32_t, (size_t)v->dict_count * width);
    if (matrix == NULL) {
        return false;
    }
    for (size_t k = 0; k < r->count; k++) {
        const uint32_t row = group_reader_row(r, k);
        const uint32_t from = parts ? parts->first[row] : row;
        const uint32_t to = parts ? parts->first[row + 1] : row + 1;
        for (uint32_t i = from; i < to; i++) {
            matrix[(size_t)v->codes[i] * width + c->of[k]]++;
        }
    }
    flush_matrix(c, at, matrix, v->dict_count, dict_value, v);
    arena_rewind(&c->r->memory, mark);
    return true;
}

static void
count_vector(const struct cells *c, struct compare_attr *at, const struct slot_vector *v,
             const struct group_parts *parts)
{
    const struct group_reader *r = c->r;
    if (at == NULL || count_codes(c, at, v, parts)) {
        return;
    }
    for (size_t k = 0; k < r->count; k++) {
        const uint32_t row = group_reader_row(r, k);
        const uint32_t from = parts ? parts->first[row] : row;
        const uint32_t to = parts ? parts->first[row + 1] : row + 1;
        for (uint32_t i = from; i < to; i++) {
            const struct tql_static value = vector_at(v, i);
            add(c, at, c->of[k], &value, 1);
        }
    }
}

/* --- columns of spans ----------------------------------------------------------------------------------- */

static struct tql_static
raw_value(const void *ctx, uint32_t code)
{
    return value_static(ctx, code, TQL_INT);
}

/* Among too many values one is told only when it came more than once. */
static void
count_crowd(const struct cells *c, struct compare_attr *at, const struct raw_column *raw,
            const uint32_t *seen)
{
    size_t value = 0;
    for (size_t row = 0; row < c->r->scan->rows; row++) {
        if (raw->def && raw->def[row] != raw->max_def) {
            continue;
        }
        const uint32_t code = raw->codes[value++];
        const uint32_t cell = c->of_row[row];
        if (cell == NO_CELL) {
            continue;
        }
        if (compare_is_crowded(at) && seen[code] < 2) {
            compare_add_untold(at, cell >= c->steps ? COMPARE_SELECTION : COMPARE_BASELINE,
                               c->first_step + cell % c->steps, 1);
            continue;
        }
        const struct tql_static v = raw_value(raw, code);
        add(c, at, cell, &v, 1);
    }
}

static void
count_cells(const struct cells *c, const struct raw_column *raw, uint32_t *counts, uint32_t width)
{
    const size_t rows = c->r->scan->rows;
    const uint32_t *codes = raw->codes;
    for (size_t row = 0; row < rows; row++) {
        if (raw->def && raw->def[row] != raw->max_def) {
            continue;
        }
        const uint32_t code = *codes++;
        const uint32_t cell = c->of_row[row];
        if (cell != NO_CELL) {
            counts[(size_t)code * width + (width > 1 ? cell : 0)]++;
        }
    }
}

/* As it stands in the file, without a vector. False when it is no column of codes, one a row. */
static bool
count_raw(const struct cells *c, struct compare_attr *at, const struct raw_column *raw)
{
    const size_t rows = c->r->scan->rows;
    const uint32_t dict = (uint32_t)raw->values.count;
    const uint32_t width = (uint64_t)dict * 2 * c->steps <= MATRIX_MAX ? 2 * c->steps : 1;
    struct arena *a = &c->r->memory;
    if (raw->codes == NULL || raw->rep || (raw->def ? raw->level_count : raw->value_count) != rows) {
        return false;
    }
    struct arena_mark mark = arena_mark(a);
    uint32_t *counts = arena_new_array(a, uint32_t, (size_t)dict * width + 1);
    if (counts == NULL) {
        return false;
    }
    count_cells(c, raw, counts, width);
    if (width > 1) {
        flush_matrix(c, at, counts, dict, raw_value, raw);
    } else {
        count_crowd(c, at, raw, counts);
    }
    arena_rewind(a, mark);
    return true;
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
    const uint32_t *row_of; /* by event or link; NULL: the owner is the row */
};

static err
count_item(void *ctx, uint32_t owner, slice key, const struct tql_static *v)
{
    const struct generic_counter *g = ctx;
    const struct tql_attr attr = {.name = key, .scope = (uint8_t)scope_of(g->owner)};
    const uint32_t cell = g->c->of_row[g->row_of ? g->row_of[owner] : owner];
    if (cell != NO_CELL && v->type != TQL_NIL) {
        add(g->c, compare_attr_of(g->c->set, &attr), cell, v, 1);
    }
    return OK;
}

static err
rows_of_parts(struct group_reader *r, const struct group_parts *parts, uint32_t **ret, struct fault *f)
{
    uint32_t *row_of = arena_alloc(&r->memory, (parts->count + (size_t)1) * sizeof *row_of);
    if (row_of == NULL) {
        return group_reader_no_memory(f);
    }
    for (uint32_t row = 0; row < r->scan->rows; row++) {
        for (uint32_t i = parts->first[row]; i < parts->first[row + 1]; i++) {
            row_of[i] = row;
        }
    }
    *ret = row_of;
    return OK;
}

/* Attributes of spans, events or links: columns of their own, then the list of the others. */
static err
count_attrs(const struct cells *c, enum owner owner, struct fault *f)
{
    struct group_scan *s = c->r->scan;
    const struct block_schema *schema = s->priv->schema;
    const struct group_parts *parts = NULL;
    struct generic_counter generic = {.c = c, .owner = owner};
    size_t owners = 0;
    uint32_t *row_of = NULL;
    err rc = OK;
    if (owner != OWNER_ROW) {
        TRY(group_parts(s, owner == OWNER_EVENT ? TQL_LEVEL_EVENT : TQL_LEVEL_LINK, f, &parts));
        if (parts->count == 0) {
            return OK;
        }
        TRY(rows_of_parts(c->r, parts, &row_of, f));
        generic.row_of = row_of;
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
        TRY(raw_load(s, column->column, f, &raw));
        if (at == NULL || (owner == OWNER_ROW && count_raw(c, at, &raw))) {
            continue;
        }
        TRY(raw_vector(s, &raw, owner, owners, TQL_INT, f, &v));
        count_vector(c, at, &v, parts);
    }
    TRY(attr_generic_each(s, owner, count_item, &generic, f));
out:
    return rc;
}

/* --- resources and scopes ------------------------------------------------------------------------------- */

static void
count_context(const struct cells *c, const struct span_batch *b, enum tql_scope scope, struct run run,
              uint32_t cell, uint64_t n)
{
    for (uint32_t i = 0; i < run.n; i++) {
        const struct attr *a = &b->attrs[run.at + i];
        const struct tql_attr attr = {.name = attr_key(a), .scope = (uint8_t)scope};
        const struct tql_static v = metrics_scalar(a);
        if (v.type != TQL_NIL) {
            add(c, compare_attr_of(c->set, &attr), cell, &v, n);
        }
    }
}

static void
count_scope_names(const struct cells *c, const struct scope *s, uint32_t cell, uint64_t n)
{
    const struct tql_attr name = {.intrinsic = TQL_INTRINSIC_INSTRUMENTATION_NAME};
    const struct tql_attr version = {.intrinsic = TQL_INTRINSIC_INSTRUMENTATION_VERSION};
    const struct tql_static values[] = {tql_static_string(s->name), tql_static_string(s->version)};
    add(c, compare_attr_of(c->set, &name), cell, &values[0], n);
    add(c, compare_attr_of(c->set, &version), cell, &values[1], n);
}

/* Each that is different is looked at once. */
static err
count_contexts(const struct cells *c, bool scopes, struct fault *f)
{
    const struct group_reader *r = c->r;
    struct group_scan_private *p = r->scan->priv;
    const uint32_t width = 2 * c->steps;
    struct context_view contexts;
    err rc = OK;
    TRY(context_look(r->scan, scopes ? p->scopes : p->resources, f, &contexts));
    uint32_t *matrix = (uint64_t)contexts.count * width > MATRIX_MAX * UINT64_C(16)
                           ? NULL
                           : arena_new_array(&c->r->memory, uint32_t, (size_t)contexts.count * width);
    if (matrix == NULL) {
        return group_reader_no_memory(f);
    }
    for (size_t k = 0; k < r->count; k++) {
        matrix[(size_t)contexts.of_row[group_reader_row(r, k)] * width + c->of[k]]++;
    }
    for (uint32_t i = 0; i < contexts.count; i++) {
        for (uint32_t cell = 0; cell < width; cell++) {
            const uint32_t n = matrix[(size_t)i * width + cell];
            if (n && scopes) {
                count_scope_names(c, &contexts.batch->scopes[i], cell, n);
                count_context(c, contexts.batch, TQL_SCOPE_INSTRUMENTATION, contexts.batch->scopes[i].attrs,
                              cell, n);
            } else if (n) {
                count_context(c, contexts.batch, TQL_SCOPE_RESOURCE, contexts.batch->resources[i].attrs, cell,
                              n);
            }
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

static err
count_intrinsic(const struct cells *c, enum tql_intrinsic intrinsic, enum block_column column,
                struct fault *f)
{
    const struct tql_attr attr = {.intrinsic = (uint8_t)intrinsic};
    const struct group_reader *r = c->r;
    const uint32_t width = 2 * c->steps;
    const struct slot_vector *v = NULL;
    err rc = OK;
    TRY(group_column(r->scan, column, f, &v));
    struct compare_attr *at = compare_attr_of(c->set, &attr);
    if (v->form == VECTOR_CODED) {
        struct slot_vector typed = *v;
        struct tql_static *dict = arena_alloc(&c->r->memory, (v->dict_count + (size_t)1) * sizeof *dict);
        if (dict == NULL) {
            return group_reader_no_memory(f);
        }
        for (uint32_t i = 0; i < v->dict_count; i++) {
            dict[i] = v->dict[i].type == TQL_INT ? as_intrinsic(v->dict[i], intrinsic) : v->dict[i];
        }
        typed.dict = dict;
        count_vector(c, at, &typed, NULL);
        return OK;
    }
    /* small numbers: kind, status */
    uint32_t *few = arena_new_array(&c->r->memory, uint32_t, (size_t)256 * width);
    if (few == NULL) {
        return group_reader_no_memory(f);
    }
    for (size_t k = 0; k < r->count; k++) {
        const int64_t x = v->ints[group_reader_row(r, k)];
        if (x >= 0 && x < 256) {
            few[(size_t)x * width + c->of[k]]++;
        } else {
            const struct tql_static odd = as_intrinsic(tql_static_int(x), intrinsic);
            add(c, at, c->of[k], &odd, 1);
        }
    }
    for (uint32_t x = 0; x < 256; x++) {
        const struct tql_static value = as_intrinsic(tql_static_int(x), intrinsic);
        for (uint32_t cell = 0; cell < width; cell++) {
            add(c, at, cell, &value, few[(size_t)x * width + cell]);
        }
    }
out:
    return rc;
}

/* --- roots ---------------------------------------------------------------------------------------------- */

/* The trace's root where it lies here; the others are asked for by trace. */
static err
count_roots(const struct cells *c, struct fault *f)
{
    static const struct tql_attr attrs[] = {{.intrinsic = TQL_INTRINSIC_TRACE_ROOT_NAME},
                                            {.intrinsic = TQL_INTRINSIC_TRACE_ROOT_SERVICE}};
    struct group_reader *r = c->r;
    const struct slot_vector *names = NULL;
    const struct slot_vector *services = NULL;
    struct group_traces traces;
    size_t at = 0;
    err rc = OK;
    TRY(group_column(r->scan, BLOCK_ROOT_NAME, f, &names));
    TRY(group_column(r->scan, BLOCK_ROOT_SERVICE, f, &services));
    TRY(group_traces(r->scan, f, &traces));
    for (size_t k = 0; k < r->count;) {
        const uint32_t row = group_reader_row(r, k);
        struct tql_static root[2] = {vector_at(names, row), vector_at(services, row)};
        while (traces.v[at].to <= row) {
            at++;
        }
        if (root[0].n == 0 && root[1].n == 0) {
            TRY(metrics_roots_find(r->sink, &traces.v[at].id, &root[0], &root[1], f));
        }
        /* the rows of a trace that fall in one cell together */
        while (k < r->count && group_reader_row(r, k) < traces.v[at].to) {
            const uint32_t cell = c->of[k];
            uint64_t n = 0;
            while (k < r->count && group_reader_row(r, k) < traces.v[at].to && c->of[k] == cell) {
                n++;
                k++;
            }
            for (int i = 0; i < 2; i++) {
                add(c, compare_attr_of(c->set, &attrs[i]), cell, &root[i], n);
            }
        }
    }
out:
    return rc;
}

static err
choose_exemplars(const struct cells *c, struct fault *f)
{
    const struct metrics_query *q = c->r->sink->q;
    const struct group_reader *r = c->r;
    struct group_traces traces = {0};
    size_t at = 0;
    for (size_t k = 0; k < r->count; k++) {
        const uint32_t row = group_reader_row(r, k);
        struct exemplar **slots =
            &c->set->exemplars[c->of[k] >= c->steps ? COMPARE_SELECTION : COMPARE_BASELINE];
        if (!exemplars_want(q, *slots, r->starts[row])) {
            continue;
        }
        if (traces.v == NULL) {
            err rc = group_traces(r->scan, f, &traces);
            if (rc != OK) {
                return rc;
            }
        }
        while (traces.v[at].to <= row) {
            at++;
        }
        exemplars_add(q, &c->set->memory, slots, r->starts[row], &traces.v[at].id, NULL);
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
    TRY(choose_exemplars(&c, f));
out:
    return rc;
}
