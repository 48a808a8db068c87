/* Row groups that go into the merged block as they are (docs/adr/0008): which may, and what they hold. */
#include "merge_priv.h"

#include "vivace/base/mem.h"
#include "vivace/codec/wire.h"

#define INDEX_BYTES                                                                                          \
    ((size_t)1 << 20) /* an index or a filter that is larger is made anew; ours have 128 KiB */

#define VALUES_EACH_MAX 4 /* of a column and row, believed of what a footer says */

/* How an input's columns stand in the merged block. */
struct copy_input {
    struct parquet_copy_column *columns; /* one a column of the output */
    uint32_t *lacking;                   /* attributes of the plan that it has no column for */
    size_t lacking_count;
    int32_t *dropped; /* its columns that the output has not: what they hold must go to the generic list */
    size_t dropped_count;
    bool fits; /* each column that both have is the same */
};

/* Of the row group looked at. */
struct copy_rows {
    span_id *ids;
    int32_t *kinds;
    int64_t *starts;
    uint32_t *first; /* row of each trace, and the end */
    uint32_t *slots; /* by span id: row + 1 */
    size_t row_cap, slot_cap;
    size_t traces;
    bool good; /* in order of trace id, each trace once, no span twice */
};

struct copier {
    const struct schema_plan *plan;
    struct block_writer *writer;
    struct copy_input *inputs;
    size_t count;
    uint64_t group_rows; /* at most, of a row group */
    struct copy_rows rows;
    struct copied_group *out;
    struct arena arena;
    enum block_scope scope; /* whose attributes are looked for */
    const struct copy_input *in;
};

/* --- how columns map --------------------------------------------------------------------------------------
 */

static int32_t
like_of(const struct block_schema *s, enum block_scope scope)
{
    return s->column[scope == BLOCK_EVENT  ? BLOCK_EVENT_TIME
                     : scope == BLOCK_LINK ? BLOCK_LINK_TRACE
                                           : BLOCK_START];
}

static void
map_column(struct copier *c, struct copy_input *in, const struct block_reader *r, const struct target *t,
           struct parquet_copy_column column)
{
    if (t->column < 0) {
        in->fits = in->fits && column.from < 0;
        return;
    }
    in->columns[t->column] = column;
    if (column.from >= 0) {
        in->fits = in->fits && parquet_copy_fits(parquet_schema_column(r->meta->schema, (size_t)column.from),
                                                 parquet_schema_column(c->writer->schema, (size_t)t->column));
    }
}

static void
map_input(struct copier *c, struct copy_input *in, const struct block_reader *r)
{
    const struct block_schema *s = &r->schema;
    in->fits = true;
    in->columns = mem_new_array(struct parquet_copy_column, (size_t)c->writer->schema->column_count);
    in->lacking = mem_new_array(uint32_t, c->plan->count + 1);
    in->dropped = mem_new_array(int32_t, s->attr_count + 1);
    for (size_t i = 0; i < BLOCK_COLUMN_COUNT; i++) {
        enum block_scope scope = i < BLOCK_EVENT_TIME   ? BLOCK_SPAN
                                 : i < BLOCK_LINK_TRACE ? BLOCK_EVENT
                                                        : BLOCK_LINK;
        map_column(c, in, r, &c->writer->targets[i],
                   (struct parquet_copy_column){s->column[i], like_of(s, scope)});
    }
    for (uint32_t i = 0; i < c->plan->count; i++) {
        const struct schema_attr *a = &c->plan->attrs[i];
        const struct block_attr_column *has = block_schema_attr(s, a->scope, a->kind, a->key);
        map_column(c, in, r, &c->writer->targets[BLOCK_COLUMN_COUNT + i],
                   (struct parquet_copy_column){has ? has->column : -1, like_of(s, a->scope)});
        if (has == NULL) {
            in->lacking[in->lacking_count++] = i;
        }
    }
    for (size_t i = 0; i < s->attr_count; i++) {
        const struct block_attr_column *a = &s->attrs[i];
        bool kept = a->scope == BLOCK_RESOURCE || a->scope == BLOCK_INSTRUMENTATION; /* _raw holds all */
        for (size_t k = 0; k < c->plan->count && !kept; k++) {
            const struct schema_attr *p = &c->plan->attrs[k];
            kept = p->scope == a->scope && p->kind == a->kind && slice_eq(p->key, a->key);
        }
        if (!kept) {
            in->dropped[in->dropped_count++] = a->column;
        }
    }
}

