#include "server.h"

#include "vivace/base/metrics.h"

/* The budgets under the process's: what each may take at most, as parts of vivace.memory_limit. Their sum is
 * more than the whole on purpose: the process budget is the hard bound, the parts keep one room from starving
 * the others. */
#define NET_PART    2 /* 1/2: connection buffers, bodies under way */
#define DECODE_PART 2 /* 1/2: bodies being decompressed and decoded */
#define INGEST_PART 2 /* 1/2: the index of live data */
#define QUERY_PART  2 /* 1/2: one answer being put together */
#define BLOCK_PART  2 /* 1/2: blocks being written, the list of blocks and open readers */

static double
used_of(void *ctx)
{
    return (double)budget_used(ctx);
}

static double
limit_of(void *ctx)
{
    return (double)((struct budget *)ctx)->max;
}

static double
refused_of(void *ctx)
{
    return (double)atomic_load_explicit(&((struct budget *)ctx)->refused, memory_order_relaxed);
}

void
server_init_budgets(struct server *s)
{
    size_t limit = (size_t)config_memory_limit(s->config);
    budget_init(&s->memory, "process", NULL, limit);
    budget_init(&s->net_memory, "net", &s->memory, limit / NET_PART);
    budget_init(&s->decode_memory, "decode", &s->memory, limit / DECODE_PART);
    budget_init(&s->ingest_memory, "ingest", &s->memory, limit / INGEST_PART);
    budget_init(&s->query_memory, "query", &s->memory, limit / QUERY_PART);
    budget_init(&s->block_memory, "blocks", &s->memory, limit / BLOCK_PART);
    metric_callback(METRIC_GAUGE, "vivace_memory_limit_bytes", "The process's memory budget.", limit_of,
                    &s->memory);
    metric_callback(METRIC_GAUGE, "vivace_memory_used_bytes", "Reserved of the process's budget.", used_of,
                    &s->memory);
    metric_callback(METRIC_GAUGE, "vivace_memory_net_bytes", "Reserved for connections and bodies.", used_of,
                    &s->net_memory);
    metric_callback(METRIC_GAUGE, "vivace_memory_decode_bytes", "Reserved for decoding.", used_of,
                    &s->decode_memory);
    metric_callback(METRIC_GAUGE, "vivace_memory_ingest_bytes", "Reserved for the index of live data.",
                    used_of, &s->ingest_memory);
    metric_callback(METRIC_GAUGE, "vivace_memory_query_bytes", "Reserved for queries.", used_of,
                    &s->query_memory);
    metric_callback(METRIC_GAUGE, "vivace_memory_blocks_bytes",
                    "Reserved for writing blocks, the list of blocks and open readers.", used_of,
                    &s->block_memory);
    metric_callback(METRIC_COUNTER, "vivace_memory_refused_total",
                    "Reservations the process's budget refused.", refused_of, &s->memory);
}
