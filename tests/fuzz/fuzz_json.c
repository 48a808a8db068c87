/* Any text through the reader; what it accepts is written again and must read as the same events. */
#include "vivace/base/must.h"
#include "vivace/codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static enum json_event
copy(struct json_reader *r, struct json_writer *w)
{
    for (;;) {
        enum json_event e = json_next(r);
        switch (e) {
        case JSON_ERROR:
        case JSON_END:
            return e;
        case JSON_OBJECT_BEGIN:
            json_object_begin(w);
            break;
        case JSON_OBJECT_END:
            json_object_end(w);
            break;
        case JSON_ARRAY_BEGIN:
            json_array_begin(w);
            break;
        case JSON_ARRAY_END:
            json_array_end(w);
            break;
        case JSON_KEY:
            json_key(w, r->text);
            break;
        case JSON_STRING:
            json_string(w, r->text);
            break;
        case JSON_NUMBER:
            json_raw(w, r->text);
            break;
        case JSON_TRUE:
        case JSON_FALSE:
            json_bool(w, e == JSON_TRUE);
            break;
        case JSON_NULL:
            json_null(w);
            break;
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena arena;
    struct buf a, b;
    struct json_reader r;
    struct json_writer w;
    slice decoded;
    arena_init(&arena, 64 << 20);
    buf_init(&a, 64 << 20);
    buf_init(&b, 64 << 20);
    json_reader_init(&r, slice_of(p, n), &arena);
    json_writer_init(&w, &a);
    if (copy(&r, &w) == JSON_END) {
        json_reader_init(&r, buf_slice(&a), &arena);
        json_writer_init(&w, &b);
        MUST(copy(&r, &w) == JSON_END && slice_eq(buf_slice(&a), buf_slice(&b)));
        json_reader_init(&r, slice_of(p, n), &arena);
        MUST(json_skip(&r) && json_next(&r) == JSON_END);
    } else {
        MUST(r.error != NULL && r.at <= n);
    }
    if (base64_decode(slice_of(p, n), &arena, &decoded)) {
        buf_clear(&a);
        base64_encode(decoded, true, &a);
    }
    arena_fini(&arena);
    buf_fini(&a);
    buf_fini(&b);
    return 0;
}
