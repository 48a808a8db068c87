/* The footer from its thrift bytes. Every list is checked against the bytes left before memory is taken,
 * all memory is the arena of the metadata. */
#include "meta_priv.h"
#include "thrift_compact.h"

#include "vivace/base/mem.h"

#define CHUNK_THRIFT_BYTES_MIN 8 /* the smallest column chunk with its required fields is larger */

const struct parquet_limits PARQUET_LIMITS_DEFAULT = {
    .footer_bytes_max = (size_t)32 << 20,
    .meta_bytes_max = (size_t)128 << 20,
    .page_bytes_max = (size_t)64 << 20,
    .column_bytes_max = (size_t)256 << 20,
    .read_bytes = (size_t)64 << 10,
};

struct meta_parser {
    struct thrift_reader t;
    struct parquet_meta *m;
    bool no_memory;
    struct fault *f;
};

static void *
take(struct meta_parser *p, size_t count, size_t size)
{
    void *mem = arena_calloc(&p->m->arena, count, size);
    if (!mem) {
        p->no_memory = true;
        thrift_fail(&p->t, "the memory limit for metadata is reached");
    }
    return mem;
}

static slice
copy_bytes(struct meta_parser *p, slice s)
{
    if (s.n == 0) {
        return s.p ? slice_of("", 0) : s;
    }
    slice c = arena_copy(&p->m->arena, s);
    if (!c.p) {
        p->no_memory = true;
        thrift_fail(&p->t, "the memory limit for metadata is reached");
        return SL_EMPTY;
    }
    return c;
}

static enum parquet_time_unit
parse_unit(struct thrift_reader *t, const struct thrift_field *fl)
{
    enum parquet_time_unit unit = PARQUET_MILLIS;
    struct thrift_field u = {0};
    if (thrift_enter(t, fl)) {
        while (thrift_next(t, &u)) {
            if (u.id >= 1 && u.id <= 3) {
                unit = (enum parquet_time_unit)(u.id - 1);
            }
            thrift_skip(t, &u);
        }
    }
    return unit;
}

/* The struct inside LogicalType's union member `kind`. */
static void
parse_logical_body(struct thrift_reader *t, const struct thrift_field *fl, struct parquet_logical *ret)
{
    struct thrift_field b = {0};
    if (!thrift_enter(t, fl)) {
        return;
    }
    while (thrift_next(t, &b)) {
        if (ret->kind == PARQUET_DECIMAL && b.id == 1) {
            ret->scale = (int32_t)thrift_int(t, &b);
        } else if (ret->kind == PARQUET_DECIMAL && b.id == 2) {
            ret->precision = (int32_t)thrift_int(t, &b);
        } else if ((ret->kind == PARQUET_TIME || ret->kind == PARQUET_TIMESTAMP) && b.id == 1) {
            ret->utc = thrift_bool(t, &b);
        } else if ((ret->kind == PARQUET_TIME || ret->kind == PARQUET_TIMESTAMP) && b.id == 2) {
            ret->unit = parse_unit(t, &b);
        } else if (ret->kind == PARQUET_INTEGER && b.id == 1) {
            ret->bits = (uint8_t)thrift_int(t, &b);
        } else if (ret->kind == PARQUET_INTEGER && b.id == 2) {
            ret->is_signed = thrift_bool(t, &b);
        } else {
            thrift_skip(t, &b);
        }
    }
}

static struct parquet_logical
parse_logical(struct thrift_reader *t, const struct thrift_field *fl)
{
    struct parquet_logical l = {0};
    struct thrift_field u = {0};
    if (!thrift_enter(t, fl)) {
        return l;
    }
    while (thrift_next(t, &u)) {
        l.kind = logical_from_thrift(u.id);
        parse_logical_body(t, &u, &l);
    }
    return l;
}

struct schema_element {
    struct parquet_field field;
    int32_t children;
    bool has_type;
    int64_t converted; /* -1 = none */
    int32_t scale, precision;
};

