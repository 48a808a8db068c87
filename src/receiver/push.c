#include "receiver_priv.h"

#include "vivace/model/tenant.h"

/* Decoding takes about this many times the body: spans and attributes as structs. */
#define DECODE_BYTES_PER_BODY_BYTE 2

err
decode_reserve(struct receivers *all, size_t n, struct push_outcome *out)
{
    if (budget_reserve(all->o.decode_budget, n * DECODE_BYTES_PER_BODY_BYTE) == OK) {
        return OK;
    }
    out->retry_after_s = DEFAULT_RETRY_AFTER_S;
    out->rc = FAULT(&out->fault, ERR_LIMIT, "the server's memory budget is in use, try again");
    return out->rc;
}

void
decode_release(struct receivers *all, size_t n)
{
    budget_release(all->o.decode_budget, n * DECODE_BYTES_PER_BODY_BYTE);
}

void
push_batch(struct receivers *all, const struct push_source *from, struct span_batch *batch, slice wire,
           struct push_outcome *out)
{
    struct distributor_push p = {
        .receiver = from->receiver, .transport = from->transport, .batch = batch, .wire = wire};
    if (batch->span_count == 0) {
        out->rc = OK; /* nothing to own, so no tenant is asked for */
        return;
    }
    out->rc = tenant_for_write(all->o.config->multitenancy_enabled, from->tenant_header, from->tenant_headers,
                               &p.tenant, &out->fault);
    if (out->rc == OK) {
        out->rc = distributor_push(all->o.distributor, &p, &out->fault);
        out->retry_after_s = p.retry_after_s;
    }
}

void
push_refused_by_pool(struct push_outcome *out)
{
    out->retry_after_s = DEFAULT_RETRY_AFTER_S;
    out->rc = FAULT(&out->fault, ERR_LIMIT, "the server has too much work queued, try again");
}

void
push_source_tenant(struct push_source *from, const struct http_request *r)
{
    from->tenant_header = http_header_get(r, SL("x-scope-orgid"));
    from->tenant_headers = http_header_count(r, SL("x-scope-orgid"));
}
