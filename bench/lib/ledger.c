#include "ledger.h"

#include "pb.h"
#include "target.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FAULTS_PRINTED 10

bool
ledger_wants(const struct ledger *l, const struct corpus_ref *r)
{
    return l->one_in < 2 || (uint32_t)(r->trace[3] << 16 | r->trace[4] << 8 | r->trace[5]) % l->one_in == 0;
}

static struct ledger_trace *
place_of(struct ledger_trace *traces, size_t cap, const uint8_t id[16])
{
    uint64_t h;
    memcpy(&h, id + 8, 8);
    for (size_t i = (h * 0x9e3779b97f4a7c15u) >> 20;; i++) {
        struct ledger_trace *t = &traces[i & (cap - 1)];
        if (t->n == 0 || memcmp(t->id, id, 16) == 0) {
            return t;
        }
    }
}

static void
table_grow(struct ledger *l)
{
    size_t cap = l->cap ? l->cap * 2 : 1024;
    struct ledger_trace *traces = xalloc(cap * sizeof *traces);
    for (size_t i = 0; i < l->cap; i++) {
        if (l->traces[i].n) {
            *place_of(traces, cap, l->traces[i].id) = l->traces[i];
        }
    }
    free(l->traces);
    l->traces = traces;
    l->cap = cap;
}

struct ledger_trace *
ledger_find(struct ledger *l, const uint8_t trace[16])
{
    struct ledger_trace *t = l->cap ? place_of(l->traces, l->cap, trace) : NULL;
    return t && t->n ? t : NULL;
}

static struct ledger_span *
span_find(const struct ledger_trace *t, const uint8_t id[8])
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (memcmp(t->spans[i].id, id, 8) == 0) {
            return &t->spans[i];
        }
    }
    return NULL;
}

void
ledger_sent(struct ledger *l, const struct corpus_ref *refs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!ledger_wants(l, &refs[i])) {
            continue;
        }
        if (l->count * 2 >= l->cap) {
            table_grow(l);
        }
        struct ledger_trace *t = place_of(l->traces, l->cap, refs[i].trace);
        if (t->n == t->cap) {
            t->cap = t->cap ? t->cap * 2 : 8;
            t->spans = xrealloc(t->spans, t->cap, sizeof *t->spans);
        }
        if (t->n == 0) {
            memcpy(t->id, refs[i].trace, 16);
            l->count++;
        }
        struct ledger_span *s = &t->spans[t->n++];
        *s = (struct ledger_span){0};
        memcpy(s->id, refs[i].span, 8);
    }
}

void
ledger_acked(struct ledger *l, const struct corpus_ref *refs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct ledger_trace *t = ledger_wants(l, &refs[i]) ? ledger_find(l, refs[i].trace) : NULL;
        struct ledger_span *s = t ? span_find(t, refs[i].span) : NULL;
        if (s) {
            s->acked = true;
        }
    }
}

struct judge {
    struct ledger_trace *trace;
    struct ledger_verdict *verdict;
};

static void
judge_span(void *ctx, const uint8_t trace[16], const uint8_t span[8])
{
    struct judge *j = ctx;
    struct ledger_span *s = memcmp(trace, j->trace->id, 16) == 0 ? span_find(j->trace, span) : NULL;
    if (!s) {
        j->verdict->invented++;
    } else if (s->seen) {
        j->verdict->doubled++;
    } else {
        s->seen = true;
    }
}

void
ledger_judge(struct ledger_trace *t, const uint8_t *body, size_t n, struct ledger_verdict *v)
{
    for (uint32_t i = 0; i < t->n; i++) {
        t->spans[i].seen = false;
    }
    struct judge j = {t, v};
    const uint8_t *p = body, *end = body + n;
    struct pb_field f;
    v->traces++;
    bool good = true;
    while (pb_next(&p, end, &f)) {
        if (f.number == 1 && f.type == 2) {
            good = good && pb_trace_walk(f.p, f.n, judge_span, &j);
        }
    }
    if (!good || p != end) {
        v->malformed++;
        return;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        v->spans += t->spans[i].acked;
        v->missing += t->spans[i].acked && !t->spans[i].seen;
    }
}

void
ledger_check(struct ledger_trace *t, struct target *from, struct ledger_verdict *v)
{
    char path[64], *at = path + snprintf(path, sizeof path, "/api/v2/traces/");
    for (int i = 0; i < 16; i++) {
        at += snprintf(at, 3, "%02x", t->id[i]);
    }
    struct blob body = {0};
    struct ledger_verdict before = *v;
    int status = http_get(from, path, "application/protobuf", &body);
    if (status == 200) {
        ledger_judge(t, body.p, body.n, v);
    } else {
        v->traces++;
        v->malformed++;
    }
    uint64_t missing = v->missing - before.missing, invented = v->invented - before.invented,
             doubled = v->doubled - before.doubled, malformed = v->malformed - before.malformed;
    if (missing + invented + doubled + malformed &&
        before.missing + before.invented + before.doubled + before.malformed < FAULTS_PRINTED) {
        fprintf(stderr,
                "%s: status %d, of %u spans %" PRIu64 " missing, %" PRIu64 " invented, %" PRIu64
                " doubled%s\n",
                path, status, t->n, missing, invented, doubled, malformed ? ", answer unreadable" : "");
    }
    blob_free(&body);
}

void
ledger_free(struct ledger *l)
{
    for (size_t i = 0; i < l->cap; i++) {
        free(l->traces[i].spans);
    }
    free(l->traces);
    *l = (struct ledger){.one_in = l->one_in};
}
