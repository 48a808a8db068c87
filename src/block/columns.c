/* The file: row groups, pages; which string columns have a dictionary. */
#include "writer_priv.h"

#include "vivace/base/mem.h"

#define GROUP_BYTES      ((size_t)32 << 20) /* values of a row group: bounds its dictionaries */
#define PAGE_BYTES       ((size_t)8 << 20)
#define SAMPLE_ROWS      16384
#define DICTIONARY_BYTES ((size_t)1 << 20) /* of number columns; strings are decided by the sample */
#define WRITER_BYTES     ((size_t)512 << 20)

/* --- dictionaries, by sample ---------------------------------------------------------------------------- */

/* The k-th row of a trace that w->tree holds. */
static err
take_row(struct block_writer *w, const struct row *row, const struct held_trace *trace, uint32_t k)
{
    rows_take(w, row, trace, k);
    return w->rows->count == CHUNK_ROWS || w->rows->bytes >= CHUNK_BYTES ? emit_chunk(w) : OK;
}

/* Gather some thousand rows of whole traces from all over the block without writing them, and count distinct
 * values. */
static err
sample(struct block_writer *w, struct held_trace *const *order, size_t n)
{
    struct block_builder *b = w->b;
    size_t stride = (size_t)(b->row_count / SAMPLE_ROWS) + 1, taken = 0;
    err rc = OK;
    for (size_t i = 0; i < n && taken < SAMPLE_ROWS * 2; i += stride) {
        struct row **rows = w->sorted + order[i]->first_row;
        trace_summarise(b, &w->tree, order[i], rows);
        for (uint32_t k = 0; k < order[i]->rows && taken < SAMPLE_ROWS * 2; k++, taken++) {
            TRY(take_row(w, rows[k], order[i], k));
        }
    }
    if (w->rows->count) {
        TRY(emit_chunk(w));
    }
out:
    return rc;
}

/* At most half as many distinct values as values. */
static void
decide_dictionaries(struct block_writer *w)
{
    uint64_t group = w->b->options.row_group_rows, rows = w->row_count < group ? w->row_count : group;
    uint64_t sample_rows = w->targets[BLOCK_NAME].sampled;
    for (size_t i = 0; i < w->target_count; i++) {
        struct target *t = &w->targets[i];
        t->dictionary = t->policy == POLICY_STRING && (uint64_t)t->code_count * 2 <= t->sampled + 1;
        t->distinct = sample_rows ? rows * t->code_count / sample_rows : 0;
    }
}

static struct parquet_column_options
column_options(const struct block_writer *w, const struct target *t, size_t i)
{
    struct parquet_column_options o = {.dictionary = PARQUET_DICTIONARY_NONE};
    /* DuckDB 1.5 asks filters of columns that are not text for the wrong bytes, and finds nothing. */
    bool text = i >= BLOCK_COLUMN_COUNT && t->kind == VALUE_STRING && !t->bad;
    o.no_statistics = i < BLOCK_COLUMN_COUNT && column_forms[i].no_bounds;
    switch (t->policy) {
    case POLICY_TRACE_ID:
        o.dictionary = PARQUET_DICTIONARY_GIVEN;
        o.bloom_ndv = w->b->options.row_group_rows * w->trace_count / w->row_count + 64;
        o.bloom_ndv = o.bloom_ndv < w->trace_count ? o.bloom_ndv : w->trace_count;
        break;
    case POLICY_RANDOM:
        o.uncompressed = true;
        break;
    case POLICY_ID:
        break;
    case POLICY_DELTA:
        o.encoding = PARQUET_DELTA_BINARY_PACKED;
        break;
    case POLICY_NUMBER:
        o.dictionary = PARQUET_DICTIONARY_AUTO;
        o.encoding = PARQUET_DELTA_BINARY_PACKED;
        break;
    case POLICY_DOUBLE:
        o.dictionary = PARQUET_DICTIONARY_AUTO;
        break;
    case POLICY_BOOL:
        o.encoding = PARQUET_RLE;
        break;
    case POLICY_STRING:
        o.dictionary = t->dictionary ? PARQUET_DICTIONARY_GIVEN : PARQUET_DICTIONARY_NONE;
        o.encoding = t->dictionary ? PARQUET_PLAIN : PARQUET_DELTA_LENGTH_BYTE_ARRAY;
        o.bloom_ndv = text && !t->dictionary ? t->distinct : 0;
        break;
    }
    return o;
}

/* --- setting up -------------------------------------------------------------------------------------------
 */

