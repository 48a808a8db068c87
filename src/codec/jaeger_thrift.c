/* jaeger.thrift to a span batch (receivers.md 6.3): one pass, whatever the order of fields. What a struct has
 * twice counts as it came last. */
#include "batch_room.h"
#include "jaeger_priv.h"
#include "jaeger_usual.h"
#include "thrift.h"

#define NS_PER_US 1000

/* What clients send takes at least about this much a tag and a span, by protocol. */
#define BYTES_PER_ATTR(compact) ((compact) ? 24 : 40)
#define BYTES_PER_SPAN(compact) ((compact) ? 160 : 240)

struct batch_decoder {
    struct jaeger_decoder d;
    struct thrift_reader r;
};

/* Fields that must be there, as bits of their ids. */
#define BIT(id) (1U << (id))

static err
bad(struct batch_decoder *d)
{
    return FAULT(d->d.f, ERR_INVALID, "%s at offset %td", d->r.error, d->r.p - d->r.start);
}

/* At the end of a struct: were all of `required` there? */
static err
struct_end(struct batch_decoder *d, const char *name, uint32_t seen, uint32_t required)
{
    uint32_t missing = required & ~seen;
    if (d->r.error != NULL) {
        return bad(d);
    }
    if (missing != 0) {
        return FAULT(d->d.f, ERR_INVALID, "required field %d of %s is not set", __builtin_ctz(missing), name);
    }
    return OK;
}

static void
id_put(uint8_t *to, int64_t v)
{
    uint64_t big = __builtin_bswap64((uint64_t)v);
    memcpy(to, &big, sizeof big);
}

static uint64_t
ns_of(int64_t us)
{
    return (uint64_t)us * NS_PER_US;
}

static int32_t
tag_type(int32_t thrift_type)
{
    static const uint8_t types[] = {JAEGER_STRING, JAEGER_FLOAT64, JAEGER_BOOL, JAEGER_INT64, JAEGER_BINARY};
    /* An unknown number is kept; 0 to 4 are the ones that read otherwise in protobuf. */
    return thrift_type >= 0 && thrift_type < (int32_t)sizeof types ? types[thrift_type] : thrift_type;
}

static err
tag_take(struct batch_decoder *d, struct run *run)
{
    struct thrift_reader *r = &d->r;
    struct jaeger_tag tag = {0};
    uint32_t seen = 0;
    for (struct thrift_field f = {0}; thrift_next_field(r, &f);) {
        switch (thrift_key(&f)) {
        case THRIFT_KEY(1, THRIFT_STRING):
            tag.key = thrift_string(r);
            seen |= BIT(1);
            break;
        case THRIFT_KEY(2, THRIFT_I32):
            tag.type = tag_type(thrift_i32(r));
            seen |= BIT(2);
            break;
        case THRIFT_KEY(3, THRIFT_STRING):
            tag.string = thrift_string(r);
            break;
        case THRIFT_KEY(4, THRIFT_DOUBLE):
            tag.d = thrift_double(r);
            break;
        case THRIFT_KEY(5, THRIFT_BOOL):
            tag.b = thrift_read_bool(r, &f);
            break;
        case THRIFT_KEY(6, THRIFT_I64):
            tag.i = thrift_i64(r);
            break;
        case THRIFT_KEY(7, THRIFT_STRING):
            tag.binary = thrift_string(r);
            break;
        default:
            thrift_skip_field(r, &f);
        }
    }
    err rc = struct_end(d, "Tag", seen, BIT(1) | BIT(2));
    return rc == OK ? jaeger_tag_add(&d->d, &tag, run) : rc;
}

/* Tags side by side, `n` at most, as long as they are usual and there is room; returns how many. */
static uint32_t
usual_tags_take(struct batch_decoder *d, uint32_t n)
{
    struct span_batch *b = d->d.b;
    uint32_t taken = 0;
    if (!d->r.compact) {
        return 0;
    }
    if (n > b->attr_cap - b->attr_count) {
        n = (uint32_t)(b->attr_cap - b->attr_count); /* the general way makes room */
    }
    const uint8_t *p = d->r.p;
    for (struct attr *a = b->attrs + b->attr_count; taken < n; a++) {
        const uint8_t *next = usual_tag(p, d->r.end, a);
        if (next == NULL) {
            break;
        }
        p = next;
        taken++;
    }
    d->r.p = p;
    b->attr_count += taken;
    return taken;
}

/* A list of tags becomes the run; the one before it, if any, is forgotten. */
static err
tags_take(struct batch_decoder *d, struct run *run)
{
    err rc = OK;
    uint32_t n = thrift_list_begin(&d->r, THRIFT_STRUCT);
    *run = (struct run){(uint32_t)d->d.b->attr_count, 0};
    while (n > 0) {
        uint32_t usual = usual_tags_take(d, n);
        run->n += usual;
        n -= usual;
        if (n > 0) {
            TRY(tag_take(d, run));
            n--;
        }
    }
out:
    return rc;
}

