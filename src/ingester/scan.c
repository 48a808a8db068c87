/* A walk over all live records of a tenant, newest segment first: what searches read. */
#include "ingester_priv.h"

#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#include <stdlib.h>

struct stop { /* one segment of the walk */
    struct live_segment *segment;
    struct ingester_scan_segment info;
};

struct ingester_scan {
    slice tenant; /* the caller's */
    struct budget *budget;
    struct stop *stops;
    size_t count, at; /* stops[at - 1] is being read */
    struct wal_cursor cursor;
    bool reading;
};

static struct ingester_scan_segment
info_of(const struct wal_tenant_stats *t, const struct live_segment *s)
{
    struct ingester_scan_segment info = {
        .bytes = t->bytes, .spans = t->spans, .min_start_ns = t->min_start_ns, .max_end_ns = t->max_end_ns};
    memcpy(info.uuid, wal_segment_uuid(s->file), sizeof info.uuid);
    return info;
}

/* mu held: a memory index changes under it. False when the segment has nothing of the tenant. */
static bool
look_in_memory(const struct live_segment *s, slice tenant, struct ingester_scan_segment *ret)
{
    for (size_t i = 0; i < wal_memindex_tenant_count(s->mem); i++) {
        struct wal_tenant_stats t = wal_memindex_tenant(s->mem, i);
        if (slice_eq(t.name, tenant)) {
            *ret = info_of(&t, s);
            return t.records > 0;
        }
    }
    return false;
}

static bool
look_on_disk(const struct live_segment *s, slice tenant, struct ingester_scan_segment *ret)
{
    for (size_t i = 0; i < wal_index_tenant_count(s->disk); i++) {
        struct wal_tenant_stats t = wal_index_tenant(s->disk, i);
        if (slice_eq(t.name, tenant)) {
            *ret = info_of(&t, s);
            return t.records > 0;
        }
    }
    return false;
}

static int
newest_first(const void *a, const void *b)
{
    const struct stop *x = a;
    const struct stop *y = b;
    if (x->info.max_end_ns != y->info.max_end_ns) {
        return x->info.max_end_ns < y->info.max_end_ns ? 1 : -1;
    }
    return x->segment->sequence < y->segment->sequence ? 1 : -1;
}

struct ingester_scan *
ingester_scan_open(struct ingester *ing, slice tenant, struct budget *budget)
{
    struct ingester_scan *scan = mem_new(struct ingester_scan);
    scan->tenant = tenant;
    scan->budget = budget;
    mutex_lock(&ing->mu);
    scan->stops = mem_new_array(struct stop, ing->segment_count + 1);
    for (size_t i = 0; i < ing->segment_count; i++) {
        struct live_segment *s = ing->segments[i];
        struct stop stop = {.segment = s};
        if (s->mem ? look_in_memory(s, tenant, &stop.info) : look_on_disk(s, tenant, &stop.info)) {
            live_segment_ref(s);
            scan->stops[scan->count++] = stop;
        }
    }
    mutex_unlock(&ing->mu);
    qsort(scan->stops, scan->count, sizeof *scan->stops, newest_first);
    return scan;
}

void
ingester_scan_close(struct ingester_scan *scan)
{
    if (scan == NULL) {
        return;
    }
    if (scan->reading) {
        wal_cursor_fini(&scan->cursor);
    }
    for (size_t i = 0; i < scan->count; i++) {
        live_segment_unref(scan->stops[i].segment);
    }
    mem_free(scan->stops);
    mem_free(scan);
}

size_t
ingester_scan_left(const struct ingester_scan *scan)
{
    return scan->count - scan->at;
}

bool
ingester_scan_peek(const struct ingester_scan *scan, struct ingester_scan_segment *ret)
{
    if (scan->at == scan->count) {
        return false;
    }
    *ret = scan->stops[scan->at].info;
    return true;
}

void
ingester_scan_skip(struct ingester_scan *scan)
{
    scan->at++;
}

void
ingester_scan_enter(struct ingester_scan *scan)
{
    if (scan->reading) {
        wal_cursor_fini(&scan->cursor);
    }
    wal_cursor_init(&scan->cursor, scan->stops[scan->at++].segment->file, scan->budget);
    scan->reading = true;
}

err
ingester_scan_next(struct ingester_scan *scan, struct fault *f, slice *ret)
{
    struct wal_record r;
    struct wal_ref at;
    for (;;) {
        err rc = wal_cursor_next(&scan->cursor, f, &r, &at);
        if (rc == ERR_CORRUPT) {
            LOG_LIMITED(LOG_ERROR, 1,
                        "a record of the write-ahead log no longer checks; queries pass over it",
                        LOG_CSTR("path", wal_segment_path(scan->cursor.segment)),
                        LOG_UINT("offset", scan->cursor.damage.offset));
            if (f) {
                *f = (struct fault){0};
            }
            continue;
        }
        if (rc != OK) {
            return rc;
        }
        if (slice_eq(r.tenant, scan->tenant)) {
            *ret = r.payload;
            return OK;
        }
    }
}
