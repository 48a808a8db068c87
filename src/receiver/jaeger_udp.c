/* Jaeger over UDP: one datagram is one emitBatch (receivers.md 6.5). Nobody hears an answer, so everything
 * that is lost is counted. */
#include "receiver_priv.h"

#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/codec/jaeger.h"
#include "vivace/net/udp.h"

struct jaeger_udp {
    struct receiver *rx;
    struct udp_socket *socket;
    const char *name;
    _Atomic size_t queued; /* datagrams waiting for a worker or on one */
    enum jaeger_thrift protocol;
    int port;
};

struct datagram_job {
    struct pool_job job;
    struct jaeger_udp *udp;
    size_t n;
    uint8_t bytes[];
};

static void
count_drop(const struct jaeger_udp *u, slice reason)
{
    udp_count_drop(u->name, reason);
}

/* --- on a worker -------------------------------------------------------------------------------------- */

static void
datagram_push(struct jaeger_udp *u, slice body, struct span_batch *batch)
{
    struct push_outcome out = {0};
    struct push_source from = {
        .receiver = SL("jaeger/jaeger_receiver"),
        .transport =
            u->protocol == JAEGER_THRIFT_COMPACT ? SL("udp_thrift_compact") : SL("udp_thrift_binary"),
    };
    out.rc = jaeger_emit_batch_decode(body, u->protocol, batch, &out.fault);
    if (out.rc != OK) {
        count_drop(u, SL("undecodable"));
        LOG_LIMITED(LOG_WARN, 1, "datagram dropped", LOG_CSTR("receiver", u->name), LOG_FAULT(&out.fault));
        return;
    }
    push_batch(u->rx->all, &from, batch, SL_EMPTY, &out);
    if (out.rc != OK) {
        count_drop(u, SL("refused"));
        LOG_LIMITED(LOG_WARN, 1, "spans of a datagram refused", LOG_CSTR("receiver", u->name),
                    LOG_FAULT(&out.fault));
    }
}

static void
job_end(struct datagram_job *j)
{
    struct jaeger_udp *u = j->udp;
    decode_release(u->rx->all, j->n);
    mem_free(j);
    atomic_fetch_sub(&u->queued, 1);
}

static void
run_job(struct pool_job *job)
{
    struct datagram_job *j = (struct datagram_job *)job;
    struct receivers *all = j->udp->rx->all;
    struct scratch *s = scratch_get(&all->scratch, 0);
    scratch_bound_batch(s, j->n);
    datagram_push(j->udp, slice_of(j->bytes, j->n), &s->batch);
    scratch_put(&all->scratch, s);
    job_end(j);
}

/* --- on the loop -------------------------------------------------------------------------------------- */

static void
on_datagram(void *ctx, slice datagram)
{
    struct jaeger_udp *u = ctx;
    struct receivers *all = u->rx->all;
    struct push_outcome out = {0};
    if (atomic_load(&u->queued) >= u->rx->config->queue_size) {
        count_drop(u, SL("queue_full"));
        return;
    }
    if (decode_reserve(all, datagram.n, &out) != OK) {
        count_drop(u, SL("memory"));
        return;
    }
    struct datagram_job *j = mem_alloc(sizeof *j + datagram.n);
    *j = (struct datagram_job){.job = {.run = run_job}, .udp = u, .n = datagram.n};
    if (datagram.n != 0) {
        memcpy(j->bytes, datagram.p, datagram.n);
    }
    atomic_fetch_add(&u->queued, 1);
    if (pool_submit(all->o.pool, &j->job) != OK) {
        count_drop(u, SL("queue_full"));
        job_end(j);
    }
}

/* --- life --------------------------------------------------------------------------------------------- */

err
jaeger_udp_open(struct receiver *rx, struct fault *f, struct jaeger_udp **ret)
{
    const struct config_receiver *c = rx->config;
    bool compact = c->kind == RECEIVER_JAEGER_THRIFT_COMPACT;
    struct jaeger_udp *u = mem_new(struct jaeger_udp);
    u->rx = rx;
    u->name = compact ? "jaeger_thrift_compact" : "jaeger_thrift_binary";
    u->protocol = compact ? JAEGER_THRIFT_COMPACT : JAEGER_THRIFT_BINARY;
    struct udp_options o = {
        .name = u->name,
        .network = c->transport,
        .address = c->endpoint,
        .loop = rx->all->o.loops[compact ? 0 : rx->all->o.loop_count - 1],
        .datagram_max = c->max_packet_size,
        .kernel_buffer = c->socket_buffer_size,
        .on_datagram = on_datagram,
        .ctx = u,
    };
    err rc = udp_open(&o, f, &u->socket);
    if (rc != OK) {
        mem_free(u);
        return rc;
    }
    u->port = udp_port(u->socket);
    *ret = u;
    return OK;
}

int
jaeger_udp_port(const struct jaeger_udp *u)
{
    return u->port;
}

void
jaeger_udp_close(struct jaeger_udp *u)
{
    if (u != NULL) {
        udp_close(u->socket);
        u->socket = NULL;
    }
}

void
jaeger_udp_destroy(struct jaeger_udp *u)
{
    mem_free(u);
}