static err
log_take(struct batch_decoder *d, uint32_t index)
{
    struct thrift_reader *r = &d->r;
    struct span_event e = {0};
    uint32_t seen = 0;
    err rc = OK;
    for (struct thrift_field f = {0}; thrift_next_field(r, &f);) {
        switch (thrift_key(&f)) {
        case THRIFT_KEY(1, THRIFT_I64):
            e.time_ns = ns_of(thrift_i64(r));
            seen |= BIT(1);
            break;
        case THRIFT_KEY(2, THRIFT_LIST):
            TRY(tags_take(d, &e.attrs));
            seen |= BIT(2);
            break;
        default:
            thrift_skip_field(r, &f);
        }
    }
    TRY(struct_end(d, "Log", seen, BIT(1) | BIT(2)));
    TRY(jaeger_event_end(&d->d, &e));
    d->d.b->events[index] = e;
out:
    return rc;
}

static err
logs_take(struct batch_decoder *d, struct run *run)
{
    err rc = OK;
    uint32_t n = thrift_list_begin(&d->r, THRIFT_STRUCT);
    *run = (struct run){(uint32_t)d->d.b->event_count, 0};
    while (n-- > 0) {
        if (span_batch_add_event(d->d.b) == NULL) {
            return jaeger_full(&d->d);
        }
        TRY(log_take(d, run->at + run->n++));
    }
out:
    return rc;
}

static err
ref_take(struct batch_decoder *d)
{
    struct thrift_reader *r = &d->r;
    struct jaeger_ref ref = {0};
    uint32_t seen = 0;
    for (struct thrift_field f = {0}; thrift_next_field(r, &f);) {
        uint32_t key = thrift_key(&f);
        if (key == THRIFT_KEY(1, THRIFT_I32)) {
            ref.type = thrift_i32(r);
        } else if (key == THRIFT_KEY(2, THRIFT_I64)) {
            id_put(ref.trace.b + 8, thrift_i64(r));
        } else if (key == THRIFT_KEY(3, THRIFT_I64)) {
            id_put(ref.trace.b, thrift_i64(r));
        } else if (key == THRIFT_KEY(4, THRIFT_I64)) {
            id_put(ref.span.b, thrift_i64(r));
        } else {
            thrift_skip_field(r, &f);
            continue;
        }
        seen |= BIT(f.id);
    }
    err rc = struct_end(d, "SpanRef", seen, BIT(1) | BIT(2) | BIT(3) | BIT(4));
    return rc == OK ? jaeger_ref_add(&d->d, &ref) : rc;
}

static err
refs_take(struct batch_decoder *d)
{
    err rc = OK;
    uint32_t n = thrift_list_begin(&d->r, THRIFT_STRUCT);
    d->d.ref_count = 0;
    while (n-- > 0) {
        TRY(ref_take(d));
    }
out:
    return rc;
}

struct span_scalars {
    int64_t start_us, duration_us;
    int32_t flags;
};

/* A field that is a list or a string; OK with *ret_known false when it is none. */
static err
span_nested_take(struct batch_decoder *d, const struct thrift_field *f, struct span *s, bool *ret_known)
{
    *ret_known = true;
    switch (thrift_key(f)) {
    case THRIFT_KEY(5, THRIFT_STRING):
        s->name = thrift_string(&d->r);
        return OK;
    case THRIFT_KEY(6, THRIFT_LIST):
        return refs_take(d);
    case THRIFT_KEY(10, THRIFT_LIST):
        return tags_take(d, &s->attrs);
    case THRIFT_KEY(11, THRIFT_LIST):
        return logs_take(d, &s->events);
    default:
        *ret_known = false;
        return OK;
    }
}

static bool
span_scalar_take(struct thrift_reader *r, const struct thrift_field *f, struct span *s,
                 struct span_scalars *to)
{
    switch (thrift_key(f)) {
    case THRIFT_KEY(1, THRIFT_I64):
        id_put(s->trace.b + 8, thrift_i64(r));
        return true;
    case THRIFT_KEY(2, THRIFT_I64):
        id_put(s->trace.b, thrift_i64(r));
        return true;
    case THRIFT_KEY(3, THRIFT_I64):
        id_put(s->id.b, thrift_i64(r));
        return true;
    case THRIFT_KEY(4, THRIFT_I64):
        id_put(s->parent.b, thrift_i64(r));
        return true;
    case THRIFT_KEY(7, THRIFT_I32):
        to->flags = thrift_i32(r);
        return true;
    case THRIFT_KEY(8, THRIFT_I64):
        to->start_us = thrift_i64(r);
        return true;
    case THRIFT_KEY(9, THRIFT_I64):
        to->duration_us = thrift_i64(r);
        return true;
    default:
        return false;
    }
}

