/* One segment to blocks: one walk over its records, a builder for each tenant, the largest published when all
 * together hold enough. */
#include "flush_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/base/table.h"
#include "vivace/block/builder.h"
#include "vivace/codec/otlp.h"

#include <limits.h>

/* A tenant's part of the segment. */
struct part {
    char tenant[BLOCK_TENANT_MAX + 1];
    struct block_builder *builder; /* or NULL */
    uint64_t from;                 /* what is in no block yet begins here */
    struct block_meta *metas;      /* published */
    size_t meta_count, meta_cap;
};

struct flush {
    struct flusher *fl;
    struct ingester_sealed *sealed;
    block_uuid segment;
    struct str_table by_tenant; /* struct part */
    struct part **parts;
    size_t part_count, part_cap;
    size_t bytes; /* of all builders */
    struct span_batch batch;
    uint64_t spans, blocks, block_bytes;
};

static struct part *
part_get(struct flush *x, slice tenant)
{
    struct part *p = str_table_get(&x->by_tenant, tenant);
    if (p) {
        return p;
    }
    p = mem_new(struct part);
    memcpy(p->tenant, tenant.p, tenant.n); /* WAL_TENANT_MAX == BLOCK_TENANT_MAX */
    str_table_put(&x->by_tenant, tenant, p);
    if (x->part_count == x->part_cap) {
        x->part_cap = x->part_cap ? x->part_cap * 2 : 8;
        x->parts = mem_realloc(x->parts, x->part_cap, sizeof(void *));
    }
    x->parts[x->part_count++] = p;
    return p;
}

/* The part's builder becomes a block that covers the segment up to `to`. */
static err
publish(struct flush *x, struct part *p, uint64_t to, struct fault *f)
{
    char dir[PATH_MAX];
    const struct block_source source = {.segment = x->segment, .from = p->from, .to = to};
    struct block_publish how = {
        .dir = dir, .id = block_uuid_new(), .sources = &source, .source_count = 1, .drop_duplicates = true};
    struct block_meta meta = {.source_count = 0};
    const size_t held = block_builder_bytes(p->builder); /* publishing gives some of it back */
    err rc = block_store_tenant_dir(x->fl->opt.store, slice_cstr(p->tenant), dir, f);
    if (rc == OK) {
        rc = block_builder_publish(p->builder, &how, f, &meta);
        if (rc != OK) { /* it may be there all the same */
            flush_stray_add(x->fl, slice_cstr(p->tenant), &how.id);
        }
    }
    x->bytes -= held;
    block_builder_destroy(p->builder);
    p->builder = NULL;
    if (rc != OK) {
        return rc;
    }
    p->from = to;
    if (p->meta_count == p->meta_cap) {
        p->meta_cap = p->meta_cap ? p->meta_cap * 2 : 1;
        p->metas = mem_realloc(p->metas, p->meta_cap, sizeof *p->metas);
    }
    p->metas[p->meta_count++] = meta;
    x->spans += meta.spans;
    x->block_bytes += meta.bytes;
    x->blocks++;
    return OK;
}

/* ERR_NOT_FOUND when no builder holds anything. */
static err
publish_largest(struct flush *x, uint64_t to, struct fault *f)
{
    struct part *largest = NULL;
    size_t most = 0;
    for (size_t i = 0; i < x->part_count; i++) {
        struct part *p = x->parts[i];
        const size_t bytes = p->builder ? block_builder_bytes(p->builder) : 0;
        if (bytes > most && block_builder_spans(p->builder)) {
            most = bytes;
            largest = p;
        }
    }
    return largest ? publish(x, largest, to, f) : ERR_NOT_FOUND;
}

/* Add spans [*at, *at + *n) of the batch; over the budget the largest builder goes, then the portion is
 * halved. `here` is where the record begins: a block that ends inside of it says it ends before. */
static err
add_portion(struct flush *x, struct part *p, uint64_t here, size_t *at, size_t *n, struct fault *f)
{
    struct fault g = {0};
    struct span_batch portion = x->batch;
    portion.spans += *at;
    portion.span_count = *n;
    err rc = OK;
    if (p->builder == NULL) {
        struct block_builder_options o = {.tenant = slice_cstr(p->tenant), .budget = x->fl->opt.budget};
        rc = block_builder_create(&o, f, &p->builder);
        if (rc != OK) {
            return rc;
        }
        x->bytes += block_builder_bytes(p->builder);
    }
    const size_t before = block_builder_bytes(p->builder);
    rc = block_builder_add(p->builder, &portion, &g);
    x->bytes += block_builder_bytes(p->builder) - before;
    if (rc == OK) {
        *at += *n;
        return OK;
    }
    if (rc == ERR_LIMIT) {
        rc = publish_largest(x, here, f);
        if (rc != ERR_NOT_FOUND) {
            return rc;
        }
        if (*n > 1) {
            *n /= 2;
            return OK;
        }
        rc = ERR_LIMIT;
    }
    return FAULT(f, rc, "%s", g.msg);
}

