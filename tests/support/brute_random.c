/* Random queries and traces out of small pools, so that they meet. */
#include "support/brute.h"

#include <math.h>
#include <stdio.h>

#define PICK(r, pool) ((pool)[rng_below((r), sizeof(pool) / sizeof *(pool))])

static const char *const keys[] = {"a", "b", "n", "s", "service.name", "odd key"};
static const char *const texts[] = {"", "x", "xy", "foo", "Foo", "caf\xc3\xa9", "a|b", "shop", "line\nbreak"};
static const char *const names[] = {"root", "call", "serve", "x", ""};
static const int64_t ints[] = {0, 1, 2, 3, -1, 7, INT64_MAX, INT64_MIN, 9007199254740993, 1000};

static bool
one_in(struct rng *r, uint64_t n)
{
    return rng_below(r, n) == 0;
}

/* --- traces -------------------------------------------------------------------------------------------- */

static double
random_double(struct rng *r)
{
    static const double pool[] = {0, 1, 2.5, -1, 3, 9007199254740992.0, 1e300, 0.1, 7};
    switch (rng_below(r, 16)) {
    case 0:
        return NAN;
    case 1:
        return INFINITY;
    case 2:
        return -INFINITY;
    default:
        return PICK(r, pool);
    }
}

static slice
keep(struct span_batch *b, const char *text)
{
    return arena_copy(&b->arena, slice_cstr(text));
}

static void
put_varint(struct buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        (void)buf_append_byte(out, (uint8_t)(v | 0x80));
    }
    (void)buf_append_byte(out, (uint8_t)v);
}

/* An AnyValue message of `kind` with its length before it. */
static void
put_element(struct rng *r, struct buf *out, uint64_t kind)
{
    struct buf one;
    buf_init(&one, 1 << 16);
    if (kind == 0) {
        const char *text = PICK(r, texts);
        (void)buf_append_byte(&one, 0x0a);
        put_varint(&one, strlen(text));
        (void)buf_append_cstr(&one, text);
    } else if (kind == 1) {
        (void)buf_append_byte(&one, 0x10);
        put_varint(&one, rng_below(r, 2));
    } else if (kind == 2) {
        (void)buf_append_byte(&one, 0x18);
        put_varint(&one, (uint64_t)PICK(r, ints));
    } else if (kind == 3) {
        double d = random_double(r);
        (void)buf_append_byte(&one, 0x21);
        (void)buf_append(&one, &d, 8);
    } else {
        (void)buf_append(&one, "\x3a\x01z", 3); /* bytes */
    }
    (void)buf_append_byte(out, 0x0a);
    put_varint(out, one.n);
    (void)buf_append(out, one.p, one.n);
    buf_fini(&one);
}

/* Mostly of one type; now and then mixed, empty, or of what cannot be queried. */
static slice
random_array(struct rng *r, struct span_batch *b)
{
    struct buf out;
    uint64_t kind = rng_below(r, one_in(r, 8) ? 5 : 4), n = rng_below(r, 5);
    buf_init(&out, 1 << 16);
    bool mixed = one_in(r, 8);
    for (uint64_t i = 0; i < n; i++) {
        put_element(r, &out, mixed ? rng_below(r, 5) : kind);
    }
    slice s = arena_copy(&b->arena, buf_slice(&out));
    buf_fini(&out);
    return s;
}

static void
set_bytes(struct attr *a, slice s, enum value_kind kind)
{
    a->kind = (uint8_t)kind;
    a->p = s.p;
    a->n = (uint32_t)s.n;
}

static void
random_value(struct rng *r, struct span_batch *b, struct attr *a)
{
    switch (rng_below(r, 12)) {
    case 0:
    case 1:
    case 2:
        set_bytes(a, keep(b, PICK(r, texts)), VALUE_STRING);
        break;
    case 3:
    case 4:
    case 5:
        a->kind = VALUE_INT;
        a->i = one_in(r, 3) ? PICK(r, ints) : (int64_t)rng_below(r, 4);
        break;
    case 6:
    case 7:
        a->kind = VALUE_DOUBLE;
        a->d = random_double(r);
        break;
    case 8:
        a->kind = VALUE_BOOL;
        a->b = one_in(r, 2);
        break;
    case 9:
    case 10:
        set_bytes(a, random_array(r, b), VALUE_ARRAY);
        break;
    default:
        if (one_in(r, 2)) {
            set_bytes(a, keep(b, "x"), VALUE_BYTES);
        } else if (one_in(r, 2)) {
            set_bytes(a, SL_EMPTY, VALUE_KVLIST);
        } /* else an AnyValue with nothing in it */
    }
}

