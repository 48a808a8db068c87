/* The listening ports for spans: every receiver of the configuration.
 *
 * A request is taken apart on its loop as far as routing needs; decompression, decoding and the push run on
 * the worker pool; the answer goes back to the loop. A full pool answers RESOURCE_EXHAUSTED / 429 with a
 * retry hint. Wire behaviour: receivers.md. Threads: start and stop from the main thread.
 */
#pragma once

#include "vivace/config/config.h"
#include "vivace/distributor/distributor.h"
#include "vivace/net/http.h"
#include "vivace/runtime/pool.h"

struct receivers;

struct receivers_options {
    const struct config *config; /* outlives the receivers */
    struct distributor *distributor;
    struct pool *pool;
    struct loop *const *loops;
    size_t loop_count;
    struct budget *net_budget;    /* connection buffers */
    struct budget *decode_budget; /* bodies being decompressed and decoded */
};

/* All or none: the fault names the receiver that could not listen. */
CHECKED err receivers_start(const struct receivers_options *o, struct fault *f, struct receivers **ret);
/* Stop accepting; requests under way go on. */
void receivers_drain(struct receivers *r);
/* After drain: wait for connections up to timeout_ms, then cut them. Requests may still be on workers. */
void receivers_close(struct receivers *r, uint64_t timeout_ms);
/* After close and the end of the worker pool. */
void receivers_destroy(struct receivers *r);
/* Re-read certificates (SIGHUP). */
void receivers_reload_tls(struct receivers *r);
/* For tests and the status page: listening receivers, "otlp/grpc" and its port. */
size_t receivers_count(const struct receivers *r);
int receivers_port(const struct receivers *r, size_t i);
