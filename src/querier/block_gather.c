/* The spans of many traces read from blocks in one pass: row groups that hold some of them, as vectors, of
 * which only what the plan looks at becomes spans. Whoever wants to see the spans whole gets them whole. */
#include "block_gather.h"

#include "group_spans.h"
#include "row_groups.h"

#include "vivace/base/mem.h"
#include "vivace/base/table.h"

struct block_gather {
    struct search_hunt hunt;
    struct group_list list;
    struct group_scan *scan; /* of block `of_block` */
    struct group_spans *spans;
    size_t of_block;
    uint64_t counted; /* of the scan's bytes */
};

err
block_gather_open(struct block_store *store, const struct search_hunt *hunt, struct fault *f,
                  void **ret_cursor)
{
    const uint64_t margin = SEARCH_MARGIN_NS;
    struct block_gather *g = mem_new(struct block_gather);
    g->hunt = *hunt;
    err rc =
        group_list_open(&g->list, store, hunt->tenant, hunt->start_ns > margin ? hunt->start_ns - margin : 0,
                        hunt->end_ns < UINT64_MAX - margin ? hunt->end_ns + margin : UINT64_MAX, f);
    if (rc != OK) {
        block_gather_close(g);
        return rc;
    }
    *ret_cursor = g;
    return OK;
}

void
block_gather_close(void *cursor)
{
    struct block_gather *g = cursor;
    group_spans_destroy(g->spans);
    group_scan_destroy(g->scan);
    group_list_close(&g->list);
    mem_free(g);
}

static void
enter_block(struct block_gather *g, size_t block)
{
    if (g->scan && g->of_block == block) {
        return;
    }
    group_spans_destroy(g->spans);
    group_scan_destroy(g->scan);
    g->scan = group_scan_create(g->list.readers[block], g->hunt.plan, g->hunt.guard, g->hunt.budget);
    g->spans = group_spans_create(g->scan);
    g->of_block = block;
    g->counted = 0;
}

/* Rows of a trace as they are. */
static err
add_whole(struct block_gather *g, const struct group_trace *t, struct span_batch *out, uint64_t *bytes,
          struct fault *f)
{
    return block_read_rows(g->scan->reader, g->scan->row_group, t->from, t->to, out, bytes, f);
}

err
block_gather_next(void *cursor, const struct id_table *wanted, struct span_batch *out, uint64_t *bytes,
                  struct fault *f)
{
    struct block_gather *g = cursor;
    struct listed_group group;
    struct group_traces traces;
    bool opened = false;
    err rc = OK;
    TRY(group_list_peek(&g->list, f, &group));
    group_list_take(&g->list);
    enter_block(g, group.block);
    TRY(group_scan_open(g->scan, group.group, f));
    TRY(group_traces(g->scan, f, &traces));
    for (size_t i = 0; i < traces.count; i++) {
        const struct group_trace *t = &traces.v[i];
        if (id_table_get(wanted, &t->id) == 0) {
            continue;
        }
        if (g->hunt.search == NULL) {
            TRY(add_whole(g, t, out, bytes, f));
            continue;
        }
        if (!opened) {
            TRY(group_spans_open(g->spans, out, f));
            opened = true;
        }
        TRY(group_spans_add(g->spans, &t->id, t->from, t->to, f));
    }
    *bytes += g->scan->bytes_read - g->counted;
    g->counted = g->scan->bytes_read;
out:
    return rc;
}
