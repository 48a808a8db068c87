/* Jaeger in protobuf and both Thrift protocols: each field where receivers.md 6 says it goes, and bad input
 * refused. */
#include "dump.h"
#include "thrift_write.h"

#include "vivace/codec/jaeger.h"
#include "vivace/codec/wire.h"

static char *
dumped(const struct span_batch *b, struct buf *out)
{
    buf_init(out, 1 << 20);
    dump_batch(out, b);
    return (char *)out->p;
}

/* --- Thrift -----------------------------------------------------------------------------------------------
 */

struct tag {
    const char *key;
    int type; /* Thrift's number */
    const char *s;
    double d;
    int64_t i;
};

static void
put_tag(struct thrift_writer *w, const struct tag *t)
{
    tw_struct_begin(w);
    tw_string(w, 1, slice_cstr(t->key));
    tw_i32(w, 2, t->type);
    if (t->s) {
        tw_string(w, t->type == 4 ? 7 : 3, slice_cstr(t->s));
    }
    if (t->type == 1) {
        tw_double(w, 4, t->d);
    } else if (t->type == 2) {
        tw_bool(w, 5, t->i != 0);
    } else if (t->type == 3) {
        tw_i64(w, 6, t->i);
    }
    tw_struct_end(w);
}

static void
put_tags(struct thrift_writer *w, int id, const struct tag *t, size_t n)
{
    tw_list(w, id, TW_STRUCT, n);
    for (size_t i = 0; i < n; i++) {
        put_tag(w, &t[i]);
    }
}

static void
put_ref(struct thrift_writer *w, int type, int64_t low, int64_t high, int64_t span)
{
    tw_struct_begin(w);
    tw_i32(w, 1, type);
    tw_i64(w, 2, low);
    tw_i64(w, 3, high);
    tw_i64(w, 4, span);
    tw_struct_end(w);
}

/* The numbers and the name that every span must have; the struct stays open. */
static void
put_span_head(struct thrift_writer *w, int64_t id, int64_t parent)
{
    tw_struct_begin(w);
    tw_i64(w, 1, 0x0102);
    tw_i64(w, 2, -2);
    tw_i64(w, 3, id);
    tw_i64(w, 4, parent);
    tw_string(w, 5, SL("op"));
}

static void
put_span_tail(struct thrift_writer *w)
{
    tw_i32(w, 7, 1);
    tw_i64(w, 8, 1700000000000000);
    tw_i64(w, 9, 1500);
}

static void
put_process(struct thrift_writer *w, const char *name, const struct tag *t, size_t n)
{
    tw_field(w, 1, TW_STRUCT);
    tw_struct_begin(w);
    tw_string(w, 1, slice_cstr(name));
    if (n) {
        put_tags(w, 2, t, n);
    }
    tw_struct_end(w);
}

static void
put_whole_batch(struct thrift_writer *w)
{
    static const struct tag process[] = {
        {"hostname", 0, .s = "h1"}, {"jaeger.version", 0, .s = "Go-2"}, {"n", 3, .i = 5}};
    static const struct tag tags[] = {{"s", 0, .s = "v"},
                                      {"d", 1, .d = 0.5},
                                      {"b", 2, .i = 1},
                                      {"l", 3, .i = -7},
                                      {"y", 4, .s = "\1\2"},
                                      {"u", 9, .i = 0},
                                      {"s", 0, .s = "v2"},
                                      {"span.kind", 0, .s = "server"},
                                      {"otel.scope.name", 0, .s = "kept"}};
    static const struct tag fields[] = {{"x", 3, .i = 1}, {"event", 0, .s = "hit"}, {"y", 0, .s = "z"}};
    tw_struct_begin(w);
    put_process(w, "shop", process, 3);
    tw_list(w, 2, TW_STRUCT, 1);
    put_span_head(w, 0x1122334455667788, 0);
    tw_list(w, 6, TW_STRUCT, 4);
    put_ref(w, 1, 0x0102, -2, 9); /* same trace, but FOLLOWS_FROM */
    put_ref(w, 0, 5, 6, 7);       /* another trace */
    put_ref(w, 0, 0x0102, -2, 3); /* the parent: no link */
    put_ref(w, 0, 8, 8, 3);       /* the parent's id in another trace: no link either */
    put_span_tail(w);
    put_tags(w, 10, tags, 9);
    tw_list(w, 11, TW_STRUCT, 1);
    tw_struct_begin(w);
    tw_i64(w, 1, 42);
    put_tags(w, 2, fields, 3);
    tw_struct_end(w);
    tw_list(w, 200, TW_STRUCT, 1); /* a field nobody knows */
    tw_struct_begin(w);
    tw_bool(w, 1, true);
    tw_list(w, 3, TW_STRING, 2);
    tw_bytes(w, SL("a"));
    tw_bytes(w, SL("b"));
    tw_struct_end(w);
    tw_struct_end(w);
    tw_i64(w, 3, 99);
    tw_struct_end(w);
}

