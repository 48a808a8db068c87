#include "grpc_ingest.h"

#include "rpc_status.h"

#include "vivace/base/mem.h"

#include <stdio.h>

#define DETAILS_MAX ((size_t)2 << 10)

struct grpc_job {
    struct pool_job job;
    const struct grpc_protocol *protocol;
    struct receiver *rx;
    struct grpc_call *call;
};

/* Take care of a push that failed: status, text, and google.rpc.Status with RetryInfo when there is one. */
static void
finish_failed(const struct grpc_job *j, const struct push_outcome *out)
{
    enum grpc_status status =
        out->rc == ERR_DENIED ? j->protocol->denied : (enum grpc_status)rpc_status_of(out->rc);
    slice text = slice_cstr(out->fault.msg);
    struct buf details;
    buf_init(&details, DETAILS_MAX);
    if (out->retry_after_s) {
        rpc_status_encode(&details, (int)status, text, out->retry_after_s);
    }
    grpc_finish_later(j->call, status, text, buf_slice(&details));
    buf_fini(&details);
}

static void
finish_undecodable(struct grpc_call *c, const struct fault *f)
{
    char text[FAULT_MSG_MAX + 64];
    int n = snprintf(text, sizeof text, "grpc: error unmarshalling request: %s", f->msg);
    grpc_finish_later(c, GRPC_INTERNAL, slice_of(text, (size_t)n), SL_EMPTY);
}

/* True when the batch was decoded; the call is finished otherwise. */
static bool
decode(struct grpc_job *j, slice body, struct span_batch *batch)
{
    struct push_outcome out = {0};
    if (decode_reserve(j->rx->all, body.n, &out) != OK) {
        finish_failed(j, &out);
        return false;
    }
    if (j->protocol->decode(body, batch, &out.fault) != OK) {
        decode_release(j->rx->all, body.n);
        finish_undecodable(j->call, &out.fault);
        return false;
    }
    return true;
}

static void
message_push(struct grpc_job *j, slice body, struct span_batch *batch)
{
    struct receivers *all = j->rx->all;
    struct push_outcome out = {0};
    struct push_source from = {.receiver = j->protocol->receiver, .transport = SL("grpc")};
    if (!decode(j, body, batch)) {
        return;
    }
    push_source_tenant(&from, j->call->request);
    push_batch(all, &from, batch, j->protocol->is_otlp_wire ? body : SL_EMPTY, &out);
    decode_release(all, body.n);
    if (out.rc == OK) {
        grpc_reply_later(j->call, j->protocol->reply.n ? bytes_copy(j->protocol->reply) : NULL);
    } else {
        finish_failed(j, &out);
    }
}

static void
run_job(struct pool_job *job)
{
    struct grpc_job *j = (struct grpc_job *)job;
    struct receivers *all = j->rx->all;
    struct fault f = {0};
    struct bytes *message = NULL;
    err rc = grpc_call_message(j->call, &f, &message);
    if (rc != OK) {
        grpc_refuse_later(j->call, rc, &f);
    } else {
        struct scratch *s = scratch_get(&all->scratch, 0);
        scratch_bound_batch(s, bytes_slice(message).n);
        message_push(j, bytes_slice(message), &s->batch);
        scratch_put(&all->scratch, s);
    }
    mem_free(j);
}

void
grpc_ingest_run(struct receiver *rx, struct grpc_call *c, const struct grpc_protocol *protocol)
{
    struct grpc_job *j = mem_new(struct grpc_job);
    *j = (struct grpc_job){.job = {.run = run_job}, .protocol = protocol, .rx = rx, .call = c};
    if (pool_submit(rx->all->o.pool, &j->job) != OK) {
        struct push_outcome out = {0};
        push_refused_by_pool(&out);
        finish_failed(j, &out);
        mem_free(j);
    }
}
