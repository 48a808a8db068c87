/* What a crash left between publishing blocks and removing their segment: docs/block-format.md 4. */
#include "flush_priv.h"

#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/base/table.h"

#include <stdlib.h>

/* A block says that it holds a part of a segment of the log. */
struct claim {
    size_t segment; /* in segments */
    const struct block_snapshot *of;
    struct stored_block *block;
    uint64_t from, to;
};

struct start {
    struct flusher *fl;
    struct ingester_sealed **segments; /* held */
    bool *retired;
    size_t segment_count, segment_cap;
    struct id_table by_uuid; /* position in segments + 1 */
    struct claim *claims;
    size_t claim_count, claim_cap;
    const struct block_snapshot **snapshots; /* that claims point into */
    size_t snapshot_count, snapshot_cap;
};

static void *
grow(void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) {
        return array;
    }
    *cap = *cap ? *cap * 2 : 16;
    return mem_realloc(array, *cap, size);
}

static void
find_segments(struct start *x)
{
    uint64_t after = 0;
    for (struct ingester_sealed *s = NULL; (s = ingester_next_sealed(x->fl->opt.ingester, after)) != NULL;) {
        after = ingester_sealed_sequence(s);
        x->segments = grow(x->segments, x->segment_count, &x->segment_cap, sizeof(void *));
        x->segments[x->segment_count++] = s;
        *id_table_put(&x->by_uuid, ingester_sealed_uuid(s)) = x->segment_count;
    }
    x->retired = mem_new_array(bool, x->segment_count + 1);
}

/* True when one of the snapshot's blocks claims a segment of the log. */
static bool
find_claims(struct start *x, const struct block_snapshot *v)
{
    const size_t before = x->claim_count;
    for (size_t i = 0; i < v->count; i++) {
        const struct block_meta *m = &v->blocks[i]->meta;
        for (uint32_t k = 0; k < m->source_count; k++) {
            const uint64_t at = id_table_get(&x->by_uuid, &m->sources[k].segment);
            if (at) {
                x->claims = grow(x->claims, x->claim_count, &x->claim_cap, sizeof *x->claims);
                x->claims[x->claim_count++] = (struct claim){.segment = (size_t)at - 1,
                                                             .of = v,
                                                             .block = v->blocks[i],
                                                             .from = m->sources[k].from,
                                                             .to = m->sources[k].to};
            }
        }
    }
    return x->claim_count > before;
}

static int
claim_order(const void *va, const void *vb)
{
    const struct claim *a = va, *b = vb;
    if (a->segment != b->segment) {
        return a->segment < b->segment ? -1 : 1;
    }
    int c = strcmp(a->block->meta.tenant, b->block->meta.tenant);
    if (c == 0 && a->from != b->from) {
        c = a->from < b->from ? -1 : 1;
    }
    return c != 0 || a->to == b->to ? c : a->to < b->to ? -1 : 1;
}

/* The tenants whose claims among [from, to), all of one segment, reach from its begin to its end. */
static void
find_covered(const struct start *x, size_t from, size_t to, uint64_t end, struct str_table *ret)
{
    uint64_t reached = 0;
    for (size_t i = from; i < to; i++) {
        const struct claim *c = &x->claims[i];
        const bool same = i > from && x->claims[i - 1].of == c->of; /* a tenant's stand together */
        reached = same ? reached : 0;
        if (c->from <= reached && c->to > reached) {
            reached = c->to;
        }
        if (reached >= end) {
            (void)str_table_put(ret, slice_cstr(c->block->meta.tenant), c->block);
        }
    }
}

