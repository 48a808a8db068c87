/* server-private: everything joined, its start order and its end. */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/base/mutex.h"
#include "vivace/compactor/compactor.h"
#include "vivace/config/overrides.h"
#include "vivace/distributor/distributor.h"
#include "vivace/frontend/frontend.h"
#include "vivace/ingester/flush.h"
#include "vivace/net/tls.h"
#include "vivace/receiver/receiver.h"
#include "vivace/runtime/pool.h"

#include <semaphore.h>
#include <stdatomic.h>

#define SERVER_LOOPS_MAX 16
#define SERVER_PORTS_MAX 3 /* main HTTP, gRPC, internal */

enum server_state { SERVER_STARTING, SERVER_RUNNING, SERVER_NOT_TAKING_SPANS, SERVER_STOPPING };

struct server_port {
    struct http_listener *listener;
    struct tls_context *tls;
};

/* Who waits for live data to be in blocks. */
struct flush_waiter {
    struct flush_waiter *next;
    void (*done)(void *arg, err rc, const struct fault *f);
    void *arg;
};

struct server {
    const struct config *config;
    const struct config_args *args;
    _Atomic int state; /* enum server_state */
    struct budget memory, net_memory, decode_memory, query_memory, ingest_memory, block_memory;
    struct loop *loops[SERVER_LOOPS_MAX];
    size_t loop_count;
    struct pool *pool;
    struct overrides *overrides;
    _Atomic(struct ingester *) ingester; /* NULL until the WAL is replayed */
    _Atomic(struct block_store *) store; /* with the ingester */
    struct flusher *flusher;             /* the flush thread's while it runs */
    struct mutex flush_mu;
    struct maintenance *flush_thread;   /* set and cleared under flush_mu */
    struct flush_waiter *flush_waiters; /* guarded by flush_mu; newest first */
    struct compactor *compactor;
    struct distributor *distributor;
    struct receivers *receivers;
    struct frontend *frontend;
    struct trace_source trace_sources[2]; /* live data, then blocks: what moves meanwhile is seen */
    struct search_source search_sources[2];
    struct tag_source tag_sources[2];
    struct metrics_source metrics_source;
    struct server_port ports[SERVER_PORTS_MAX];
    size_t port_count;
    struct maintenance *maintenance, *overrides_reload;
    sem_t wake; /* posted by signals and /shutdown: the main thread looks at the flags */
    _Atomic bool stop_asked, reload_asked, shutdown_asked;
    _Atomic int stop_signal;
};

/* Open ports, replay the WAL, open receivers. On an error everything is undone. */
CHECKED err server_start(struct server *s, const struct config *c, const struct config_args *args,
                         struct fault *f);
/* Serve until SIGTERM or SIGINT; handles SIGHUP and /shutdown meanwhile. */
void server_wait(struct server *s);
/* Stop in order: readiness, receivers, WAL, ports. */
void server_stop(struct server *s);

/* ports.c: the API's own listeners. */
CHECKED err server_open_ports(struct server *s, struct fault *f);
void server_drain_ports(struct server *s);
void server_close_ports(struct server *s, uint64_t timeout_ms);
void server_reload_tls(struct server *s);

/* blocks.c: the blocks, and the thread that writes them. */
/* `ing` is not served yet. */
CHECKED err server_open_blocks(struct server *s, struct ingester *ing, struct fault *f);
void server_start_flush(struct server *s);
/* frontend_hooks.flush */
err server_flush(void *ctx, slice tenant, void (*done)(void *arg, err rc, const struct fault *f), void *arg,
                 struct fault *f);
/* Interrupts a flush that runs and answers who waits. Loops and the ingester are there. */
void server_stop_flush(struct server *s);
/* With flush_all_on_shutdown write what is live, and close the flusher. Nothing is pushed any more. */
void server_close_flush(struct server *s);

/* compaction.c: merges and retention, unless `compactor.disabled`. */
void server_start_compaction(struct server *s);

/* budgets.c */
void server_init_budgets(struct server *s);

/* systemd.c: tell the service manager; nothing without NOTIFY_SOCKET. */
void systemd_notify(const char *state);
