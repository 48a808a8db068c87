#include "row_groups.h"

#include "vivace/base/mem.h"

err
group_list_open(struct group_list *l, struct block_store *store, slice tenant, uint64_t from_ns,
                uint64_t to_ns, struct fault *f)
{
    *l = (struct group_list){.from_ns = from_ns, .to_ns = to_ns};
    if (store == NULL) {
        return FAULT(f, ERR_UNAVAILABLE, "the server is starting");
    }
    l->snapshot = block_store_snapshot(store, tenant);
    l->readers = mem_new_array(struct block_reader *, l->snapshot->count + 1);
    return OK;
}

void
group_list_close(struct group_list *l)
{
    if (l->snapshot == NULL) {
        return;
    }
    for (size_t i = 0; i < l->snapshot->count; i++) {
        if (l->readers[i]) {
            stored_block_done(l->snapshot->blocks[i]);
        }
    }
    block_snapshot_release(l->snapshot);
    mem_free(l->readers);
    mem_free(l->groups);
    *l = (struct group_list){0};
}

static bool
overlaps(const struct group_list *l, const struct block_meta *m)
{
    return m->spans && m->min_start_ns <= l->to_ns && m->max_end_ns >= l->from_ns;
}

/* The bounds of a column; false when the file does not say. */
static bool
bounds_of(const struct block_reader *r, size_t group, enum block_column c, int64_t *ret_min, int64_t *ret_max)
{
    const int32_t leaf = block_reader_schema(r)->column[c];
    const struct parquet_bounds *b =
        &parquet_meta_chunk(block_reader_file(r)->meta, group, (size_t)leaf)->bounds;
    if (b->min.n != sizeof *ret_min || b->max.n != sizeof *ret_max) {
        return false;
    }
    memcpy(ret_min, b->min.p, sizeof *ret_min); /* little-endian, as is every machine this runs on */
    memcpy(ret_max, b->max.p, sizeof *ret_max);
    return true;
}

/* When a row group's spans begin and end. Signed bounds do not order times behind 2262, nor the duration of a
 * span that ends there; one that ends before it begins has a negative duration. */
static void
time_bounds(const struct block_reader *r, size_t group, struct listed_group *g)
{
    int64_t first = 0;
    int64_t last = 0;
    int64_t shortest = 0;
    int64_t longest = 0;
    g->min_start_ns = 0;
    g->latest_ns = g->max_end_ns = UINT64_MAX;
    if (!bounds_of(r, group, BLOCK_START, &first, &last) || first < 0) {
        return;
    }
    g->min_start_ns = (uint64_t)first;
    g->latest_ns = (uint64_t)last;
    if (bounds_of(r, group, BLOCK_DURATION, &shortest, &longest) && shortest >= -first) {
        g->max_end_ns = (uint64_t)last + (uint64_t)(longest > 0 ? longest : 0);
    }
    if (bounds_of(r, group, BLOCK_TRACE_START, &first, &last) && first >= 0 &&
        (uint64_t)last < g->latest_ns) {
        g->latest_ns = (uint64_t)last;
    }
}

static void
add_group(struct group_list *l, size_t block, size_t number)
{
    const struct block_reader *r = l->readers[block];
    struct listed_group g = {.block = (uint32_t)block, .group = (uint32_t)number};
    time_bounds(r, number, &g);
    if (g.min_start_ns > l->to_ns) {
        l->passed++;
        return;
    }
    if (l->group_count == l->group_cap) {
        l->group_cap = l->group_cap ? 2 * l->group_cap : 64;
        l->groups = mem_realloc(l->groups, l->group_cap, sizeof *l->groups);
    }
    size_t at = l->group_count++;
    while (at > l->at && l->groups[at - 1].latest_ns < g.latest_ns) { /* few stand out of order */
        l->groups[at] = l->groups[at - 1];
        at--;
    }
    l->groups[at] = g;
}

static err
open_block(struct group_list *l, size_t i, struct fault *f)
{
    struct stored_block *b = l->snapshot->blocks[i];
    err rc = stored_block_open(b, f, &l->readers[i]);
    if (rc != OK) {
        l->readers[i] = NULL;
        return rc == ERR_NOT_FOUND ? ERR_IO : rc; /* a snapshot's blocks are there */
    }
    const struct parquet_meta *m = block_reader_file(l->readers[i])->meta;
    for (size_t g = 0; g < m->row_group_count; g++) {
        add_group(l, i, g);
    }
    return OK;
}

/* No trace of a block that is not open yet begins later. */
static uint64_t
unopened(struct group_list *l)
{
    while (l->next_block < l->snapshot->count && !overlaps(l, &l->snapshot->blocks[l->next_block]->meta)) {
        l->next_block++;
    }
    return l->next_block < l->snapshot->count ? l->snapshot->blocks[l->next_block]->meta.max_end_ns : 0;
}

err
group_list_peek(struct group_list *l, struct fault *f, struct listed_group *ret)
{
    for (;;) {
        uint64_t bound = unopened(l);
        bool some = l->at < l->group_count;
        if (l->next_block == l->snapshot->count && !some) {
            return ERR_NOT_FOUND;
        }
        if (l->next_block == l->snapshot->count || (some && l->groups[l->at].latest_ns >= bound)) {
            *ret = l->groups[l->at];
            return OK;
        }
        err rc = open_block(l, l->next_block++, f);
        if (rc != OK) {
            return rc;
        }
    }
}

err
group_list_open_all(struct group_list *l, struct fault *f)
{
    err rc = OK;
    while (rc == OK && unopened(l)) {
        rc = open_block(l, l->next_block++, f);
    }
    return rc;
}

uint64_t
group_list_bound(struct group_list *l)
{
    uint64_t bound = unopened(l);
    if (l->at < l->group_count && l->groups[l->at].latest_ns > bound) {
        bound = l->groups[l->at].latest_ns;
    }
    return bound;
}
