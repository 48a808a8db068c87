#include "answers.h"

#include "vivace/base/clock.h"
#include "vivace/codec/json.h"
#include "vivace/codec/wire.h"

#include <math.h>

#define ROOT_MISSING "<root span not yet received>"

/* --- kinds of values ------------------------------------------------------------------------------------ */

enum kind { KIND_TEXT = 1, KIND_NUMBER, KIND_BOOL, KIND_MIXED };

static char kind_marks[KIND_MIXED + 1]; /* the table wants pointers */

void
answer_kinds_init(struct answer_kinds *k)
{
    str_table_init(&k->keys);
}

void
answer_kinds_fini(struct answer_kinds *k)
{
    str_table_fini(&k->keys);
}

static enum kind
kind_of(const struct tql_static *v)
{
    if (v->type == TQL_INT || v->type == TQL_FLOAT) {
        return KIND_NUMBER;
    }
    return v->type == TQL_BOOL ? KIND_BOOL : KIND_TEXT;
}

static void
look_at(struct answer_kinds *k, const struct search_attr *attrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum kind kind = kind_of(&attrs[i].value);
        const char *old = str_table_get(&k->keys, attrs[i].key);
        if (old == NULL || (old != &kind_marks[kind] && old != &kind_marks[KIND_MIXED])) {
            str_table_put(&k->keys, attrs[i].key, &kind_marks[old ? KIND_MIXED : kind]);
        }
    }
}

void
answer_kinds_look(struct answer_kinds *k, const struct search_result *r, size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++) {
        const struct search_trace *t = r->traces[i];
        for (size_t s = 0; s < t->set_count; s++) {
            look_at(k, t->sets[s].attrs, t->sets[s].attr_count);
            for (size_t j = 0; j < t->sets[s].span_count; j++) {
                look_at(k, t->sets[s].spans[j].attrs, t->sets[s].spans[j].attr_count);
            }
        }
    }
}

/* How a value is shown under its key. */
static enum kind
shown_as(const struct search_answer *a, const struct search_attr *attr)
{
    bool mixed = str_table_get(&a->kinds->keys, attr->key) == &kind_marks[KIND_MIXED];
    return mixed ? KIND_TEXT : kind_of(&attr->value);
}

/* As text; arrays as JSON has them. */
static void
print_text(const struct tql_static *v, struct buf *out)
{
    struct json_writer w;
    if (!tql_type_is_array(v->type)) {
        tql_static_print_plain(v, out);
        return;
    }
    json_writer_init(&w, out);
    json_array_begin(&w);
    for (uint32_t i = 0; i < v->n; i++) {
        struct tql_static e = tql_static_element(v, i);
        if (e.type == TQL_STRING) {
            json_string(&w, tql_static_slice(&e));
        } else if (e.type == TQL_INT) {
            json_i64(&w, e.i);
        } else if (e.type == TQL_FLOAT) {
            json_double(&w, e.f);
        } else {
            json_bool(&w, e.b);
        }
    }
    json_array_end(&w);
}

/* --- JSON ----------------------------------------------------------------------------------------------- */

static void
key_string(struct json_writer *w, slice key, slice value)
{
    if (value.n) {
        json_key(w, key);
        json_string(w, value);
    }
}

static void
key_u64_text(struct json_writer *w, slice key, uint64_t value)
{
    if (value) {
        json_key(w, key);
        json_u64_string(w, value);
    }
}

static void
key_number(struct json_writer *w, slice key, uint64_t value)
{
    if (value) {
        json_key(w, key);
        json_u64(w, value);
    }
}