static void
parse_schema_element(struct thrift_reader *t, const struct thrift_field *elem, struct schema_element *e)
{
    struct thrift_field fl = {0};
    *e = (struct schema_element){.converted = -1};
    if (!thrift_enter(t, elem)) {
        return;
    }
    while (thrift_next(t, &fl)) {
        switch (fl.id) {
        case 1:
            e->field.type = (enum parquet_type)(thrift_int(t, &fl) & 0xff);
            e->has_type = true;
            break;
        case 2:
            e->field.type_length = (int32_t)thrift_int(t, &fl);
            break;
        case 3:
            e->field.repetition = (enum parquet_repetition)(thrift_int(t, &fl) & 0xff);
            break;
        case 4:
            e->field.name = thrift_bytes(t, &fl);
            break;
        case 5:
            e->children = (int32_t)thrift_int(t, &fl);
            break;
        case 6:
            e->converted = thrift_int(t, &fl);
            break;
        case 7:
            e->scale = (int32_t)thrift_int(t, &fl);
            break;
        case 8:
            e->precision = (int32_t)thrift_int(t, &fl);
            break;
        case 9:
            e->field.field_id = (int32_t)thrift_int(t, &fl);
            break;
        case 10:
            e->field.logical = parse_logical(t, &fl);
            break;
        default:
            thrift_skip(t, &fl);
        }
    }
    e->field.group = !e->has_type;
    if (e->field.logical.kind == PARQUET_LOGICAL_NONE && e->converted >= 0) {
        e->field.logical = logical_from_converted(e->converted, e->scale, e->precision);
    }
}

static void
parse_schema(struct meta_parser *p, const struct thrift_field *fl)
{
    struct thrift_reader *t = &p->t;
    struct thrift_field elem;
    struct schema_element e;
    int32_t parents[PARQUET_DEPTH_MAX + 2] = {0}, left[PARQUET_DEPTH_MAX + 2] = {0};
    int depth = 0;
    size_t n = thrift_list(t, fl, 4, &elem);
    if (p->m->schema) {
        thrift_fail(t, "there are two schemas");
    }
    for (size_t i = 0; i < n && !t->bad; i++) {
        parse_schema_element(t, &elem, &e);
        if (t->bad || e.children < 0) {
            thrift_fail(t, "a group has a negative number of children");
            return;
        }
        int32_t node = 0;
        if (i == 0) {
            p->m->schema = parquet_schema_create(e.field.name);
        } else {
            while (depth > 0 && left[depth - 1] == 0) {
                depth--;
            }
            if (depth == 0) {
                thrift_fail(t, "the schema has fields behind its root");
                return;
            }
            left[depth - 1]--;
            struct fault why = {0};
            if (parquet_schema_add(p->m->schema, parents[depth - 1], &e.field, &why, &node) != OK) {
                thrift_fail(t, "the schema has a field that is not valid or nested too deep");
                return;
            }
        }
        if (i == 0 || e.field.group) {
            parents[depth] = node;
            left[depth++] = e.children;
        }
    }
    while (depth > 0 && left[depth - 1] == 0) {
        depth--;
    }
    if (!p->m->schema || depth != 0) {
        thrift_fail(t, "the schema ends early");
    }
}

static void
parse_statistics(struct meta_parser *p, const struct thrift_field *fl, bool old_bounds,
                 struct parquet_chunk *c)
{
    struct thrift_reader *t = &p->t;
    struct thrift_field s = {0};
    slice min = SL_EMPTY, max = SL_EMPTY, old_min = SL_EMPTY, old_max = SL_EMPTY;
    bool min_exact = true, max_exact = true;
    if (!thrift_enter(t, fl)) {
        return;
    }
    while (thrift_next(t, &s)) {
        if (s.id == 1) {
            old_max = thrift_bytes(t, &s);
        } else if (s.id == 2) {
            old_min = thrift_bytes(t, &s);
        } else if (s.id == 3) {
            int64_t n = thrift_int(t, &s);
            c->has_null_count = n >= 0;
            c->null_count = n >= 0 ? (uint64_t)n : 0;
        } else if (s.id == 5) {
            max = thrift_bytes(t, &s);
        } else if (s.id == 6) {
            min = thrift_bytes(t, &s);
        } else if (s.id == 7) {
            max_exact = thrift_bool(t, &s);
        } else if (s.id == 8) {
            min_exact = thrift_bool(t, &s);
        } else {
            thrift_skip(t, &s);
        }
    }
    bool old = !min.p && !max.p && old_bounds;
    c->bounds.min = copy_bytes(p, old ? old_min : min);
    c->bounds.max = copy_bytes(p, old ? old_max : max);
    c->bounds.min_exact = min_exact;
    c->bounds.max_exact = max_exact;
}

