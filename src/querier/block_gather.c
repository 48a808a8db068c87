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
    struct trace_sets *sets, own; /* of the list's snapshot */
    trace_id *ids;                /* wanted */
    uint64_t *hashes;
    uint8_t *here; /* they lie in the row group */
    size_t count;
    struct group_scan *scan; /* of block `of_block` */
    struct group_spans *spans;
    size_t of_block;
    uint64_t counted; /* of the scan's bytes */
};

err
block_gather_open(struct block_store *store, const struct search_hunt *hunt, struct trace_sets *sets,
                  const struct block_snapshot *of, struct fault *f, void **ret_cursor)
{
    const uint64_t margin = SEARCH_MARGIN_NS;
    struct block_gather *g = mem_new(struct block_gather);
    g->hunt = *hunt;
    err rc =
        group_list_open(&g->list, store, hunt->tenant, hunt->start_ns > margin ? hunt->start_ns - margin : 0,
                        hunt->end_ns < UINT64_MAX - margin ? hunt->end_ns + margin : UINT64_MAX, f);
    if (rc != OK) {
        mem_free(g);
        return rc;
    }
    g->sets = sets;
    if (g->list.snapshot != of) {
        trace_sets_init(&g->own, g->list.snapshot->count, hunt->budget);
        g->sets = &g->own;
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
    if (g->sets == &g->own) {
        trace_sets_fini(&g->own);
    }
    group_list_close(&g->list);
    mem_free(g->ids);
    mem_free(g->hashes);
    mem_free(g->here);
    mem_free(g);
}

static void
list_wanted(struct block_gather *g, const struct id_table *wanted)
{
    size_t cursor = 0;
    const void *id = NULL;
    uint64_t place = 0;
    g->ids = mem_new_array(trace_id, wanted->count + 1);
    g->hashes = mem_new_array(uint64_t, wanted->count + 1);
    g->here = mem_new_array(uint8_t, wanted->count + 1);
    while (id_table_next(wanted, &cursor, &id, &place)) {
        memcpy(&g->ids[g->count], id, sizeof *g->ids);
        g->hashes[g->count] = trace_sets_hash(&g->ids[g->count]);
        g->count++;
    }
}

/* The next row group that has some of them. */
static err
next_group(struct block_gather *g, struct fault *f, struct listed_group *ret)
{
    bool some = false;
    err rc = OK;
    while (!some) {
        TRY(g->hunt.guard ? query_guard_check(g->hunt.guard, f) : OK);
        TRY(group_list_peek(&g->list, f, ret));
        group_list_take(&g->list);
        memset(g->here, 0, g->count);
        TRY(trace_sets_enter(g->sets, ret->block, g->list.readers[ret->block], f));
        TRY(trace_sets_ask(g->sets, ret->block, g->list.readers[ret->block], ret->group, g->ids, g->hashes,
                           g->count, g->here, f));
        some = g->count && memchr(g->here, 1, g->count);
    }
out:
    return rc;
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
    if (g->ids == NULL) {
        list_wanted(g, wanted);
    }
    TRY(next_group(g, f, &group));
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
    *bytes += atomic_exchange(&g->sets->bytes_read, 0);
    return rc;
}