static const char whole_batch_text[] =
    "resource {service.name='shop' host.name='h1' opencensus.exporterversion='Jaeger-Go-2' n=5} scope '' ''\n"
    "span fffffffffffffffe0000000000000102/1122334455667788<03 'op' kind=2 "
    "[1700000000000000000,1700000000001500000] "
    "status=0'' state='' {s='v2' d=0.5d b=true l=-7 y=x0102 u='<Unknown Jaeger TagType \"9\">' "
    "otel.scope.name='kept'}\n"
    "  event 42000 'hit' {x=1 y='z'} dropped=0\n"
    "  link fffffffffffffffe0000000000000102/09 state='' {opentracing.ref_type='follows_from'} dropped=0\n"
    "  link 060000000000000005/07 state='' {opentracing.ref_type='child_of'} dropped=0\n";

static void
every_thrift_field_has_its_place_in_both_protocols(void **state)
{
    (void)state;
    for (int compact = 0; compact < 2; compact++) {
        struct buf body, out;
        struct span_batch b;
        struct fault f = {0};
        buf_init(&body, 1 << 20);
        span_batch_init(&b, 1 << 20);
        put_whole_batch(&(struct thrift_writer){.out = &body, .compact = compact});
        assert_ok(jaeger_thrift_decode(buf_slice(&body),
                                       compact ? JAEGER_THRIFT_COMPACT : JAEGER_THRIFT_BINARY, &b, &f),
                  &f);
        assert_string_equal(dumped(&b, &out), whole_batch_text);
        /* Every cut of it is refused, none is a crash. */
        for (size_t n = 0; n < body.n; n++) {
            span_batch_reset(&b);
            assert_int_equal(jaeger_thrift_decode(slice_of(body.p, n),
                                                  compact ? JAEGER_THRIFT_COMPACT : JAEGER_THRIFT_BINARY, &b,
                                                  NULL),
                             ERR_INVALID);
        }
        span_batch_fini(&b);
        buf_fini(&out);
        buf_fini(&body);
    }
}

/* Numbers and texts of every length in which they are written; the last tag ends near the end of the body. */
static void
put_edges(struct thrift_writer *w)
{
    static char text[20001];
    static const size_t lengths[] = {0, 1, 127, 128, 16383, 16384, 20000};
    tw_struct_begin(w);
    put_process(w, "shop", NULL, 0);
    tw_list(w, 2, TW_STRUCT, 64);
    for (int shift = 0; shift < 64; shift++) {
        int64_t high = (int64_t)(UINT64_C(1) << shift), all = (int64_t)(UINT64_MAX >> shift);
        tw_struct_begin(w);
        tw_i64(w, 1, high);
        tw_i64(w, 2, all);
        tw_i64(w, 3, (int64_t)(0 - (uint64_t)high));
        tw_i64(w, 4, ~all);
        size_t n = lengths[(size_t)shift % 7];
        memset(text, 'k', n);
        text[n] = '\0';
        tw_string(w, 5, slice_of(text, n));
        tw_i32(w, 7, (int32_t)high);
        tw_i64(w, 8, high);
        tw_i64(w, 9, all);
        const struct tag tags[] = {{"i", 3, .i = high},  {"j", 3, .i = ~all},      {"t", 0, .s = text},
                                   {text, 4, .s = text}, {"f", 2, .i = shift & 1}, {"last", 3, .i = 1 << 20}};
        put_tags(w, 10, tags, 6);
        tw_struct_end(w);
    }
    tw_struct_end(w);
}