struct copier *
copier_create(struct block_reader *const *inputs, size_t count, const struct schema_plan *plan,
              struct block_writer *w)
{
    struct copier *c = mem_new(struct copier);
    *c = (struct copier){
        .plan = plan, .writer = w, .count = count, .group_rows = w->b->options.row_group_rows};
    c->inputs = mem_new_array(struct copy_input, count);
    arena_init(&c->arena, INDEX_BYTES * 2);
    for (size_t i = 0; i < count; i++) {
        map_input(c, &c->inputs[i], inputs[i]);
    }
    return c;
}

void
copier_destroy(struct copier *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->count; i++) {
        mem_free(c->inputs[i].columns);
        mem_free(c->inputs[i].lacking);
        mem_free(c->inputs[i].dropped);
    }
    arena_fini(&c->arena);
    mem_free(c->rows.ids);
    mem_free(c->rows.kinds);
    mem_free(c->rows.starts);
    mem_free(c->rows.first);
    mem_free(c->rows.slots);
    mem_free(c->inputs);
    mem_free(c);
}

size_t
copier_bytes(uint64_t group_rows)
{
    size_t row = sizeof(span_id) + sizeof(int32_t) + sizeof(int64_t) + sizeof(uint32_t) * 5;
    return (size_t)group_rows * row + ((size_t)6 << 20);
}

/* As the inputs did: most values stood in dictionaries, or not. */
void
copier_choose_dictionaries(struct copier *c, struct block_reader *const *inputs)
{
    struct block_writer *w = c->writer;
    uint64_t group = w->row_count < c->group_rows ? w->row_count : c->group_rows;
    for (size_t i = 0; i < w->target_count; i++) {
        struct target *t = &w->targets[i];
        uint64_t values = 0, coded = 0, rows = 0;
        for (size_t k = 0; k < c->count && t->column >= 0 && t->policy == POLICY_STRING; k++) {
            const struct parquet_meta *m = inputs[k]->meta;
            int32_t from = c->inputs[k].columns[t->column].from;
            for (size_t g = 0; from >= 0 && g < m->row_group_count; g++) {
                const struct parquet_chunk *chunk = parquet_meta_chunk(m, g, (size_t)from);
                uint64_t n =
                    chunk->value_count > chunk->null_count ? chunk->value_count - chunk->null_count : 0;
                values += n;
                coded += chunk->has_dictionary ? n : 0;
                rows += m->row_groups[g].row_count;
            }
        }
        t->dictionary = t->policy == POLICY_STRING && coded * 2 >= values;
        double each = rows ? (double)values / (double)rows : 0; /* of events there may be more than rows */
        t->distinct = (uint64_t)((each < VALUES_EACH_MAX ? each : VALUES_EACH_MAX) * (double)group);
    }
}

/* --- attributes without a column --------------------------------------------------------------------------
 */

static bool
is_lacking(const struct copier *c, enum value_kind kind, slice key)
{
    for (size_t i = 0; i < c->in->lacking_count; i++) {
        const struct schema_attr *a = &c->plan->attrs[c->in->lacking[i]];
        if (a->scope == c->scope && a->kind == kind && slice_eq(a->key, key)) {
            return true;
        }
    }
    return false;
}

/* Decoding says what is wrong with one that is malformed. */
static bool
order_has_lacking(const struct copier *c, slice order)
{
    struct wire_reader in = wire_reader_of(order);
    while (in.p < in.end) {
        uint64_t n = 0;
        uint8_t kind = *in.p++;
        if (kind > VALUE_BYTES || !wire_varint(&in, &n) || n > (uint64_t)(in.end - in.p) ||
            is_lacking(c, (enum value_kind)kind, slice_of(in.p, (size_t)n))) {
            return true;
        }
        in.p += n;
    }
    return false;
}

