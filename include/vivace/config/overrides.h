/* Limits per tenant: the defaults of the configuration and the per-tenant file, which is read again while
 * running.
 *
 * Lookup: the exact tenant, else "*", else the defaults. An entry replaces the defaults as a whole: what it
 * does not name is zero (unlimited, off, or the component's setting), as in Tempo. A bad file at start is an
 * error; a bad file later keeps the limits of before and says so in the metric
 * tempo_runtime_config_last_reload_successful{config="overrides"}.
 *
 * Threads: any. Readers get an immutable, reference-counted snapshot; the lock (rank LOCK_CONFIG) is held for
 * a table lookup only. overrides_reload does file I/O outside the lock; one thread calls it. Limits:
 * CONFIG_FILE_MAX, CONFIG_NODES_MAX, OVERRIDES_TENANTS_MAX.
 */
#pragma once

#include "vivace/config/config.h"

#define OVERRIDES_TENANTS_MAX 10000 /* entries of the per-tenant file */

struct overrides;

/* `c` must outlive the result. ERR_INVALID, ERR_NOT_FOUND, ERR_IO when the per-tenant file cannot be used;
 * details of a bad file go to `report` (may be NULL). Without a file there are only defaults. */
CHECKED err overrides_load(const struct config *c, struct config_report *report, struct fault *f,
                           struct overrides **ret);
/* Every limit handed out must be released before. */
void overrides_destroy(struct overrides *o);

/* This tenant's limits; release with overrides_release. Never NULL. O(1). */
const struct tenant_limits *overrides_get(struct overrides *o, slice tenant);
void overrides_release(const struct tenant_limits *l);

/* Read the file again if its bytes changed. OK also when nothing changed; on an error the old limits stay. */
CHECKED err overrides_reload(struct overrides *o, struct config_report *report, struct fault *f);
/* How often to call it: overrides.per_tenant_override_period. 0 when there is no file. */
int64_t overrides_period_ns(const struct overrides *o);

/* YAML of `overrides:` with an entry per tenant, sorted: /status/runtime_config. */
void overrides_write_yaml(struct overrides *o, struct buf *out);
