#include "answers.h"

#include "vivace/base/mem.h"
#include "vivace/codec/json.h"
#include "vivace/codec/wire.h"

#include <stdlib.h>

static const char *const intrinsics[] = {"duration",
                                         "event:name",
                                         "event:timeSinceStart",
                                         "instrumentation:name",
                                         "instrumentation:version",
                                         "kind",
                                         "link:spanID",
                                         "link:traceID",
                                         "name",
                                         "rootName",
                                         "rootServiceName",
                                         "span:duration",
                                         "span:id",
                                         "span:kind",
                                         "span:name",
                                         "span:parentID",
                                         "span:status",
                                         "span:statusMessage",
                                         "status",
                                         "statusMessage",
                                         "trace:duration",
                                         "trace:id",
                                         "trace:rootName",
                                         "trace:rootService",
                                         "traceDuration"};
#define INTRINSIC_COUNT (sizeof intrinsics / sizeof *intrinsics)

static const char *const scope_names[TAG_SCOPE_COUNT] = {"resource", "span", "event", "link",
                                                         "instrumentation"};
static const char *const status_words[] = {"ok", "error", "unset"};
static const char *const kind_words[] = {"unspecified", "internal", "server",
                                         "client",      "producer", "consumer"};

/* --- what is to be shown, as lists of words ------------------------------------------------------------- */

struct word {
    slice type, text; /* type: of values */
};

struct words {
    struct word *v;
    size_t n;
    struct buf bytes; /* texts that had to be printed */
};

static int
by_text(const void *a, const void *b)
{
    return slice_cmp(((const struct word *)a)->text, ((const struct word *)b)->text);
}

static void
words_fini(struct words *w)
{
    mem_free(w->v);
    buf_fini(&w->bytes);
}

/* v1: the names of all scopes together. */
static void
merged_names(const struct tag_answer *a, struct words *w)
{
    size_t n = INTRINSIC_COUNT;
    size_t kept = 0;
    buf_init(&w->bytes, 0);
    for (int i = 0; i < TAG_SCOPE_COUNT; i++) {
        n += a->result->name_counts[i];
    }
    w->n = 0;
    w->v = mem_new_array(struct word, n);
    for (int i = 0; i < TAG_SCOPE_COUNT; i++) {
        for (size_t k = 0; k < a->result->name_counts[i]; k++) {
            w->v[w->n++].text = a->result->names[i][k];
        }
    }
    for (size_t k = 0; a->with_intrinsic && k < INTRINSIC_COUNT; k++) {
        w->v[w->n++].text = slice_cstr(intrinsics[k]);
    }
    qsort(w->v, w->n, sizeof *w->v, by_text);
    for (size_t i = 0; i < w->n; i++) {
        if (kept == 0 || !slice_eq(w->v[kept - 1].text, w->v[i].text)) {
            w->v[kept++] = w->v[i];
        }
    }
    w->n = kept;
}

static const char *
type_of(const struct tql_static *v)
{
    switch ((enum tql_type)v->type) {
    case TQL_STRING:
        return "string";
    case TQL_FLOAT:
        return "float";
    case TQL_BOOL:
        return "bool";
    case TQL_STATUS:
    case TQL_KIND:
        return "keyword";
    default:
        return "int"; /* durations are given in ns */
    }
}

static void
print_value(const struct tql_static *v, struct buf *out)
{
    if (v->type == TQL_DURATION) {
        buf_append_i64(out, v->i);
    } else {
        tql_static_print_plain(v, out);
    }
}

