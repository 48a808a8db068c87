/* The stream: traces are laid out top down, their spans go to the pods' batches, full batches come out. */
#include "corpus_priv.h"

#include <stdlib.h>

#define BATCH_MIN    50
#define BATCH_MAX    500
#define OP_SPANS_MAX (1 + QUERIES_MAX + 1 + CALLS_MAX)
#define REFS_MAX     (BATCH_MAX + OP_SPANS_MAX) /* a batch is flushed between operations */
#define PENDING_MAX  256 /* operations of one trace not yet laid out; the shop's deepest tree has 40 */

struct batch {
    struct blob scopes[SCOPES]; /* encoded Span fields */
    struct corpus_ref refs[SCOPES][REFS_MAX];
    uint32_t counts[SCOPES];
    uint32_t spans, limit;
};

struct pending {
    const struct op *op;
    uint8_t parent[8];
    uint64_t start_ns, end_ns;
    bool has_parent;
};

struct corpus {
    struct corpus_options o;
    struct dice rng;
    uint64_t traces, spans, clock_ns;
    struct blob resources[CORPUS_PODS]; /* Resource message bodies */
    struct batch batches[CORPUS_PODS];
    struct pending pending[PENDING_MAX];
    size_t pending_count;
    uint32_t ready[CORPUS_PODS]; /* pods whose batch is full, oldest first */
    uint32_t ready_count;
    uint32_t drain; /* next pod to flush when no more traces start */
    uint8_t trace[16], last_trace[16], last_span[8];
    struct blob body;
    struct corpus_ref refs[REFS_MAX];
};

static uint64_t
rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

void
dice_seed(struct dice *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->s[i] = z ^ z >> 31;
    }
}

uint64_t
dice_u64(struct dice *r) /* xoshiro256** */
{
    uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint32_t
dice_below(struct dice *r, uint32_t n)
{
    return (uint32_t)((dice_u64(r) >> 32) * n >> 32);
}

bool
dice_percent(struct dice *r, uint32_t percent)
{
    return dice_below(r, 100) < percent;
}

bool
dice_permille(struct dice *r, uint32_t permille)
{
    return dice_below(r, 1000) < permille;
}

double
dice_unit(struct dice *r)
{
    return (double)(dice_u64(r) >> 11) * 0x1p-53;
}

static void
rng_bytes(struct dice *r, uint8_t *at, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = dice_u64(r) | 1; /* never all zero */
        memcpy(at + i, &v, 8);
    }
}

struct corpus *
corpus_create(const struct corpus_options *o)
{
    struct corpus *c = xalloc(sizeof *c);
    c->o = *o;
    if (c->o.spans_per_second == 0) {
        c->o.spans_per_second = 5000;
    }
    c->clock_ns = o->start_ns;
    dice_seed(&c->rng, o->seed);
    for (uint32_t pod = 0; pod < CORPUS_PODS; pod++) {
        resource_write(&c->resources[pod], &c->rng, pod);
        c->batches[pod].limit = BATCH_MIN + dice_below(&c->rng, BATCH_MAX - BATCH_MIN + 1);
    }
    return c;
}

void
corpus_destroy(struct corpus *c)
{
    for (uint32_t pod = 0; pod < CORPUS_PODS; pod++) {
        blob_free(&c->resources[pod]);
        for (uint32_t i = 0; i < SCOPES; i++) {
            blob_free(&c->batches[pod].scopes[i]);
        }
    }
    blob_free(&c->body);
    free(c);
}

/* Build the pod's request and empty its batch. */
static void
batch_flush(struct corpus *c, uint32_t pod, struct corpus_request *ret)
{
    struct batch *b = &c->batches[pod];
    struct blob *out = &c->body;
    out->n = 0;
    uint32_t n = 0;
    size_t rs = pb_open(out, 1);
    pb_bytes(out, 1, c->resources[pod].p, c->resources[pod].n);
    for (uint32_t i = 0; i < SCOPES; i++) {
        if (b->counts[i] == 0) {
            continue;
        }
        size_t scope = pb_open(out, 2);
        scope_write(out, &services[pod / PODS_EACH], i);
        blob_add(out, b->scopes[i].p, b->scopes[i].n);
        pb_close(out, scope);
        memcpy(c->refs + n, b->refs[i], b->counts[i] * sizeof c->refs[0]);
        n += b->counts[i];
        b->scopes[i].n = 0;
        b->counts[i] = 0;
    }
    pb_str(out, 3, "https://opentelemetry.io/schemas/1.27.0");
    pb_close(out, rs);
    b->spans = 0;
    b->limit = BATCH_MIN + dice_below(&c->rng, BATCH_MAX - BATCH_MIN + 1);
    *ret = (struct corpus_request){.body = out->p, .n = out->n, .refs = c->refs, .spans = n, .pod = pod};
}

/* Write the span into the pod's batch. A batch at its bound takes no more before it is flushed: the caller
 * lays out one operation at a time and flushes between them. */
static void
span_emit(struct corpus *c, uint32_t pod, const struct span_spec *s)
{
    struct batch *b = &c->batches[pod];
    uint32_t scope = scope_of(s->role);
    span_write(&b->scopes[scope], &c->rng, s);
    struct corpus_ref *ref = &b->refs[scope][b->counts[scope]++];
    memcpy(ref->trace, s->trace, 16);
    memcpy(ref->span, s->id, 8);
    b->spans++;
    c->spans++;
    if (b->spans == b->limit) {
        c->ready[c->ready_count++] = pod;
    }
}

