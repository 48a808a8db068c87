#include "vivace/block/meta.h"

#include "vivace/base/arena.h"
#include "vivace/base/mem.h"
#include "vivace/base/rng.h"
#include "vivace/codec/json.h"
#include "vivace/model/ids.h"

void
block_meta_fini(struct block_meta *m)
{
    mem_free(m->sources);
    mem_free(m->inputs);
    m->sources = NULL;
    m->source_count = 0;
    m->inputs = NULL;
    m->input_count = 0;
}

void
block_uuid_format(const block_uuid *id, char ret[BLOCK_UUID_TEXT + 1])
{
    static const uint8_t groups[] = {4, 2, 2, 2, 6};
    size_t at = 0, byte = 0;
    for (size_t g = 0; g < sizeof groups; g++) {
        hex_encode(id->b + byte, groups[g], ret + at);
        byte += groups[g];
        at += groups[g] * 2U;
        ret[at++] = '-';
    }
    ret[BLOCK_UUID_TEXT] = 0;
}

bool
block_uuid_parse(slice text, block_uuid *ret)
{
    static const uint8_t groups[] = {4, 2, 2, 2, 6};
    block_uuid id;
    size_t at = 0, byte = 0;
    if (text.n != BLOCK_UUID_TEXT) {
        return false;
    }
    for (size_t g = 0; g < sizeof groups; g++) {
        if (!hex_decode(slice_sub(text, at, groups[g] * 2U), id.b + byte, groups[g])) {
            return false;
        }
        byte += groups[g];
        at += groups[g] * 2U;
        if (at < text.n && text.p[at++] != '-') {
            return false;
        }
    }
    *ret = id;
    return true;
}

block_uuid
block_uuid_new(void)
{
    char text[37];
    block_uuid id = {{0}};
    rng_uuid4(text);
    (void)block_uuid_parse(slice_cstr(text), &id);
    return id;
}

/* --- writing ----------------------------------------------------------------------------------------------
 */

static void
put_uuid(struct json_writer *w, slice key, const block_uuid *id)
{
    char text[BLOCK_UUID_TEXT + 1];
    block_uuid_format(id, text);
    json_key(w, key);
    json_string(w, slice_cstr(text));
}

static void
put_u64(struct json_writer *w, slice key, uint64_t v)
{
    json_key(w, key);
    json_u64_string(w, v);
}

err
block_meta_write(const struct block_meta *m, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SL("version"));
    json_string(&w, SL(BLOCK_VERSION));
    put_uuid(&w, SL("blockID"), &m->id);
    json_key(&w, SL("tenantID"));
    json_string(&w, slice_cstr(m->tenant));
    put_u64(&w, SL("spans"), m->spans);
    put_u64(&w, SL("traces"), m->traces);
    put_u64(&w, SL("startTimeUnixNano"), m->min_start_ns);
    put_u64(&w, SL("endTimeUnixNano"), m->max_end_ns);
    put_u64(&w, SL("size"), m->bytes);
    json_key(&w, SL("level"));
    json_u64(&w, m->level);
    put_u64(&w, SL("createdUnixNano"), (uint64_t)m->created_ns);
    json_key(&w, SL("sources"));
    json_array_begin(&w);
    for (uint32_t i = 0; i < m->source_count; i++) {
        json_object_begin(&w);
        put_uuid(&w, SL("segment"), &m->sources[i].segment);
        put_u64(&w, SL("from"), m->sources[i].from);
        put_u64(&w, SL("to"), m->sources[i].to);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_key(&w, SL("inputs"));
    json_array_begin(&w);
    for (uint32_t i = 0; i < m->input_count; i++) {
        char text[BLOCK_UUID_TEXT + 1];
        block_uuid_format(&m->inputs[i], text);
        json_string(&w, slice_cstr(text));
    }
    json_array_end(&w);
    json_object_end(&w);
    return out->failed ? ERR_LIMIT : OK;
}

/* --- reading ----------------------------------------------------------------------------------------------
 */

struct meta_reader {
    struct json_reader json;
    struct block_meta *m;
    struct arena arena;
    size_t source_cap;
    bool version_ok, has_version;
    unsigned seen; /* bit per member of `members` */
};

static bool
read_u64(struct meta_reader *r, uint64_t *ret)
{
    enum json_event e = json_next(&r->json);
    return (e == JSON_STRING || e == JSON_NUMBER) && slice_to_u64(r->json.text, ret);
}

static bool
read_uuid(struct meta_reader *r, block_uuid *ret)
{
    return json_next(&r->json) == JSON_STRING && block_uuid_parse(r->json.text, ret);
}

static bool
read_source(struct meta_reader *r, struct block_source *s)
{
    enum json_event e;
    unsigned seen = 0;
    while ((e = json_next(&r->json)) == JSON_KEY) {
        bool good = true;
        if (slice_eq(r->json.text, SL("segment"))) {
            good = read_uuid(r, &s->segment);
            seen |= 1;
        } else if (slice_eq(r->json.text, SL("from"))) {
            good = read_u64(r, &s->from);
            seen |= 2;
        } else if (slice_eq(r->json.text, SL("to"))) {
            good = read_u64(r, &s->to);
            seen |= 4;
        } else {
            good = json_skip(&r->json);
        }
        if (!good) {
            return false;
        }
    }
    return e == JSON_OBJECT_END && seen == 7;
}

