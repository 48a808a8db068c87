/* A store of blocks for tests: what is published is added by hand, nothing is removed. */
#pragma once

#include "test.h"

#include "vivace/base/mem.h"
#include "vivace/block/builder.h"
#include "vivace/block/store.h"

#include <unistd.h>

#define FAKE_BLOCKS_MAX 16

struct stored_block_private {
    struct block_reader *reader;
    int uses;
};

struct block_store {
    struct block_snapshot snapshot;
    struct stored_block *blocks[FAKE_BLOCKS_MAX];
    char dir[64];
};

const struct block_snapshot *
block_store_snapshot(struct block_store *s, slice tenant)
{
    static const struct block_snapshot none;
    return slice_eq(tenant, SL("t")) ? &s->snapshot : &none;
}

void
block_snapshot_release(const struct block_snapshot *v)
{
    (void)v;
}

err
stored_block_open(struct stored_block *b, struct fault *f, struct block_reader **ret)
{
    (void)f;
    b->priv->uses++;
    *ret = b->priv->reader;
    return OK;
}

void
stored_block_done(struct stored_block *b)
{
    b->priv->uses--;
}

static void
fake_store_init(struct block_store *s)
{
    *s = (struct block_store){.snapshot.blocks = s->blocks};
    strcpy(s->dir, "/tmp/vivace-querier-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
}

static void
fake_store_fini(struct block_store *s)
{
    char command[128];
    for (size_t i = 0; i < s->snapshot.count; i++) {
        assert_int_equal(s->blocks[i]->priv->uses, 0);
        block_reader_close(s->blocks[i]->priv->reader);
        block_meta_fini(&s->blocks[i]->meta);
        mem_free(s->blocks[i]->priv);
        mem_free(s->blocks[i]);
    }
    snprintf(command, sizeof command, "rm -rf %s", s->dir);
    assert_int_equal(system(command), 0);
}

/* Make a block of the spans. */
static void
fake_store_add(struct block_store *s, const struct span_batch *spans, uint32_t group_rows, uint32_t page_rows)
{
    struct block_builder_options o = {
        .tenant = SL("t"), .row_group_rows = group_rows, .page_rows = page_rows};
    struct block_publish p = {.dir = s->dir};
    struct block_builder *b = NULL;
    struct fault f = {0};
    char path[128];
    char uuid[BLOCK_UUID_TEXT + 1];
    struct stored_block *block = mem_new(struct stored_block);
    block->priv = mem_new(struct stored_block_private);
    assert_ok(block_builder_create(&o, &f, &b), &f);
    assert_ok(block_builder_add(b, spans, &f), &f);
    assert_ok(block_builder_publish(b, &p, &f, &block->meta), &f);
    block_builder_destroy(b);
    block_uuid_format(&block->meta.id, uuid);
    snprintf(path, sizeof path, "%s/%s", s->dir, uuid);
    assert_ok(block_reader_open(path, &f, &block->priv->reader), &f);
    size_t at = s->snapshot.count++;
    while (at > 0 && s->blocks[at - 1]->meta.max_end_ns < block->meta.max_end_ns) {
        s->blocks[at] = s->blocks[at - 1];
        at--;
    }
    s->blocks[at] = block;
}
