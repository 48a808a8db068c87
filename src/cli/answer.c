#include "answer.h"

#include "vivace/base/buf.h"
#include "vivace/codec/json.h"

#include <math.h>
#include <stdlib.h>

#define LABELS_MAX 4096 /* bytes of one series' labels */

struct answer {
    struct json_reader json;
    struct arena *arena;
    bool bad, full;
};

/* --- walking ----------------------------------------------------------------------------------------------
 */

static bool
fail(struct answer *x)
{
    x->bad = true;
    return false;
}

/* The next member's key; false behind the last. */
static bool
next_key(struct answer *x, slice *ret)
{
    enum json_event e = x->bad ? JSON_ERROR : json_next(&x->json);
    *ret = x->json.text;
    return e == JSON_KEY || (e != JSON_OBJECT_END && fail(x));
}

/* The value begins with `want`; null is an empty one (false). */
static bool
enter(struct answer *x, enum json_event want)
{
    enum json_event e = x->bad ? JSON_ERROR : json_next(&x->json);
    return e == want || (e != JSON_NULL && fail(x));
}

/* The next element of an array of objects. */
static bool
next_object(struct answer *x)
{
    enum json_event e = x->bad ? JSON_ERROR : json_next(&x->json);
    return e == JSON_OBJECT_BEGIN || (e != JSON_ARRAY_END && fail(x));
}

static void
skip(struct answer *x)
{
    if (!x->bad && !json_skip(&x->json)) {
        x->bad = true;
    }
}

static slice
get_text(struct answer *x)
{
    enum json_event e = x->bad ? JSON_ERROR : json_next(&x->json);
    if (e == JSON_STRING) {
        return x->json.text;
    }
    if (e != JSON_NULL) {
        x->bad = true;
    }
    return SL_EMPTY;
}

static uint64_t
get_u64(struct answer *x)
{
    enum json_event e = x->bad ? JSON_ERROR : json_next(&x->json);
    uint64_t v = 0;
    if ((e != JSON_NUMBER && e != JSON_STRING) || !slice_to_u64(x->json.text, &v)) {
        x->bad = true;
    }
    return v;
}

static double
get_double(struct answer *x)
{
    char text[64];
    char *end = NULL;
    enum json_event e = x->bad ? JSON_ERROR : json_next(&x->json);
    if ((e != JSON_NUMBER && e != JSON_STRING) || x->json.text.n == 0 || x->json.text.n >= sizeof text) {
        x->bad = true;
        return NAN;
    }
    memcpy(text, x->json.text.p, x->json.text.n);
    text[x->json.text.n] = 0;
    double v = strtod(text, &end); /* "NaN" and "Infinity" too */
    x->bad = x->bad || *end != 0;
    return v;
}

static bool
is_key(slice key, const char *name)
{
    return slice_eq(key, slice_cstr(name));
}

#define PUSH(X, ARRAY, COUNT, CAP)                                                                           \
    ({                                                                                                       \
        void *grown_ = arena_grow((X)->arena, (ARRAY), (COUNT), &(CAP), (COUNT) + 1, sizeof *(ARRAY));       \
        if (grown_ == NULL) {                                                                                \
            (X)->full = (X)->bad = true;                                                                     \
        } else {                                                                                             \
            (ARRAY) = grown_;                                                                                \
            memset(&(ARRAY)[(COUNT)], 0, sizeof *(ARRAY));                                                   \
        }                                                                                                    \
        grown_ ? &(ARRAY)[(COUNT)++] : NULL;                                                                 \
    })

static void
answer_init(struct answer *x, slice json, struct arena *a)
{
    *x = (struct answer){.arena = a};
    json_reader_init(&x->json, json, a);
}

static err
finish(const struct answer *x, struct fault *f)
{
    if (x->full) {
        return FAULT(f, ERR_LIMIT, "the server's answer holds too much");
    }
    if (x->bad) {
        return FAULT(f, ERR_CORRUPT, "the server's answer is not what was asked for: %s near byte %zu",
                     x->json.error ? x->json.error : "another shape", x->json.at);
    }
    return OK;
}

/* --- search -----------------------------------------------------------------------------------------------
 */

/* {"shop":{"spanCount":3,"errorCount":1}} */
static void
read_stats(struct answer *x, struct found_trace *t)
{
    slice service, key;
    if (!enter(x, JSON_OBJECT_BEGIN)) {
        return;
    }
    while (next_key(x, &service) && enter(x, JSON_OBJECT_BEGIN)) {
        while (next_key(x, &key)) {
            if (is_key(key, "spanCount")) {
                t->spans += get_u64(x);
            } else if (is_key(key, "errorCount")) {
                t->errors += get_u64(x);
            } else {
                skip(x);
            }
        }
    }
}

