/* receiver-private: the memory a worker decodes into, kept between requests.
 *
 * A scratch is a batch and a buffer for the decompressed body. A few are kept (as many as there are workers),
 * so that a steady load allocates nothing; one that a large request has blown up is given back to the system.
 * Threads: get and put from any worker (a short lock, rank LOCK_POOL). */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/base/mutex.h"
#include "vivace/model/span_batch.h"

#define SCRATCH_KEEP_BYTES ((size_t)4 << 20) /* larger ones are not kept */

struct scratch {
    struct scratch *next;
    struct span_batch batch;
    struct buf body;
};

struct scratch_pool {
    struct mutex mu;
    struct scratch *free; /* guarded by mu */
    size_t free_count, keep;
};

void scratch_pool_init(struct scratch_pool *p, size_t keep);
void scratch_pool_fini(struct scratch_pool *p);
/* Empty; decompression may fill `body` up to `body_max` bytes. */
struct scratch *scratch_get(struct scratch_pool *p, size_t body_max);
/* Bound the batch to a multiple of the `n` bytes about to be decoded. */
void scratch_bound_batch(struct scratch *s, size_t n);
void scratch_put(struct scratch_pool *p, struct scratch *s);
