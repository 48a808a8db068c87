/* The course of a merge: which traces stand in several row groups, then row groups in, row groups out.
 * docs/adr/0005 has the reasons. */
#include "merge_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"

#include <stdlib.h>

#define POOL_GROUPS 3                     /* row groups of rows in memory */
#define POOL_BYTES  ((size_t)36 << 20)    /* and about this much */
#define POOL_PART   3                     /* of what the budget has left, when that is less */
#define SHARED_MAX  ((size_t)1 << 20)     /* traces in several row groups */
#define INDEX_IDS   ((uint64_t)256 << 10) /* ids looked at in one pass */
#define INDEX_BYTES ((size_t)16 << 20)

#define COPY_BYTES_MIN ((uint64_t)16 << 20) /* of values: half of what a row group holds at most */

struct input {
    struct block_reader *reader;
    struct counted_source counted;
    struct parquet_file file;
};

struct group {
    size_t input, group;
    uint64_t rows, bytes, min_start, max_start; /* of its traces, as the footer says */
    bool shares;                                /* holds a trace of several row groups */
};

struct merge {
    const struct block_merge_options *o;
    struct fault *f;
    struct input *inputs;
    struct group *groups; /* in the order they are read */
    size_t group_count, next;
    struct id_table shared; /* traces of several row groups -> 2 * row groups to come + 1 */
    size_t shared_reserved;
    struct parquet_scratch *scratch;
    struct loader loader;
    struct block_builder *pool; /* traces read and not written */
    size_t pool_bytes;          /* it is written when it has so many */
    uint64_t pool_max_start;
    struct seen_spans seen;
    struct block_writer writer;
    struct schema_plan *plan;
    struct copier *copier;
    size_t copier_reserved; /* 0: no memory to copy with */
    bool fetching;          /* only rows of traces that the pool has are wanted */
    struct block_merge_stats stats;
    struct block_meta *meta;
};

static err
step(struct merge *m)
{
    return m->o->step ? m->o->step(m->o->ctx, m->f) : OK;
}

/* --- which traces stand in several row groups -------------------------------------------------------------
 */

struct index_pass {
    struct id_table ids; /* -> row groups */
    uint64_t seed, pass, passes;
};

static void
index_id(void *ctx, const trace_id *id)
{
    struct index_pass *p = ctx;
    if (p->passes == 1 || hash_bytes(id->b, sizeof id->b, p->seed) % p->passes == p->pass) {
        (*id_table_put(&p->ids, id->b))++;
    }
}

static void
loader_at(struct merge *m, const struct group *g)
{
    m->loader.b = m->pool;
    m->loader.file = &m->inputs[g->input].file;
    m->loader.schema = &m->inputs[g->input].reader->schema;
    m->loader.group = g->group;
    m->loader.f = m->f;
    m->stats.bad_input = g->input;
}

static err
ids_of(struct merge *m, const struct group *g, void (*each)(void *ctx, const trace_id *id), void *ctx)
{
    loader_at(m, g);
    return load_ids(&m->loader, each, ctx);
}

static err
index_run(struct merge *m, struct index_pass *p)
{
    const void *id = NULL;
    uint64_t groups = 0;
    err rc = OK;
    id_table_init(&p->ids, sizeof(trace_id));
    for (size_t i = 0; i < m->group_count; i++) {
        TRY(step(m));
        TRY(ids_of(m, &m->groups[i], index_id, p));
    }
    for (size_t at = 0; id_table_next(&p->ids, &at, &id, &groups);) {
        if (groups > 1) {
            *id_table_put(&m->shared, id) = groups * 2 + 1;
        }
    }
    if (m->shared.count > SHARED_MAX) {
        rc = FAULT(m->f, ERR_LIMIT, "more than %zu traces stand in several row groups", SHARED_MAX);
    }
out:
    id_table_fini(&p->ids);
    return rc;
}

struct sharing {
    const struct id_table *shared;
    bool *any;
};

static void
note_shared(void *ctx, const trace_id *id)
{
    struct sharing *s = ctx;
    *s->any = *s->any || id_table_get(s->shared, id->b);
}