static void
json_attrs(const struct search_answer *a, struct json_writer *w, const struct search_attr *attrs, size_t n)
{
    if (n == 0) {
        return;
    }
    json_key(w, SL("attributes"));
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        const struct tql_static *v = &attrs[i].value;
        enum kind kind = shown_as(a, &attrs[i]);
        json_object_begin(w);
        json_key(w, SL("key"));
        json_string(w, attrs[i].key);
        json_key(w, SL("value"));
        json_object_begin(w);
        if (kind == KIND_BOOL) {
            json_key(w, SL("boolValue"));
            json_bool(w, v->b);
        } else if (kind == KIND_NUMBER && v->type == TQL_INT) {
            json_key(w, SL("intValue"));
            json_i64_string(w, v->i);
        } else if (kind == KIND_NUMBER) {
            json_key(w, SL("doubleValue"));
            json_double(w, v->f);
        } else {
            struct buf text;
            buf_init(&text, ANSWER_BYTES_MAX);
            print_text(v, &text);
            json_key(w, SL("stringValue"));
            json_string(w, buf_slice(&text));
            buf_fini(&text);
        }
        json_object_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

static void
json_span(const struct search_answer *a, struct json_writer *w, const struct search_span *s)
{
    char hex[2 * SPAN_ID_BYTES];
    hex_encode(s->id.b, SPAN_ID_BYTES, hex);
    json_object_begin(w);
    json_key(w, SL("spanID"));
    json_string(w, slice_of(hex, sizeof hex));
    if (s->has_name) {
        key_string(w, SL("name"), s->name);
    }
    key_u64_text(w, SL("startTimeUnixNano"), s->start_ns);
    key_u64_text(w, SL("durationNanos"), s->duration_ns);
    json_attrs(a, w, s->attrs, s->attr_count);
    json_object_end(w);
}

static void
json_set(const struct search_answer *a, struct json_writer *w, const struct search_spanset *set)
{
    json_object_begin(w);
    json_key(w, SL("spans"));
    json_array_begin(w);
    for (size_t i = 0; i < set->span_count; i++) {
        json_span(a, w, &set->spans[i]);
    }
    json_array_end(w);
    key_number(w, SL("matched"), set->matched);
    json_attrs(a, w, set->attrs, set->attr_count);
    json_object_end(w);
}

static void
json_services(struct json_writer *w, const struct search_trace *t)
{
    json_key(w, SL("serviceStats"));
    json_object_begin(w);
    for (size_t i = 0; i < t->service_count; i++) {
        json_key(w, t->services[i].name);
        json_object_begin(w);
        key_number(w, SL("spanCount"), t->services[i].spans);
        key_number(w, SL("errorCount"), t->services[i].errors);
        json_object_end(w);
    }
    json_object_end(w);
}

static slice
root_service_of(const struct search_trace *t)
{
    return t->root_service.n ? t->root_service : SL(ROOT_MISSING);
}

static uint64_t
duration_ms(const struct search_trace *t)
{
    uint64_t ms = t->duration_ns / (uint64_t)NS_PER_MS;
    return ms > UINT32_MAX ? UINT32_MAX : ms;
}

static void
json_trace(const struct search_answer *a, struct json_writer *w, const struct search_trace *t)
{
    struct buf id;
    buf_init(&id, 2 * TRACE_ID_BYTES);
    trace_id_format(&id, &t->id, !a->pad_ids);
    json_object_begin(w);
    json_key(w, SL("traceID"));
    json_string(w, buf_slice(&id));
    key_string(w, SL("rootServiceName"), root_service_of(t));
    key_string(w, SL("rootTraceName"), t->root_name);
    key_u64_text(w, SL("startTimeUnixNano"), t->start_ns);
    key_number(w, SL("durationMs"), duration_ms(t));
    if (t->set_count) {
        json_key(w, SL("spanSet"));
        json_set(a, w, &t->sets[0]);
        json_key(w, SL("spanSets"));
        json_array_begin(w);
        for (size_t i = 0; i < t->set_count; i++) {
            json_set(a, w, &t->sets[i]);
        }
        json_array_end(w);
    }
    if (t->service_count) {
        json_services(w, t);
    }
    json_object_end(w);
    buf_fini(&id);
}

/* The query itself counts as a job, so that there is always one. */
static uint32_t
jobs_done(const struct search_stats *s, bool done)
{
    return done ? s->jobs + 1 : s->jobs_done;
}

void
answer_stats_json(struct json_writer *w, const struct search_stats *s, bool done)
{
    json_key(w, SL("metrics"));
    json_object_begin(w);
    key_number(w, SL("inspectedTraces"), s->traces);
    key_u64_text(w, SL("inspectedBytes"), s->bytes);
    key_number(w, SL("totalBlocks"), s->blocks);
    key_number(w, SL("completedJobs"), jobs_done(s, done));
    key_number(w, SL("totalJobs"), s->jobs + UINT64_C(1));
    key_u64_text(w, SL("totalBlockBytes"), s->block_bytes);
    key_u64_text(w, SL("inspectedSpans"), s->spans);
    json_object_end(w);
}

void
search_write_json(const struct search_answer *a, struct buf *out)
{
    const struct search_result *r = a->result;
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SL("traces"));
    json_array_begin(&w);
    for (size_t i = 0; i < r->count && !out->failed; i++) {
        json_trace(a, &w, r->traces[i]);
    }
    json_array_end(&w);
    answer_stats_json(&w, &r->stats, a->done);
    json_object_end(&w);
}

/* --- protobuf ------------------------------------------------------------------------------------------- */