static err
make_targets(struct block_writer *w, const struct schema_plan *plan)
{
    int32_t fixed[BLOCK_COLUMN_COUNT], columns[SCHEMA_ATTRS_MAX];
    err rc = schema_build(plan, w->f, &w->schema, fixed, columns);
    w->target_count = rc == OK ? BLOCK_COLUMN_COUNT + plan->count : 0;
    w->targets = mem_new_array(struct target, w->target_count + 1);
    for (size_t i = 0; i < BLOCK_COLUMN_COUNT && rc == OK; i++) {
        w->targets[i] = (struct target){.column = fixed[i], .policy = column_forms[i].policy};
    }
    for (size_t i = 0; i < plan->count && rc == OK; i++) {
        w->targets[BLOCK_COLUMN_COUNT + i] = (struct target){
            .column = columns[i],
            .policy = schema_attr_policy(plan->attrs[i].kind),
            .kind = plan->attrs[i].kind,
            .scope = plan->attrs[i].scope,
            .bad = plan->attrs[i].bad,
        };
    }
    return rc;
}

/* Where each attribute of each shape goes. */
static void
aim_shapes(struct block_writer *w)
{
    for (size_t i = 0; i < w->b->shape_count; i++) {
        struct shape *s = &w->b->shapes[i];
        uint32_t kept = 0;
        for (uint32_t k = 0; k < s->attr_count; k++) {
            int32_t chosen = w->b->fields[s->attrs[k].field].chosen;
            bool column = chosen >= 0 && !s->attrs[k].repeated;
            s->attrs[k].target = column ? (int32_t)BLOCK_COLUMN_COUNT + chosen : -1;
            bool raw = s->scope == BLOCK_RESOURCE || s->scope == BLOCK_INSTRUMENTATION;
            if (column || !raw) { /* each row walks its resource: what has no column is in resource_raw */
                s->attrs[kept++] = s->attrs[k];
            }
        }
        s->attr_count = kept;
    }
}

static void
begin_group(struct block_writer *w)
{
    for (size_t i = 0; i < w->target_count; i++) {
        id_map_clear(&w->targets[i].codes);
        w->targets[i].code_count = 0;
    }
    w->last_trace = NULL;
    w->trace_codes = 0;
    w->group_rows = w->group_bytes = w->page_rows = w->page_bytes = 0;
    w->group++;
}

static err
open_file(struct block_writer *w, const struct parquet_sink *sink)
{
    struct parquet_column_options *columns = mem_new_array(struct parquet_column_options, w->target_count);
    struct parquet_sorting sorting = {.column = w->targets[BLOCK_TRACE_ID].column};
    for (size_t i = 0; i < w->target_count; i++) {
        if (w->targets[i].column >= 0) {
            columns[w->targets[i].column] = column_options(w, &w->targets[i], i);
        }
    }
    struct parquet_writer_options o = {
        .zstd_level = w->b->options.zstd_level,
        .dictionary_bytes_max = DICTIONARY_BYTES,
        .memory_max = WRITER_BYTES,
        .sorting = &sorting,
        .sorting_count = 1,
        .columns = columns,
    };
    err rc = parquet_writer_create(w->schema, &o, sink, w->f, &w->out);
    mem_free(columns);
    return rc;
}

void
writer_fini(struct block_writer *w)
{
    parquet_writer_destroy(w->out);
    if (w->schema) {
        parquet_schema_destroy(w->schema);
    }
    for (size_t i = 0; i < w->target_count; i++) {
        id_map_fini(&w->targets[i].codes);
        mem_free(w->targets[i].ids);
        mem_free(w->targets[i].cells);
        mem_free(w->targets[i].at);
        mem_free(w->targets[i].def);
    }
    struct owners *owners[] = {&w->event_owners, &w->link_owners};
    for (size_t i = 0; i < 2; i++) {
        mem_free(owners[i]->def);
        mem_free(owners[i]->rep);
        mem_free(owners[i]->levels);
    }
    for (size_t i = 0; i < sizeof w->generic / sizeof *w->generic; i++) {
        mem_free(w->generic[i].items);
    }
    tree_fini(&w->tree);
    vectors_fini(&w->v);
    services_fini(&w->services);
    mem_free(w->targets);
    mem_free(w->sorted);
    if (w->rows) {
        mem_free(w->rows->number);
    }
    mem_free(w->rows);
    mem_free(w->hex);
    mem_free(w->events);
    mem_free(w->links);
    mem_free(w->seen_resources);
}

/* --- rows --------------------------------------------------------------------------------------------------
 */

static err
end_group(struct block_writer *w)
{
    err rc = OK;
    if (w->rows->count) {
        TRY(emit_chunk(w));
    }
    TRY(parquet_writer_end_row_group(w->out, w->f));
    begin_group(w);
out:
    return rc;
}