static bool
context_has_lacking(const struct copier *c, slice raw)
{
    struct span_batch batch;
    struct buf body;
    bool resource = c->scope == BLOCK_RESOURCE, has = false;
    span_batch_init(&batch, 0);
    buf_init(&body, SIZE_MAX / 2);
    err rc = take_context(resource ? raw : SL_EMPTY, resource ? SL_EMPTY : raw, &body, &batch, NULL);
    if (rc == OK) {
        struct run run = resource ? batch.resources[0].attrs : batch.scopes[0].attrs;
        for (uint32_t i = 0; i < run.n && !has; i++) {
            const struct attr *a = &batch.attrs[run.at + i];
            has = is_lacking(c, (enum value_kind)a->kind, slice_of(a->key, a->key_n));
        }
    }
    buf_fini(&body);
    span_batch_fini(&batch);
    return rc != OK || has;
}

/* Does a value of the column satisfy `has`? True also where a value does not stand in the dictionary. */
static err
any_value(struct copier *c, struct loader *l, int32_t leaf, bool (*has)(const struct copier *c, slice value),
          bool *ret)
{
    struct parquet_values values = {.count = 0};
    struct parquet_page page;
    struct parquet_vector v;
    err rc = OK;
    *ret = false;
    TRY(parquet_column_open(l->column, l->file, l->group, (size_t)leaf, l->f));
    rc = parquet_column_dictionary(l->column, l->f, &values);
    TRY(rc == ERR_NOT_FOUND ? OK : rc);
    for (size_t i = 0; i < values.count && !*ret; i++) {
        *ret = has(c, values.bytes[i]);
    }
    while (!*ret && (rc = parquet_column_next(l->column, l->f, &page)) == OK) {
        TRY(l->step ? l->step(l->step_ctx, l->f) : OK);
        if (!page.coded) {
            TRY(parquet_column_decode(l->column, PARQUET_DECODE_LEVELS, l->f, &v));
            *ret = v.values.count > 0;
        }
    }
    rc = rc == ERR_NOT_FOUND ? OK : rc;
out:
    return rc;
}

/* Is there a value that the merged block would have in a column, or in the generic list, and the row group
 * has elsewhere? */
static err
has_misplaced(struct copier *c, struct loader *l, bool *ret)
{
    static const struct {
        enum block_column column;
        bool (*has)(const struct copier *c, slice value);
    } where[BLOCK_SCOPE_COUNT] = {
        [BLOCK_SPAN] = {BLOCK_ORDER, order_has_lacking},
        [BLOCK_EVENT] = {BLOCK_EVENT_ORDER, order_has_lacking},
        [BLOCK_LINK] = {BLOCK_LINK_ORDER, order_has_lacking},
        [BLOCK_RESOURCE] = {BLOCK_RESOURCE_RAW, context_has_lacking},
        [BLOCK_INSTRUMENTATION] = {BLOCK_SCOPE_RAW, context_has_lacking},
    };
    bool lacking[BLOCK_SCOPE_COUNT] = {false};
    err rc = OK;
    *ret = false;
    for (size_t i = 0; i < c->in->dropped_count && !*ret; i++) {
        const struct parquet_chunk *chunk =
            parquet_meta_chunk(l->file->meta, l->group, (size_t)c->in->dropped[i]);
        *ret = !chunk->has_null_count || chunk->null_count != chunk->value_count;
    }
    for (size_t i = 0; i < c->in->lacking_count; i++) {
        lacking[c->plan->attrs[c->in->lacking[i]].scope] = true;
    }
    for (int s = 0; s < BLOCK_SCOPE_COUNT && !*ret; s++) {
        c->scope = (enum block_scope)s;
        if (lacking[s]) {
            TRY(any_value(c, l, l->schema->column[where[s].column], where[s].has, ret));
        }
    }
out:
    return rc;
}

/* --- rows -------------------------------------------------------------------------------------------------
 */

/* Codes in order of the rows, none left out. */
static err
look_at_traces(struct loader *l, const struct parquet_vector *v)
{
    struct copy_rows *r = &((struct copier *)l->ctx)->rows;
    for (size_t i = 0; i < v->page.row_count; i++) {
        if (v->codes == NULL || v->codes[i] + 1 < r->traces || v->codes[i] > r->traces) {
            r->good = false;
            return OK;
        }
        if (v->codes[i] == r->traces) {
            r->first[r->traces++] = (uint32_t)(v->page.first_row + i);
        }
    }
    return OK;
}