static uint64_t
read_span_set(struct answer *x)
{
    slice key;
    uint64_t matched = 0;
    while (next_key(x, &key)) {
        if (is_key(key, "matched")) {
            matched = get_u64(x);
        } else {
            skip(x);
        }
    }
    return matched;
}

static void
read_span_sets(struct answer *x, struct found_trace *t)
{
    uint64_t matched = 0;
    if (!enter(x, JSON_ARRAY_BEGIN)) {
        return;
    }
    while (next_object(x)) {
        matched += read_span_set(x);
    }
    t->matched = matched ? matched : t->matched;
}

static void
read_trace(struct answer *x, struct found_trace *t)
{
    slice key;
    while (next_key(x, &key)) {
        if (is_key(key, "traceID")) {
            t->id = get_text(x);
        } else if (is_key(key, "rootServiceName")) {
            t->service = get_text(x);
        } else if (is_key(key, "rootTraceName")) {
            t->name = get_text(x);
        } else if (is_key(key, "startTimeUnixNano")) {
            t->start_ns = get_u64(x);
        } else if (is_key(key, "durationMs")) {
            t->duration_ms = get_u64(x);
        } else if (is_key(key, "spanSet")) {
            uint64_t matched = enter(x, JSON_OBJECT_BEGIN) ? read_span_set(x) : 0;
            t->matched = t->matched ? t->matched : matched;
        } else if (is_key(key, "spanSets")) {
            read_span_sets(x, t);
        } else if (is_key(key, "serviceStats")) {
            read_stats(x, t);
        } else {
            skip(x);
        }
    }
}

static void
read_search_metrics(struct answer *x, struct search_answer *ret)
{
    slice key;
    if (!enter(x, JSON_OBJECT_BEGIN)) {
        return;
    }
    while (next_key(x, &key)) {
        if (is_key(key, "inspectedTraces")) {
            ret->inspected_traces = get_u64(x);
        } else if (is_key(key, "inspectedBytes")) {
            ret->inspected_bytes = get_u64(x);
        } else {
            skip(x);
        }
    }
}

err
answer_search(slice json, struct arena *a, struct fault *f, struct search_answer *ret)
{
    struct answer x;
    slice key;
    answer_init(&x, json, a);
    *ret = (struct search_answer){.count = 0};
    x.bad = !enter(&x, JSON_OBJECT_BEGIN);
    while (next_key(&x, &key)) {
        if (is_key(key, "traces")) {
            if (!enter(&x, JSON_ARRAY_BEGIN)) {
                continue;
            }
            while (next_object(&x)) {
                struct found_trace *t = PUSH(&x, ret->traces, ret->count, ret->cap);
                if (t) {
                    read_trace(&x, t);
                }
            }
        } else if (is_key(key, "metrics")) {
            read_search_metrics(&x, ret);
        } else {
            skip(&x);
        }
    }
    return finish(&x, f);
}

/* --- tags -------------------------------------------------------------------------------------------------
 */

/* {"name":"span","tags":["a","b"]} */
static void
read_scope(struct answer *x, struct tags_answer *ret)
{
    slice key, scope = SL_EMPTY;
    size_t from = ret->count;
    while (next_key(x, &key)) {
        if (is_key(key, "name")) {
            scope = get_text(x);
        } else if (is_key(key, "tags") && enter(x, JSON_ARRAY_BEGIN)) {
            enum json_event e = JSON_ARRAY_END;
            while (!x->bad && (e = json_next(&x->json)) == JSON_STRING) {
                slice name = x->json.text;
                struct tag *t = PUSH(x, ret->tags, ret->count, ret->cap);
                if (t) {
                    t->name = name;
                }
            }
            x->bad = x->bad || e != JSON_ARRAY_END;
        } else if (!is_key(key, "tags")) {
            skip(x);
        }
    }
    for (size_t i = from; i < ret->count; i++) {
        ret->tags[i].scope = scope;
    }
}

static void
read_value(struct answer *x, struct tag *t)
{
    slice key;
    while (next_key(x, &key)) {
        if (is_key(key, "type")) {
            t->type = get_text(x);
        } else if (is_key(key, "value")) {
            t->value = get_text(x);
        } else {
            skip(x);
        }
    }
}