static bool
read_sources(struct meta_reader *r)
{
    enum json_event e = json_next(&r->json);
    struct block_meta *m = r->m;
    if (e != JSON_ARRAY_BEGIN) {
        return false;
    }
    while ((e = json_next(&r->json)) == JSON_OBJECT_BEGIN) {
        if (m->source_count == BLOCK_SOURCES_MAX) {
            return false;
        }
        if (m->source_count == r->source_cap) {
            r->source_cap = r->source_cap ? r->source_cap * 2 : 4;
            m->sources = mem_realloc(m->sources, r->source_cap, sizeof *m->sources);
        }
        m->sources[m->source_count] = (struct block_source){0};
        if (!read_source(r, &m->sources[m->source_count])) {
            return false;
        }
        m->source_count++;
    }
    return e == JSON_ARRAY_END;
}

static bool
read_inputs(struct meta_reader *r)
{
    enum json_event e = json_next(&r->json);
    struct block_meta *m = r->m;
    size_t cap = 0;
    if (e != JSON_ARRAY_BEGIN) {
        return false;
    }
    while ((e = json_next(&r->json)) == JSON_STRING) {
        if (m->input_count == BLOCK_INPUTS_MAX) {
            return false;
        }
        if (m->input_count == cap) {
            cap = cap ? cap * 2 : 4;
            m->inputs = mem_realloc(m->inputs, cap, sizeof *m->inputs);
        }
        if (!block_uuid_parse(r->json.text, &m->inputs[m->input_count])) {
            return false;
        }
        m->input_count++;
    }
    return e == JSON_ARRAY_END;
}

enum member {
    VERSION,
    ID,
    TENANT,
    SPANS,
    TRACES,
    START,
    END,
    SIZE,
    LEVEL,
    CREATED,
    SOURCES,
    INPUTS,
    MEMBER_COUNT
};

static const char *const members[MEMBER_COUNT] = {
    [VERSION] = "version",     [ID] = "blockID",
    [TENANT] = "tenantID",     [SPANS] = "spans",
    [TRACES] = "traces",       [START] = "startTimeUnixNano",
    [END] = "endTimeUnixNano", [SIZE] = "size",
    [LEVEL] = "level",         [CREATED] = "createdUnixNano",
    [SOURCES] = "sources",     [INPUTS] = "inputs",
};

static bool
read_tenant(struct meta_reader *r)
{
    if (json_next(&r->json) != JSON_STRING || r->json.text.n == 0 || r->json.text.n > BLOCK_TENANT_MAX) {
        return false;
    }
    memcpy(r->m->tenant, r->json.text.p, r->json.text.n);
    r->m->tenant[r->json.text.n] = 0;
    return true;
}

static bool
read_member(struct meta_reader *r, enum member which)
{
    struct block_meta *m = r->m;
    uint64_t v = 0;
    r->seen |= 1U << which;
    switch (which) {
    case VERSION:
        r->has_version = json_next(&r->json) == JSON_STRING;
        r->version_ok = r->has_version && slice_eq(r->json.text, SL(BLOCK_VERSION));
        return r->has_version;
    case ID:
        return read_uuid(r, &m->id);
    case TENANT:
        return read_tenant(r);
    case SPANS:
        return read_u64(r, &m->spans);
    case TRACES:
        return read_u64(r, &m->traces);
    case START:
        return read_u64(r, &m->min_start_ns);
    case END:
        return read_u64(r, &m->max_end_ns);
    case SIZE:
        return read_u64(r, &m->bytes);
    case LEVEL:
        if (!read_u64(r, &v) || v > UINT32_MAX) {
            return false;
        }
        m->level = (uint32_t)v;
        return true;
    case CREATED:
        if (!read_u64(r, &v)) {
            return false;
        }
        m->created_ns = (int64_t)v;
        return true;
    case SOURCES:
        return m->source_count == 0 && read_sources(r);
    case INPUTS:
        return m->inputs == NULL && read_inputs(r);
    case MEMBER_COUNT:
        break;
    }
    return json_skip(&r->json);
}

static bool
read_object(struct meta_reader *r)
{
    enum json_event e = json_next(&r->json);
    if (e != JSON_OBJECT_BEGIN) {
        return false;
    }
    while ((e = json_next(&r->json)) == JSON_KEY) {
        int which = 0;
        while (which < MEMBER_COUNT && !slice_eq(r->json.text, slice_cstr(members[which]))) {
            which++;
        }
        if (!read_member(r, (enum member)which)) {
            return false;
        }
    }
    return e == JSON_OBJECT_END && json_next(&r->json) == JSON_END;
}

err
block_meta_read(slice json, struct fault *f, struct block_meta *ret)
{
    struct block_meta m = {.source_count = 0};
    struct meta_reader r = {.m = &m};
    err rc = OK;
    arena_init(&r.arena, BLOCK_META_MAX);
    json_reader_init(&r.json, json, &r.arena);
    bool good = read_object(&r);
    if (r.has_version && !r.version_ok) {
        rc = FAULT(f, ERR_UNSUPPORTED, "meta.json is of another version than " BLOCK_VERSION);
    } else if (!good) {
        rc = FAULT(f, ERR_CORRUPT, "meta.json is malformed near offset %zu", r.json.at);
    } else if (r.seen != (1U << MEMBER_COUNT) - 1) {
        rc = FAULT(f, ERR_CORRUPT, "meta.json lacks a member");
    }
    arena_fini(&r.arena);
    if (rc != OK) {
        block_meta_fini(&m);
        return rc;
    }
    *ret = m;
    return OK;
}
