/* Resources and scopes of rows: each that is different is decoded once, and kept for the row groups to come.
 */
#include "columns_priv.h"

#include "vivace/base/mem.h"
#include "vivace/codec/otlp.h"
#include "vivace/codec/wire.h"

#define CONTEXT_BYTES_MAX ((size_t)32 << 20) /* kept from row group to row group */

struct context_list {
    bool scopes;
    struct span_batch batch; /* one resource (or scope) each, in the order they were seen */
    struct str_table known;  /* message -> its place in `places` */
    uint32_t count;
    /* of the row group; NULL: not looked at */
    const uint32_t *codes;  /* by row: an entry + 1, never 0 */
    const uint32_t *of_row; /* by row: its context */
    /* Entries are those of the column's dictionary; without one they are the contexts. */
    const uint32_t *of_entry; /* the context of each; NULL: it is its number */
    size_t entries;
};

struct context_list *
context_list_create(bool scopes)
{
    struct context_list *l = mem_new(struct context_list);
    l->scopes = scopes;
    span_batch_init(&l->batch, GROUP_BYTES_MAX);
    str_table_init(&l->known);
    return l;
}

static void
forget(struct context_list *l)
{
    str_table_fini(&l->known);
    str_table_init(&l->known);
    span_batch_reset(&l->batch);
    l->count = 0;
}

void
context_list_destroy(struct context_list *l)
{
    str_table_fini(&l->known);
    span_batch_fini(&l->batch);
    mem_free(l);
}

void
context_list_open(struct context_list *l)
{
    l->of_entry = l->codes = l->of_row = NULL;
    if (l->batch.arena.bytes > CONTEXT_BYTES_MAX) {
        forget(l);
    }
}

size_t
context_list_bytes(const struct context_list *l)
{
    return 2 * l->batch.arena.bytes; /* the table's keys are the same bytes again */
}

static size_t
field_bytes(size_t n)
{
    return 1 + wire_varint_size(n) + n;
}

/* Decode a message: the request it came from without its spans. */
static err
decode(struct group_scan *s, struct context_list *l, slice message, struct fault *f)
{
    const size_t spans = l->batch.span_count;
    const size_t inner = l->scopes ? field_bytes(message.n) : message.n + field_bytes(0);
    struct fault why = {0};
    struct buf body;
    buf_init(&body, field_bytes(inner));
    wire_put_header(&body, 1, inner);
    if (!l->scopes) {
        buf_append_slice(&body, message);
    }
    wire_put_bytes(&body, 2, l->scopes ? message : SL_EMPTY);
    slice mine = arena_copy(&l->batch.arena, buf_slice(&body));
    buf_fini(&body);
    if (mine.p == NULL) {
        return scan_no_memory(f);
    }
    err rc = otlp_decode(mine, &l->batch, &why);
    if (rc == ERR_LIMIT) {
        return scan_no_memory(f);
    }
    if (rc != OK || l->batch.span_count != spans || l->batch.resource_count != l->count + 1 ||
        l->batch.scope_count != l->count + 1) {
        return scan_corrupt(s, "resource_raw or scope_raw holds something else", f);
    }
    l->count++;
    return OK;
}

/* The place of a message + 1, kept in the table as a pointer into an array that nobody reads. */
static err
place_of(struct group_scan *s, struct context_list *l, slice message, struct fault *f, uint32_t *ret)
{
    uintptr_t at = (uintptr_t)str_table_get(&l->known, message);
    err rc = OK;
    if (at == 0) {
        TRY(decode(s, l, message, f));
        at = l->count;
        (void)str_table_put(&l->known, message, (void *)at); // NOLINT(performance-no-int-to-ptr): a number
    }
    *ret = (uint32_t)(at - 1);
out:
    return rc;
}

/* Which context each value has. */
static err
look(struct group_scan *s, struct context_list *l, struct fault *f)
{
    const struct raw_column *raw = NULL;
    err rc = OK;
    if (l->codes) {
        return OK;
    }
    TRY(raw_fixed(s, l->scopes ? BLOCK_SCOPE_RAW : BLOCK_RESOURCE_RAW, f, &raw));
    uint32_t *of_value = scan_alloc(s, raw->values.count + 1, sizeof *of_value);
    uint32_t *codes = scan_alloc(s, s->rows + 1, sizeof *codes);
    if (!of_value || !codes) {
        return scan_no_memory(f);
    }
    if (raw->value_count != s->rows) {
        return scan_corrupt(s, "columns have different numbers of rows", f);
    }
    for (size_t i = 0; i < raw->values.count; i++) {
        const slice message = raw->values.bytes[i];
        if (i && slice_eq(message, raw->values.bytes[i - 1])) {
            of_value[i] = of_value[i - 1];
        } else {
            TRY(place_of(s, l, message, f, &of_value[i]));
        }
        TRY(scan_tick(s, f));
    }
    codes_plus_one(raw->codes ? raw->codes : of_value, s->rows, codes);
    l->of_entry = raw->codes ? of_value : NULL;
    l->entries = raw->codes ? raw->values.count : l->count;
    l->codes = codes;
    rc = scan_account(s, f);
out:
    return rc;
}