static void
value_words(const struct tag_answer *a, struct words *w)
{
    const struct tags_result *r = a->result;
    size_t n = r->value_count + 16;
    size_t *ends = mem_new_array(size_t, n);
    w->v = mem_new_array(struct word, n);
    w->n = 0;
    buf_init(&w->bytes, ANSWER_BYTES_MAX);
    for (size_t i = 0; a->keywords_status && i < sizeof status_words / sizeof *status_words; i++) {
        w->v[w->n++] = (struct word){SL("keyword"), slice_cstr(status_words[i])};
    }
    for (size_t i = 0; a->keywords_kind && i < sizeof kind_words / sizeof *kind_words; i++) {
        w->v[w->n++] = (struct word){SL("keyword"), slice_cstr(kind_words[i])};
    }
    size_t first = w->n;
    for (size_t i = 0; i < r->value_count; i++) {
        print_value(&r->values[i], &w->bytes);
        ends[i] = w->bytes.n;
    }
    for (size_t i = 0; i < r->value_count; i++) { /* the buffer stands still now */
        size_t from = i ? ends[i - 1] : 0;
        w->v[w->n].type = slice_cstr(type_of(&r->values[i]));
        w->v[w->n++].text = slice_sub(buf_slice(&w->bytes), from, ends[i] - from);
    }
    if (a->form == TAGS_V1 && w->n > first) {
        qsort(w->v + first, w->n - first, sizeof *w->v, by_text);
    }
    mem_free(ends);
}

/* --- JSON ----------------------------------------------------------------------------------------------- */

static void
json_metrics(struct json_writer *w, const struct tag_answer *a)
{
    json_key(w, SL("metrics"));
    json_object_begin(w);
    if (a->result->stats.bytes) {
        json_key(w, SL("inspectedBytes"));
        json_u64_string(w, a->result->stats.bytes);
    }
    json_object_end(w);
}

static void
json_scope(struct json_writer *w, const char *name, const slice *tags, size_t n)
{
    json_object_begin(w);
    json_key(w, SL("name"));
    json_string(w, slice_cstr(name));
    json_key(w, SL("tags"));
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_string(w, tags ? tags[i] : slice_cstr(intrinsics[i]));
    }
    json_array_end(w);
    json_object_end(w);
}

void
tag_names_write_json(const struct tag_answer *a, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    if (a->form == TAGS_V1) {
        struct words words;
        merged_names(a, &words);
        json_key(&w, SL("tagNames"));
        json_array_begin(&w);
        for (size_t i = 0; i < words.n; i++) {
            json_string(&w, words.v[i].text);
        }
        json_array_end(&w);
        words_fini(&words);
    } else {
        json_key(&w, SL("scopes"));
        json_array_begin(&w);
        for (int i = 0; i < TAG_SCOPE_COUNT; i++) {
            if (a->result->name_counts[i]) {
                json_scope(&w, scope_names[i], a->result->names[i], a->result->name_counts[i]);
            }
        }
        if (a->with_intrinsic) {
            json_scope(&w, "intrinsic", NULL, INTRINSIC_COUNT);
        }
        json_array_end(&w);
    }
    json_metrics(&w, a);
    json_object_end(&w);
}

void
tag_values_write_json(const struct tag_answer *a, struct buf *out)
{
    struct json_writer w;
    struct words words;
    value_words(a, &words);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SL("tagValues"));
    json_array_begin(&w);
    for (size_t i = 0; i < words.n; i++) {
        if (a->form == TAGS_V1) {
            json_string(&w, words.v[i].text);
            continue;
        }
        json_object_begin(&w);
        json_key(&w, SL("type"));
        json_string(&w, words.v[i].type);
        if (words.v[i].text.n) {
            json_key(&w, SL("value"));
            json_string(&w, words.v[i].text);
        }
        json_object_end(&w);
    }
    json_array_end(&w);
    json_metrics(&w, a);
    json_object_end(&w);
    out->failed = out->failed || words.bytes.failed;
    words_fini(&words);
}

void
tag_values_write_llm(const struct tag_answer *a, struct buf *out)
{
    struct json_writer w;
    struct words words;
    value_words(a, &words);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SL("tagValues"));
    json_object_begin(&w);
    for (size_t i = 0; i < words.n;) { /* values stand by type */
        slice type = words.v[i].type;
        json_key(&w, type);
        json_array_begin(&w);
        for (; i < words.n && slice_eq(words.v[i].type, type); i++) {
            json_string(&w, words.v[i].text);
        }
        json_array_end(&w);
    }
    json_object_end(&w);
    json_key(&w, SL("metrics"));
    json_object_begin(&w);
    if (a->result->stats.bytes) {
        json_key(&w, SL("inspectedBytes"));
        json_u64(&w, a->result->stats.bytes);
    }
    json_object_end(&w);
    json_object_end(&w);
    words_fini(&words);
}