static err
add_record(struct flush *x, const struct wal_record *r, struct wal_ref at, struct fault *f)
{
    struct fault g = {0};
    struct part *p = part_get(x, r->tenant);
    err rc = OK;
    span_batch_reset(&x->batch);
    rc = otlp_decode(r->payload, &x->batch, &g);
    if (rc != OK) {
        return FAULT(f, rc == ERR_INVALID ? ERR_CORRUPT : rc, "%s", g.msg);
    }
    size_t from = 0, n = x->batch.span_count;
    while (rc == OK && from < x->batch.span_count) {
        n = n < x->batch.span_count - from ? n : x->batch.span_count - from;
        rc = add_portion(x, p, at.offset, &from, &n, f);
    }
    while (rc == OK && x->bytes >= x->fl->opt.builder_bytes) {
        rc = publish_largest(x, at.offset + at.bytes, f);
    }
    return rc == ERR_NOT_FOUND ? OK : rc;
}

/* A record that cannot be read goes to quarantine, as at a start, and the rest is written. */
static err
set_aside(struct wal_segment *s, uint64_t offset, uint64_t bytes, const char *why, struct fault *f)
{
    err rc = wal_quarantine_range(s, offset, bytes, f);
    if (rc == OK) {
        LOG_E("a damaged record of the write-ahead log is skipped and set aside in quarantine",
              LOG_CSTR("path", wal_segment_path(s)), LOG_UINT("offset", offset), LOG_UINT("bytes", bytes),
              LOG_CSTR("err", why));
        series_add(metric_series0(metric_counter("vivace_wal_corrupt_records_total", "", "")), 1);
    }
    return rc;
}

static err
walk(struct flush *x, struct fault *f)
{
    struct wal_cursor c;
    struct wal_record r;
    struct wal_ref at;
    err rc = OK;
    ingester_sealed_records(x->sealed, &c);
    while (rc == OK) {
        struct fault g = {0};
        if (atomic_load_explicit(&x->fl->cancelled, memory_order_relaxed)) {
            rc = FAULT(f, ERR_CANCELLED, "writing blocks was interrupted");
            break;
        }
        rc = wal_cursor_next(&c, &g, &r, &at);
        if (rc == ERR_CORRUPT) {
            rc = set_aside(c.segment, c.damage.offset, c.damage.bytes, g.msg, f);
        } else if (rc == OK) {
            rc = add_record(x, &r, at, &g);
            if (rc == ERR_CORRUPT) {
                rc = set_aside(c.segment, at.offset, at.bytes, g.msg, f);
            }
        }
        if (rc != OK && rc != ERR_NOT_FOUND) {
            (void)FAULT(f, rc, "%s", g.msg);
        }
    }
    wal_cursor_fini(&c);
    return rc == ERR_NOT_FOUND ? OK : rc;
}

static err
publish_rest(struct flush *x, struct fault *f)
{
    const uint64_t end = ingester_sealed_bytes(x->sealed);
    err rc = OK;
    for (size_t i = 0; rc == OK && i < x->part_count; i++) {
        struct part *p = x->parts[i];
        if (p->builder && block_builder_spans(p->builder)) {
            rc = publish(x, p, end, f);
        }
    }
    return rc;
}

static err
leave(void *ctx, struct fault *f)
{
    (void)f;
    ingester_retire_leave(ctx);
    return OK;
}

/* The step: from now on the blocks are served and the segment is not. */
static err
serve(struct flush *x, struct fault *f)
{
    struct block_swap *swaps = mem_new_array(struct block_swap, x->part_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < x->part_count; i++) {
        const struct part *p = x->parts[i];
        if (p->meta_count) {
            swaps[n++] = (struct block_swap){
                .tenant = slice_cstr(p->tenant), .add = p->metas, .add_count = p->meta_count};
        }
    }
    ingester_retire_begin(x->fl->opt.ingester);
    err rc = block_store_swap(x->fl->opt.store, swaps, n, leave, x->sealed, f);
    ingester_retire_end(x->sealed);
    mem_free(swaps);
    return rc;
}

static void
finish(struct flush *x, bool failed)
{
    for (size_t i = 0; i < x->part_count; i++) {
        struct part *p = x->parts[i];
        block_builder_destroy(p->builder);
        for (size_t k = 0; k < p->meta_count; k++) {
            if (failed) {
                flush_stray_add(x->fl, slice_cstr(p->tenant), &p->metas[k].id);
            } else {
                series_observe(x->fl->size, (double)p->metas[k].bytes);
            }
            block_meta_fini(&p->metas[k]);
        }
        mem_free(p->metas);
        mem_free(p);
    }
    mem_free(x->parts);
    str_table_fini(&x->by_tenant);
    span_batch_fini(&x->batch);
}

err
flush_segment(struct flusher *fl, struct ingester_sealed *s, struct fault *f, bool *ret_gone)
{
    struct flush x = {.fl = fl, .sealed = s};
    const int64_t t0 = clock_mono_ns();
    err rc = OK;
    memcpy(x.segment.b, ingester_sealed_uuid(s), sizeof x.segment.b);
    str_table_init(&x.by_tenant);
    span_batch_init(&x.batch, 0);
    mem_trim();
    TRY(walk(&x, f));
    TRY(publish_rest(&x, f));
    TRY(serve(&x, f));
    *ret_gone = true;
    series_add(fl->blocks, x.blocks);
    LOG_I("segment written as blocks", LOG_UINT("segment", ingester_sealed_sequence(s)),
          LOG_UINT("blocks", x.blocks), LOG_UINT("spans", x.spans), LOG_UINT("bytes", x.block_bytes),
          LOG_UINT("of_bytes", ingester_sealed_bytes(s)), LOG_DUR("duration", clock_mono_ns() - t0));
out:
    finish(&x, rc != OK);
    mem_trim();
    return rc;
}