/* No key twice in one place: which one counts then nobody says. */
static struct run
random_attrs(struct rng *r, struct span_batch *b, uint64_t density)
{
    struct run run = {(uint32_t)b->attr_count, 0};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!one_in(r, density)) {
            continue;
        }
        struct attr *a = span_batch_add_attr(b);
        slice key = keep(b, keys[i]);
        a->key = key.p;
        a->key_n = (uint32_t)key.n;
        run.n++;
        random_value(r, b, a);
    }
    return run;
}

static void
random_events(struct rng *r, struct span_batch *b, size_t row)
{
    uint32_t at = (uint32_t)b->event_count, n = (uint32_t)(one_in(r, 2) ? rng_below(r, 4) : 0);
    for (uint32_t i = 0; i < n; i++) {
        struct run attrs = random_attrs(r, b, 4);
        slice name = keep(b, PICK(r, names));
        struct span_event *e = span_batch_add_event(b);
        e->name = name;
        e->time_ns = b->spans[row].start_ns + rng_below(r, 3) * 1000;
        e->attrs = attrs;
    }
    b->spans[row].events = (struct run){at, n};
}

static void
random_links(struct rng *r, struct span_batch *b, size_t row)
{
    uint32_t at = (uint32_t)b->link_count, n = (uint32_t)(one_in(r, 3) ? rng_below(r, 3) : 0);
    for (uint32_t i = 0; i < n; i++) {
        struct run attrs = random_attrs(r, b, 4);
        if (one_in(r, 8)) {
            attrs = (struct run){(uint32_t)b->attr_count, 1};
            struct attr *a = span_batch_add_attr(b);
            a->key = SL("opentracing.ref_type").p;
            a->key_n = (uint32_t)SL("opentracing.ref_type").n;
            set_bytes(a, one_in(r, 2) ? SL("child_of") : SL("follows_from"), VALUE_STRING);
        }
        struct span_link *l = span_batch_add_link(b);
        l->trace = b->spans[row].trace;
        l->trace.b[15] = (uint8_t)(l->trace.b[15] + rng_below(r, 2));
        l->span.b[7] = (uint8_t)rng_below(r, 4);
        l->attrs = attrs;
    }
    b->spans[row].links = (struct run){at, n};
}

static uint64_t
random_duration(struct rng *r)
{
    static const uint64_t pool[] = {0,         1,          1000,       1000000,    50000000,
                                    100000000, 1000000000, 2000000000, 60000000000};
    return PICK(r, pool);
}

/* `unique`: ids that no other span has, apart from Zipkin's pairs. */
static void
random_span(struct rng *r, struct span_batch *b, uint32_t number, uint32_t id, bool unique)
{
    size_t row = b->span_count;
    struct span *s = span_batch_add_span(b);
    s->trace.b[14] = (uint8_t)(number >> 8);
    s->trace.b[15] = (uint8_t)number;
    s->trace.b[0] = number & 1 ? 0xa0 : 0;
    s->id.b[7] = (uint8_t)(unique && !one_in(r, 8) ? id : 1 + rng_below(r, id));
    s->parent.b[7] = (uint8_t)(one_in(r, 6)              ? 0
                               : id > 1 && !one_in(r, 8) ? 1 + rng_below(r, id - 1)
                                                         : rng_below(r, 14));
    s->kind = one_in(r, 20) ? 7 : (int32_t)rng_below(r, 6);
    s->status_code = one_in(r, 20) ? 5 : (int32_t)rng_below(r, 3);
    s->start_ns = UINT64_C(1700000000000000000) + number * UINT64_C(1000000000) + rng_below(r, 20) * 50000000;
    s->end_ns = s->start_ns + random_duration(r);
    s->name = keep(b, PICK(r, names));
    s->status_message = one_in(r, 3) ? keep(b, PICK(r, texts)) : SL_EMPTY;
    s->scope = (uint32_t)b->scope_count - 1;
    struct run attrs = random_attrs(r, b, 3);
    b->spans[row].attrs = attrs;
    random_events(r, b, row);
    random_links(r, b, row);
}