/* In passes, each over a part of the ids, so that memory does not grow with the number of traces. */
static err
find_shared(struct merge *m)
{
    struct index_pass p = {.seed = 1, .passes = 1};
    struct budget *budget = m->o->budget;
    err rc = OK;
    p.passes = m->writer.trace_count / INDEX_IDS + 1;
    if (budget && budget_reserve(budget, INDEX_BYTES) != OK) {
        return FAULT(m->f, ERR_LIMIT, "the memory budget for blocks is used up");
    }
    for (p.pass = 0; p.pass < p.passes && rc == OK; p.pass++) {
        rc = index_run(m, &p);
    }
    if (budget) {
        budget_release(budget, INDEX_BYTES);
        m->shared_reserved = id_table_bytes(&m->shared);
        if (rc == OK && budget_reserve(budget, m->shared_reserved) != OK) {
            m->shared_reserved = 0;
            rc = FAULT(m->f, ERR_LIMIT, "the memory budget for blocks is used up");
        }
    }
    m->stats.combined_traces = m->shared.count;
    for (size_t i = 0; i < m->group_count && m->shared.count && rc == OK; i++) {
        struct sharing s = {&m->shared, &m->groups[i].shares};
        rc = ids_of(m, &m->groups[i], note_shared, &s);
    }
    m->stats.bad_input = rc == OK ? m->o->input_count : m->stats.bad_input;
    return rc;
}

/* --- row groups in ----------------------------------------------------------------------------------------
 */

static err
new_pool(struct merge *m, struct block_builder **ret)
{
    struct block_builder_options o = {
        .tenant = m->o->tenant,
        .budget = m->o->budget,
        .zstd_level = m->o->zstd_level,
        .row_group_rows = m->o->row_group_rows,
        .page_rows = m->o->page_rows,
    };
    return block_builder_create(&o, m->f, ret);
}

static size_t
place(void *ctx, const trace_id *id)
{
    struct merge *m = ctx;
    uint64_t shared = id_table_get(&m->shared, id->b);
    if (shared == 0) {
        return m->fetching ? SIZE_MAX : builder_new_trace(m->pool, id);
    }
    if (shared == 1) { /* fetched ahead of its turn */
        return SIZE_MAX;
    }
    uint64_t at = id_table_get(&m->pool->trace_ids, id->b);
    if (at == 0 && m->fetching) {
        return SIZE_MAX;
    }
    if (at == 0) {
        at = builder_new_trace(m->pool, id) + 1;
        *id_table_put(&m->pool->trace_ids, id->b) = at;
    }
    return (size_t)at - 1;
}

/* A part of the trace has come. */
static void
count_down(void *ctx, const trace_id *id)
{
    struct merge *m = ctx;
    uint64_t shared = id_table_get(&m->shared, id->b);
    if (shared > 1 && (!m->fetching || id_table_get(&m->pool->trace_ids, id->b))) {
        *id_table_put(&m->shared, id->b) = shared - 2;
    }
}

static err
read_group(struct merge *m, const struct group *g)
{
    uint64_t before = m->pool->row_count;
    err rc = OK;
    TRY(step(m));
    loader_at(m, g);
    TRY(load_group(&m->loader, place, m));
    if (g->shares) {
        TRY(ids_of(m, g, count_down, m));
    }
    m->stats.bad_input = m->o->input_count;
    m->pool_max_start = g->max_start > m->pool_max_start ? g->max_start : m->pool_max_start;
    m->stats.spans_read += m->pool->row_count - before;
out:
    return rc;
}

/* --- row groups out ---------------------------------------------------------------------------------------
 */

static bool
is_whole(const struct merge *m, const struct held_trace *t)
{
    return t->rows > 0 && (m->shared.count == 0 || id_table_get(&m->shared, t->id.b) <= 1);
}

static void
count_out(struct merge *m, const struct held_trace *t)
{
    struct block_meta *meta = m->meta;
    meta->spans += t->rows;
    meta->traces++;
    meta->min_start_ns = t->min_start_ns < meta->min_start_ns ? t->min_start_ns : meta->min_start_ns;
    meta->max_end_ns = t->max_end_ns > meta->max_end_ns ? t->max_end_ns : meta->max_end_ns;
}

