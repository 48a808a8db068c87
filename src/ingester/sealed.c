/* The seam for blocks, and counting which traces live where. */
#include "ingester_priv.h"

#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#define WALK_IDS 128

/* Every trace of a segment whose index no longer changes, tenant by tenant or in order of arrival. */
struct trace_walk {
    const struct live_segment *segment;
    size_t tenant; /* disk: which one */
    uint64_t from; /* disk: read so far of it; memory: position */
    size_t at, n;  /* disk: in ids */
    trace_id ids[WALK_IDS];
};

/* ERR_NOT_FOUND at the end. */
static err
walk_next(struct trace_walk *w, struct fault *f, slice *ret_tenant, trace_id *ret)
{
    if (w->segment->mem) {
        size_t tenant = 0;
        if (!wal_memindex_trace(w->segment->mem, (size_t)w->from++, &tenant, ret)) {
            return ERR_NOT_FOUND;
        }
        *ret_tenant = wal_memindex_tenant(w->segment->mem, tenant).name;
        return OK;
    }
    const struct wal_index *x = w->segment->disk;
    while (w->at == w->n) {
        if (w->tenant == wal_index_tenant_count(x)) {
            return ERR_NOT_FOUND;
        }
        const uint64_t left = wal_index_tenant(x, w->tenant).traces - w->from;
        if (left == 0) {
            w->tenant++;
            w->from = 0;
            continue;
        }
        w->at = 0;
        w->n = 0;
        const size_t n = left < WALK_IDS ? (size_t)left : WALK_IDS;
        err rc = wal_index_traces(x, w->tenant, w->from, n, f, w->ids);
        if (rc != OK) {
            return rc;
        }
        w->n = n;
        w->from += n;
    }
    *ret_tenant = wal_index_tenant(x, w->tenant).name;
    *ret = w->ids[w->at++];
    return OK;
}

/* A segment as it was at one moment: traces that came to its memory index later do not count. */
struct other {
    struct live_segment *segment;
    size_t traces; /* of its memory index */
    bool mem;
};

struct others {
    struct other *v;
    size_t n;
};

/* mu held. Every segment of the list, referenced. */
static void
others_take(struct ingester *ing, struct others *o)
{
    o->v = mem_new_array(struct other, ing->segment_count + 1);
    for (size_t i = 0; i < ing->segment_count; i++) {
        struct live_segment *s = ing->segments[i];
        live_segment_ref(s);
        o->v[o->n++] = (struct other){
            .segment = s, .mem = s->mem != NULL, .traces = s->mem ? wal_memindex_trace_count(s->mem) : 0};
    }
}

static void
others_drop(struct others *o)
{
    for (size_t i = 0; i < o->n; i++) {
        live_segment_unref(o->v[i].segment);
    }
    mem_free(o->v);
}

/* mu held. A trace of `s` comes to what is on disk (sign 1) or leaves it; may it be in others that are? */
static bool
others_may_have(struct ingester *ing, const struct live_segment *s, int sign, slice tenant,
                const trace_id *id)
{
    const uint64_t hash = on_disk_tenant(&ing->on_disk, tenant);
    if (s->disk && sign < 0) {
        on_disk_remove(&ing->on_disk, hash, id);
    }
    const bool may = on_disk_may_have(&ing->on_disk, hash, id);
    if (s->disk && sign > 0) {
        on_disk_add(&ing->on_disk, hash, id);
    }
    return may;
}

/* mu not held. The baton is (or nothing else runs), so that memory indexes stay where they are. */
static err
others_have(struct ingester *ing, const struct others *o, bool on_disk, slice tenant, const trace_id *id,
            bool *ret)
{
    bool found = false;
    mutex_lock(&ing->mu);
    for (size_t i = 0; i < o->n && !found; i++) {
        found = o->v[i].mem && wal_memindex_position(o->v[i].segment->mem, tenant, id) < o->v[i].traces;
    }
    mutex_unlock(&ing->mu);
    for (size_t i = 0; on_disk && i < o->n && !found; i++) {
        struct wal_index_hit hit;
        err rc = o->v[i].mem ? ERR_NOT_FOUND : wal_index_find(o->v[i].segment->disk, tenant, id, NULL, &hit);
        if (rc != OK && rc != ERR_NOT_FOUND) {
            return rc;
        }
        found = rc == OK;
    }
    *ret = found;
    return OK;
}

/* Add (sign 1) or take away (-1) a segment's part of what is live, its traces that `o` does not hold, and of
 * what is on disk. */
static err
account(struct ingester *ing, const struct live_segment *s, const struct others *o, int sign, struct fault *f)
{
    struct trace_walk *w = mem_new(struct trace_walk);
    slice tenant = SL_EMPTY;
    trace_id id;
    err rc = OK;
    w->segment = s;
    while ((rc = walk_next(w, f, &tenant, &id)) == OK) {
        bool found = false;
        mutex_lock(&ing->mu);
        const bool on_disk = others_may_have(ing, s, sign, tenant, &id);
        mutex_unlock(&ing->mu);
        TRY(others_have(ing, o, on_disk, tenant, &id, &found));
        if (!found) {
            mutex_lock(&ing->mu);
            tenant_add(tenant_get(ing, tenant, false), sign, 0, 0);
            mutex_unlock(&ing->mu);
        }
    }
    rc = rc == ERR_NOT_FOUND ? OK : rc;
out:
    mem_free(w);
    const size_t n = s->mem ? wal_memindex_tenant_count(s->mem) : wal_index_tenant_count(s->disk);
    mutex_lock(&ing->mu);
    for (size_t i = 0; i < n; i++) {
        const struct wal_tenant_stats st =
            s->mem ? wal_memindex_tenant(s->mem, i) : wal_index_tenant(s->disk, i);
        tenant_add(tenant_get(ing, st.name, false), 0, sign * (int64_t)st.spans, sign * (int64_t)st.bytes);
    }
    mutex_unlock(&ing->mu);
    return rc;
}