static void
parse_encodings(struct thrift_reader *t, const struct thrift_field *fl, struct parquet_chunk *c)
{
    struct thrift_field elem;
    size_t n = thrift_list(t, fl, 1, &elem);
    for (size_t i = 0; i < n && !t->bad; i++) {
        int64_t e = thrift_int(t, &elem);
        if (e >= 0 && e < PARQUET_ENCODING_COUNT) {
            c->encodings |= (uint16_t)(1U << e);
        }
    }
}

static void
parse_sizes(struct thrift_reader *t, const struct thrift_field *fl, struct parquet_chunk *c)
{
    struct thrift_field s = {0};
    if (!thrift_enter(t, fl)) {
        return;
    }
    while (thrift_next(t, &s)) {
        if (s.id == 1) {
            c->byte_array_bytes = (uint64_t)thrift_int(t, &s);
        } else {
            thrift_skip(t, &s);
        }
    }
}

struct chunk_seen {
    bool type, codec, values, size, data;
    uint64_t dictionary_offset;
};

static void
parse_chunk_field(struct meta_parser *p, const struct thrift_field *fl, const struct parquet_node *leaf,
                  struct parquet_chunk *c, struct chunk_seen *seen)
{
    struct thrift_reader *t = &p->t;
    switch (fl->id) {
    case 1:
        seen->type = thrift_int(t, fl) == (int64_t)leaf->field.type;
        break;
    case 2:
        parse_encodings(t, fl, c);
        break;
    case 4: {
        int64_t codec = thrift_int(t, fl);
        c->codec = codec >= 0 && codec < PARQUET_CODEC_COUNT ? (uint8_t)codec : PARQUET_CODEC_COUNT;
        seen->codec = true;
        break;
    }
    case 5:
        c->value_count = (uint64_t)thrift_int(t, fl);
        seen->values = true;
        break;
    case 6:
        c->uncompressed_bytes = (uint64_t)thrift_int(t, fl);
        break;
    case 7:
        c->compressed_bytes = (uint64_t)thrift_int(t, fl);
        seen->size = true;
        break;
    case 9:
        c->data_page_offset = (uint64_t)thrift_int(t, fl);
        seen->data = true;
        break;
    case 11:
        seen->dictionary_offset = (uint64_t)thrift_int(t, fl);
        break;
    case 12:
        parse_statistics(p, fl,
                         parquet_order_of(leaf->field.type, leaf->field.logical) == PARQUET_ORDER_SIGNED, c);
        break;
    case 14:
        c->bloom_offset = (uint64_t)thrift_int(t, fl);
        break;
    case 15:
        c->bloom_bytes = (uint32_t)thrift_int(t, fl);
        break;
    case 16:
        parse_sizes(t, fl, c);
        break;
    default:
        thrift_skip(t, fl);
    }
}