err
context_look(struct group_scan *s, struct context_list *l, struct fault *f, struct context_view *ret)
{
    err rc = OK;
    TRY(look(s, l, f));
    if (l->of_row == NULL) {
        uint32_t *of_row = scan_alloc(s, s->rows + 1, sizeof *of_row);
        if (of_row == NULL) {
            return scan_no_memory(f);
        }
        for (size_t i = 0; i < s->rows; i++) {
            of_row[i] = l->of_entry ? l->of_entry[l->codes[i] - 1] : l->codes[i] - 1;
        }
        l->of_row = of_row;
    }
    *ret = (struct context_view){&l->batch, l->of_row, l->count};
out:
    return rc;
}

err
context_entries(struct group_scan *s, struct context_list *l, struct fault *f, struct context_entries *ret)
{
    err rc = look(s, l, f);
    *ret = (struct context_entries){&l->batch, l->codes, l->of_entry, l->entries};
    return rc;
}

err
context_seen(struct group_scan *s, struct context_list *l, const uint64_t *rows, struct fault *f,
             struct context_view *ret, uint8_t **ret_seen)
{
    err rc = OK;
    TRY(look(s, l, f));
    uint8_t *codes = scan_alloc(s, l->entries + 1, 1);
    uint8_t *seen = scan_alloc(s, l->count + (size_t)1, 1);
    if (!codes || !seen) {
        return scan_no_memory(f);
    }
    memset(codes, 0, l->entries + 1);
    memset(seen, 0, l->count + (size_t)1);
    mask_see(rows, s->rows, l->codes, codes);
    for (size_t i = 0; i < l->entries; i++) {
        seen[l->of_entry ? l->of_entry[i] : i] |= codes[i + 1];
    }
    *ret = (struct context_view){&l->batch, NULL, l->count};
    *ret_seen = seen;
out:
    return rc;
}

/* A vector from the values of the contexts. */
static err
spread(struct group_scan *s, const struct context_list *l, const struct tql_static *by_context,
       struct fault *f, struct slot_vector *ret)
{
    struct tql_static *dict = scan_alloc(s, l->entries + 1, sizeof *dict);
    if (dict == NULL) {
        return scan_no_memory(f);
    }
    dict[0] = TQL_STATIC_NIL;
    for (size_t i = 0; i < l->entries; i++) {
        dict[i + 1] = by_context[l->of_entry ? l->of_entry[i] : i];
    }
    *ret = (struct slot_vector){.form = VECTOR_CODED,
                                .count = s->rows,
                                .codes = l->codes,
                                .dict = dict,
                                .dict_count = (uint32_t)l->entries + 1};
    return OK;
}

/* The values of attribute `key`, by context. */
static err
attr_values(struct group_scan *s, const struct context_list *l, slice key, struct fault *f,
            struct tql_static **ret)
{
    struct value_source values = {.batch = &l->batch, .arena = &s->priv->arena};
    struct tql_static *value = scan_alloc(s, l->count + (size_t)1, sizeof *value);
    if (value == NULL) {
        return scan_no_memory(f);
    }
    for (uint32_t i = 0; i < l->count; i++) {
        const struct run run = l->scopes ? l->batch.scopes[i].attrs : l->batch.resources[i].attrs;
        const struct attr *a = attrs_find(&l->batch, run, key);
        value[i] = TQL_STATIC_NIL;
        if (a) {
            value_of_attr(&values, a, &value[i]);
        }
    }
    *ret = value;
    return values.failed ? scan_no_memory(f) : OK;
}

/* --- a column instead of the messages --------------------------------------------------------------------
 */

static enum block_scope
scope_of(const struct context_list *l)
{
    return l->scopes ? BLOCK_INSTRUMENTATION : BLOCK_RESOURCE;
}

/* Have all contexts of the row group the attribute, and all of one kind? They were looked at. Then that
 * kind's column, which has the first of the kind, is all there is to know. */
static void
learn_column(struct group_scan *s, const struct context_list *l, slice key, const uint8_t *mine)
{
    uint8_t kind = VALUE_NONE;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct run run = l->scopes ? l->batch.scopes[i].attrs : l->batch.resources[i].attrs;
        const struct attr *a = attrs_find(&l->batch, run, key);
        if (mine[i] && (a == NULL || (kind != VALUE_NONE && a->kind != kind))) {
            return;
        }
        kind = mine[i] ? a->kind : kind;
    }
    if (kind >= VALUE_STRING && kind <= VALUE_BOOL) {
        const struct block_attr_column *c =
            block_schema_attr(s->priv->schema, scope_of(l), (enum value_kind)kind, key);
        if (c) {
            block_reader_learn_first(s->reader, s->row_group, c);
        }
    }
}