err
count_segment(struct ingester *ing, struct live_segment *s, struct fault *f)
{
    struct others o = {0};
    mutex_lock(&ing->mu);
    others_take(ing, &o);
    mutex_unlock(&ing->mu);
    err rc = account(ing, s, &o, 1, f);
    others_drop(&o);
    return rc;
}

struct ingester_sealed {
    struct ingester *ing;
    struct live_segment *segment;
    bool left; /* by this hold, between begin and end */
};

struct ingester_sealed *
ingester_next_sealed(struct ingester *ing, uint64_t after)
{
    struct ingester_sealed *h = NULL;
    mutex_lock(&ing->mu);
    for (size_t i = 0; h == NULL && i < ing->segment_count; i++) {
        struct live_segment *s = ing->segments[i];
        const bool settled = s->disk != NULL || wal_segment_has_failed(s->file);
        if (s->sequence > after && s->sealed && s->inflight == 0 && settled) {
            live_segment_ref(s);
            h = mem_new(struct ingester_sealed);
            *h = (struct ingester_sealed){.ing = ing, .segment = s};
        }
    }
    mutex_unlock(&ing->mu);
    return h;
}

void
ingester_sealed_release(struct ingester_sealed *s)
{
    if (s) {
        live_segment_unref(s->segment);
        mem_free(s);
    }
}

uint64_t
ingester_sealed_sequence(const struct ingester_sealed *s)
{
    return s->segment->sequence;
}

const uint8_t *
ingester_sealed_uuid(const struct ingester_sealed *s)
{
    return wal_segment_uuid(s->segment->file);
}

uint64_t
ingester_sealed_bytes(const struct ingester_sealed *s)
{
    return wal_segment_end(s->segment->file);
}

bool
ingester_sealed_tenant(struct ingester_sealed *s, size_t i, struct ingester_sealed_tenant *ret)
{
    const struct live_segment *seg = s->segment;
    mutex_lock(&s->ing->mu);
    const bool there =
        i < (seg->mem ? wal_memindex_tenant_count(seg->mem) : wal_index_tenant_count(seg->disk));
    if (there) {
        ret->stats = seg->mem ? wal_memindex_tenant(seg->mem, i) : wal_index_tenant(seg->disk, i);
        memcpy(ret->name, ret->stats.name.p, ret->stats.name.n);
        ret->name[ret->stats.name.n] = '\0';
        ret->stats.name.p = (const uint8_t *)ret->name;
    }
    mutex_unlock(&s->ing->mu);
    return there;
}

void
ingester_sealed_records(struct ingester_sealed *s, struct wal_cursor *ret)
{
    wal_cursor_init(ret, s->segment->file, s->segment->budget);
}

void
ingester_retire_begin(struct ingester *ing)
{
    mutex_lock(&ing->mu);
    baton_take(ing);
    mutex_unlock(&ing->mu);
}

void
ingester_retire_leave(struct ingester_sealed *h)
{
    struct ingester *ing = h->ing;
    mutex_lock(&ing->mu);
    MUST(ing->busy);
    if (!h->segment->retired) {
        segment_list_remove(ing, h->segment);
        h->left = true;
    }
    mutex_unlock(&ing->mu);
}

/* mu held. */
static bool
any_on_disk(const struct ingester *ing)
{
    for (size_t i = 0; i < ing->segment_count; i++) {
        if (ing->segments[i]->disk) {
            return true;
        }
    }
    return false;
}

void
ingester_retire_end(struct ingester_sealed *h)
{
    struct ingester *ing = h->ing;
    struct live_segment *s = h->segment;
    struct others o = {0};
    struct fault g = {0};
    if (h->left) {
        h->left = false;
        mutex_lock(&ing->mu);
        others_take(ing, &o);
        mutex_unlock(&ing->mu);
        if (account(ing, s, &o, -1, &g) != OK) {
            LOG_E("the index of a retired segment cannot be read; the count of live traces stays too high",
                  LOG_CSTR("path", wal_segment_path(s->file)), LOG_FAULT(&g));
        }
        others_drop(&o);
        live_segment_unref(s); /* the list's */
    }
    mutex_lock(&ing->mu);
    if (!any_on_disk(ing)) {
        on_disk_clear(&ing->on_disk);
    }
    baton_give(ing);
    mutex_unlock(&ing->mu);
}

err
ingester_sealed_remove(struct ingester_sealed *h, struct fault *f)
{
    MUST(h->segment->retired); /* only who retired it asks */
    return wal_segment_remove(h->segment->file, f);
}

err
ingester_retire(struct ingester *ing, struct ingester_sealed *h, struct fault *f)
{
    ingester_retire_begin(ing);
    ingester_retire_leave(h);
    ingester_retire_end(h);
    return ingester_sealed_remove(h, f);
}