static void
every_length_reads_alike_in_every_form(void **state)
{
    (void)state;
    struct buf first = {0};
    for (int form = 0; form < 3; form++) { /* binary, compact, compact as no client writes it */
        struct buf body, out;
        struct span_batch b;
        struct fault f = {0};
        enum jaeger_thrift protocol = form != 0 ? JAEGER_THRIFT_COMPACT : JAEGER_THRIFT_BINARY;
        buf_init(&body, 16 << 20);
        buf_init(&out, 16 << 20);
        span_batch_init(&b, 16 << 20);
        put_edges(&(struct thrift_writer){.out = &body, .compact = form != 0, .whole_ids = form == 2});
        assert_ok(jaeger_thrift_decode(buf_slice(&body), protocol, &b, &f), &f);
        assert_int_equal(b.span_count, 64);
        dump_batch(&out, &b);
        for (size_t n = 0; n < body.n; n += n < 2000 ? 1 : 977) {
            span_batch_reset(&b);
            f = (struct fault){0};
            assert_int_equal(jaeger_thrift_decode(slice_of(body.p, n), protocol, &b, &f), ERR_INVALID);
            assert_non_null(strstr(f.msg, "unexpected EOF at offset "));
        }
        if (form == 0) {
            first = out;
        } else {
            assert_string_equal((char *)out.p, (char *)first.p);
            buf_fini(&out);
        }
        span_batch_fini(&b);
        buf_fini(&body);
    }
    buf_fini(&first);
}

static void
emit_batch_is_read_from_every_kind_of_datagram(void **state)
{
    (void)state;
    for (int form = 0; form < 3; form++) {
        struct buf body, out;
        struct span_batch b;
        struct fault f = {0};
        struct thrift_writer w = {.out = &body, .compact = form == 2};
        buf_init(&body, 1 << 20);
        span_batch_init(&b, 1 << 20);
        tw_emit_batch(&w, form == 0);
        tw_struct_begin(&w);
        tw_field(&w, 1, TW_STRUCT);
        put_whole_batch(&w);
        tw_struct_end(&w);
        assert_ok(jaeger_emit_batch_decode(buf_slice(&body),
                                           form == 2 ? JAEGER_THRIFT_COMPACT : JAEGER_THRIFT_BINARY, &b, &f),
                  &f);
        assert_string_equal(dumped(&b, &out), whole_batch_text);
        span_batch_fini(&b);
        buf_fini(&out);
        buf_fini(&body);
    }
}