static void
parse_chunk_meta(struct meta_parser *p, const struct thrift_field *fl, const struct parquet_node *leaf,
                 struct parquet_chunk *c)
{
    struct thrift_field m = {0};
    struct chunk_seen seen = {0};
    if (!thrift_enter(&p->t, fl)) {
        return;
    }
    while (thrift_next(&p->t, &m)) {
        parse_chunk_field(p, &m, leaf, c, &seen);
    }
    if (!seen.type || !seen.codec || !seen.values || !seen.size || !seen.data) {
        thrift_fail(&p->t, "a column chunk lacks a required field or has another type than its column");
    }
    if ((c->value_count | c->compressed_bytes | c->data_page_offset | c->uncompressed_bytes) >> 63) {
        thrift_fail(&p->t, "a column chunk has a negative size");
    }
    c->offset = c->data_page_offset;
    /* Some writers say 0 for "no dictionary"; no page can stand in the magic, and the dictionary is first. */
    if (seen.dictionary_offset >= 4 && seen.dictionary_offset < c->offset) {
        c->has_dictionary = true;
        c->offset = seen.dictionary_offset;
    }
}

static void
parse_chunk(struct meta_parser *p, const struct thrift_field *elem, const struct parquet_node *leaf,
            struct parquet_chunk *c)
{
    struct thrift_reader *t = &p->t;
    struct thrift_field fl = {0};
    bool seen = false;
    if (!thrift_enter(t, elem)) {
        return;
    }
    while (thrift_next(t, &fl)) {
        switch (fl.id) {
        case 1:
            thrift_fail(t, "a column chunk lives in another file");
            break;
        case 3:
            parse_chunk_meta(p, &fl, leaf, c);
            seen = true;
            break;
        case 4:
            c->offset_index_offset = (uint64_t)thrift_int(t, &fl);
            break;
        case 5:
            c->offset_index_bytes = (uint32_t)thrift_int(t, &fl);
            break;
        case 6:
            c->column_index_offset = (uint64_t)thrift_int(t, &fl);
            break;
        case 7:
            c->column_index_bytes = (uint32_t)thrift_int(t, &fl);
            break;
        default:
            thrift_skip(t, &fl);
        }
    }
    if (!seen) {
        thrift_fail(t, "a column chunk has no metadata (encrypted?)");
    }
}

static void
parse_sorting(struct meta_parser *p, const struct thrift_field *fl, struct parquet_row_group *rg)
{
    struct thrift_reader *t = &p->t;
    struct thrift_field elem;
    size_t n = thrift_list(t, fl, 4, &elem);
    if (n > PARQUET_SORTING_MAX) {
        thrift_fail(t, "a row group has too many sorting columns");
        return;
    }
    rg->sorting = n ? take(p, n, sizeof *rg->sorting) : NULL;
    for (size_t i = 0; i < n && !t->bad; i++) {
        struct thrift_field s = {0};
        if (!thrift_enter(t, &elem)) {
            return;
        }
        while (thrift_next(t, &s)) {
            if (s.id == 1) {
                rg->sorting[i].column = (int32_t)thrift_int(t, &s);
            } else if (s.id == 2) {
                rg->sorting[i].descending = thrift_bool(t, &s);
            } else if (s.id == 3) {
                rg->sorting[i].nulls_first = thrift_bool(t, &s);
            } else {
                thrift_skip(t, &s);
            }
        }
        if (rg->sorting[i].column < 0 || rg->sorting[i].column >= p->m->schema->column_count) {
            thrift_fail(t, "a sorting column is not in the schema");
        }
    }
    rg->sorting_count = t->bad ? 0 : (uint32_t)n;
}

static void
parse_row_group(struct meta_parser *p, const struct thrift_field *elem, struct parquet_row_group *rg)
{
    struct thrift_reader *t = &p->t;
    struct thrift_field fl = {0}, chunk;
    bool rows = false;
    if (!thrift_enter(t, elem)) {
        return;
    }
    while (thrift_next(t, &fl)) {
        if (fl.id == 1) {
            size_t n = thrift_list(t, &fl, CHUNK_THRIFT_BYTES_MIN, &chunk);
            if (rg->chunks || n != (size_t)p->m->schema->column_count) {
                thrift_fail(t, "a row group has not one chunk for each column");
            }
            if (!t->bad && n > 0) {
                rg->chunks = take(p, n, sizeof *rg->chunks);
            }
            for (size_t i = 0; i < n && !t->bad; i++) {
                parse_chunk(p, &chunk, parquet_schema_column(p->m->schema, i), &rg->chunks[i]);
            }
        } else if (fl.id == 2) {
            rg->bytes = (uint64_t)thrift_int(t, &fl);
        } else if (fl.id == 3) {
            int64_t n = thrift_int(t, &fl);
            rg->row_count = (uint64_t)n;
            rows = n >= 0;
        } else if (fl.id == 4) {
            parse_sorting(p, &fl, rg);
        } else {
            thrift_skip(t, &fl);
        }
    }
    if (!rows || (p->m->schema->column_count > 0 && !rg->chunks)) {
        thrift_fail(t, "a row group lacks its columns or row count");
    }
}