/* What a row adds to the row group: its values, and its resource when that is new there. */
static size_t
row_cost(struct block_writer *w, const struct row *row)
{
    const struct block_builder *b = w->b;
    uint32_t resource = b->scopes[row->scope].resource;
    if (w->seen_resources[resource] == w->group) {
        return row->bytes;
    }
    w->seen_resources[resource] = w->group;
    return row->bytes + b->strings.strings[b->resources[resource].raw].n * 2;
}

static err
write_row(struct block_writer *w, const struct row *row, const struct held_trace *trace, uint32_t k)
{
    err rc = OK;
    size_t cost = row_cost(w, row);
    if (w->group_rows == w->b->options.row_group_rows ||
        (w->group_rows && w->group_bytes + cost > GROUP_BYTES)) {
        TRY(end_group(w));
        cost = row_cost(w, row);
    } else if (w->page_rows == w->b->options.page_rows ||
               (w->page_rows && w->page_bytes + cost > PAGE_BYTES)) {
        if (w->rows->count) {
            TRY(emit_chunk(w));
        }
        TRY(parquet_writer_end_page(w->out, w->f));
        w->page_rows = w->page_bytes = 0;
    }
    w->group_rows++;
    w->page_rows++;
    w->group_bytes += cost;
    w->page_bytes += cost;
    TRY(take_row(w, row, trace, k));
out:
    return rc;
}

err
writer_write(struct block_writer *w, struct held_trace **order, size_t n)
{
    struct block_builder *b = w->b;
    err rc = OK;
    for (size_t i = 0; i < n; i++) {
        struct row **rows = w->sorted + order[i]->first_row;
        TRY(w->step ? w->step(w->step_ctx, w->f) : OK);
        trace_summarise(b, &w->tree, order[i], rows); /* here, so that its rows are in the cache */
        for (uint32_t k = 0; k < order[i]->rows; k++) {
            TRY(write_row(w, rows[k], order[i], k));
        }
        TRY(order[i]->ends_slice ? end_group(w) : OK);
    }
out:
    return rc;
}

static err
add_key_values(struct block_writer *w, const struct block_meta *meta)
{
    struct buf json;
    buf_init(&json, BLOCK_META_MAX);
    err rc = OK;
    TRY(block_meta_write(meta, &json));
    TRY(parquet_writer_add_key_value(w->out, SL("vivace.version"), SL(BLOCK_VERSION), w->f));
    TRY(parquet_writer_add_key_value(w->out, SL("vivace.meta"), buf_slice(&json), w->f));
out:
    buf_fini(&json);
    return rc;
}

void
writer_use(struct block_writer *w, struct block_builder *b, struct held_trace **order, size_t n)
{
    w->b = b;
    w->seen_resources = mem_realloc(w->seen_resources, b->resource_count + 1, sizeof *w->seen_resources);
    memset(w->seen_resources, 0, (b->resource_count + 1) * sizeof *w->seen_resources);
    w->rows->number = mem_realloc(w->rows->number, b->scope_count + 1, sizeof *w->rows->number);
    memset(w->rows->number, 0, (b->scope_count + 1) * sizeof *w->rows->number);
    services_use(&w->services, b);
    writer_order(w, order, n);
    aim_shapes(w);
}

err
writer_prepare(struct block_writer *w, const struct schema_plan *plan)
{
    w->rows = mem_new(struct chunk_rows);
    w->hex = mem_alloc(CHUNK_ROWS * sizeof(trace_id) * 2);
    return make_targets(w, plan);
}

err
writer_open(struct block_writer *w, const struct parquet_sink *sink)
{
    err rc = open_file(w, sink);
    if (rc == OK) {
        begin_group(w);
    }
    return rc;
}

err
writer_end(struct block_writer *w, const struct block_meta *meta)
{
    err rc = OK;
    TRY(add_key_values(w, meta));
    TRY(parquet_writer_finish(w->out, w->f));
out:
    return rc;
}

err
builder_write(struct block_builder *b, const struct block_meta *meta, const struct parquet_sink *sink,
              struct fault *f)
{
    struct block_writer w = {.b = b, .f = f, .row_count = b->row_count, .trace_count = b->trace_count};
    struct held_trace **order = mem_new_array(struct held_trace *, b->trace_count + 1);
    struct schema_plan *plan = mem_new(struct schema_plan);
    err rc = OK;
    for (size_t i = 0; i < b->trace_count; i++) {
        order[i] = &b->traces[i];
    }
    builder_select(b, plan);
    TRY(writer_prepare(&w, plan));
    writer_use(&w, b, order, b->trace_count);
    TRY(sample(&w, order, b->trace_count));
    decide_dictionaries(&w);
    TRY(writer_open(&w, sink));
    TRY(writer_write(&w, order, b->trace_count));
    TRY(writer_end(&w, meta));
out:
    writer_fini(&w);
    mem_free(plan);
    mem_free(order);
    return rc;
}