/* Traces that wait go on in a pool of their own. */
static err
keep_rest(struct merge *m)
{
    struct block_builder *old = m->pool, *fresh = NULL;
    uint8_t *waits = NULL;
    err rc = new_pool(m, &fresh);
    if (rc != OK) {
        return rc;
    }
    waits = mem_alloc(old->trace_count + 1);
    for (size_t i = 0; i < old->trace_count; i++) {
        waits[i] = old->traces[i].rows && !is_whole(m, &old->traces[i]);
    }
    TRY(pool_move(old, waits, fresh, m->f));
    TRY(builder_reserve(fresh, block_builder_bytes(fresh), m->f));
    m->pool = fresh;
    fresh = old;
    m->pool_max_start = 0;
out:
    mem_free(waits);
    block_builder_destroy(fresh);
    return rc;
}

static err
write_whole(struct merge *m)
{
    struct block_builder *b = m->pool;
    struct held_trace **order = mem_new_array(struct held_trace *, b->trace_count + 1);
    size_t n = 0;
    err rc = OK;
    for (size_t i = 0; i < b->trace_count; i++) {
        if (is_whole(m, &b->traces[i])) {
            order[n++] = &b->traces[i];
        }
    }
    if (n == 0) {
        goto out;
    }
    m->stats.duplicate_spans += pool_drop_duplicates(&m->seen, b, order, n);
    for (size_t i = 0; i < n; i++) {
        count_out(m, order[i]);
    }
    merge_choose(b, m->plan);
    writer_use(&m->writer, b, order, n);
    TRY(writer_write(&m->writer, order, n));
    TRY(keep_rest(m));
out:
    mem_free(order);
    return rc;
}

/* Half of the pool waits for row groups that come late: those are read out of turn, so that it empties. */
static err
fetch_rest(struct merge *m)
{
    err rc = OK;
    m->fetching = true;
    m->stats.waits_cut++;
    for (size_t i = m->next; i < m->group_count; i++) {
        TRY(m->groups[i].shares ? read_group(m, &m->groups[i]) : OK);
    }
    m->fetching = false;
    TRY(write_whole(m));
out:
    return rc;
}

/* Is it time to write, before this row group comes too? */
static bool
is_full(const struct merge *m, const struct group *g)
{
    uint64_t rows = m->pool->row_count, group_rows = m->pool->options.row_group_rows;
    return rows > 0 &&
           (rows + g->rows > POOL_GROUPS * group_rows || block_builder_bytes(m->pool) > m->pool_bytes ||
            (rows >= group_rows && g->min_start >= m->pool_max_start));
}

/* --- row groups as they are -------------------------------------------------------------------------------
 */

/* Large enough to stay: at least half of a row group, so that small ones are joined. The first may be
 * smaller: at the border of a block it is made so, for the next merge. */
static bool
is_large(const struct merge *m, const struct group *g)
{
    uint64_t part = g == m->groups ? 8 : 2;
    return g->rows * part >= m->pool->options.row_group_rows || g->bytes >= COPY_BYTES_MIN;
}

static err
copy_group(struct merge *m, const struct group *g, const struct copied_group *c)
{
    struct block_meta *meta = m->meta;
    err rc = OK;
    if (is_large(m, &(struct group){.rows = m->pool->row_count}) && g->min_start >= m->pool_max_start) {
        TRY(write_whole(m)); /* what is earlier stands before it, unless too few */
        loader_at(m, g);
    }
    TRY(copier_copy(m->copier, &m->loader, g->input));
    meta->spans += c->rows;
    meta->traces += c->traces;
    meta->min_start_ns = c->min_start_ns < meta->min_start_ns ? c->min_start_ns : meta->min_start_ns;
    meta->max_end_ns = c->max_end_ns > meta->max_end_ns ? c->max_end_ns : meta->max_end_ns;
    m->stats.spans_read += c->rows;
    m->stats.spans_copied += c->rows;
    m->stats.groups_copied++;
out:
    return rc;
}

