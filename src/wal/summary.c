/* Which traces a batch holds: from its spans, or skimmed from its bytes without decoding it. */
#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/base/rng.h"
#include "vivace/base/table.h"
#include "vivace/codec/wire.h"
#include "vivace/model/span_batch.h"
#include "vivace/wal/index.h"

/* Field numbers: opentelemetry-proto trace.proto v1. */
#define FIELD_RESOURCE_SPANS 1 /* ExportTraceServiceRequest */
#define FIELD_SCOPE_SPANS    2 /* ResourceSpans */
#define FIELD_SPANS          2 /* ScopeSpans */
#define FIELD_TRACE_ID       1 /* Span */
#define FIELD_START          7
#define FIELD_END            8

#define SUMMARY_FIRST 32   /* traces there is room for at first */
#define SUMMARY_ROOM  4096 /* and at most before they are seen: 128 KiB */

void
wal_summary_init(struct wal_summary *s)
{
    memset(s, 0, sizeof *s);
    s->min_start_ns = UINT64_MAX;
}

void
wal_summary_fini(struct wal_summary *s)
{
    mem_free(s->traces);
    mem_free(s->slots);
    memset(s, 0, sizeof *s);
}

void
wal_summary_reset(struct wal_summary *s)
{
    if (s->count) {
        memset(s->slots, 0, s->slot_count * sizeof *s->slots);
    }
    s->count = 0;
    s->span_count = 0;
    s->min_start_ns = UINT64_MAX;
    s->max_end_ns = 0;
}

static size_t
slot_of(const struct wal_summary *s, const trace_id *id)
{
    size_t i = hash_bytes(id->b, sizeof id->b, s->seed) & (s->slot_count - 1);
    while (s->slots[i] && !trace_id_eq(&s->traces[s->slots[i] - 1].id, id)) {
        i = (i + 1) & (s->slot_count - 1);
    }
    return i;
}

static void
summary_grow(struct wal_summary *s, size_t cap)
{
    s->cap = cap;
    s->traces = mem_realloc(s->traces, s->cap, sizeof *s->traces);
    mem_free(s->slots);
    s->slot_count = s->cap * 2;
    s->seed = rng_process_seed();
    s->slots = mem_new_array(uint32_t, s->slot_count);
    for (size_t i = 0; i < s->count; i++) {
        s->slots[slot_of(s, &s->traces[i].id)] = (uint32_t)i + 1;
    }
}

static size_t
summary_trace(struct wal_summary *s, const trace_id *id)
{
    if (s->count && trace_id_eq(&s->traces[s->count - 1].id, id)) {
        return s->count - 1; /* spans of one trace mostly stand together */
    }
    if (s->count == s->cap) {
        summary_grow(s, s->cap ? s->cap * 2 : SUMMARY_FIRST);
    }
    size_t slot = slot_of(s, id);
    if (s->slots[slot] == 0) {
        s->traces[s->count] = (struct wal_trace_sum){.id = *id};
        s->slots[slot] = (uint32_t)++s->count;
    }
    return s->slots[slot] - 1;
}

size_t
wal_summary_find(const struct wal_summary *s, const trace_id *id)
{
    size_t slot = slot_of(s, id);
    MUST(s->slots[slot] != 0);
    return s->slots[slot] - 1;
}

size_t
wal_summary_add(struct wal_summary *s, const trace_id *id, uint32_t bytes, uint64_t start_ns, uint64_t end_ns)
{
    size_t at = summary_trace(s, id);
    struct wal_trace_sum *t = &s->traces[at];
    t->bytes = bytes > UINT32_MAX - t->bytes ? UINT32_MAX : t->bytes + bytes;
    t->spans++;
    s->span_count++;
    if (start_ns < s->min_start_ns) {
        s->min_start_ns = start_ns;
    }
    if (end_ns > s->max_end_ns) {
        s->max_end_ns = end_ns;
    }
    return at;
}

void
wal_summary_of_batch(struct wal_summary *s, const struct span_batch *b)
{
    if (s->cap == 0 && b->span_count > SUMMARY_FIRST) {
        size_t cap = SUMMARY_FIRST; /* as if every other span began a trace: at most one growth more */
        while (cap < b->span_count / 2 && cap < SUMMARY_ROOM) {
            cap *= 2;
        }
        summary_grow(s, cap);
    }
    for (size_t i = 0; i < b->span_count; i++) {
        const struct span *sp = &b->spans[i];
        wal_summary_add(s, &sp->trace, sp->wire_bytes, sp->start_ns, sp->end_ns);
    }
}

/* Only the id and the two times; other fields are stepped over. */
static bool
skim_span(struct wal_summary *s, slice span)
{
    struct wire_reader r = wire_reader_of(span);
    trace_id id = {0};
    uint64_t start = 0;
    uint64_t end = 0;
    while (r.p < r.end) {
        uint32_t field = 0;
        uint32_t type = 0;
        slice v = SL_EMPTY;
        bool good = wire_tag(&r, &field, &type);
        if (good && field == FIELD_TRACE_ID && type == WIRE_LEN) {
            good = wire_len(&r, &v) && (v.n == 0 || v.n == sizeof id.b);
            if (good && v.n) {
                memcpy(id.b, v.p, sizeof id.b);
            }
        } else if (good && field == FIELD_START && type == WIRE_FIXED64) {
            good = wire_fixed64(&r, &start);
        } else if (good && field == FIELD_END && type == WIRE_FIXED64) {
            good = wire_fixed64(&r, &end);
        } else if (good) {
            good = wire_skip(&r, field, type);
        }
        if (!good) {
            return false;
        }
    }
    wal_summary_add(s, &id, (uint32_t)span.n, start, end);
    return true;
}

/* The next sub-message of this field number: 1, 0 at the end, -1 when malformed. */
static int
next_message(struct wire_reader *r, uint32_t want, slice *ret)
{
    while (r->p < r->end) {
        uint32_t field = 0;
        uint32_t type = 0;
        if (!wire_tag(r, &field, &type)) {
            return -1;
        }
        if (field == want && type == WIRE_LEN) {
            return wire_len(r, ret) ? 1 : -1;
        }
        if (!wire_skip(r, field, type)) {
            return -1;
        }
    }
    return 0;
}

static bool
skim_scope(struct wal_summary *s, slice scope_spans)
{
    struct wire_reader r = wire_reader_of(scope_spans);
    slice span = SL_EMPTY;
    int more = 0;
    while ((more = next_message(&r, FIELD_SPANS, &span)) > 0) {
        if (!skim_span(s, span)) {
            return false;
        }
    }
    return more == 0;
}

bool
wal_summary_of_payload(struct wal_summary *s, slice payload)
{
    struct wire_reader request = wire_reader_of(payload);
    slice resource_spans = SL_EMPTY;
    int more = 0;
    while ((more = next_message(&request, FIELD_RESOURCE_SPANS, &resource_spans)) > 0) {
        struct wire_reader r = wire_reader_of(resource_spans);
        slice scope_spans = SL_EMPTY;
        while ((more = next_message(&r, FIELD_SCOPE_SPANS, &scope_spans)) > 0) {
            if (!skim_scope(s, scope_spans)) {
                return false;
            }
        }
        if (more < 0) {
            return false;
        }
    }
    return more == 0;
}
