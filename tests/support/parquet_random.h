/* Random Parquet files from a seed, with the rows they must read back as: schemas of nested lists, maps and
 * structs, optional at every level, every type and encoding the writer has. Used by the unit tests and by
 * tests/tools/parquet.c, which gives them to other readers. */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/base/buf.h"
#include "vivace/base/must.h"
#include "vivace/base/rng.h"
#include "vivace/parquet/writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define RANDOM_FILE_MAX ((size_t)64 << 20)

struct random_file {
    struct buf bytes; /* the file */
    struct buf rows;  /* JSON, one line per row */
    size_t row_count;
    struct parquet_schema *schema;
};

/* One column of the row group being made. */
struct random_column {
    struct buf def, rep, values; /* values typed as in struct parquet_values */
    size_t value_count;
    int profile;  /* few values, any, rising, the same */
    int64_t last; /* of a rising one */
};

struct random_maker {
    struct rng rng;
    struct arena arena;
    struct random_file *file;
    struct random_column *columns;
    struct parquet_column_options *options;
    bool standard; /* only what every reader takes: no bare repeated fields */
    int nodes;
};

static slice
random_name(struct random_maker *m, const char *prefix)
{
    char name[32];
    int n = snprintf(name, sizeof name, "%s%d", prefix, m->nodes++);
    return arena_copy(&m->arena, slice_of(name, (size_t)n));
}

static struct parquet_field
random_leaf(struct random_maker *m, slice name, bool optional)
{
    struct parquet_field fl = {.name = name, .repetition = optional ? PARQUET_OPTIONAL : PARQUET_REQUIRED};
    static const uint8_t bits[] = {8, 16, 32};
    switch (rng_below(&m->rng, 9)) {
    case 0:
        fl.type = PARQUET_BOOLEAN;
        break;
    case 1:
        fl.type = PARQUET_INT32;
        if (rng_below(&m->rng, 2)) {
            fl.logical = (struct parquet_logical){.kind = PARQUET_INTEGER,
                                                  .bits = bits[rng_below(&m->rng, 3)],
                                                  .is_signed = rng_below(&m->rng, 2)};
        }
        break;
    case 2:
        fl.type = PARQUET_INT64;
        if (rng_below(&m->rng, 3) == 0) {
            fl.logical = (struct parquet_logical){.kind = PARQUET_INTEGER, .bits = 64, .is_signed = false};
        }
        break;
    case 3:
        fl.type = PARQUET_FLOAT;
        break;
    case 4:
        fl.type = PARQUET_DOUBLE;
        break;
    case 5:
        fl.type = PARQUET_FIXED;
        fl.type_length = 1 + (int32_t)rng_below(&m->rng, 20);
        break;
    case 6:
        fl.type = PARQUET_BYTE_ARRAY;
        break;
    default:
        fl.type = PARQUET_BYTE_ARRAY;
        fl.logical.kind = PARQUET_STRING;
        break;
    }
    return fl;
}

/* A field below `parent`: recursion is bounded by `depth`. */
static void
random_field(struct random_maker *m, int32_t parent, slice name, int depth) // NOLINT(misc-no-recursion)
{
    struct parquet_schema *s = m->file->schema;
    bool optional = rng_below(&m->rng, 3) > 0;
    int32_t inner = 0;
    uint64_t kind = depth >= 3 ? 0 : rng_below(&m->rng, 10);
    if (kind == 7) {
        MUST(parquet_schema_add_list(s, parent, name, optional, &inner) == OK);
        random_field(m, inner, SL("element"), depth + 1);
    } else if (kind == 8) {
        struct parquet_field key = {
            .name = SL("key"), .type = PARQUET_BYTE_ARRAY, .logical = {.kind = PARQUET_STRING}};
        MUST(parquet_schema_add_map(s, parent, name, optional, &inner) == OK);
        MUST(parquet_schema_add(s, inner, &key, NULL, NULL) == OK);
        random_field(m, inner, SL("value"), depth + 1);
    } else if (kind == 9 || (kind == 6 && !m->standard)) {
        struct parquet_field group = {.name = name,
                                      .group = true,
                                      .repetition = kind == 6  ? PARQUET_REPEATED
                                                    : optional ? PARQUET_OPTIONAL
                                                               : PARQUET_REQUIRED};
        MUST(parquet_schema_add(s, parent, &group, NULL, &inner) == OK);
        for (uint64_t i = 0, n = 1 + rng_below(&m->rng, 3); i < n; i++) {
            random_field(m, inner, random_name(m, "f"), depth + 1);
        }
    } else {
        struct parquet_field leaf = random_leaf(m, name, optional);
        if (kind == 5 && !m->standard) {
            leaf.repetition = PARQUET_REPEATED;
        }
        MUST(parquet_schema_add(s, parent, &leaf, NULL, NULL) == OK);
    }
}

