/* What blocks hold as bytes, back into a builder: orders to shapes, raw messages to resources and scopes. */
#include "builder_priv.h"

#include "vivace/base/mem.h"
#include "vivace/codec/otlp.h"
#include "vivace/codec/wire.h"

err
take_shape(struct block_builder *b, enum block_scope scope, slice order, struct fault *f, uint32_t *ret)
{
    struct wire_reader in = wire_reader_of(order);
    struct attr *attrs = NULL;
    size_t count = 0, cap = 0;
    err rc = OK;
    while (in.p < in.end) {
        uint64_t n = 0;
        uint8_t kind = *in.p++;
        if (kind > VALUE_BYTES || !wire_varint(&in, &n) || n > (uint64_t)(in.end - in.p)) {
            rc = FAULT(f, ERR_CORRUPT, "attribute_order is malformed");
            goto out;
        }
        if (count == cap) {
            cap = cap ? cap * 2 : 16;
            attrs = mem_realloc(attrs, cap, sizeof *attrs);
        }
        attrs[count++] = (struct attr){.key = in.p, .key_n = (uint32_t)n, .kind = kind};
        in.p += n;
    }
    *ret = builder_shape(b, scope, attrs, (uint32_t)count);
out:
    mem_free(attrs);
    return rc;
}

/* The request they came from: one ResourceSpans with one ScopeSpans. */
static void
put_request(struct buf *out, slice resource_raw, slice scope_raw)
{
    size_t inner = resource_raw.n + 1 + wire_varint_size(scope_raw.n) + scope_raw.n;
    wire_put_header(out, 1, inner);
    buf_append_slice(out, resource_raw);
    wire_put_bytes(out, 2, scope_raw);
}

err
take_context(slice resource_raw, slice scope_raw, struct buf *body, struct span_batch *batch, struct fault *f)
{
    put_request(body, resource_raw, scope_raw);
    err rc = otlp_decode(buf_slice(body), batch, f);
    if (rc != OK) {
        return rc == ERR_INVALID ? ERR_CORRUPT : rc;
    }
    return batch->span_count == 0 && batch->scope_count == 1 && batch->resource_count == 1
               ? OK
               : FAULT(f, ERR_CORRUPT, "resource_raw or scope_raw holds something else");
}

err
take_scope(struct block_builder *b, slice resource_raw, slice scope_raw, struct fault *f, uint32_t *ret)
{
    struct span_batch batch;
    struct buf body;
    uint32_t resource = 0;
    err rc = OK;
    span_batch_init(&batch, 0);
    buf_init(&body, SIZE_MAX / 2);
    TRY(take_context(resource_raw, scope_raw, &body, &batch, f));
    TRY(builder_resource(b, &batch, 0, &resource));
    TRY(builder_scope(b, &batch, 0, resource, ret));
out:
    buf_fini(&body);
    span_batch_fini(&batch);
    return rc;
}