static void
parse_row_groups(struct meta_parser *p, const struct thrift_field *fl)
{
    struct thrift_field elem;
    size_t n = thrift_list(&p->t, fl, 4, &elem);
    uint64_t rows = 0;
    if (!p->m->schema || p->m->row_groups) {
        thrift_fail(&p->t, "row groups do not come once and after the schema");
        return;
    }
    p->m->row_groups = n ? take(p, n, sizeof *p->m->row_groups) : NULL;
    for (size_t i = 0; i < n && !p->t.bad; i++) {
        struct parquet_row_group *rg = &p->m->row_groups[i];
        parse_row_group(p, &elem, rg);
        rg->first_row = rows;
        if (rg->row_count > (uint64_t)INT64_MAX - rows) {
            thrift_fail(&p->t, "the row groups have too many rows");
        }
        rows += rg->row_count;
    }
    p->m->row_group_count = (uint32_t)n;
}

static void
parse_key_values(struct meta_parser *p, const struct thrift_field *fl)
{
    struct thrift_field elem;
    size_t n = thrift_list(&p->t, fl, 3, &elem);
    if (p->m->key_values) {
        thrift_fail(&p->t, "there are two lists of key-value metadata");
    }
    p->m->key_values = n && !p->t.bad ? take(p, n, sizeof *p->m->key_values) : NULL;
    for (size_t i = 0; i < n && !p->t.bad; i++) {
        struct thrift_field kv = {0};
        if (!thrift_enter(&p->t, &elem)) {
            return;
        }
        while (thrift_next(&p->t, &kv)) {
            if (kv.id == 1) {
                p->m->key_values[i].key = copy_bytes(p, thrift_bytes(&p->t, &kv));
            } else if (kv.id == 2) {
                p->m->key_values[i].value = copy_bytes(p, thrift_bytes(&p->t, &kv));
            } else {
                thrift_skip(&p->t, &kv);
            }
        }
    }
    p->m->key_value_count = p->t.bad ? 0 : (uint32_t)n;
}

static void
parse_footer(struct meta_parser *p, bool *ret_encrypted)
{
    struct thrift_field fl = {0};
    int64_t rows = -1;
    while (thrift_next(&p->t, &fl)) {
        switch (fl.id) {
        case 2:
            parse_schema(p, &fl);
            break;
        case 3:
            rows = thrift_int(&p->t, &fl);
            break;
        case 4:
            parse_row_groups(p, &fl);
            break;
        case 5:
            parse_key_values(p, &fl);
            break;
        case 6:
            p->m->created_by = copy_bytes(p, thrift_bytes(&p->t, &fl));
            break;
        case 7:
            p->m->typed_order = true;
            thrift_skip(&p->t, &fl);
            break;
        case 8:
            *ret_encrypted = true;
            thrift_skip(&p->t, &fl);
            break;
        default:
            thrift_skip(&p->t, &fl);
        }
    }
    if (!p->t.bad && (!p->m->schema || rows < 0)) {
        thrift_fail(&p->t, "the schema or the row count is missing");
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->m->row_group_count && !p->t.bad; i++) {
        sum += p->m->row_groups[i].row_count;
    }
    if (!p->t.bad && sum != (uint64_t)rows) {
        thrift_fail(&p->t, "the row groups do not add up to the row count");
    }
    p->m->row_count = sum;
}

