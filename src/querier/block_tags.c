/* Tags over blocks: row group by row group. */
#include "row_groups.h"

#include "vivace/base/mem.h"
#include "vivace/querier/tags.h"

#include <stdatomic.h>

#define READ_ROWS 8192 /* of a row group at a time: a page of the blocks this program writes */

struct tags_cursor {
    struct group_list list;
    struct listed_group group; /* being read */
    uint64_t row;              /* the next of it */
    bool inside;
    struct span_batch batch;
};

static err
tags_open(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
          void **ret_cursor)
{
    struct block_store *store = atomic_load((_Atomic(struct block_store *) *)ctx);
    struct tags_cursor *c = mem_new(struct tags_cursor);
    span_batch_init(&c->batch, SEARCH_TRACE_BYTES_MAX);
    *ret_cursor = c; /* the owner closes it in any case */
    err rc = group_list_open(&c->list, store, hunt->tenant, hunt->start_ns, hunt->end_ns, f);
    if (rc == OK) {
        stats->jobs += (uint32_t)c->list.snapshot->count;
    }
    return rc;
}

static void
tags_close(void *cursor)
{
    struct tags_cursor *c = cursor;
    group_list_close(&c->list);
    span_batch_fini(&c->batch);
    mem_free(c);
}

static err
next_group(struct tags_cursor *c, struct search_stats *stats, struct fault *f)
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
read_some(struct tags_cursor *c, struct search_stats *stats, struct fault *f)
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

static err
tags_advance(void *cursor, struct tag_collector *out, struct search_stats *stats, struct fault *f)
{
    struct tags_cursor *c = cursor;
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
    return (struct tag_source){.open = tags_open, .advance = tags_advance, .close = tags_close, .ctx = at};
}
