/* Metrics answers as JSON and protobuf (api.md 1.4, 2.3, grafana.md 2.6). */
#include "answers.h"

#include "vivace/base/clock.h"
#include "vivace/codec/wire.h"

#include <math.h>

#define TAIL_BYTES   4096 /* what stands behind the series */
#define MESSAGE_TEXT 256

static uint64_t
stamp_ms(const struct metrics_answer_form *a, uint32_t step)
{
    return (a->start_ns + (step + UINT64_C(1)) * a->step_ns) / (uint64_t)NS_PER_MS;
}

/* Says how many series there are at most. */
static void
partial_message(const struct metrics_answer_form *a, size_t series, struct buf *out)
{
    buf_printf(out,
               "Response exceeds maximum series limit of %zu, a partial response is returned. Warning: the "
               "accuracy of each individual value is not guaranteed.",
               a->max_series && a->max_series < series ? a->max_series : series);
}

/* --- labels --------------------------------------------------------------------------------------------- */

/* What an exemplar was measured as: a duration is text. */
static struct metrics_label
measured_label(const struct metrics_answer_form *a, const struct metrics_exemplar *e, struct buf *text)
{
    struct metrics_label l = {a->result->measured_key, e->measured};
    if (e->measured.type == TQL_DURATION) {
        tql_static_print_plain(&e->measured, text);
        l.value = tql_static_string(buf_slice(text));
    }
    return l;
}

static void
json_label(struct json_writer *w, const struct metrics_label *l)
{
    const struct tql_static *v = &l->value;
    json_object_begin(w);
    json_key(w, SL("key"));
    json_string(w, l->key);
    json_key(w, SL("value"));
    json_object_begin(w);
    switch ((enum tql_type)v->type) {
    case TQL_INT:
        json_key(w, SL("intValue"));
        json_i64_string(w, v->i);
        break;
    case TQL_FLOAT:
        json_key(w, SL("doubleValue"));
        json_double(w, v->f);
        break;
    case TQL_BOOL:
        json_key(w, SL("boolValue"));
        json_bool(w, v->b);
        break;
    default:
        json_key(w, SL("stringValue"));
        json_string(w, tql_static_slice(v));
        break;
    }
    json_object_end(w);
    json_object_end(w);
}

static void
pb_label(struct buf *out, const struct metrics_label *l)
{
    const struct tql_static *v = &l->value;
    const size_t at = out->n;
    wire_put_bytes(out, 1, l->key);
    const size_t value = out->n;
    switch ((enum tql_type)v->type) {
    case TQL_INT:
        wire_put_u64(out, 3, (uint64_t)v->i);
        break;
    case TQL_FLOAT:
        wire_put_double(out, 4, v->f);
        break;
    case TQL_BOOL:
        wire_put_u64(out, 2, v->b);
        break;
    default:
        wire_put_bytes(out, 1, tql_static_slice(v));
        break;
    }
    answer_pb_end(out, value, 2);
    answer_pb_end(out, at, 1);
}

/* The labels of an exemplar, each handed to `put`. */
static void
exemplar_labels(const struct metrics_answer_form *a, const struct metrics_series *s,
                const struct metrics_exemplar *e, void (*put)(void *ctx, const struct metrics_label *l),
                void *ctx)
{
    struct buf id;
    struct buf text;
    buf_init(&id, 2 * TRACE_ID_BYTES);
    buf_init(&text, 64);
    trace_id_format(&id, &e->trace, true);
    put(ctx, &(struct metrics_label){SL("trace:id"), tql_static_string(buf_slice(&id))});
    for (size_t i = 0; i < s->group_count; i++) {
        put(ctx, &s->labels[i]);
    }
    if (a->result->measured_key.n && e->measured.type != TQL_NIL) {
        struct metrics_label l = measured_label(a, e, &text);
        put(ctx, &l);
    }
    buf_fini(&id);
    buf_fini(&text);
}

/* --- JSON ----------------------------------------------------------------------------------------------- */

static void
put_json(void *ctx, const struct metrics_label *l)
{
    json_label(ctx, l);
}

static void
json_exemplars(const struct metrics_answer_form *a, struct json_writer *w, const struct metrics_series *s)
{
    json_key(w, SL("exemplars"));
    json_array_begin(w);
    for (size_t i = 0; i < s->exemplar_count; i++) {
        const struct metrics_exemplar *e = &s->exemplars[i];
        json_object_begin(w);
        json_key(w, SL("labels"));
        json_array_begin(w);
        exemplar_labels(a, s, e, put_json, w);
        json_array_end(w);
        json_key(w, SL("value"));
        json_double(w, e->value);
        json_key(w, SL("timestampMs"));
        json_u64_string(w, e->start_ns / (uint64_t)NS_PER_MS);
        json_object_end(w);
    }
    json_array_end(w);
}