static err
try_copy(struct merge *m, const struct group *g, bool *ret_copied)
{
    struct copied_group c;
    err rc = OK;
    *ret_copied = false;
    if (g->shares || !is_large(m, g) || m->copier_reserved == 0) {
        return OK;
    }
    TRY(step(m));
    loader_at(m, g);
    TRY(copier_look(m->copier, &m->loader, g->input, &c, ret_copied));
    TRY(*ret_copied ? copy_group(m, g, &c) : OK);
    m->stats.bad_input = m->o->input_count;
out:
    return rc;
}

/* --- the file ---------------------------------------------------------------------------------------------
 */

static err
open_file(struct merge *m, const struct parquet_sink *sink)
{
    struct budget *budget = m->o->budget;
    err rc = OK;
    m->copier_reserved = copier_bytes(m->pool->options.row_group_rows);
    if (budget && budget_reserve(budget, m->copier_reserved) != OK) {
        m->copier_reserved = 0; /* then all is decoded */
    }
    m->writer.b = m->pool;
    TRY(writer_prepare(&m->writer, m->plan));
    m->copier = copier_create(m->o->inputs, m->o->input_count, m->plan, &m->writer);
    copier_choose_dictionaries(m->copier, m->o->inputs);
    TRY(writer_open(&m->writer, sink));
out:
    return rc;
}

static err
merge_write(void *ctx, struct block_meta *meta, const struct parquet_sink *sink, struct fault *f)
{
    struct merge *m = ctx;
    err rc = OK;
    m->meta = meta;
    TRY(open_file(m, sink));
    for (m->next = 0; m->next < m->group_count;) {
        const struct group *g = &m->groups[m->next];
        bool copied = false;
        TRY(try_copy(m, g, &copied));
        if (copied) {
            m->next++;
            continue;
        }
        if (is_full(m, g)) {
            TRY(write_whole(m));
            if (m->pool->row_count > POOL_GROUPS / 2 * m->pool->options.row_group_rows ||
                block_builder_bytes(m->pool) > m->pool_bytes / 2) {
                TRY(fetch_rest(m));
            }
        }
        m->next++;
        TRY(read_group(m, g));
    }
    TRY(write_whole(m));
    /* Whatever the inputs say: a row that was not written is not lost in silence. */
    if (meta->spans == 0 || meta->spans + m->stats.duplicate_spans != m->writer.row_count) {
        rc = FAULT(f, ERR_CORRUPT, "of %llu rows of the inputs %llu were written",
                   (unsigned long long)m->writer.row_count, (unsigned long long)meta->spans);
        goto out;
    }
    TRY(writer_end(&m->writer, meta));
out:
    return rc;
}

/* --- the whole --------------------------------------------------------------------------------------------
 */

static uint64_t
bound(slice v)
{
    uint64_t n = 0;
    if (v.n == sizeof n) {
        memcpy(&n, v.p, sizeof n);
    }
    return n;
}

static int
by_time(const void *va, const void *vb)
{
    const struct group *a = va, *b = vb;
    if (a->min_start != b->min_start) {
        return a->min_start < b->min_start ? -1 : 1;
    }
    if (a->input != b->input) {
        return a->input < b->input ? -1 : 1;
    }
    return (a->group > b->group) - (a->group < b->group);
}

/* At most so many: a row each, and 36 bytes in the dictionary. */
static uint64_t
traces_of(const struct input *in, size_t group)
{
    size_t leaf = (size_t)in->reader->schema.column[BLOCK_TRACE_ID];
    uint64_t rows = in->file.meta->row_groups[group].row_count;
    uint64_t most = parquet_meta_chunk(in->file.meta, group, leaf)->uncompressed_bytes / 36 + 1;
    return most < rows ? most : rows;
}