static void
trace_begin(struct corpus *c)
{
    memcpy(c->last_trace, c->trace, 16);
    rng_bytes(&c->rng, c->trace, 16);
    c->traces++;
    /* 15 spans a trace: the gap keeps the asked density, with jitter. */
    uint64_t gap = 15000000000u / c->o.spans_per_second;
    c->clock_ns += gap / 2 + dice_u64(&c->rng) % (gap + 1);
    uint32_t pick = dice_below(&c->rng, 100);
    size_t e = 0;
    while (e + 1 < entry_count && pick >= entries[e].weight) {
        pick -= entries[e++].weight;
    }
    /* Durations: 3 ms to some seconds, with a long tail. */
    double u = dice_unit(&c->rng);
    uint64_t duration =
        3000000u + (uint64_t)(60e6 * u + 2.5e9 * u * u * u * u * u * u * u * u * u * u * u * u);
    c->pending[c->pending_count++] = (struct pending){
        .op = &ops[entries[e].op], .start_ns = c->clock_ns, .end_ns = c->clock_ns + duration};
}

/* Share of [*at, end) for the next of `left` children: moves `*at` behind it. */
static void
slot_take(struct corpus *c, struct span_spec *child, uint64_t *at, uint64_t end, uint32_t left)
{
    uint64_t room = (end - *at) / left;
    uint64_t used = room / 2 + dice_u64(&c->rng) % (room / 2 + 1);
    child->start_ns = *at + (room - used) / 3;
    child->end_ns = child->start_ns + used;
    *at += room;
}

static void
child_init(struct corpus *c, struct span_spec *child, const struct span_spec *parent, enum role role)
{
    *child = *parent;
    child->role = (uint8_t)role;
    child->has_parent = true;
    child->has_link = false;
    memcpy(child->parent, parent->id, 8);
    rng_bytes(&c->rng, child->id, 8);
}

static void
call_layout(struct corpus *c, uint32_t pod, const struct span_spec *client)
{
    span_emit(c, pod, client);
    if (c->pending_count == PENDING_MAX || (client->failed && dice_percent(&c->rng, 50))) {
        return; /* the far side never saw it */
    }
    uint64_t wire = (client->end_ns - client->start_ns) / 20;
    struct pending next = {.op = client->op,
                           .start_ns = client->start_ns + wire,
                           .end_ns = client->end_ns - wire,
                           .has_parent = true};
    memcpy(next.parent, client->id, 8);
    c->pending[c->pending_count++] = next;
}

/* Lay out one operation: its server span, its queries, its internal span and its calls. At most 1 +
 * QUERIES_MAX + 1 + CALLS_MAX spans. */
static void
op_layout(struct corpus *c, const struct pending *p)
{
    const struct op *op = p->op;
    uint32_t pod = op->service * PODS_EACH + dice_below(&c->rng, PODS_EACH);
    struct span_spec server = {.op = op,
                               .role = ROLE_SERVER,
                               .start_ns = p->start_ns,
                               .end_ns = p->end_ns,
                               .has_parent = p->has_parent};
    memcpy(server.trace, c->trace, 16);
    memcpy(server.parent, p->parent, 8);
    rng_bytes(&c->rng, server.id, 8);
    server.failed = dice_permille(&c->rng, 12);
    if (op->proto == PROTO_KAFKA && c->traces > 1) {
        server.has_link = true;
        memcpy(server.link_trace, c->last_trace, 16);
        memcpy(server.link_span, c->last_span, 8);
    }
    span_emit(c, pod, &server);
    memcpy(c->last_span, server.id, 8);
    uint64_t at = p->start_ns + (p->end_ns - p->start_ns) / 50;
    uint32_t left = QUERIES_MAX + CALLS_MAX + 1;
    struct span_spec child;
    for (uint32_t i = 0; i < QUERIES_MAX; i++, left--) {
        if (dice_percent(&c->rng, op->queries[i].percent)) {
            child_init(c, &child, &server, ROLE_QUERY);
            child.statement = &statements[op->queries[i].statement];
            child.failed = server.failed && dice_percent(&c->rng, 30);
            slot_take(c, &child, &at, p->end_ns, left);
            span_emit(c, pod, &child);
        }
    }
    if (op->internal && dice_percent(&c->rng, 80)) {
        child_init(c, &child, &server, ROLE_INTERNAL);
        child.failed = false;
        slot_take(c, &child, &at, p->end_ns, left);
        span_emit(c, pod, &child);
    }
    left--;
    for (uint32_t i = 0; i < CALLS_MAX; i++, left--) {
        if (dice_percent(&c->rng, op->calls[i].percent)) {
            child_init(c, &child, &server, ROLE_CLIENT);
            child.op = &ops[op->calls[i].op];
            child.failed = server.failed && dice_percent(&c->rng, 50);
            slot_take(c, &child, &at, p->end_ns, left ? left : 1);
            call_layout(c, pod, &child);
        }
    }
}

bool
corpus_next(struct corpus *c, struct corpus_request *ret)
{
    for (;;) {
        if (c->ready_count) {
            uint32_t pod = c->ready[0];
            memmove(c->ready, c->ready + 1, --c->ready_count * sizeof c->ready[0]);
            batch_flush(c, pod, ret);
            return true;
        }
        if (c->pending_count) {
            struct pending p = c->pending[--c->pending_count];
            op_layout(c, &p);
        } else if (c->spans < c->o.spans) {
            trace_begin(c);
        } else {
            break;
        }
    }
    for (; c->drain < CORPUS_PODS; c->drain++) {
        if (c->batches[c->drain].spans) {
            batch_flush(c, c->drain, ret);
            return true;
        }
    }
    return false;
}

uint64_t
corpus_traces(const struct corpus *c)
{
    return c->traces;
}

uint64_t
corpus_spans(const struct corpus *c)
{
    return c->spans;
}