static void
random_resource(struct rng *r, struct span_batch *b)
{
    struct run attrs = random_attrs(r, b, 3);
    struct resource *res = span_batch_add_resource(b);
    res->attrs = attrs;
    res->has_resource = true;
}

static void
random_scope(struct rng *r, struct span_batch *b)
{
    struct run attrs = random_attrs(r, b, 4);
    slice name = one_in(r, 3) ? SL_EMPTY : keep(b, PICK(r, texts));
    struct scope *s = span_batch_add_scope(b);
    s->resource = (uint32_t)b->resource_count - 1;
    s->attrs = attrs;
    s->name = name;
    s->version = name;
    s->has_scope = true;
}

void
brute_random_trace(struct rng *r, uint32_t number, struct span_batch *out)
{
    uint32_t n = 1 + (uint32_t)rng_below(r, one_in(r, 4) ? 14 : 6);
    bool unique = !one_in(r, 6);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || one_in(r, 4)) {
            random_resource(r, out);
            random_scope(r, out);
        } else if (one_in(r, 6)) {
            random_scope(r, out);
        }
        random_span(r, out, number, i + 1, unique);
    }
}

/* --- queries ------------------------------------------------------------------------------------------- */

static const char *const scopes[] = {".",         ".",      "span.", "span.",
                                     "resource.", "event.", "link.", "instrumentation."};

void
brute_random_attribute(struct rng *r, struct buf *out)
{
    const char *key = PICK(r, keys);
    const char *quote = strchr(key, ' ') ? "\"" : "";
    (void)buf_printf(out, "%s%s%s%s", PICK(r, scopes), quote, key, quote);
}

static const char *const string_intrinsics[] = {"name",
                                                "span:name",
                                                "statusMessage",
                                                "rootName",
                                                "rootServiceName",
                                                "trace:id",
                                                "span:id",
                                                "span:parentID",
                                                "link:traceID",
                                                "link:spanID",
                                                "instrumentation:name",
                                                "instrumentation:version",
                                                "event:name",
                                                "event:name",
                                                "trace:rootService"};
static const char *const number_intrinsics[] = {"duration",        "span:duration",       "traceDuration",
                                                "nestedSetLeft",   "nestedSetRight",      "nestedSetParent",
                                                "span:childCount", "event:timeSinceStart"};

/* Where only a literal may stand. */
static void
put_literal_number(struct rng *r, struct buf *out)
{
    static const char *const pool[] = {"0",    "1",   "2",  "3",     "7",  "1.0", "2.5",   "0.5",
                                       "50ms", "1us", "1s", "100ms", "2s", "1ns", "1e300", "1000"};
    (void)buf_printf(out, "%s%s", one_in(r, 10) ? "-" : "", PICK(r, pool));
}

static void
put_number(struct rng *r, struct buf *out)
{
    static const char *const large[] = {"maxInt", "minInt", "9007199254740993", "9007199254740992.0"};
    if (one_in(r, 5)) {
        (void)buf_append_cstr(out, PICK(r, large));
    } else {
        put_literal_number(r, out);
    }
}

static void
put_string(struct rng *r, struct buf *out)
{
    static const char *const pool[] = {"\"\"",
                                       "\"x\"",
                                       "\"foo\"",
                                       "\"Foo\"",
                                       "\"caf\xc3\xa9\"",
                                       "`a|b`",
                                       "\"shop\"",
                                       "\"line\\nbreak\"",
                                       "\"root\"",
                                       "\"call\"",
                                       "\"serve\"",
                                       "\"1\"",
                                       "\"2\"",
                                       "\"0000000000000001\"",
                                       "\"0000000000000002\"",
                                       "\"a0000000000000000000000000000003\"",
                                       "\"0000000000000000\""};
    (void)buf_append_cstr(out, PICK(r, pool));
}

static void
put_regex(struct rng *r, struct buf *out)
{
    static const char *const pool[] = {"`.*`",     "`x.*`",     "`.+`",    "`foo|x`",  "`(?i)foo`",
                                       "`caf.`",   "`[a-f]oo`", "`.*o.*`", "`line.*`", "`(call|serve)`",
                                       "`0*[12]`", "``",        "`a[|]b`", "`.*oo`",   "`x|xy|shop`",
                                       "`fo+`",    "`x?y?`"};
    (void)buf_append_cstr(out, PICK(r, pool));
}