/* traceIdLow to operationName, the first fields of a span; false, and nothing that counts is set, when they
 * are not usual. */
static bool
usual_span_ids(struct thrift_reader *r, struct span *s)
{
    uint8_t *const ids[] = {s->trace.b + 8, s->trace.b, s->id.b, s->parent.b};
    const uint8_t *p = r->p, *end = r->end;
    size_t n;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        int64_t v;
        p = usual_i64(p, end, &v);
        if (p == NULL) {
            return false;
        }
        id_put(ids[i], v);
    }
    if (end - p < 2 || *p != COMPACT_HEAD(1, COMPACT_STRING)) {
        return false;
    }
    p = usual_len(p + 1, end, &n);
    if (p == NULL) {
        return false;
    }
    s->name = (slice){p, n};
    r->p = p + n;
    return true;
}

/* flags, startTime and duration behind the field `id`, likewise. */
static bool
usual_span_times(struct thrift_reader *r, int16_t id, struct span_scalars *to)
{
    const uint8_t *p = r->p;
    int64_t flags, start, duration;
    if (p == r->end || *p != COMPACT_HEAD(7 - id, COMPACT_I32) ||
        (p = usual_zigzag(p + 1, r->end, &flags)) == NULL || (p = usual_i64(p, r->end, &start)) == NULL ||
        (p = usual_i64(p, r->end, &duration)) == NULL) {
        return false;
    }
    *to = (struct span_scalars){start, duration, (int32_t)flags};
    r->p = p;
    return true;
}

/* Take what is usual behind the field `f`, which becomes the last one taken; returns the bits of their ids.
 */
static uint32_t
usual_span_take(struct thrift_reader *r, struct thrift_field *f, struct span *s, struct span_scalars *to)
{
    uint32_t seen = 0;
    if (!r->compact) {
        return 0;
    }
    if (f->id == 0 && usual_span_ids(r, s)) {
        f->id = 5;
        seen |= BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5);
    }
    if ((f->id == 5 || f->id == 6) && usual_span_times(r, f->id, to)) {
        f->id = 9;
        seen |= BIT(7) | BIT(8) | BIT(9);
    }
    return seen;
}

static bool
is_blank(const struct batch_decoder *d, const struct span *s, const struct span_scalars *sc)
{
    return trace_id_is_zero(&s->trace) && span_id_is_zero(&s->id) && span_id_is_zero(&s->parent) &&
           s->name.n == 0 && sc->flags == 0 && sc->start_us == 0 && sc->duration_us == 0 && s->attrs.n == 0 &&
           s->events.n == 0 && d->d.ref_count == 0;
}

static err
span_take(struct batch_decoder *d, uint32_t scope)
{
    const uint32_t required = BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(7) | BIT(8) | BIT(9);
    struct span s = {.scope = scope};
    struct span_scalars scalars = {0};
    uint32_t seen = 0;
    err rc = OK;
    d->d.ref_count = 0;
    for (struct thrift_field f = {0};;) {
        seen |= usual_span_take(&d->r, &f, &s, &scalars);
        if (!thrift_next_field(&d->r, &f)) {
            break;
        }
        bool known = span_scalar_take(&d->r, &f, &s, &scalars);
        if (!known) {
            TRY(span_nested_take(d, &f, &s, &known));
        }
        if (known) {
            seen |= BIT(f.id);
        } else {
            thrift_skip_field(&d->r, &f);
        }
    }
    TRY(struct_end(d, "Span", seen, required));
    if (is_blank(d, &s, &scalars)) {
        return OK;
    }
    s.start_ns = ns_of(scalars.start_us);
    s.end_ns = s.start_ns + ns_of(scalars.duration_us);
    TRY(jaeger_span_end(&d->d, &s, false));
    struct span *to = span_batch_add_span(d->d.b);
    if (to == NULL) {
        return jaeger_full(&d->d);
    }
    *to = s;
out:
    return rc;
}

static err
spans_take(struct batch_decoder *d, uint32_t scope)
{
    err rc = OK;
    uint32_t n = thrift_list_begin(&d->r, THRIFT_STRUCT);
    while (n-- > 0) {
        TRY(span_take(d, scope));
    }
out:
    return rc;
}