/* A whole number as the column's profile likes it. */
static int64_t
random_int(struct random_maker *m, struct random_column *c)
{
    static const int64_t edges[] = {0, 1, -1, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 255, 256, -129};
    switch (c->profile) {
    case 0:
        return (int64_t)rng_below(&m->rng, 7) - 3;
    case 1:
        return rng_below(&m->rng, 4) ? (int64_t)rng_next(&m->rng) : edges[rng_below(&m->rng, 10)];
    case 2:
        return c->last += (int64_t)rng_below(&m->rng, 1000);
    default:
        return 42;
    }
}

static slice
random_bytes(struct random_maker *m, struct random_column *c, bool text)
{
    static const char *const words[] = {"", "GET", "checkout", "/api/v1/traces", "caf\xc3\xa9", "a\"b\\c\n"};
    uint8_t tmp[600];
    size_t n = 0;
    if (text && c->profile == 0) {
        return slice_cstr(words[rng_below(&m->rng, 6)]);
    }
    if (text && c->profile == 2) {
        n = (size_t)snprintf((char *)tmp, sizeof tmp, "service-%08lld", (long long)random_int(m, c));
    } else {
        n = rng_below(&m->rng, 20) ? rng_below(&m->rng, 20) : rng_below(&m->rng, 600);
        for (size_t i = 0; i < n; i++) {
            tmp[i] = (uint8_t)(text ? 'a' + rng_below(&m->rng, c->profile == 3 ? 2 : 26) : rng_next(&m->rng));
        }
    }
    return arena_copy(&m->arena, slice_of(n ? tmp : (const uint8_t *)"", n));
}

static void
json_hex(struct buf *out, const uint8_t *p, size_t n)
{
    buf_append_cstr(out, "\"");
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%02x", p[i]);
    }
    buf_append_cstr(out, "\"");
}

static void
json_text(struct buf *out, slice s)
{
    buf_append_cstr(out, "\"");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20) {
            buf_printf(out, "\\u%04x", s.p[i]);
        } else {
            buf_printf(out, s.p[i] == '"' || s.p[i] == '\\' ? "\\%c" : "%c", s.p[i]);
        }
    }
    buf_append_cstr(out, "\"");
}