/* --- protobuf ------------------------------------------------------------------------------------------- */

/* Messages of a stream, each with the metrics. */
struct packets {
    const struct tag_answer *a;
    size_t max;
    struct buf out;
    void (*emit)(void *ctx, struct buf *message);
    void *ctx;
};

static void
packet_send(struct packets *p)
{
    uint64_t bytes = p->a->result->stats.bytes;
    wire_put_header(&p->out, 2, bytes ? 1 + wire_varint_size(bytes) : 0);
    wire_put_u64_nz(&p->out, 1, bytes);
    p->emit(p->ctx, &p->out);
    buf_fini(&p->out);
    buf_init(&p->out, ANSWER_BYTES_MAX);
}

/* Bytes about to be put into the packet. */
static void
packet_room(struct packets *p, size_t n)
{
    if (p->max && p->out.n && p->out.n + n + 32 > p->max) {
        packet_send(p);
    }
}

/* The tags of one scope, in as many messages as they take: the name of the scope is said again. */
static void
pb_scope(struct packets *p, slice name, const slice *tags, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t bytes = name.n + 8;
        size_t end = i;
        while (end < n) {
            size_t more = (tags ? tags[end].n : strlen(intrinsics[end])) + 8;
            if (end > i && p->max && bytes + more > p->max / 2) {
                break;
            }
            bytes += more;
            end++;
        }
        struct buf body;
        buf_init(&body, ANSWER_BYTES_MAX);
        wire_put_bytes(&body, 1, name);
        for (; i < end; i++) {
            wire_put_bytes(&body, 2, tags ? tags[i] : slice_cstr(intrinsics[i]));
        }
        packet_room(p, body.n);
        wire_put_bytes(&p->out, 1, buf_slice(&body));
        buf_fini(&body);
    }
}

void
tag_names_write_pb(const struct tag_answer *a, size_t packet, void (*emit)(void *ctx, struct buf *message),
                   void *ctx)
{
    struct packets p = {.a = a, .max = packet, .emit = emit, .ctx = ctx};
    buf_init(&p.out, ANSWER_BYTES_MAX);
    if (a->form == TAGS_V1) {
        struct words words;
        merged_names(a, &words);
        for (size_t i = 0; i < words.n; i++) {
            packet_room(&p, words.v[i].text.n);
            wire_put_bytes(&p.out, 1, words.v[i].text);
        }
        words_fini(&words);
    } else {
        for (int i = 0; i < TAG_SCOPE_COUNT; i++) {
            pb_scope(&p, slice_cstr(scope_names[i]), a->result->names[i], a->result->name_counts[i]);
        }
        if (a->with_intrinsic) {
            pb_scope(&p, SL("intrinsic"), NULL, INTRINSIC_COUNT);
        }
    }
    packet_send(&p);
    buf_fini(&p.out);
}

void
tag_values_write_pb(const struct tag_answer *a, size_t packet, void (*emit)(void *ctx, struct buf *message),
                    void *ctx)
{
    struct packets p = {.a = a, .max = packet, .emit = emit, .ctx = ctx};
    struct words words;
    value_words(a, &words);
    buf_init(&p.out, ANSWER_BYTES_MAX);
    for (size_t i = 0; i < words.n; i++) {
        const struct word *v = &words.v[i];
        packet_room(&p, v->text.n + v->type.n);
        if (a->form == TAGS_V1) {
            wire_put_bytes(&p.out, 1, v->text);
            continue;
        }
        struct buf body;
        buf_init(&body, ANSWER_BYTES_MAX);
        wire_put_bytes(&body, 1, v->type);
        wire_put_bytes_nz(&body, 2, v->text);
        wire_put_bytes(&p.out, 1, buf_slice(&body));
        buf_fini(&body);
    }
    packet_send(&p);
    buf_fini(&p.out);
    words_fini(&words);
}