/* The name is the first attribute, so it is put in front of the tags when they came before it. */
static err
process_take(struct batch_decoder *d, struct run *ret)
{
    struct span_batch *b = d->d.b;
    struct thrift_reader *r = &d->r;
    static const slice key = SL("service.name");
    struct run run = {(uint32_t)b->attr_count, 1};
    uint32_t seen = 0;
    slice name = SL_EMPTY;
    err rc = OK;
    if (span_batch_add_attr(b) == NULL) {
        return jaeger_full(&d->d);
    }
    for (struct thrift_field f = {0}; thrift_next_field(r, &f);) {
        if (thrift_key(&f) == THRIFT_KEY(1, THRIFT_STRING)) {
            name = thrift_string(r);
            seen |= BIT(1);
        } else if (thrift_key(&f) == THRIFT_KEY(2, THRIFT_LIST)) {
            struct run tags;
            b->attr_count = run.at + 1;
            TRY(tags_take(d, &tags));
            run.n = 1 + tags.n;
        } else {
            thrift_skip_field(r, &f);
        }
    }
    TRY(struct_end(d, "Process", seen, BIT(1)));
    b->attrs[run.at] = (struct attr){.key = key.p, .key_n = (uint32_t)key.n, .kind = VALUE_STRING};
    b->attrs[run.at].p = name.p;
    b->attrs[run.at].n = (uint32_t)name.n;
    if (name.n == 0) {
        run.at++;
        run.n--;
    }
    TRY(jaeger_process_end(&d->d, &run));
    *ret = run;
out:
    return rc;
}

static err
batch_take(struct batch_decoder *d)
{
    struct span_batch *b = d->d.b;
    uint32_t seen = 0;
    err rc = OK;
    uint32_t scope = (uint32_t)b->scope_count, resource = (uint32_t)b->resource_count;
    size_t spans = b->span_count;
    struct resource *res = span_batch_add_resource(b);
    struct scope *sc = span_batch_add_scope(b);
    if (res == NULL || sc == NULL) {
        return jaeger_full(&d->d);
    }
    res->has_resource = true;
    *sc = (struct scope){.resource = resource, .has_scope = true};
    for (struct thrift_field f = {0}; thrift_next_field(&d->r, &f);) {
        switch (thrift_key(&f)) {
        case THRIFT_KEY(1, THRIFT_STRUCT):
            TRY(process_take(d, &b->resources[resource].attrs));
            break;
        case THRIFT_KEY(2, THRIFT_LIST):
            b->span_count = spans;
            TRY(spans_take(d, scope));
            break;
        default:
            thrift_skip_field(&d->r, &f);
            continue;
        }
        seen |= BIT(f.id);
    }
    TRY(struct_end(d, "Batch", seen, BIT(1) | BIT(2)));
    if (b->span_count == spans) { /* no spans: no resource to stand for them */
        b->resource_count--;
        b->scope_count--;
    }
out:
    return rc;
}

static err
decoder_init(struct batch_decoder *d, slice body, enum jaeger_thrift protocol, struct span_batch *out,
             struct fault *f)
{
    *d = (struct batch_decoder){
        .d = {.b = out, .f = f},
        .r = thrift_reader_of(body, protocol == JAEGER_THRIFT_COMPACT ? THRIFT_COMPACT : THRIFT_BINARY),
    };
    if (body.n > UINT32_MAX) {
        return FAULT(f, ERR_LIMIT, "a body of %zu bytes is over the limit of 4 GiB", body.n);
    }
    attrs_reserve(out, body.n / BYTES_PER_ATTR(d->r.compact));
    spans_reserve(out, body.n / BYTES_PER_SPAN(d->r.compact));
    return OK;
}

err
jaeger_thrift_decode(slice body, enum jaeger_thrift protocol, struct span_batch *out, struct fault *f)
{
    struct batch_decoder d;
    err rc = decoder_init(&d, body, protocol, out, f);
    return rc == OK ? batch_take(&d) : rc;
}

err
jaeger_emit_batch_decode(slice body, enum jaeger_thrift protocol, struct span_batch *out, struct fault *f)
{
    struct batch_decoder d;
    enum thrift_message type;
    err rc = OK;
    bool found = false;
    TRY(decoder_init(&d, body, protocol, out, f));
    slice name = thrift_message_begin(&d.r, &type);
    if (d.r.error != NULL) {
        return bad(&d);
    }
    if (!slice_eq(name, SL("emitBatch")) || (type != THRIFT_ONEWAY && type != THRIFT_CALL)) {
        int n = (int)(name.n < 64 ? name.n : 64);
        return FAULT(f, ERR_UNSUPPORTED, "message '%.*s' of type %d is not emitBatch", n,
                     (const char *)name.p, (int)type);
    }
    for (struct thrift_field field = {0}; thrift_next_field(&d.r, &field);) {
        if (thrift_key(&field) == THRIFT_KEY(1, THRIFT_STRUCT) && !found) {
            found = true;
            TRY(batch_take(&d));
        } else {
            thrift_skip_field(&d.r, &field);
        }
    }
    if (d.r.error != NULL) {
        return bad(&d);
    }
    rc = found ? OK : FAULT(f, ERR_INVALID, "emitBatch without a batch");
out:
    return rc;
}