static bool
covered(const struct start *x, size_t from, size_t to)
{
    struct ingester_sealed *s = x->segments[x->claims[from].segment];
    struct ingester_sealed_tenant t;
    struct str_table whole;
    bool all = true;
    for (size_t i = from; i < to; i++) {
        if (x->claims[i].block->meta.level > 0) { /* only what was served is compacted */
            return true;
        }
    }
    str_table_init(&whole);
    find_covered(x, from, to, ingester_sealed_bytes(s), &whole);
    for (size_t i = 0; all && ingester_sealed_tenant(s, i, &t); i++) {
        all = t.stats.records == 0 || str_table_get(&whole, t.stats.name) != NULL;
    }
    str_table_fini(&whole);
    return all;
}

/* Blocks of a segment that is not covered: it is served and will be written again. */
static err
take_away(struct start *x, size_t from, size_t to, struct fault *f)
{
    struct stored_block **gone = mem_new_array(struct stored_block *, to - from);
    err rc = OK;
    while (rc == OK && from < to) {
        size_t n = 0;
        const struct block_snapshot *of = x->claims[from].of;
        for (; from < to && x->claims[from].of == of; from++) {
            gone[n++] = x->claims[from].block;
        }
        struct block_swap swap = {.tenant = slice_cstr(gone[0]->meta.tenant), .gone = gone, .gone_count = n};
        rc = block_store_swap(x->fl->opt.store, &swap, 1, NULL, NULL, f);
    }
    mem_free(gone);
    return rc;
}

static err
judge(struct start *x, size_t from, size_t to, struct fault *f)
{
    const size_t at = x->claims[from].segment;
    struct ingester_sealed *s = x->segments[at];
    struct fault g = {0};
    if (!covered(x, from, to)) {
        LOG_I("blocks of a flush that did not end are taken away; their segment is written again",
              LOG_UINT("segment", ingester_sealed_sequence(s)), LOG_UINT("blocks", to - from));
        return take_away(x, from, to, f);
    }
    LOG_I("a segment whose blocks are there is retired", LOG_UINT("segment", ingester_sealed_sequence(s)),
          LOG_UINT("blocks", to - from));
    x->retired[at] = true;
    if (ingester_retire(x->fl->opt.ingester, s, &g) != OK) {
        LOG_W("the files of a retired segment cannot be removed; tried again later", LOG_FAULT(&g));
        flush_unremoved_add(x->fl, s);
    } else {
        ingester_sealed_release(s);
    }
    return OK;
}

static void
start_fini(struct start *x)
{
    for (size_t i = 0; i < x->snapshot_count; i++) {
        block_snapshot_release(x->snapshots[i]);
    }
    for (size_t i = 0; i < x->segment_count; i++) {
        if (!x->retired[i]) {
            ingester_sealed_release(x->segments[i]);
        }
    }
    mem_free(x->snapshots);
    mem_free(x->segments);
    mem_free(x->retired);
    mem_free(x->claims);
    id_table_fini(&x->by_uuid);
}

err
flush_start(struct flusher *fl, struct fault *f)
{
    struct start x = {.fl = fl};
    char tenant[BLOCK_TENANT_MAX + 1];
    err rc = OK;
    id_table_init(&x.by_uuid, sizeof(block_uuid));
    find_segments(&x);
    for (size_t i = 0; x.segment_count && block_store_tenant(fl->opt.store, i, tenant); i++) {
        const struct block_snapshot *v = block_store_snapshot(fl->opt.store, slice_cstr(tenant));
        if (!find_claims(&x, v)) {
            block_snapshot_release(v);
            continue;
        }
        x.snapshots = grow(x.snapshots, x.snapshot_count, &x.snapshot_cap, sizeof(void *));
        x.snapshots[x.snapshot_count++] = v;
    }
    if (x.claim_count) {
        qsort(x.claims, x.claim_count, sizeof *x.claims, claim_order);
    }
    for (size_t i = 0, next = 0; rc == OK && i < x.claim_count; i = next) {
        while (next < x.claim_count && x.claims[next].segment == x.claims[i].segment) {
            next++;
        }
        rc = judge(&x, i, next, f);
    }
    start_fini(&x);
    return rc;
}
