/* Byte budgets: reserve first, allocate after, refuse with ERR_LIMIT instead of growing.
 *
 * Budgets form a tree; a reservation counts in every ancestor and fails as a whole when any is full.
 * Each room's budget hangs under the process budget (`vivace.memory_limit`) and shows in /metrics.
 * Threads: reserve and release are safe from any thread (atomics, no lock).
 */
#pragma once

#include "vivace/base/err.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct budget {
    const char *name;
    struct budget *parent; /* or NULL */
    size_t max;            /* bytes; SIZE_MAX = only the ancestors bound it */
    _Atomic size_t used;
    _Atomic uint64_t refused;
};

void budget_init(struct budget *b, const char *name, struct budget *parent, size_t max);
/* ERR_LIMIT when it does not fit (nothing is reserved then). */
CHECKED err budget_reserve(struct budget *b, size_t bytes);
void budget_release(struct budget *b, size_t bytes);
size_t budget_used(const struct budget *b);
