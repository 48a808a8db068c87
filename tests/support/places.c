#include "support/places.h"

#include "vivace/base/must.h"
#include "vivace/block/merge.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCKS 3
#define PUSHES 3 /* to live data, after the blocks */
#define PARTS  (BLOCKS + PUSHES)

const char *
place_name(enum place p)
{
    static const char *const names[] = {
        "live",   "one block",  "twice in one block", "traces scattered", "spans scattered",
        "merged", "spans twice"};
    return names[p];
}

static void
must_ok(err rc, const struct fault *f)
{
    if (rc != OK) {
        (void)fprintf(stderr, "%s: %s\n", err_name(rc), f->msg);
        abort();
    }
}

static void
tenant_dir(const struct places *p, char ret[96])
{
    (void)snprintf(ret, 96, "%s/blocks/t", p->dir);
}

/* A block of the spans; where it lies in `ret_path`. */
static void
add_block(struct places *p, const struct span_batch *spans, struct rng *r, char ret_path[160])
{
    struct block_builder_options o = {.tenant = PLACES_TENANT,
                                      .row_group_rows = 8 + (uint32_t)rng_below(r, 40),
                                      .page_rows = 4 + (uint32_t)rng_below(r, 16)};
    struct block_publish publish = {0};
    struct block_builder *b = NULL;
    struct block_meta meta = {0};
    struct fault f = {0};
    char dir[96], uuid[BLOCK_UUID_TEXT + 1];
    tenant_dir(p, dir);
    publish.dir = dir;
    must_ok(block_builder_create(&o, &f, &b), &f);
    must_ok(block_builder_add(b, spans, &f), &f);
    must_ok(block_builder_publish(b, &publish, &f, &meta), &f);
    block_uuid_format(&meta.id, uuid);
    (void)snprintf(ret_path, 160, "%s/%s", dir, uuid);
    block_meta_fini(&meta);
    block_builder_destroy(b);
}

static void
remove_tree(const char *path)
{
    char command[192];
    (void)snprintf(command, sizeof command, "rm -rf %s", path);
    MUST(system(command) == 0);
}

/* One block instead of these. */
static void
merge_blocks(struct places *p, char paths[][160], size_t n, struct rng *r)
{
    struct block_reader *inputs[BLOCKS];
    struct block_merge_options o = {.inputs = inputs,
                                    .input_count = n,
                                    .tenant = PLACES_TENANT,
                                    .row_group_rows = 8 + (uint32_t)rng_below(r, 40),
                                    .page_rows = 4 + (uint32_t)rng_below(r, 16)};
    struct block_publish publish = {.level = 1};
    struct block_merge_stats stats;
    struct block_meta meta = {0};
    struct fault f = {0};
    char dir[96];
    tenant_dir(p, dir);
    publish.dir = dir;
    for (size_t i = 0; i < n; i++) {
        must_ok(block_reader_open(paths[i], &f, &inputs[i]), &f);
    }
    must_ok(block_merge(&o, &publish, &f, &meta, &stats), &f);
    block_meta_fini(&meta);
    for (size_t i = 0; i < n; i++) {
        block_reader_close(inputs[i]);
        remove_tree(paths[i]);
    }
}

static void
push(struct places *p, const struct span_batch *spans)
{
    struct fault f = {0};
    struct ingester_push push = {.tenant = PLACES_TENANT, .batch = spans};
    must_ok(ingester_push(p->ingester, &push, &f), &f);
}

/* Which part a span goes to: blocks, then pushes. */
static size_t
part_of(enum place place, size_t home, struct rng *r)
{
    switch (place) {
    case PLACE_LIVE:
        return BLOCKS + rng_below(r, PUSHES);
    case PLACE_BLOCK:
    case PLACE_REPEATED:
        return 0;
    case PLACE_TRACES:
        return home;
    case PLACE_MERGED:
        return rng_below(r, BLOCKS);
    default:
        return rng_below(r, PARTS);
    }
}

static void
put(struct span_batch *part, const struct span_batch *from, size_t i)
{
    struct span_copy_memo memo = {0};
    MUST(span_batch_copy_span(part, from, i, true, &memo) == OK);
}

static void
spread(struct span_batch *parts, const struct span_batch *traces, size_t count, enum place place,
       struct rng *r)
{
    static const size_t parts_of_copies[PLACE_COUNT] = {
        [PLACE_REPEATED] = 1, [PLACE_MERGED] = BLOCKS, [PLACE_TWICE] = PARTS};
    for (size_t t = 0; t < count; t++) {
        size_t home = rng_below(r, PARTS);
        for (size_t i = 0; i < traces[t].span_count; i++) {
            size_t first = part_of(place, home, r);
            put(&parts[first], &traces[t], i);
            if (parts_of_copies[place] && rng_below(r, 4) == 0) {
                put(&parts[rng_below(r, parts_of_copies[place])], &traces[t], i);
            }
        }
    }
}

void
places_make(struct places *p, const struct span_batch *traces, size_t count, enum place place, struct rng *r)
{
    struct span_batch parts[PARTS];
    struct fault f = {0};
    char wal[96], blocks[96], paths[BLOCKS][160];
    size_t block_count = 0;
    *p = (struct places){0};
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/vivace-places-XXXXXX");
    MUST(mkdtemp(p->dir) != NULL);
    (void)snprintf(wal, sizeof wal, "%s/wal", p->dir);
    (void)snprintf(blocks, sizeof blocks, "%s/blocks", p->dir);
    must_ok(
        ingester_open(&(struct ingester_options){.wal_dir = wal, .sync = WAL_SYNC_NONE}, &f, &p->ingester),
        &f);
    for (size_t i = 0; i < PARTS; i++) {
        span_batch_init(&parts[i], 0);
    }
    spread(parts, traces, count, place, r);
    for (size_t i = 0; i < PARTS; i++) {
        if (parts[i].span_count && i < BLOCKS) {
            add_block(p, &parts[i], r, paths[block_count++]);
        } else if (parts[i].span_count) {
            push(p, &parts[i]);
        }
        if (i == BLOCKS) {
            must_ok(ingester_flush(p->ingester, &f), &f); /* a sealed segment */
        }
        span_batch_fini(&parts[i]);
    }
    if (place == PLACE_MERGED && block_count) {
        merge_blocks(p, paths, block_count, r);
    }
    must_ok(block_store_open(&(struct block_store_options){.path = blocks}, &f, &p->store), &f);
    atomic_store(&p->ingester_at, p->ingester);
    atomic_store(&p->store_at, p->store);
    p->sources[0] = search_source_live(&p->ingester_at);
    p->sources[1] = search_source_blocks(&p->store_at);
}

void
places_fini(struct places *p)
{
    ingester_close(p->ingester);
    block_store_close(p->store);
    remove_tree(p->dir);
}