static err
look_at_ids(struct loader *l, const struct parquet_vector *v)
{
    struct copy_rows *r = &((struct copier *)l->ctx)->rows;
    memcpy(r->ids + v->page.first_row, v->values.fixed, v->page.row_count * sizeof *r->ids);
    return OK;
}

static err
look_at_kinds(struct loader *l, const struct parquet_vector *v)
{
    struct copy_rows *r = &((struct copier *)l->ctx)->rows;
    memcpy(r->kinds + v->page.first_row, v->values.i32, v->page.row_count * sizeof *r->kinds);
    return OK;
}

static err
look_at_starts(struct loader *l, const struct parquet_vector *v)
{
    struct copy_rows *r = &((struct copier *)l->ctx)->rows;
    memcpy(r->starts + v->page.first_row, v->values.i64, v->page.row_count * sizeof *r->starts);
    return OK;
}

static err
look_at_durations(struct loader *l, const struct parquet_vector *v)
{
    struct copier *c = l->ctx;
    struct held_trace t = {.min_start_ns = c->out->min_start_ns, .max_end_ns = c->out->max_end_ns};
    const int64_t *starts = c->rows.starts + v->page.first_row;
    for (size_t i = 0; i < v->page.row_count; i++) {
        uint64_t start = (uint64_t)starts[i];
        trace_count_times(&t, start, start + (uint64_t)v->values.i64[i]);
    }
    c->out->min_start_ns = t.min_start_ns;
    c->out->max_end_ns = t.max_end_ns;
    return OK;
}

/* What finds a trace by its id is right: ids in order, bounds, filter. None of it has a checksum. */
static err
check_ids(struct copier *c, struct loader *l)
{
    const struct parquet_chunk *chunk =
        parquet_meta_chunk(l->file->meta, l->group, (size_t)l->schema->column[BLOCK_TRACE_ID]);
    const struct parquet_values *ids = &l->dictionary;
    struct parquet_bloom bloom;
    struct copy_rows *r = &c->rows;
    struct fault why = {0};
    if (!r->good || !l->coded || ids->count != r->traces || r->traces == 0 ||
        !slice_eq(chunk->bounds.min, ids->bytes[0]) ||
        !slice_eq(chunk->bounds.max, ids->bytes[ids->count - 1])) {
        r->good = false;
        return OK;
    }
    arena_reset(&c->arena);
    err rc = parquet_bloom_read(l->file, chunk, &c->arena, &why, &bloom);
    if (rc != OK) {
        r->good = false;
        return rc == ERR_IO ? FAULT(l->f, rc, "%s", why.msg) : OK;
    }
    for (size_t i = 0; i < ids->count && r->good; i++) {
        r->good = (i == 0 || slice_cmp(ids->bytes[i - 1], ids->bytes[i]) < 0) &&
                  parquet_bloom_has(&bloom, parquet_bloom_hash(ids->bytes[i]));
    }
    return OK;
}

/* A span stands twice in a trace: the merge keeps one. */
static bool
has_twice(struct copy_rows *r, uint32_t from, uint32_t to)
{
    size_t slots = 16;
    while (slots < (size_t)(to - from) * 2) {
        slots *= 2;
    }
    if (slots > r->slot_cap) {
        r->slot_cap = slots;
        r->slots = mem_realloc(r->slots, slots, sizeof *r->slots);
    }
    memset(r->slots, 0, slots * sizeof *r->slots);
    for (uint32_t i = from; i < to; i++) {
        size_t at = span_slot(&r->ids[i], r->kinds[i], slots - 1);
        for (; r->slots[at]; at = (at + 1) & (slots - 1)) {
            uint32_t other = r->slots[at] - 1;
            if (span_id_eq(&r->ids[other], &r->ids[i]) && r->kinds[other] == r->kinds[i]) {
                return true;
            }
        }
        r->slots[at] = i + 1;
    }
    return false;
}

static void
reserve_rows(struct copy_rows *r, size_t rows)
{
    r->traces = 0;
    r->good = true;
    if (rows > r->row_cap) {
        r->row_cap = rows;
        r->ids = mem_realloc(r->ids, rows, sizeof *r->ids);
        r->kinds = mem_realloc(r->kinds, rows, sizeof *r->kinds);
        r->starts = mem_realloc(r->starts, rows, sizeof *r->starts);
        r->first = mem_realloc(r->first, rows + 1, sizeof *r->first);
    }
}