static void
put_numeric(struct rng *r, struct buf *out, int depth)
{
    static const char *const ops[] = {"+", "-", "*", "/", "%", "^"};
    switch (rng_below(r, depth > 0 ? 6 : 4)) {
    case 0:
    case 1:
        brute_random_attribute(r, out);
        break;
    case 2:
        (void)buf_append_cstr(out, PICK(r, number_intrinsics));
        break;
    case 3:
        put_number(r, out);
        break;
    case 4:
        (void)buf_append_cstr(out, "-(");
        put_numeric(r, out, depth - 1);
        (void)buf_append_byte(out, ')');
        break;
    default:
        (void)buf_append_byte(out, '(');
        put_numeric(r, out, depth - 1);
        (void)buf_printf(out, " %s ", PICK(r, ops));
        put_numeric(r, out, depth - 1);
        (void)buf_append_byte(out, ')');
    }
}

static const char *const comparisons[] = {"=", "!=", "<", "<=", ">", ">=", "=", "!="};

/* `left op right`, or the other way round. */
static void
put_sides(struct rng *r, struct buf *out, struct buf *left, struct buf *right, const char *op)
{
    bool turn = one_in(r, 4);
    (void)buf_append_slice(out, buf_slice(turn ? right : left));
    (void)buf_printf(out, " %s ", op);
    (void)buf_append_slice(out, buf_slice(turn ? left : right));
}

static void
put_enum(struct rng *r, struct buf *out)
{
    static const char *const statuses[] = {"ok", "error", "unset"};
    static const char *const kinds[] = {"unspecified", "internal", "server",
                                        "client",      "producer", "consumer"};
    bool status = one_in(r, 2);
    (void)buf_printf(out, "%s %s %s", status ? "status" : "kind", one_in(r, 3) ? "!=" : "=",
                     status ? PICK(r, statuses) : PICK(r, kinds));
}

static void
put_comparison(struct rng *r, struct buf *out)
{
    struct buf left, right;
    buf_init(&left, 4096);
    buf_init(&right, 4096);
    switch (rng_below(r, 9)) {
    case 0:
    case 1:
        brute_random_attribute(r, &left);
        put_number(r, &right);
        put_sides(r, out, &left, &right, PICK(r, comparisons));
        break;
    case 2:
        brute_random_attribute(r, &left);
        put_string(r, &right);
        put_sides(r, out, &left, &right, PICK(r, comparisons));
        break;
    case 3:
        (void)buf_append_cstr(&left, PICK(r, string_intrinsics));
        put_string(r, &right);
        put_sides(r, out, &left, &right, one_in(r, 3) ? "!=" : "=");
        break;
    case 4:
        put_numeric(r, &left, 1);
        put_numeric(r, &right, 1);
        put_sides(r, out, &left, &right, PICK(r, comparisons));
        break;
    case 5:
        brute_random_attribute(r, &left);
        brute_random_attribute(r, &right);
        put_sides(r, out, &left, &right, PICK(r, comparisons));
        break;
    case 6:
        brute_random_attribute(r, &left);
        (void)buf_append_cstr(&right, one_in(r, 2) ? "true" : "false");
        put_sides(r, out, &left, &right, one_in(r, 3) ? "!=" : "=");
        break;
    case 7:
        (void)buf_append_cstr(out, PICK(r, number_intrinsics));
        (void)buf_printf(out, " %s ", PICK(r, comparisons));
        put_number(r, out);
        break;
    default:
        put_enum(r, out);
    }
    buf_fini(&left);
    buf_fini(&right);
}

static void
put_condition(struct rng *r, struct buf *out, int depth)
{
    switch (rng_below(r, depth > 0 ? 14 : 10)) {
    case 0:
        if (one_in(r, 2)) {
            brute_random_attribute(r, out);
        } else {
            (void)buf_append_cstr(out, PICK(r, string_intrinsics));
        }
        (void)buf_append_cstr(out, one_in(r, 3) ? " !~ " : " =~ ");
        put_regex(r, out);
        break;
    case 1:
        brute_random_attribute(r, out);
        (void)buf_append_cstr(out, one_in(r, 2) ? " != nil" : " = nil");
        break;
    case 2:
        if (one_in(r, 2)) {
            brute_random_attribute(r, out);
        } else {
            (void)buf_append_cstr(out, one_in(r, 4) ? "false" : "true");
        }
        break;
    case 10:
    case 11:
    case 12:
        (void)buf_append_byte(out, '(');
        put_condition(r, out, depth - 1);
        (void)buf_append_cstr(out, one_in(r, 2) ? " && " : " || ");
        put_condition(r, out, depth - 1);
        (void)buf_append_byte(out, ')');
        break;
    case 13:
        (void)buf_append_cstr(out, "!(");
        put_condition(r, out, depth - 1);
        (void)buf_append_byte(out, ')');
        break;
    default:
        put_comparison(r, out);
    }
}

