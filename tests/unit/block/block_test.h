/* What the block tests share: a directory of their own, and blocks of random spans. */
#pragma once

#include "span_random.h"
#include "test.h"

#include "vivace/base/mem.h"
#include "vivace/block/builder.h"
#include "vivace/block/list.h"
#include "vivace/block/reader.h"
#include "vivace/codec/otlp.h"

#include <unistd.h>

static char test_dir[64];

static int
make_dir(void **state)
{
    (void)state;
    strcpy(test_dir, "/tmp/vivace-block-XXXXXX");
    return mkdtemp(test_dir) ? 0 : -1;
}

static int
drop_dir(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", test_dir);
    return system(command);
}

/* A builder that holds `n` random spans of `traces` traces. */
static inline struct block_builder *
random_builder(uint64_t seed, size_t n, size_t traces)
{
    struct span_random r = {.traces = traces, .few_values = true};
    struct block_builder_options o = {.tenant = SL("tenant-a"), .row_group_rows = 200, .page_rows = 64};
    struct block_builder *b = NULL;
    struct span_batch batch;
    struct fault f = {0};
    rng_seed(&r.rng, seed);
    span_batch_init(&batch, 0);
    random_spans(&r, &batch, n);
    assert_ok(block_builder_create(&o, &f, &b), &f);
    assert_ok(block_builder_add(b, &batch, &f), &f);
    span_batch_fini(&batch);
    return b;
}

static inline const char *
tenant_dir(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/blocks/tenant-a", test_dir);
    return path;
}

static inline const char *
blocks_dir(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/blocks", test_dir);
    return path;
}

static inline const char *
block_dir(const block_uuid *id)
{
    static char path[192];
    char uuid[BLOCK_UUID_TEXT + 1];
    block_uuid_format(id, uuid);
    snprintf(path, sizeof path, "%s/%s", tenant_dir(), uuid);
    return path;
}

static inline void
publish_random(uint64_t seed, size_t n, struct block_meta *ret)
{
    struct block_builder *b = random_builder(seed, n, 30);
    struct block_publish p = {.dir = tenant_dir()};
    struct fault f = {0};
    assert_ok(block_builder_publish(b, &p, &f, ret), &f);
    block_builder_destroy(b);
}

/* A block that replaces `inputs`. */
static inline void
publish_replacing(const block_uuid *inputs, size_t n, struct block_meta *ret)
{
    struct block_builder *b = random_builder(77, 100, 30);
    struct block_publish p = {.dir = tenant_dir(), .level = 1, .inputs = inputs, .input_count = n};
    struct fault f = {0};
    assert_ok(block_builder_publish(b, &p, &f, ret), &f);
    block_builder_destroy(b);
}