static void
json_double(struct buf *out, double v)
{
    if (isnan(v)) {
        buf_append_cstr(out, "\"NaN\"");
    } else if (isinf(v)) {
        buf_append_cstr(out, v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else {
        buf_printf(out, "%.17g", v);
    }
}

static void
random_number(struct random_maker *m, const struct parquet_field *fl, struct random_column *c)
{
    struct buf *json = &m->file->rows;
    struct parquet_logical l = fl->logical;
    int64_t v = random_int(m, c);
    if (fl->type == PARQUET_INT64) {
        buf_append(&c->values, &v, 8);
        buf_printf(json, l.bits && !l.is_signed ? "\"%llu\"" : "\"%lld\"", (unsigned long long)v);
        return;
    }
    if (l.bits && !l.is_signed) {
        uint32_t u = l.bits == 32 ? (uint32_t)v : (uint32_t)v & ((1U << l.bits) - 1);
        buf_append(&c->values, &u, 4);
        buf_printf(json, "%u", u);
        return;
    }
    int32_t i = l.bits == 8 ? (int8_t)v : l.bits == 16 ? (int16_t)v : (int32_t)v;
    buf_append(&c->values, &i, 4);
    buf_printf(json, "%d", i);
}

static double
random_real(struct random_maker *m, struct random_column *c)
{
    static const double edges[] = {0.0, -0.0, NAN, INFINITY, -INFINITY, 1e-300, 3.5};
    return c->profile == 1 && rng_below(&m->rng, 5) == 0 ? edges[rng_below(&m->rng, 7)]
                                                         : (double)random_int(m, c) / 1024;
}

static void
random_value(struct random_maker *m, const struct parquet_node *leaf)
{
    const struct parquet_field *fl = &leaf->field;
    struct random_column *c = &m->columns[leaf->column];
    struct buf *json = &m->file->rows;
    c->value_count++;
    if (fl->type == PARQUET_BOOLEAN) {
        uint8_t b = c->profile == 3 || rng_below(&m->rng, 2);
        buf_append(&c->values, &b, 1);
        buf_append_cstr(json, b ? "true" : "false");
    } else if (fl->type == PARQUET_INT32 || fl->type == PARQUET_INT64) {
        random_number(m, fl, c);
    } else if (fl->type == PARQUET_FLOAT) {
        float v = (float)random_real(m, c);
        buf_append(&c->values, &v, 4);
        json_double(json, (double)v);
    } else if (fl->type == PARQUET_DOUBLE) {
        double v = random_real(m, c);
        buf_append(&c->values, &v, 8);
        json_double(json, v);
    } else if (fl->type == PARQUET_FIXED) {
        uint8_t b[32];
        rng_fill(&m->rng, b, sizeof b);
        for (size_t i = 0; c->profile == 0 && i < sizeof b; i++) {
            b[i] &= 1;
        }
        buf_append(&c->values, b, (size_t)fl->type_length);
        json_hex(json, b, (size_t)fl->type_length);
    } else {
        bool text = fl->logical.kind == PARQUET_STRING;
        slice s = random_bytes(m, c, text);
        buf_append(&c->values, &s, sizeof s);
        if (text) {
            json_text(json, s);
        } else {
            json_hex(json, s.p, s.n);
        }
    }
}

static void
random_absent(struct random_maker *m, const struct parquet_node *node, uint8_t rep, uint8_t def)
{
    for (int32_t i = 0; i < node->column_count; i++) {
        buf_append_byte(&m->columns[node->first_column + i].rep, rep);
        buf_append_byte(&m->columns[node->first_column + i].def, def);
    }
}

static void random_node(struct random_maker *m, int32_t n, uint8_t rep, uint8_t def);

/* One instance of a node that is there: a value or the group's children. A map's key stays unique. */
static void
random_present(struct random_maker *m, int32_t n, uint8_t rep, uint8_t def) // NOLINT(misc-no-recursion)
{
    const struct parquet_schema *s = m->file->schema;
    const struct parquet_node *node = &s->nodes[n];
    struct buf *json = &m->file->rows;
    if (!node->field.group) {
        buf_append_byte(&m->columns[node->column].rep, rep);
        buf_append_byte(&m->columns[node->column].def, def);
        random_value(m, node);
        return;
    }
    enum parquet_logical_kind around =
        node->parent < 0 ? PARQUET_LOGICAL_NONE : s->nodes[node->parent].field.logical.kind;
    bool nested = node->field.logical.kind == PARQUET_LIST || node->field.logical.kind == PARQUET_MAP;
    bool bare = nested || around == PARQUET_LIST;
    buf_append_cstr(json, bare ? "" : "{");
    for (int32_t c = n + 1; c >= 0; c = s->nodes[c].next_sibling) {
        if (!bare) {
            buf_append_cstr(json, c > n + 1 ? "," : "");
            json_text(json, s->nodes[c].field.name);
            buf_append_cstr(json, ":");
        }
        random_node(m, c, rep, def);
    }
    buf_append_cstr(json, bare ? "" : "}");
}

static void
random_node(struct random_maker *m, int32_t n, uint8_t rep, uint8_t def) // NOLINT(misc-no-recursion)
{
    const struct parquet_schema *s = m->file->schema;
    const struct parquet_node *node = &s->nodes[n];
    struct buf *json = &m->file->rows;
    bool map = node->parent >= 0 && s->nodes[node->parent].field.logical.kind == PARQUET_MAP;
    if (node->field.repetition == PARQUET_OPTIONAL && rng_below(&m->rng, 4) == 0) {
        random_absent(m, node, rep, def);
        buf_append_cstr(json, "null");
    } else if (node->field.repetition == PARQUET_REPEATED) {
        uint64_t count = rng_below(&m->rng, map && m->standard ? 2 : 4); /* keys of a map are unique */
        buf_append_cstr(json, "[");
        if (count == 0) {
            random_absent(m, node, rep, def);
        }
        for (uint64_t i = 0; i < count; i++) {
            buf_append_cstr(json, i ? "," : "");
            random_present(m, n, i ? node->max_rep : rep, node->max_def);
        }
        buf_append_cstr(json, "]");
    } else {
        random_present(m, n, rep, node->max_def);
    }
}

static enum parquet_encoding
random_encoding(struct random_maker *m, enum parquet_type type)
{
    static const uint8_t choices[PARQUET_TYPE_COUNT][3] = {
        [PARQUET_BOOLEAN] = {PARQUET_PLAIN, PARQUET_RLE, PARQUET_RLE},
        [PARQUET_INT32] = {PARQUET_PLAIN, PARQUET_DELTA_BINARY_PACKED, PARQUET_BYTE_STREAM_SPLIT},
        [PARQUET_INT64] = {PARQUET_PLAIN, PARQUET_DELTA_BINARY_PACKED, PARQUET_BYTE_STREAM_SPLIT},
        [PARQUET_FLOAT] = {PARQUET_PLAIN, PARQUET_BYTE_STREAM_SPLIT, PARQUET_BYTE_STREAM_SPLIT},
        [PARQUET_DOUBLE] = {PARQUET_PLAIN, PARQUET_BYTE_STREAM_SPLIT, PARQUET_BYTE_STREAM_SPLIT},
        [PARQUET_BYTE_ARRAY] = {PARQUET_PLAIN, PARQUET_DELTA_LENGTH_BYTE_ARRAY, PARQUET_DELTA_BYTE_ARRAY},
        [PARQUET_FIXED] = {PARQUET_PLAIN, PARQUET_BYTE_STREAM_SPLIT, PARQUET_PLAIN},
    };
    unsigned e = choices[type][rng_below(&m->rng, 3)];
    bool real = type == PARQUET_FLOAT || type == PARQUET_DOUBLE; /* DuckDB splits no other streams */
    return e == PARQUET_BYTE_STREAM_SPLIT && m->standard && !real ? PARQUET_PLAIN : (enum parquet_encoding)e;
}

static size_t
random_width(const struct parquet_node *leaf)
{
    return leaf->field.type == PARQUET_BYTE_ARRAY ? sizeof(slice)
           : leaf->field.type == PARQUET_BOOLEAN  ? 1
                                                  : parquet_value_bytes(leaf);
}

static bool
random_same(const struct parquet_node *leaf, const uint8_t *a, const uint8_t *b)
{
    return leaf->field.type == PARQUET_BYTE_ARRAY
               ? slice_eq(*(const slice *)(const void *)a, *(const slice *)(const void *)b)
               : memcmp(a, b, random_width(leaf)) == 0;
}

/* Codes for a column whose dictionary the caller gives. */
static const uint32_t *
random_codes(struct random_maker *m, struct parquet_writer *w, const struct parquet_node *leaf)
{
    struct random_column *c = &m->columns[leaf->column];
    size_t width = random_width(leaf), distinct = 0;
    uint32_t *codes = arena_alloc(&m->arena, (c->value_count + 1) * 4);
    uint8_t *dict = arena_alloc(&m->arena, (c->value_count + 1) * width);
    for (size_t i = 0; i < c->value_count; i++) {
        size_t d = 0;
        while (d < distinct && !random_same(leaf, dict + d * width, c->values.p + i * width)) {
            d++;
        }
        if (d == distinct) {
            memcpy(dict + distinct++ * width, c->values.p + i * width, width);
        }
        codes[i] = (uint32_t)d;
    }
    struct parquet_values v = {.count = distinct, .raw = dict};
    MUST(parquet_writer_add_dictionary(w, (size_t)leaf->column, &v, NULL) == OK);
    return codes;
}

/* Append the column's row group in a few batches, cut anywhere. */
static void
random_append(struct random_maker *m, struct parquet_writer *w, const struct parquet_node *leaf)
{
    struct random_column *c = &m->columns[leaf->column];
    const uint32_t *codes = NULL;
    size_t values = 0, width = random_width(leaf);
    if (m->options[leaf->column].dictionary == PARQUET_DICTIONARY_GIVEN &&
        leaf->field.type != PARQUET_BOOLEAN) {
        codes = random_codes(m, w, leaf);
    }
    for (size_t at = 0; at < c->def.n;) {
        size_t n = 1 + rng_below(&m->rng, c->def.n - at), k = 0;
        for (size_t i = 0; i < n; i++) {
            k += c->def.p[at + i] == leaf->max_def;
        }
        struct parquet_batch b = {.level_count = n,
                                  .def = c->def.p + at,
                                  .rep = c->rep.p + at,
                                  .codes = codes ? codes + values : NULL,
                                  .values = {.count = k, .raw = c->values.p + values * width}};
        if (k == n && rng_below(&m->rng, 2)) {
            b.def = NULL;
            b.def_level = leaf->max_def;
        }
        struct fault f = {0};
        if (parquet_writer_append(w, (size_t)leaf->column, &b, &f) != OK) {
            fprintf(stderr, "%s\n", f.msg);
            abort();
        }
        at += n;
        values += k;
    }
}

static err
random_sink(void *ctx, slice bytes, struct fault *f)
{
    (void)f;
    return buf_append_slice(ctx, bytes);
}

static void
random_write(struct random_maker *m)
{
    const struct parquet_schema *s = m->file->schema;
    size_t columns = (size_t)s->column_count;
    struct parquet_sink sink = {.ctx = &m->file->bytes, .append = random_sink};
    struct parquet_writer_options o = {.zstd_level = 1 + (int)rng_below(&m->rng, 3),
                                       .page_rows =
                                           rng_below(&m->rng, 3) ? 1 + (uint32_t)rng_below(&m->rng, 80) : 0,
                                       .dictionary_bytes_max = rng_below(&m->rng, 2) ? 200 : 0,
                                       .columns = m->options};
    struct parquet_writer *w = NULL;
    MUST(parquet_writer_create(s, &o, &sink, NULL, &w) == OK);
    for (uint64_t g = 0, groups = rng_below(&m->rng, 4); g < groups; g++) {
        for (uint64_t p = 0, pages = 1 + rng_below(&m->rng, 3); p < pages; p++) {
            for (uint64_t i = 0, rows = 1 + rng_below(&m->rng, 150); i < rows; i++) {
                random_present(m, 0, 0, 0);
                buf_append_cstr(&m->file->rows, "\n");
                m->file->row_count++;
            }
        }
        for (size_t i = 0; i < columns; i++) {
            random_append(m, w, parquet_schema_column(s, i));
            struct random_column *c = &m->columns[i];
            buf_clear(&c->def);
            buf_clear(&c->rep);
            buf_clear(&c->values);
            c->value_count = 0;
        }
        if (o.page_rows == 0) {
            MUST(parquet_writer_end_page(w, NULL) == OK);
        }
        MUST(parquet_writer_end_row_group(w, NULL) == OK);
    }
    MUST(parquet_writer_add_key_value(w, SL("key"), SL("value"), NULL) == OK);
    MUST(parquet_writer_finish(w, NULL) == OK);
    parquet_writer_destroy(w);
}

static inline void
random_file_make(uint64_t seed, bool standard, struct random_file *ret)
{
    struct random_maker m = {.file = ret, .standard = standard};
    *ret = (struct random_file){.schema = parquet_schema_create(SL("schema"))};
    buf_init(&ret->bytes, RANDOM_FILE_MAX);
    buf_init(&ret->rows, RANDOM_FILE_MAX);
    rng_seed(&m.rng, seed);
    arena_init(&m.arena, 0);
    for (uint64_t i = 0, n = 1 + rng_below(&m.rng, 8); i < n; i++) {
        random_field(&m, 0, random_name(&m, "c"), 0);
    }
    size_t columns = (size_t)ret->schema->column_count;
    m.columns = arena_calloc(&m.arena, columns, sizeof *m.columns);
    m.options = arena_calloc(&m.arena, columns, sizeof *m.options);
    for (size_t i = 0; i < columns; i++) {
        const struct parquet_node *leaf = parquet_schema_column(ret->schema, i);
        buf_init(&m.columns[i].def, RANDOM_FILE_MAX);
        buf_init(&m.columns[i].rep, RANDOM_FILE_MAX);
        buf_init(&m.columns[i].values, RANDOM_FILE_MAX);
        m.columns[i].profile = (int)rng_below(&m.rng, 4);
        m.options[i] = (struct parquet_column_options){
            .dictionary = (enum parquet_dictionary)rng_below(&m.rng, 3),
            .encoding = random_encoding(&m, leaf->field.type),
            .uncompressed = rng_below(&m.rng, 4) == 0,
            .no_statistics = rng_below(&m.rng, 6) == 0,
            .bloom_ndv = rng_below(&m.rng, 3) == 0 ? 100 : 0,
        };
        if (leaf->field.type == PARQUET_BOOLEAN) {
            m.options[i].bloom_ndv = 0;
        }
    }
    random_write(&m);
    for (size_t i = 0; i < columns; i++) {
        buf_fini(&m.columns[i].def);
        buf_fini(&m.columns[i].rep);
        buf_fini(&m.columns[i].values);
    }
    arena_fini(&m.arena);
}

static inline void
random_file_free(struct random_file *r)
{
    buf_fini(&r->bytes);
    buf_fini(&r->rows);
    parquet_schema_destroy(r->schema);
}