err
parquet_meta_parse(slice footer, uint64_t file_bytes, const struct parquet_limits *limits, struct fault *f,
                   struct parquet_meta **ret)
{
    limits = limits ? limits : &PARQUET_LIMITS_DEFAULT;
    struct meta_parser p = {.m = mem_new(struct parquet_meta), .f = f};
    bool encrypted = false;
    err rc;
    arena_init(&p.m->arena, limits->meta_bytes_max);
    thrift_open(&p.t, footer);
    parse_footer(&p, &encrypted);
    if (p.no_memory) {
        rc = FAULT(f, ERR_LIMIT, "parquet footer: needs more than %zu bytes of memory",
                   limits->meta_bytes_max);
    } else if (encrypted) {
        rc = FAULT(f, ERR_UNSUPPORTED, "parquet footer: the file is encrypted");
    } else {
        rc = thrift_check(&p.t, "footer", f);
    }
    for (uint32_t i = 0; rc == OK && i < p.m->row_group_count; i++) {
        for (int32_t c = 0; rc == OK && c < p.m->schema->column_count; c++) {
            const struct parquet_chunk *ch = &p.m->row_groups[i].chunks[c];
            if (ch->offset > file_bytes || ch->compressed_bytes > file_bytes - ch->offset) {
                rc = FAULT(f, ERR_CORRUPT, "parquet footer: a column chunk lies outside the file");
            }
        }
    }
    if (rc != OK) {
        parquet_meta_destroy(p.m);
        return rc;
    }
    *ret = p.m;
    return OK;
}

err
parquet_meta_read(const struct parquet_source *source, const struct parquet_limits *limits, struct fault *f,
                  struct parquet_meta **ret)
{
    limits = limits ? limits : &PARQUET_LIMITS_DEFAULT;
    uint8_t tail[8];
    uint8_t *footer = NULL;
    err rc = OK;
    if (source->size < 12) {
        return FAULT(f, ERR_CORRUPT, "not a parquet file: %llu bytes", (unsigned long long)source->size);
    }
    TRY(source->read(source->ctx, source->size - 8, 8, tail, f));
    if (memcmp(tail + 4, "PARE", 4) == 0) {
        return FAULT(f, ERR_UNSUPPORTED, "parquet footer: the file is encrypted");
    }
    if (memcmp(tail + 4, "PAR1", 4) != 0) {
        return FAULT(f, ERR_CORRUPT, "not a parquet file: no PAR1 at its end");
    }
    uint32_t n = load_u32(tail);
    if (n > source->size - 12) {
        return FAULT(f, ERR_CORRUPT, "parquet footer: %u bytes in a file of %llu", n,
                     (unsigned long long)source->size);
    }
    if (n > limits->footer_bytes_max) {
        return FAULT(f, ERR_LIMIT, "parquet footer: %u bytes, the limit is %zu", n, limits->footer_bytes_max);
    }
    footer = mem_try_alloc(n + 1);
    if (!footer) {
        return FAULT(f, ERR_LIMIT, "parquet footer: no memory for %u bytes", n);
    }
    TRY(source->read(source->ctx, source->size - 8 - n, n, footer, f));
    TRY(parquet_meta_parse(slice_of(footer, n), source->size, limits, f, ret));
out:
    mem_free(footer);
    return rc;
}

void
parquet_meta_destroy(struct parquet_meta *m)
{
    if (m) {
        parquet_schema_destroy(m->schema);
        arena_fini(&m->arena);
        mem_free(m);
    }
}

size_t
parquet_meta_bytes(const struct parquet_meta *m)
{
    return sizeof *m + m->arena.bytes + (size_t)m->schema->node_cap * (sizeof *m->schema->nodes + 16) +
           (size_t)m->schema->column_cap * sizeof *m->schema->leaves;
}

slice
parquet_meta_get(const struct parquet_meta *m, slice key)
{
    for (uint32_t i = 0; i < m->key_value_count; i++) {
        if (slice_eq(m->key_values[i].key, key)) {
            return m->key_values[i].value;
        }
    }
    return SL_EMPTY;
}