static void
json_series(const struct metrics_answer_form *a, struct json_writer *w, const struct metrics_series *s)
{
    json_object_begin(w);
    json_key(w, SL("labels"));
    json_array_begin(w);
    for (size_t i = 0; i < s->label_count; i++) {
        json_label(w, &s->labels[i]);
    }
    json_array_end(w);
    if (a->instant) {
        json_key(w, SL("value"));
        json_double(w, s->values[0]);
        json_object_end(w);
        return;
    }
    json_key(w, SL("samples"));
    json_array_begin(w);
    for (uint32_t i = a->first_step; i < a->steps; i++) {
        if (!isnan(s->values[i])) {
            json_object_begin(w);
            json_key(w, SL("timestampMs"));
            json_u64_string(w, stamp_ms(a, i));
            json_key(w, SL("value"));
            json_double(w, s->values[i]);
            json_object_end(w);
        }
    }
    json_array_end(w);
    if (s->exemplar_count) {
        json_exemplars(a, w, s);
    }
    json_object_end(w);
}

void
metrics_write_json(const struct metrics_answer_form *a, struct buf *out)
{
    const struct metrics_result *r = a->result;
    struct json_writer w;
    size_t written = 0;
    json_writer_init(&w, out);
    json_object_begin(&w);
    if (!a->instant || r->count) {
        json_key(&w, SL("series"));
        json_array_begin(&w);
    }
    for (; written < r->count; written++) {
        const struct json_writer before = w;
        const size_t at = out->n;
        json_series(a, &w, &r->series[written]);
        if (out->failed || out->n > ANSWER_BYTES_MAX - TAIL_BYTES) {
            out->failed = false; /* so many fit */
            out->n = at;
            w = before;
            break;
        }
    }
    if (!a->instant || r->count) {
        json_array_end(&w);
    }
    answer_stats_json(&w, &r->stats, a->done);
    if (r->partial || written < r->count) {
        struct buf text;
        buf_init(&text, MESSAGE_TEXT);
        partial_message(a, written, &text);
        json_key(&w, SL("status"));
        json_string(&w, SL("PARTIAL"));
        json_key(&w, SL("message"));
        json_string(&w, buf_slice(&text));
        buf_fini(&text);
    }
    json_object_end(&w);
}

/* --- protobuf ------------------------------------------------------------------------------------------- */

static void
put_pb(void *ctx, const struct metrics_label *l)
{
    pb_label(ctx, l);
}

static void
put_double_nz(struct buf *out, uint32_t field, double v)
{
    if (v != 0) {
        wire_put_double(out, field, v);
    }
}

static void
pb_series(const struct metrics_answer_form *a, struct buf *out, const struct metrics_series *s)
{
    const size_t at = out->n;
    for (size_t i = 0; i < s->label_count; i++) {
        pb_label(out, &s->labels[i]);
    }
    if (a->instant) {
        put_double_nz(out, 2, s->values[0]);
        answer_pb_end(out, at, 1);
        return;
    }
    for (uint32_t i = a->first_step; i < a->steps; i++) {
        if (!isnan(s->values[i])) {
            const size_t sample = out->n;
            put_double_nz(out, 1, s->values[i]);
            wire_put_u64_nz(out, 2, stamp_ms(a, i));
            answer_pb_end(out, sample, 2);
        }
    }
    for (size_t i = 0; a->done && i < s->exemplar_count; i++) {
        const struct metrics_exemplar *e = &s->exemplars[i];
        const size_t exemplar = out->n;
        exemplar_labels(a, s, e, put_pb, out);
        put_double_nz(out, 2, e->value);
        wire_put_u64_nz(out, 3, e->start_ns / (uint64_t)NS_PER_MS);
        answer_pb_end(out, exemplar, 4);
    }
    answer_pb_end(out, at, 1);
}

void
metrics_write_pb(const struct metrics_answer_form *a, size_t from, size_t n, bool last, struct buf *out)
{
    const struct metrics_result *r = a->result;
    for (size_t i = from; i < from + n && !out->failed; i++) {
        pb_series(a, out, &r->series[i]);
    }
    answer_stats_pb(out, &r->stats, a->done);
    if (last && r->partial) {
        struct buf text;
        buf_init(&text, MESSAGE_TEXT);
        partial_message(a, r->count, &text);
        wire_put_u64(out, 3, 1);
        wire_put_bytes(out, 4, buf_slice(&text));
        buf_fini(&text);
    }
}