static void
other_datagrams_are_refused(void **state)
{
    (void)state;
    static const struct {
        slice body;
        enum jaeger_thrift protocol;
        err want;
    } cases[] = {
        {SL("\x80\1\0\4\0\0\0\x0f"
            "emitZipkinBatch\0\0\0\0\0"),
         JAEGER_THRIFT_BINARY, ERR_UNSUPPORTED},
        {SL("\x80\1\0\2\0\0\0\x09"
            "emitBatch\0\0\0\0\0"),
         JAEGER_THRIFT_BINARY, ERR_UNSUPPORTED}, /* a reply */
        {SL("\x80\2\0\4\0\0\0\x09"
            "emitBatch\0\0\0\0\0"),
         JAEGER_THRIFT_BINARY, ERR_INVALID}, /* version 2 */
        {SL("\x80\1\0\4\0\0\0\x09"
            "emitBatch\0\0\0\0\0"),
         JAEGER_THRIFT_BINARY, ERR_INVALID}, /* no batch */
        {SL("\x82\x81\0\x09"
            "emitBatch\0"),
         JAEGER_THRIFT_COMPACT, ERR_INVALID},
        {SL("\x80\1\0\4"), JAEGER_THRIFT_COMPACT, ERR_INVALID},
        {SL("x"), JAEGER_THRIFT_BINARY, ERR_INVALID},
        {SL(""), JAEGER_THRIFT_COMPACT, ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span_batch b;
        struct fault f = {0};
        span_batch_init(&b, 1 << 20);
        assert_int_equal(jaeger_emit_batch_decode(cases[i].body, cases[i].protocol, &b, &f), cases[i].want);
        assert_true(f.msg[0] != '\0');
        span_batch_fini(&b);
    }
}

static void
status_and_kind_follow_the_tags(void **state)
{
    (void)state;
    static const struct {
        struct tag tags[4];
        size_t n;
        const char *want;
    } cases[] = {
        {{{"error", 2, .i = 1}, {"otel.status_description", 0, .s = "d"}, {"otel.status_code", 0, .s = "OK"}},
         3,
         "kind=0 status=2'd' {}"},
        {{{"http.status_message", 0, .s = "m"}, {"error", 2, .i = 1}},
         2,
         "kind=0 status=2'm' {http.status_message='m'}"},
        {{{"error", 0, .s = "true"}}, 1, "kind=0 status=0'' {error='true'}"},
        {{{"error", 2, .i = 0}}, 1, "kind=0 status=0'' {error=false}"},
        {{{"otel.status_code", 0, .s = "ok"}}, 1, "kind=0 status=1'' {}"},
        {{{"otel.status_code", 0, .s = "Error"}, {"otel.status_description", 0, .s = "d"}, {"z", 3, .i = 1}},
         3,
         "kind=0 status=2'd' {z=1}"},
        {{{"otel.status_code", 0, .s = "huh"}, {"http.status_code", 3, .i = 500}},
         2,
         "kind=0 status=0'' {http.status_code=500}"},
        {{{"http.status_code", 3, .i = 404},
          {"span.kind", 0, .s = "client"},
          {"http.status_message", 0, .s = "gone"}},
         3,
         "kind=3 status=2'gone' {http.status_code=404 http.status_message='gone'}"},
        {{{"http.status_code", 3, .i = 404}, {"span.kind", 0, .s = "server"}},
         2,
         "kind=2 status=0'' {http.status_code=404}"},
        {{{"http.status_code", 0, .s = "500"}, {"span.kind", 0, .s = "server"}},
         2,
         "kind=2 status=2'' {http.status_code='500'}"},
        {{{"http.status_code", 0, .s = "398"}}, 1, "kind=0 status=0'' {http.status_code='398'}"},
        {{{"http.status_code", 0, .s = "399"}}, 1, "kind=0 status=2'' {http.status_code='399'}"},
        {{{"http.status_code", 0, .s = "x"}, {"http.status_message", 0, .s = "m"}},
         2,
         "kind=0 status=0'' {http.status_code='x' http.status_message='m'}"},
        {{{"span.kind", 0, .s = "producer"}}, 1, "kind=4 status=0'' {}"},
        {{{"span.kind", 0, .s = "consumer"}}, 1, "kind=5 status=0'' {}"},
        {{{"span.kind", 0, .s = "internal"}}, 1, "kind=1 status=0'' {}"},
        {{{"span.kind", 3, .i = 1}}, 1, "kind=0 status=0'' {}"},
        {{{"w3c.tracestate", 0, .s = "a"}}, 1, "kind=0 status=0'' {w3c.tracestate='a'}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf body, out;
        struct span_batch b;
        struct fault f = {0};
        struct thrift_writer w = {.out = &body};
        buf_init(&body, 1 << 16);
        buf_init(&out, 1 << 16);
        span_batch_init(&b, 1 << 20);
        tw_struct_begin(&w);
        put_process(&w, "", NULL, 0);
        tw_list(&w, 2, TW_STRUCT, 1);
        put_span_head(&w, 1, 2);
        put_span_tail(&w);
        put_tags(&w, 10, cases[i].tags, cases[i].n);
        tw_struct_end(&w);
        tw_struct_end(&w);
        assert_ok(jaeger_thrift_decode(buf_slice(&body), JAEGER_THRIFT_BINARY, &b, &f), &f);
        assert_int_equal(b.resources[0].attrs.n, 0);
        buf_printf(&out, "kind=%d status=%d'%.*s' ", b.spans[0].kind, b.spans[0].status_code,
                   SL_FMT(b.spans[0].status_message));
        dump_attrs(&out, &b, b.spans[0].attrs);
        buf_append_byte(&out, 0);
        assert_string_equal((char *)out.p, cases[i].want);
        span_batch_fini(&b);
        buf_fini(&out);
        buf_fini(&body);
    }
}

static void
missing_fields_and_blank_spans(void **state)
{
    (void)state;
    struct span_batch b;
    struct fault f = {0};
    span_batch_init(&b, 1 << 20);
    assert_int_equal(jaeger_thrift_decode(SL("\0"), JAEGER_THRIFT_BINARY, &b, &f), ERR_INVALID);
    assert_string_equal(f.msg, "required field 1 of Batch is not set");
    struct fault f2 = {0};
    assert_int_equal(jaeger_thrift_decode(SL("\x0c\0\1\0"), JAEGER_THRIFT_BINARY, &b, &f2), ERR_INVALID);
    assert_string_equal(f2.msg, "required field 1 of Process is not set");
    /* All numbers zero: skipped, and with it its resource. */
    span_batch_reset(&b);
    struct buf body;
    buf_init(&body, 1 << 10);
    struct thrift_writer w = {.out = &body, .compact = true};
    tw_struct_begin(&w);
    put_process(&w, "s", NULL, 0);
    tw_list(&w, 2, TW_STRUCT, 1);
    tw_struct_begin(&w);
    for (int id = 1; id <= 4; id++) {
        tw_i64(&w, id, 0);
    }
    tw_string(&w, 5, SL(""));
    tw_i32(&w, 7, 0);
    tw_i64(&w, 8, 0);
    tw_i64(&w, 9, 0);
    tw_struct_end(&w);
    tw_struct_end(&w);
    assert_ok(jaeger_thrift_decode(buf_slice(&body), JAEGER_THRIFT_COMPACT, &b, &f), &f);
    assert_int_equal(b.span_count, 0);
    assert_int_equal(b.resource_count, 0);
    buf_fini(&body);
    span_batch_fini(&b);
}

static void
deep_nesting_and_huge_counts_are_refused(void **state)
{
    (void)state;
    struct buf body;
    struct span_batch b;
    buf_init(&body, 1 << 20);
    span_batch_init(&b, 1 << 20);
    for (int i = 0; i < 100000; i++) {
        buf_append(&body, "\x0c\0\x63", 3); /* a struct in an unknown field, and so on */
    }
    assert_int_equal(jaeger_thrift_decode(buf_slice(&body), JAEGER_THRIFT_BINARY, &b, NULL), ERR_INVALID);
    assert_int_equal(jaeger_thrift_decode(SL("\x0f\0\2\x0c\x7f\xff\xff\xff"), JAEGER_THRIFT_BINARY, &b, NULL),
                     ERR_INVALID);
    assert_int_equal(
        jaeger_thrift_decode(SL("\x0d\0\7\x02\x02\xff\xff\xff\xff"), JAEGER_THRIFT_BINARY, &b, NULL),
        ERR_INVALID);
    assert_int_equal(jaeger_thrift_decode(SL("\x0b\0\7\xff\xff\xff\xff"), JAEGER_THRIFT_BINARY, &b, NULL),
                     ERR_INVALID);
    assert_int_equal(jaeger_thrift_decode(SL("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
                                          JAEGER_THRIFT_COMPACT, &b, NULL),
                     ERR_INVALID);
    span_batch_fini(&b);
    buf_fini(&body);
}

/* --- protobuf ---------------------------------------------------------------------------------------------
 */

static void
put_message(struct buf *to, uint32_t field, struct buf *body)
{
    wire_put_bytes(to, field, buf_slice(body));
    buf_clear(body);
}

static void
put_pb_tag(struct buf *to, uint32_t field, const char *key, uint64_t type, const char *text)
{
    struct buf tag;
    buf_init(&tag, 1 << 10);
    wire_put_bytes(&tag, 1, slice_cstr(key));
    wire_put_u64_nz(&tag, 2, type);
    wire_put_bytes_nz(&tag, 3, slice_cstr(text));
    wire_put_u64(&tag, 4, 1);
    wire_put_u64(&tag, 5, (uint64_t)-4);
    wire_put_double(&tag, 6, 2.5);
    wire_put_bytes(&tag, 7, SL("\xff"));
    put_message(to, field, &tag);
    buf_fini(&tag);
}

static void
put_pb_span(struct buf *batch, const char *id, struct buf *extra)
{
    struct buf span;
    buf_init(&span, 1 << 16);
    wire_put_bytes(&span, 1, SL("\0\0\0\0\0\0\1\2"));
    wire_put_bytes(&span, 2, slice_of(id, 8));
    wire_put_bytes(&span, 3, SL("op"));
    wire_put_u64(&span, 5, 1);
    wire_put_bytes(&span, 6, SL("\x08\5\x10\7"));
    wire_put_bytes(&span, 7, SL("\x10\x0a"));
    buf_append_slice(&span, buf_slice(extra));
    buf_clear(extra);
    put_message(batch, 1, &span);
    buf_fini(&span);
}

static void
every_protobuf_field_has_its_place(void **state)
{
    (void)state;
    struct buf request, batch, extra, inner, out;
    struct span_batch b;
    struct fault f = {0};
    buf_init(&request, 1 << 20);
    buf_init(&batch, 1 << 20);
    buf_init(&extra, 1 << 20);
    buf_init(&inner, 1 << 20);
    span_batch_init(&b, 1 << 20);
    /* References, every tag type, logs, and the scope. */
    wire_put_bytes(&extra, 4, SL("\x0a\x08\0\0\0\0\0\0\1\2\x12\x08\0\0\0\0\0\0\0\3"));
    wire_put_bytes(&extra, 4, SL("\x0a\x10\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2\x12\x08\0\0\0\0\0\0\0\4\x18\1"));
    put_pb_tag(&extra, 8, "s", 0, "v");
    put_pb_tag(&extra, 8, "w3c.tracestate", 0, "k=v");
    put_pb_tag(&extra, 8, "otel.scope.name", 0, "lib");
    put_pb_tag(&extra, 8, "b", 1, "");
    wire_put_bytes(&inner, 1, SL("\x08\1"));
    put_pb_tag(&inner, 2, "event", 0, "ev");
    put_pb_tag(&inner, 2, "i", 2, "");
    put_message(&extra, 9, &inner);
    put_pb_tag(&extra, 8, "i", 2, "");
    put_pb_tag(&extra, 8, "d", 3, "");
    put_pb_tag(&extra, 8, "y", 4, "");
    put_pb_tag(&extra, 8, "u", 7, "");
    put_pb_tag(&extra, 8, "otel.scope.version", 0, "9");
    wire_put_bytes(&extra, 11, SL("p1"));
    wire_put_bytes(&extra, 12, SL("warning"));
    put_pb_span(&batch, "\0\0\0\0\0\0\0\1", &extra);
    /* A process of its own. */
    wire_put_bytes(&inner, 1, SL("own"));
    put_message(&extra, 10, &inner);
    put_pb_span(&batch, "\0\0\0\0\0\0\0\2", &extra);
    /* A version without a name is a tag. */
    put_pb_tag(&extra, 8, "otel.scope.version", 0, "9");
    put_pb_span(&batch, "\0\0\0\0\0\0\0\3", &extra);
    wire_put_bytes(&batch, 1, SL(""));
    wire_put_bytes(&inner, 1, SL("shop"));
    put_pb_tag(&inner, 2, "service.name", 0, "tag wins");
    put_message(&batch, 2, &inner);
    put_message(&request, 1, &batch);
    assert_ok(jaeger_proto_decode(buf_slice(&request), &b, &f), &f);
    assert_string_equal(
        dumped(&b, &out),
        "resource {service.name='tag wins'} scope 'lib' '9'\n"
        "span 0102/01<03 'op' kind=0 [5000000007,5000000017] status=0'' state='k=v' {s='v' u='<Unknown "
        "Jaeger TagType \"7\">' b=true i=-4 d=2.5d y=xff}\n"
        "  event 1000000000 'ev' {i=-4} dropped=0\n"
        "  link 010000000000000002/04 state='' {opentracing.ref_type='follows_from'} dropped=0\n"
        "resource {service.name='tag wins'} scope '' ''\n"
        "span 0102/03<00 'op' kind=0 [5000000007,5000000017] status=0'' state='' {otel.scope.version='9'}\n"
        "resource {service.name='own'} scope '' ''\n"
        "span 0102/02<00 'op' kind=0 [5000000007,5000000017] status=0'' state='' {}\n");
    buf_fini(&out);
    span_batch_fini(&b);
    buf_fini(&inner);
    buf_fini(&extra);
    buf_fini(&batch);
    buf_fini(&request);
}

static void
bad_protobuf_is_refused(void **state)
{
    (void)state;
    static const struct {
        slice body;
        const char *want;
    } cases[] = {
        {SL("\x0a\x05"), "unexpected EOF"},
        {SL("\x08\x05"), "proto: wrong wireType = 0 for field Batch"},
        {SL("\x0a\x05\x0a\x03\x0a\x01\1"), "invalid length for TraceID"},
        {SL("\x0a\x05\x0a\x03\x12\x01\1"), "invalid length for SpanID"},
        {SL("\x0a\x04\x0a\x02\x0a\x00"), "invalid length for TraceID"},
        {SL("\x0a\x06\x0a\x04\x42\x02\x10\x80"), "unexpected EOF"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span_batch b;
        struct fault f = {0};
        span_batch_init(&b, 1 << 20);
        assert_int_equal(jaeger_proto_decode(cases[i].body, &b, &f), ERR_INVALID);
        assert_string_equal(f.msg, cases[i].want);
        span_batch_fini(&b);
    }
}

static void
no_service_name_is_an_empty_resource(void **state)
{
    (void)state;
    struct buf request, batch, extra;
    struct span_batch b;
    struct fault f = {0};
    buf_init(&request, 1 << 16);
    buf_init(&batch, 1 << 16);
    buf_init(&extra, 1 << 16);
    span_batch_init(&b, 1 << 20);
    put_pb_span(&batch, "\0\0\0\0\0\0\0\1", &extra);
    wire_put_bytes(&extra, 1, SL("OTLPResourceNoServiceName"));
    put_pb_tag(&extra, 2, "lost", 0, "x");
    put_message(&batch, 2, &extra);
    put_message(&request, 1, &batch);
    assert_ok(jaeger_proto_decode(buf_slice(&request), &b, &f), &f);
    assert_int_equal(b.resources[0].attrs.n, 0);
    span_batch_fini(&b);
    buf_fini(&extra);
    buf_fini(&batch);
    buf_fini(&request);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thrift_field_has_its_place_in_both_protocols),
        cmocka_unit_test(every_length_reads_alike_in_every_form),
        cmocka_unit_test(emit_batch_is_read_from_every_kind_of_datagram),
        cmocka_unit_test(other_datagrams_are_refused),
        cmocka_unit_test(status_and_kind_follow_the_tags),
        cmocka_unit_test(missing_fields_and_blank_spans),
        cmocka_unit_test(deep_nesting_and_huge_counts_are_refused),
        cmocka_unit_test(every_protobuf_field_has_its_place),
        cmocka_unit_test(bad_protobuf_is_refused),
        cmocka_unit_test(no_service_name_is_an_empty_resource),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