/* Do the bounds of traces' starts, by which readers choose row groups, say what rows do? */
static bool
starts_fit(const struct copy_rows *r, const struct loader *l)
{
    const struct parquet_bounds *b =
        &parquet_meta_chunk(l->file->meta, l->group, (size_t)l->schema->column[BLOCK_TRACE_START])->bounds;
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (size_t i = 0; i < r->traces; i++) {
        uint64_t start = UINT64_MAX;
        for (uint32_t k = r->first[i]; k < r->first[i + 1]; k++) {
            start = (uint64_t)r->starts[k] < start ? (uint64_t)r->starts[k] : start;
        }
        min = (int64_t)start < min ? (int64_t)start : min;
        max = (int64_t)start > max ? (int64_t)start : max;
    }
    return b->min.n == sizeof min && b->max.n == sizeof max && memcmp(b->min.p, &min, sizeof min) == 0 &&
           memcmp(b->max.p, &max, sizeof max) == 0;
}

/* Are rows in order, each span once; how many traces, and their times. */
static err
look_at_rows(struct copier *c, struct loader *l)
{
    const int32_t *column = l->schema->column;
    struct copy_rows *r = &c->rows;
    err rc = OK;
    reserve_rows(r, l->rows);
    l->ctx = c;
    TRY(load_pages(l, column[BLOCK_TRACE_ID], PARQUET_DECODE_CODES, look_at_traces));
    TRY(check_ids(c, l));
    if (!r->good) {
        goto out;
    }
    TRY(load_pages(l, column[BLOCK_SPAN_ID], PARQUET_DECODE_VALUES, look_at_ids));
    TRY(load_pages(l, column[BLOCK_KIND], PARQUET_DECODE_VALUES, look_at_kinds));
    r->first[r->traces] = (uint32_t)l->rows;
    for (size_t i = 0; i < r->traces && r->good; i++) {
        r->good = r->first[i] + 1 == r->first[i + 1] || !has_twice(r, r->first[i], r->first[i + 1]);
    }
    if (r->good) {
        TRY(load_pages(l, column[BLOCK_START], PARQUET_DECODE_VALUES, look_at_starts));
        TRY(load_pages(l, column[BLOCK_DURATION], PARQUET_DECODE_VALUES, look_at_durations));
        r->good = starts_fit(r, l);
    }
    c->out->rows = l->rows;
    c->out->traces = r->traces;
out:
    return rc;
}

static bool
has_large_index(const struct loader *l)
{
    bool large = false;
    for (size_t i = 0; i < (size_t)l->file->meta->schema->column_count; i++) {
        const struct parquet_chunk *c = parquet_meta_chunk(l->file->meta, l->group, i);
        large = large || c->column_index_bytes > INDEX_BYTES || c->bloom_bytes > INDEX_BYTES;
    }
    return large;
}

err
copier_look(struct copier *c, struct loader *l, size_t input, struct copied_group *ret, bool *ret_fits)
{
    uint64_t rows = l->file->meta->row_groups[l->group].row_count;
    bool misplaced = false;
    err rc = OK;
    *ret_fits = false;
    c->in = &c->inputs[input];
    if (!c->in->fits || rows > c->group_rows || has_large_index(l)) {
        return OK;
    }
    TRY(has_misplaced(c, l, &misplaced));
    if (misplaced) {
        goto out;
    }
    l->rows = (size_t)rows;
    *ret = (struct copied_group){.min_start_ns = UINT64_MAX};
    c->out = ret;
    TRY(look_at_rows(c, l));
    *ret_fits = c->rows.good;
out:
    return rc;
}

err
copier_copy(struct copier *c, struct loader *l, size_t input)
{
    struct parquet_group_copy copy = {
        .file = l->file,
        .group = l->group,
        .columns = c->inputs[input].columns,
        .reader = l->column,
        .step = l->step,
        .ctx = l->step_ctx,
    };
    return parquet_writer_copy_group(c->writer->out, &copy, l->f);
}
