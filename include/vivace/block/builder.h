/* Make a block of span batches.
 *
 *   block_builder_create; block_builder_add ... ; block_builder_publish; block_builder_destroy
 *
 * Spans are taken apart on add: strings are interned, attributes become cells of 4 or 8 bytes behind a shared
 * shape, a span is about 100 bytes beside its distinct strings. Batches may be freed after add; a trace's
 * spans may come in any batch and stay in order of arrival. Publish orders the traces, computes nested sets
 * and trace summaries, chooses the attribute columns, and writes.
 *
 * The caller looks at block_builder_bytes between adds and publishes when it has enough: a builder of 64 MiB
 * holds about 300,000 ordinary spans. Threads: one owner. Source: docs/block-format.md.
 */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/block/meta.h"
#include "vivace/model/span_batch.h"

enum block_order {
    BLOCK_ORDER_SLICES, /* row groups are slices of time, by trace id inside: docs/adr/0004 */
    BLOCK_ORDER_TRACE_ID,
};

struct block_builder_options {
    slice tenant;            /* 1..BLOCK_TENANT_MAX bytes */
    struct budget *budget;   /* may be NULL; memory of the builder and of the writing */
    int zstd_level;          /* 0 = 1: higher ones save nothing on the bench's corpus */
    enum block_order order;  /* measured in bench/block.c */
    uint32_t row_group_rows; /* 0 = 65536 */
    uint32_t page_rows;      /* 0 = 8192 */
};

struct block_builder;

CHECKED err block_builder_create(const struct block_builder_options *o, struct fault *f,
                                 struct block_builder **ret);
/* Accepts NULL. */
void block_builder_destroy(struct block_builder *b);

/* Take copies of all spans of the batch. ERR_LIMIT when the budget refuses: nothing was added. */
CHECKED err block_builder_add(struct block_builder *b, const struct span_batch *batch, struct fault *f);
/* Memory it holds; less once it is published. */
size_t block_builder_bytes(const struct block_builder *b);
uint64_t block_builder_spans(const struct block_builder *b);
uint64_t block_builder_traces(const struct block_builder *b);

struct block_publish {
    const char *dir; /* of the tenant: <path>/<tenant>; made when missing */
    block_uuid id;   /* zero = a new one */
    uint32_t level;
    const struct block_source *sources;
    size_t source_count;
    const block_uuid *inputs; /* blocks of this tenant that it replaces, each as a whole */
    size_t input_count;
    bool drop_duplicates; /* spans whose id and kind came before in their trace: they were sent twice */
};

/* Write the block below `dir`: a temporary directory, files and directory synced, one rename. A failure
 * leaves nothing that a lister sees; what could not be removed is swept by block_list_open. The builder is
 * spent. ERR_INVALID when it holds no spans. `*ret` is the caller's to fini. */
CHECKED err block_builder_publish(struct block_builder *b, const struct block_publish *p, struct fault *f,
                                  struct block_meta *ret);
