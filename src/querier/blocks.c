/* Blocks as a source of searches and tags: row group by row group, the latest traces first. */
#include "prefilter.h"
#include "row_groups.h"

#include "vivace/base/mem.h"
#include "vivace/querier/tags.h"

#include <stdatomic.h>

#define READ_ROWS 8192 /* of a row group at a time: a page of the blocks this program writes */

static struct block_store *
store_of(void *ctx)
{
    return atomic_load((_Atomic(struct block_store *) *)ctx);
}

/* --- one trace ------------------------------------------------------------------------------------------ */

static err
blocks_find(void *ctx, slice tenant, const trace_id *id, struct span_batch *out, uint64_t *inspected_bytes,
            struct fault *f)
{
    struct block_store *store = store_of(ctx);
    bool any = false;
    err rc = OK;
    if (store == NULL) {
        return FAULT(f, ERR_UNAVAILABLE, "the server is starting");
    }
    const struct block_snapshot *v = block_store_snapshot(store, tenant);
    for (size_t i = 0; rc == OK && i < v->count; i++) {
        struct block_reader *r = NULL;
        rc = stored_block_open(v->blocks[i], f, &r);
        if (rc != OK) {
            break;
        }
        rc = block_find_trace(r, id, out, inspected_bytes, f);
        any = any || rc == OK;
        rc = rc == ERR_NOT_FOUND ? OK : rc;
        stored_block_done(v->blocks[i]);
    }
    block_snapshot_release(v);
    return rc == OK && !any ? ERR_NOT_FOUND : rc;
}

struct trace_source
trace_source_blocks(_Atomic(struct block_store *) *at)
{
    return (struct trace_source){blocks_find, at};
}

/* --- row groups one after the other ----------------------------------------------------------------------
 */

struct blocks_cursor {
    const struct search_hunt *hunt;
    struct group_list list;
    struct listed_group group; /* being read */
    uint64_t row;              /* the next of it */
    bool inside;
    struct prefilter prefilter;
    struct span_batch batch;
};

static err
cursor_open(void *ctx, const struct search_hunt *hunt, uint64_t margin_ns, struct search_stats *stats,
            struct fault *f, void **ret_cursor)
{
    uint64_t from = hunt->start_ns > margin_ns ? hunt->start_ns - margin_ns : 0;
    uint64_t to = hunt->end_ns < UINT64_MAX - margin_ns ? hunt->end_ns + margin_ns : UINT64_MAX;
    struct blocks_cursor *c = mem_new(struct blocks_cursor);
    c->hunt = hunt;
    span_batch_init(&c->batch, SEARCH_TRACE_BYTES_MAX);
    prefilter_init(&c->prefilter, hunt->plan);
    *ret_cursor = c; /* the owner closes it in any case */
    err rc = group_list_open(&c->list, store_of(ctx), hunt->tenant, from, to, f);
    if (rc != OK) {
        return rc;
    }
    for (size_t i = 0; i < c->list.snapshot->count; i++) {
        const struct block_meta *m = &c->list.snapshot->blocks[i]->meta;
        if (m->min_start_ns <= to && m->max_end_ns >= from) {
            stats->blocks++;
            stats->block_bytes += m->bytes;
            stats->jobs++;
        }
    }
    return OK;
}

static void
cursor_close(void *cursor)
{
    struct blocks_cursor *c = cursor;
    group_list_close(&c->list);
    prefilter_fini(&c->prefilter);
    span_batch_fini(&c->batch);
    mem_free(c);
}

static err
next_group(struct blocks_cursor *c, struct search_stats *stats, struct fault *f)
{
    err rc = group_list_peek(&c->list, f, &c->group);
    if (rc == OK) {
        group_list_take(&c->list);
        c->inside = true;
        c->row = 0;
    } else if (rc == ERR_NOT_FOUND) {
        stats->jobs_done = stats->jobs;
    }
    return rc;
}

/* The next rows of the row group, in the batch. */
static err
read_some(struct blocks_cursor *c, struct search_stats *stats, struct fault *f)
{
    struct block_reader *r = c->list.readers[c->group.block];
    const uint64_t rows = block_reader_file(r)->meta->row_groups[c->group.group].row_count;
    const uint64_t to = rows - c->row > READ_ROWS ? c->row + READ_ROWS : rows;
    err rc = OK;
    span_batch_reset(&c->batch);
    if (to > c->row) {
        rc = block_read_rows(r, c->group.group, c->row, to, &c->batch, &stats->bytes, f);
    }
    stats->spans += c->batch.span_count;
    c->row = to;
    c->inside = to < rows;
    return rc;
}

/* --- searches ------------------------------------------------------------------------------------------- */

static err
search_open(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
            void **ret_cursor)
{
    return cursor_open(ctx, hunt, SEARCH_MARGIN_NS, stats, f, ret_cursor);
}

static err
search_advance(void *cursor, struct candidates *out, struct search_stats *stats, uint64_t *ret_horizon,
               struct fault *f)
{
    struct blocks_cursor *c = cursor;
    err rc = OK;
    if (!c->inside) {
        TRY(next_group(c, stats, f));
    }
    TRY(read_some(c, stats, f));
    prefilter_batch(&c->prefilter, &c->batch);
    for (size_t i = 0; i < c->batch.span_count; i++) {
        const struct span *s = &c->batch.spans[i];
        uint32_t bits = 0;
        if (prefilter_span(&c->prefilter, i, &bits)) {
            TRY(candidates_offer(out, &s->trace, s->start_ns, bits, f));
        }
    }
    *ret_horizon = c->inside ? c->group.latest_ns : group_list_bound(&c->list);
out:
    return rc;
}

struct search_source
search_source_blocks(_Atomic(struct block_store *) *at)
{
    return (struct search_source){.trace = trace_source_blocks(at),
                                  .open = search_open,
                                  .advance = search_advance,
                                  .close = cursor_close,
                                  .ctx = at};
}

/* --- tags ----------------------------------------------------------------------------------------------- */

static err
tags_open(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
          void **ret_cursor)
{
    return cursor_open(ctx, hunt, 0, stats, f, ret_cursor);
}

static err
tags_advance(void *cursor, struct tag_collector *out, struct search_stats *stats, struct fault *f)
{
    struct blocks_cursor *c = cursor;
    err rc = OK;
    if (!c->inside) {
        TRY(next_group(c, stats, f));
    }
    TRY(read_some(c, stats, f));
    rc = tag_collect(out, &c->batch, f, &rc) || rc != OK ? rc : ERR_NOT_FOUND;
out:
    return rc;
}

struct tag_source
tag_source_blocks(_Atomic(struct block_store *) *at)
{
    return (struct tag_source){.open = tags_open, .advance = tags_advance, .close = cursor_close, .ctx = at};
}