void
answer_pb_end(struct buf *out, size_t at, uint32_t field)
{
    size_t n = out->n - at;
    size_t header = wire_varint_size(field << 3) + wire_varint_size(n);
    if (out->failed || buf_reserve(out, header) != OK) {
        out->failed = true;
        return;
    }
    memmove(out->p + at + header, out->p + at, n);
    out->n = at;
    wire_put_header(out, field, n);
    out->n = at + header + n;
}

static void
pb_attrs(const struct search_answer *a, struct buf *out, uint32_t field, const struct search_attr *attrs,
         size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct tql_static *v = &attrs[i].value;
        enum kind kind = shown_as(a, &attrs[i]);
        size_t at = out->n;
        wire_put_bytes(out, 1, attrs[i].key);
        size_t value = out->n;
        if (kind == KIND_BOOL) {
            wire_put_u64(out, 2, v->b);
        } else if (kind == KIND_NUMBER && v->type == TQL_INT) {
            wire_put_u64(out, 3, (uint64_t)v->i);
        } else if (kind == KIND_NUMBER) {
            wire_put_double(out, 4, v->f);
        } else {
            struct buf text;
            buf_init(&text, ANSWER_BYTES_MAX);
            print_text(v, &text);
            wire_put_bytes(out, 1, buf_slice(&text));
            buf_fini(&text);
        }
        answer_pb_end(out, value, 2);
        answer_pb_end(out, at, field);
    }
}

static void
pb_set(const struct search_answer *a, struct buf *out, uint32_t field, const struct search_spanset *set)
{
    size_t at = out->n;
    for (size_t i = 0; i < set->span_count; i++) {
        const struct search_span *s = &set->spans[i];
        char hex[2 * SPAN_ID_BYTES];
        size_t span = out->n;
        hex_encode(s->id.b, SPAN_ID_BYTES, hex);
        wire_put_bytes(out, 1, slice_of(hex, sizeof hex));
        wire_put_bytes_nz(out, 2, s->has_name ? s->name : SL_EMPTY);
        wire_put_u64_nz(out, 3, s->start_ns);
        wire_put_u64_nz(out, 4, s->duration_ns);
        pb_attrs(a, out, 5, s->attrs, s->attr_count);
        answer_pb_end(out, span, 1);
    }
    wire_put_u64_nz(out, 2, set->matched);
    pb_attrs(a, out, 3, set->attrs, set->attr_count);
    answer_pb_end(out, at, field);
}

static void
pb_trace(const struct search_answer *a, struct buf *out, const struct search_trace *t)
{
    struct buf id;
    size_t at = out->n;
    buf_init(&id, 2 * TRACE_ID_BYTES);
    trace_id_format(&id, &t->id, !a->pad_ids);
    wire_put_bytes(out, 1, buf_slice(&id));
    buf_fini(&id);
    wire_put_bytes(out, 2, root_service_of(t));
    wire_put_bytes_nz(out, 3, t->root_name);
    wire_put_u64_nz(out, 4, t->start_ns);
    wire_put_u64_nz(out, 5, duration_ms(t));
    for (size_t i = 0; i < t->set_count; i++) {
        if (i == 0) {
            pb_set(a, out, 6, &t->sets[0]);
        }
        pb_set(a, out, 7, &t->sets[i]);
    }
    for (size_t i = 0; i < t->service_count; i++) {
        size_t entry = out->n;
        wire_put_bytes(out, 1, t->services[i].name);
        size_t stats = out->n;
        wire_put_u64_nz(out, 1, t->services[i].spans);
        wire_put_u64_nz(out, 2, t->services[i].errors);
        answer_pb_end(out, stats, 2);
        answer_pb_end(out, entry, 8);
    }
    answer_pb_end(out, at, 1);
}

void
answer_stats_pb(struct buf *out, const struct search_stats *s, bool done)
{
    size_t at = out->n;
    wire_put_u64_nz(out, 1, s->traces);
    wire_put_u64_nz(out, 2, s->bytes);
    wire_put_u64_nz(out, 3, s->blocks);
    wire_put_u64_nz(out, 4, jobs_done(s, done));
    wire_put_u64_nz(out, 5, s->jobs + UINT64_C(1));
    wire_put_u64_nz(out, 6, s->block_bytes);
    wire_put_u64_nz(out, 7, s->spans);
    answer_pb_end(out, at, 2);
}

void
search_write_pb(const struct search_answer *a, size_t from, size_t n, struct buf *out)
{
    for (size_t i = from; i < from + n && !out->failed; i++) {
        pb_trace(a, out, a->result->traces[i]);
    }
    answer_stats_pb(out, &a->result->stats, a->done);
}