err
answer_tags(slice json, struct arena *a, struct fault *f, struct tags_answer *ret)
{
    struct answer x;
    slice key;
    answer_init(&x, json, a);
    *ret = (struct tags_answer){.count = 0};
    x.bad = !enter(&x, JSON_OBJECT_BEGIN);
    while (next_key(&x, &key)) {
        bool scopes = is_key(key, "scopes"), values = is_key(key, "tagValues");
        if (!scopes && !values) {
            skip(&x);
            continue;
        }
        if (!enter(&x, JSON_ARRAY_BEGIN)) {
            continue;
        }
        while (next_object(&x)) {
            if (scopes) {
                read_scope(&x, ret);
                continue;
            }
            struct tag *t = PUSH(&x, ret->tags, ret->count, ret->cap);
            if (t) {
                read_value(&x, t);
            }
        }
    }
    return finish(&x, f);
}

/* --- series -----------------------------------------------------------------------------------------------
 */

/* {"stringValue":"x"} and its like: as text. */
static void
read_any_value(struct answer *x, struct buf *out)
{
    slice key;
    if (!enter(x, JSON_OBJECT_BEGIN)) {
        return;
    }
    while (next_key(x, &key)) {
        bool scalar = is_key(key, "stringValue") || is_key(key, "intValue") || is_key(key, "doubleValue") ||
                      is_key(key, "boolValue");
        if (!scalar) {
            skip(x);
            continue;
        }
        enum json_event e = json_next(&x->json);
        if (e == JSON_STRING || e == JSON_NUMBER) {
            buf_append_slice(out, x->json.text);
        } else if (e == JSON_TRUE || e == JSON_FALSE) {
            buf_append_cstr(out, e == JSON_TRUE ? "true" : "false");
        } else {
            x->bad = true;
        }
    }
}

/* [{"key":"name","value":{...}}] as {name="value"}. */
static slice
read_labels(struct answer *x)
{
    struct buf text;
    slice key;
    bool any = false;
    buf_init(&text, LABELS_MAX); /* what does not fit is left out */
    buf_append_byte(&text, '{');
    if (enter(x, JSON_ARRAY_BEGIN)) {
        for (; next_object(x); any = true) {
            buf_append_cstr(&text, any ? ", " : "");
            while (next_key(x, &key)) {
                if (is_key(key, "key")) {
                    buf_append_slice(&text, get_text(x));
                    buf_append_cstr(&text, "=\"");
                } else if (is_key(key, "value")) {
                    read_any_value(x, &text);
                } else {
                    skip(x);
                }
            }
            buf_append_byte(&text, '"');
        }
    }
    buf_append_byte(&text, '}');
    slice copy = arena_copy(x->arena, buf_slice(&text));
    x->full = x->full || copy.p == NULL;
    x->bad = x->bad || x->full;
    buf_fini(&text);
    return copy.p ? copy : SL_EMPTY;
}

static void
read_sample(struct answer *x, struct sample *s)
{
    slice key;
    while (next_key(x, &key)) {
        if (is_key(key, "timestampMs")) {
            s->time_ms = get_u64(x);
        } else if (is_key(key, "value")) {
            s->value = get_double(x);
        } else {
            skip(x);
        }
    }
}

static void
read_series(struct answer *x, struct answer_series *s)
{
    slice key;
    bool any = false;
    double value = 0;
    while (next_key(x, &key)) {
        if (is_key(key, "labels")) {
            s->labels = read_labels(x);
        } else if (is_key(key, "samples")) {
            any = enter(x, JSON_ARRAY_BEGIN);
            while (any && next_object(x)) {
                struct sample *one = PUSH(x, s->samples, s->count, s->cap);
                if (one) {
                    read_sample(x, one);
                }
            }
            any = true;
        } else if (is_key(key, "value")) {
            value = get_double(x);
        } else {
            skip(x);
        }
    }
    if (!any && !x->bad) { /* an instant answer; zero is left out */
        struct sample *one = PUSH(x, s->samples, s->count, s->cap);
        if (one) {
            one->value = value;
        }
    }
}

err
answer_series(slice json, struct arena *a, struct fault *f, struct series_answer *ret)
{
    struct answer x;
    slice key;
    answer_init(&x, json, a);
    *ret = (struct series_answer){.count = 0};
    x.bad = !enter(&x, JSON_OBJECT_BEGIN);
    while (next_key(&x, &key)) {
        if (is_key(key, "series")) {
            bool there = enter(&x, JSON_ARRAY_BEGIN);
            while (there && next_object(&x)) {
                struct answer_series *s = PUSH(&x, ret->series, ret->count, ret->cap);
                if (s) {
                    read_series(&x, s);
                }
            }
        } else if (is_key(key, "status")) {
            ret->status = get_text(&x);
        } else if (is_key(key, "message")) {
            ret->message = get_text(&x);
        } else {
            skip(&x);
        }
    }
    return finish(&x, f);
}