static void
list_groups(struct merge *m)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < m->o->input_count; i++) {
        n += m->o->inputs[i]->meta->row_group_count;
    }
    m->groups = mem_new_array(struct group, n + 1);
    m->inputs = mem_new_array(struct input, m->o->input_count);
    for (size_t i = 0; i < m->o->input_count; i++) {
        struct input *in = &m->inputs[i];
        in->reader = m->o->inputs[i];
        counted_open(&in->counted, in->reader, &in->file);
        for (size_t g = 0; g < in->file.meta->row_group_count; g++) {
            const struct parquet_chunk *c =
                parquet_meta_chunk(in->file.meta, g, (size_t)in->reader->schema.column[BLOCK_TRACE_START]);
            uint64_t rows = in->file.meta->row_groups[g].row_count;
            if (rows == 0) {
                continue;
            }
            m->groups[at++] = (struct group){.input = i,
                                             .group = g,
                                             .rows = rows,
                                             .bytes = in->file.meta->row_groups[g].bytes,
                                             .min_start = bound(c->bounds.min),
                                             .max_start = bound(c->bounds.max)};
            m->writer.row_count += rows;
            m->writer.trace_count += traces_of(in, g);
        }
    }
    m->group_count = at;
    qsort(m->groups, at, sizeof *m->groups, by_time);
}

/* With little memory row groups go out as they come in. */
static size_t
pool_bytes_of(const struct budget *b)
{
    size_t left = SIZE_MAX;
    for (; b; b = b->parent) {
        size_t used = budget_used(b), rest = b->max > used ? b->max - used : 0;
        left = rest < left ? rest : left;
    }
    return left / POOL_PART < POOL_BYTES ? left / POOL_PART : POOL_BYTES;
}

static void
merge_fini(struct merge *m)
{
    writer_fini(&m->writer);
    copier_destroy(m->copier);
    block_builder_destroy(m->pool);
    parquet_column_destroy(m->loader.column);
    m->loader.column = NULL;
    parquet_scratch_destroy(m->scratch);
    loader_fini(&m->loader);
    for (size_t i = 0; i < m->o->input_count && m->inputs; i++) {
        m->stats.read_bytes += m->inputs[i].counted.bytes;
    }
    if (m->shared_reserved) {
        budget_release(m->o->budget, m->shared_reserved);
    }
    if (m->o->budget) {
        budget_release(m->o->budget, m->copier_reserved);
    }
    id_table_fini(&m->shared);
    mem_free(m->seen.slots);
    mem_free(m->inputs);
    mem_free(m->groups);
    mem_free(m->plan);
}

err
block_merge(const struct block_merge_options *o, const struct block_publish *p, struct fault *f,
            struct block_meta *ret, struct block_merge_stats *ret_stats)
{
    struct merge m = {.o = o, .f = f, .stats.bad_input = o->input_count};
    struct spans_writer spans = {&m, merge_write};
    struct block_meta meta = {0};
    err rc = OK;
    if (o->input_count == 0 || o->input_count > BLOCK_MERGE_INPUTS_MAX) {
        return FAULT(f, ERR_INVALID, "a merge has 1 to %d inputs", BLOCK_MERGE_INPUTS_MAX);
    }
    m.writer.f = f;
    m.writer.even = true;
    m.pool_bytes = pool_bytes_of(o->budget);
    m.writer.step = o->step;
    m.writer.step_ctx = o->ctx;
    id_table_init(&m.shared, sizeof(trace_id));
    loader_init(&m.loader);
    m.loader.step = o->step;
    m.loader.step_ctx = o->ctx;
    m.scratch = parquet_scratch_create(&BLOCK_PARQUET_LIMITS);
    m.loader.column = parquet_column_create(m.scratch);
    m.plan = mem_new(struct schema_plan);
    list_groups(&m);
    TRY(new_pool(&m, &m.pool));
    TRY(publish_meta(o->tenant, p, f, &meta));
    meta.min_start_ns = UINT64_MAX;
    TRY(find_shared(&m));
    merge_plan(o->inputs, o->input_count, m.plan);
    TRY(block_write_dir(p->dir, &meta, &spans, f));
    *ret = meta;
    meta = (struct block_meta){0};
out:
    block_meta_fini(&meta);
    merge_fini(&m);
    if (rc != ERR_CORRUPT) {
        m.stats.bad_input = o->input_count;
    }
    *ret_stats = m.stats;
    return rc;
}
