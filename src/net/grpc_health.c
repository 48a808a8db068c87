#include "vivace/net/grpc.h"

#include <stdatomic.h>

/* HealthCheckResponse{1 status: SERVING = 1, NOT_SERVING = 2} */
static _Atomic bool is_serving; /* relaxed: a lone flag */

void
grpc_health_set(bool serving)
{
    atomic_store_explicit(&is_serving, serving, memory_order_relaxed);
}

static void
health_check(void *ctx, struct grpc_call *c)
{
    (void)ctx;
    bool serving = atomic_load_explicit(&is_serving, memory_order_relaxed);
    const uint8_t answer[2] = {0x08, serving ? 1 : 2};
    grpc_reply_later(c, bytes_copy(slice_of(answer, sizeof(answer))));
}

static void
health_watch(void *ctx, struct grpc_call *c)
{
    (void)ctx;
    grpc_finish_later(c, GRPC_UNIMPLEMENTED, SL("Watching is not supported"), SL_EMPTY);
}

static const struct grpc_method health_methods[] = {{"Check", health_check}, {"Watch", health_watch}};

const struct grpc_service grpc_health = {"grpc.health.v1.Health", health_methods, 2};