void
brute_random_filter(struct rng *r, struct buf *out)
{
    (void)buf_append_cstr(out, "{ ");
    if (!one_in(r, 6)) {
        for (uint64_t n = rng_below(r, 3), i = 0; i <= n; i++) {
            (void)buf_append_cstr(out, i == 0 ? "" : one_in(r, 3) ? " || " : " && ");
            put_condition(r, out, 2);
        }
    }
    (void)buf_append_cstr(out, " }");
}

static const char *const set_ops[] = {"&&", "||",  ">",  ">>", "<",   "<<", "~",   "!>", "!>>",
                                      "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~"};

static void
put_spansets(struct rng *r, struct buf *out, int depth)
{
    if (depth == 0 || one_in(r, 2)) {
        brute_random_filter(r, out);
        return;
    }
    (void)buf_append_cstr(out, "(");
    put_spansets(r, out, depth - 1);
    (void)buf_printf(out, " %s ", PICK(r, set_ops));
    put_spansets(r, out, depth - 1);
    (void)buf_append_cstr(out, ")");
}

static void
put_by(struct rng *r, struct buf *out)
{
    (void)buf_append_cstr(out, " | by(");
    if (one_in(r, 2)) {
        brute_random_attribute(r, out);
    } else if (one_in(r, 3)) {
        put_condition(r, out, 1);
    } else if (one_in(r, 2)) {
        put_numeric(r, out, 1);
    } else {
        static const char *const pool[] = {"name",     "kind",     "status",
                                           "rootName", "duration", "span:childCount"};
        (void)buf_append_cstr(out, PICK(r, pool));
    }
    (void)buf_append_cstr(out, ")");
}

static void
put_scalar_filter(struct rng *r, struct buf *out)
{
    static const char *const fns[] = {"avg", "min", "max", "sum"};
    if (one_in(r, 2)) {
        (void)buf_printf(out, " | count() %s %d", PICK(r, comparisons), (int)rng_below(r, 5));
        return;
    }
    (void)buf_printf(out, " | %s(", PICK(r, fns));
    put_numeric(r, out, one_in(r, 3) ? 1 : 0);
    (void)buf_printf(out, ") %s ", PICK(r, comparisons));
    put_literal_number(r, out);
}

static void
put_stage(struct rng *r, struct buf *out)
{
    switch (rng_below(r, 7)) {
    case 0:
        (void)buf_append_cstr(out, " | ");
        put_spansets(r, out, 1);
        break;
    case 1:
    case 2:
        put_by(r, out);
        break;
    case 3:
    case 4:
        put_scalar_filter(r, out);
        break;
    case 5:
        (void)buf_append_cstr(out, " | coalesce()");
        break;
    default:
        (void)buf_append_cstr(out, " | select(");
        brute_random_attribute(r, out);
        (void)buf_append_cstr(out, one_in(r, 2) ? ", name)" : ")");
    }
}

static void
put_pipeline(struct rng *r, struct buf *out, int depth)
{
    put_spansets(r, out, depth);
    for (uint64_t n = one_in(r, 2) ? rng_below(r, 4) : 0; n; n--) {
        put_stage(r, out);
    }
}

void
brute_random_query(struct rng *r, struct buf *out)
{
    buf_clear(out);
    if (!one_in(r, 10)) {
        put_pipeline(r, out, 2);
        return;
    }
    (void)buf_append_cstr(out, "("); /* pipelines between pipelines */
    put_pipeline(r, out, 1);
    put_stage(r, out);
    (void)buf_printf(out, ") %s (", PICK(r, set_ops));
    put_pipeline(r, out, 1);
    put_stage(r, out);
    (void)buf_append_cstr(out, ")");
}