/* The column that is known to hold the attribute, when it is much smaller than the messages; or NULL. */
static const struct block_attr_column *
known_column(struct group_scan *s, const struct context_list *l, slice key)
{
    static const enum value_kind kinds[] = {VALUE_STRING, VALUE_INT, VALUE_DOUBLE, VALUE_BOOL};
    const struct parquet_meta *m = s->priv->file.meta;
    const int32_t raw = s->priv->schema->column[l->scopes ? BLOCK_SCOPE_RAW : BLOCK_RESOURCE_RAW];
    const uint64_t bytes = parquet_meta_chunk(m, s->row_group, (size_t)raw)->uncompressed_bytes;
    for (size_t i = 0; l->codes == NULL && i < sizeof kinds / sizeof *kinds; i++) {
        const struct block_attr_column *c = block_schema_attr(s->priv->schema, scope_of(l), kinds[i], key);
        if (c && block_reader_holds_first(s->reader, s->row_group, c) &&
            parquet_meta_chunk(m, s->row_group, (size_t)c->column)->uncompressed_bytes <= bytes / 2) {
            return c;
        }
    }
    return NULL;
}

/* Which of the contexts kept the rows have. */
static err
mark_used(struct group_scan *s, const struct context_list *l, const uint32_t *of_value, size_t n,
          struct fault *f, uint8_t **ret)
{
    uint8_t *mine = scan_alloc(s, l->count + (size_t)1, 1);
    if (mine == NULL) {
        return scan_no_memory(f);
    }
    memset(mine, 0, l->count + (size_t)1);
    for (size_t i = 0; i < n; i++) {
        mine[of_value ? of_value[i] : i] = 1;
    }
    *ret = mine;
    return OK;
}

err
context_attr(struct group_scan *s, struct context_list *l, slice key, struct fault *f,
             struct slot_vector *ret)
{
    const struct block_attr_column *c = known_column(s, l, key);
    struct tql_static *value = NULL;
    struct raw_column raw;
    uint8_t *mine = NULL;
    err rc = OK;
    if (c) {
        TRY(raw_load(s, c->column, f, &raw));
        return raw_vector(s, &raw, OWNER_ROW, s->rows, TQL_INT, f, ret);
    }
    TRY(look(s, l, f));
    TRY(attr_values(s, l, key, f, &value));
    TRY(mark_used(s, l, l->of_entry, l->entries, f, &mine));
    learn_column(s, l, key, mine);
    rc = spread(s, l, value, f, ret);
out:
    return rc;
}

/* Which of the contexts kept are of this row group: a byte each. */
static err
mark_mine(struct group_scan *s, struct context_list *l, struct fault *f, uint8_t **ret)
{
    struct parquet_values d;
    const int32_t leaf = s->priv->schema->column[l->scopes ? BLOCK_SCOPE_RAW : BLOCK_RESOURCE_RAW];
    err rc = OK;
    TRY(raw_dictionary(s, leaf, f, &d));
    uint32_t *of_value = scan_alloc(s, d.count + 1, sizeof *of_value);
    if (of_value == NULL) {
        return scan_no_memory(f);
    }
    for (size_t i = 0; i < d.count; i++) {
        TRY(place_of(s, l, d.bytes[i], f, &of_value[i]));
        TRY(scan_tick(s, f));
    }
    TRY(mark_used(s, l, of_value, d.count, f, ret));
    rc = scan_account(s, f);
out:
    return rc;
}

err
context_may_hold(struct group_scan *s, struct context_list *l, slice key, const struct tql_cond *c,
                 struct fault *f, bool *ret)
{
    struct tql_static *value = NULL;
    uint8_t *mine = NULL;
    err rc = mark_mine(s, l, f, &mine);
    *ret = rc == ERR_NOT_FOUND; /* every row has its own, say */
    if (rc == OK) {
        rc = attr_values(s, l, key, f, &value);
    }
    for (uint32_t i = 0; rc == OK && i < l->count && !*ret; i++) {
        *ret = mine[i] && tql_cond_eval(c, &value[i]);
    }
    return rc == ERR_NOT_FOUND ? OK : rc;
}

err
context_text(struct group_scan *s, struct context_list *l, enum context_text what, struct fault *f,
             struct slot_vector *ret)
{
    err rc = OK;
    TRY(look(s, l, f));
    struct tql_static *value = scan_alloc(s, l->count + (size_t)1, sizeof *value);
    if (value == NULL) {
        return scan_no_memory(f);
    }
    for (uint32_t i = 0; i < l->count; i++) {
        slice text;
        if (what == CONTEXT_SERVICE) {
            const struct attr *a = attrs_find(&l->batch, l->batch.resources[i].attrs, SL("service.name"));
            text = a && a->kind == VALUE_STRING ? attr_bytes(a) : SL_EMPTY;
        } else {
            text = what == CONTEXT_SCOPE_NAME ? l->batch.scopes[i].name : l->batch.scopes[i].version;
        }
        value[i] = tql_static_string(text);
    }
    rc = spread(s, l, value, f, ret);
out:
    return rc;
}
