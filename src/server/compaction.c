/* The compactor's settings, and each tenant's. */
#include "server.h"

#include "vivace/base/log.h"

static void
compaction_limits(void *ctx, slice tenant, struct compactor_limits *ret)
{
    struct server *s = ctx;
    const struct tenant_limits *l = overrides_get(s->overrides, tenant);
    *ret = (struct compactor_limits){
        .block_retention_ns = l->compaction.block_retention_ns,
        .window_ns = l->compaction.compaction_window_ns,
        .disabled = l->compaction.compaction_disabled,
    };
    overrides_release(l);
}

/* Segments that wait to become blocks: their flush needs the memory and the CPU, and makes more to merge. */
static bool
flush_is_behind(void *ctx)
{
    struct server *s = ctx;
    return flusher_waiting(s->flusher) > 0;
}

void
server_start_compaction(struct server *s)
{
    const struct config_compactor *c = &s->config->compactor;
    const struct compactor_options o = {
        .store = s->store,
        .path = s->config->storage.local_path,
        .budget = &s->block_memory,
        .window_ns = c->compaction_window_ns,
        .cycle_ns = c->compaction_cycle_ns,
        .max_time_per_tenant_ns = c->max_time_per_tenant_ns,
        .block_retention_ns = c->block_retention_ns,
        .compacted_block_retention_ns = c->compacted_block_retention_ns,
        .retention_bytes = s->config->vivace.retention_bytes,
        .max_objects = c->max_compaction_objects,
        .max_block_bytes = c->max_block_bytes,
        .limits = compaction_limits,
        .limits_ctx = s,
        .busy = flush_is_behind,
        .busy_ctx = s,
    };
    s->compactor = compactor_create(&o); /* its metrics are there in any case */
    if (c->disabled) {
        LOG_W("compaction and retention are disabled: blocks stay small, and the disk fills without bound");
        return;
    }
    compactor_start(s->compactor);
}
