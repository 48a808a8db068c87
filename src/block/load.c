#include "load.h"

#include "vivace/base/mem.h"

#define ROWS_MAX   ((uint64_t)1 << 24) /* of a row group; writers stop at 65536 */
#define VALUES_MAX ((size_t)1 << 30)   /* believed of what the footer says about its bytes */

void
loader_init(struct loader *l)
{
    *l = (struct loader){0};
    id_table_init(&l->scopes, 8);
}

void
loader_fini(struct loader *l)
{
    for (size_t i = 0; i < 3; i++) {
        mem_free(l->owners[i].at);
    }
    mem_free(l->row);
    mem_free(l->trace_at);
    mem_free(l->raw);
    mem_free(l->bytes);
    mem_free(l->aims);
    mem_free(l->aimed);
    mem_free(l->cell_at);
    mem_free(l->shape_owners);
    mem_free(l->shape_lists);
    mem_free(l->items);
    mem_free(l->ids);
    id_table_fini(&l->scopes);
}

size_t
loader_bytes(const struct loader *l)
{
    size_t n = l->row_cap * (sizeof(void *) + sizeof *l->trace_at + sizeof *l->raw + sizeof *l->bytes);
    for (size_t i = 0; i < 3; i++) {
        n += l->owners[i].cap * sizeof(struct load_owner);
    }
    return n + l->item_cap * sizeof *l->items + l->aim_cap * sizeof *l->aims + l->id_cap * sizeof *l->ids +
           l->cell_cap * sizeof *l->cell_at + l->seen_cap * sizeof *l->shape_owners + l->lists_cap +
           parquet_column_bytes(l->column);
}

err
load_corrupt(struct loader *l, const char *what)
{
    return FAULT(l->f, ERR_CORRUPT, "row group %zu: %s", l->group, what);
}

struct row_more *
load_more(struct loader *l, struct row *row)
{
    if (row->more == NULL) {
        row->more = arena_new(&l->b->arena, struct row_more);
    }
    return row->more;
}

struct load_owner *
load_add_owner(struct load_owners *o)
{
    if (o->count == o->cap) {
        o->cap = o->cap ? o->cap + o->cap / 2 : 1024;
        o->at = mem_realloc(o->at, o->cap, sizeof *o->at);
    }
    return &o->at[o->count++];
}

/* --- pages ------------------------------------------------------------------------------------------------
 */

err
load_pages(struct loader *l, int32_t leaf, enum parquet_decode how, load_page_fn take)
{
    uint64_t rows = 0;
    err rc = OK;
    l->coded = false;
    l->owner = l->item = 0;
    TRY(parquet_column_open(l->column, l->file, l->group, (size_t)leaf, l->f));
    for (;;) {
        struct parquet_page page;
        struct parquet_vector v;
        rc = parquet_column_next(l->column, l->f, &page);
        if (rc == ERR_NOT_FOUND) {
            return rows == l->rows ? OK : load_corrupt(l, "columns have different numbers of rows");
        }
        TRY(rc);
        TRY(l->step ? l->step(l->step_ctx, l->f) : OK);
        TRY(parquet_column_decode(l->column, how, l->f, &v));
        if (v.page.first_row != rows || v.page.row_count > l->rows - rows ||
            (v.rep && v.page.level_count && v.rep[0] > 0)) {
            return load_corrupt(l, "a page's rows are not those of its row group");
        }
        if (v.rep == NULL && v.page.level_count != v.page.row_count) {
            return load_corrupt(l, "a page has more entries than rows");
        }
        if (v.codes && !l->coded) {
            TRY(parquet_column_dictionary(l->column, l->f, &l->dictionary));
            if (l->dictionary.count > l->id_cap) {
                l->id_cap = l->dictionary.count;
                l->ids = mem_realloc(l->ids, l->id_cap, sizeof *l->ids);
            }
            memset(l->ids, 0xff, l->dictionary.count * sizeof *l->ids);
            l->coded = true;
        }
        rows += v.page.row_count;
        TRY(take(l, &v));
    }
out:
    return rc;
}

static err
look_up(struct loader *l, slice bytes, uint32_t *ret)
{
    switch (l->use) {
    case LOAD_TEXT:
        *ret = builder_text(l->b, bytes);
        break;
    case LOAD_RAW:
        *ret = bytes.n ? intern_put(&l->b->strings, bytes) : 0;
        break;
    case LOAD_SHAPE:
        return take_shape(l->b, l->scope, bytes, l->f, ret);
    }
    return OK;
}

err
load_id(struct loader *l, const struct parquet_vector *v, size_t k, uint32_t *ret)
{
    if (v->codes == NULL) {
        return look_up(l, v->values.bytes[k], ret);
    }
    uint32_t *place = &l->ids[v->codes[k]];
    err rc = *place != UINT32_MAX ? OK : look_up(l, l->dictionary.bytes[v->codes[k]], place);
    *ret = *place;
    return rc;
}

/* --- traces -----------------------------------------------------------------------------------------------
 */

static err
parse_id(struct loader *l, slice hex, trace_id *ret)
{
    return hex_decode(hex, ret->b, sizeof ret->b) ? OK : load_corrupt(l, "a trace_id is not 32 hex digits");
}

struct placing {
    load_place_fn place;
    void *ctx;
    struct loader *l;
    trace_id last_id;
    uint32_t last; /* where it goes */
    uint64_t row;
};

static err
place_id(struct placing *p, slice hex, uint32_t *ret)
{
    trace_id id;
    err rc = parse_id(p->l, hex, &id);
    if (rc == OK && (p->row == 0 || !trace_id_eq(&id, &p->last_id))) {
        size_t at = p->place(p->ctx, &id);
        p->last = at < UINT32_MAX ? (uint32_t)at : UINT32_MAX;
        p->last_id = id;
    }
    *ret = p->last;
    return rc;
}

/* Which trace each row is of; rows are asked one run of equal ids after the other. */
static err
place_page(struct placing *p, const struct parquet_vector *v)
{
    struct loader *l = p->l;
    uint32_t code = UINT32_MAX;
    err rc = OK;
    for (size_t i = 0; i < v->page.row_count; i++, p->row++) {
        if (v->codes[i] == code) {
            l->trace_at[p->row] = p->last;
        } else {
            code = v->codes[i];
            TRY(place_id(p, l->dictionary.bytes[code], &l->trace_at[p->row]));
        }
    }
out:
    return rc;
}

static err
load_traces(struct loader *l, load_place_fn place, void *ctx)
{
    struct placing p = {.place = place, .ctx = ctx, .l = l};
    uint64_t rows = 0;
    err rc = OK;
    TRY(parquet_column_open(l->column, l->file, l->group, (size_t)l->schema->column[BLOCK_TRACE_ID], l->f));
    while (rows < l->rows) {
        struct parquet_page page;
        struct parquet_vector v;
        rc = parquet_column_next(l->column, l->f, &page);
        if (rc == ERR_NOT_FOUND || (rc == OK && page.row_count > l->rows - rows)) {
            rc = load_corrupt(l, "trace_id has another number of rows than its row group");
        }
        TRY(rc);
        TRY(parquet_column_decode(l->column, PARQUET_DECODE_CODES, l->f, &v));
        if (v.codes == NULL) { /* load_ids looked at the dictionary: an id beside it would be missed */
            return load_corrupt(l, "a trace_id does not stand in the dictionary");
        }
        TRY(parquet_column_dictionary(l->column, l->f, &l->dictionary));
        rows += page.row_count;
        TRY(place_page(&p, &v));
    }
    for (size_t i = 0; i < l->rows; i++) {
        struct load_owner *o = load_add_owner(&l->owners[BLOCK_SPAN]);
        l->row[i] = l->trace_at[i] == UINT32_MAX ? NULL : builder_new_row(l->b);
        if (l->row[i]) {
            l->row[i]->trace = l->trace_at[i];
        }
        *o = (struct load_owner){.row = (uint32_t)i, .held = l->row[i]};
        l->bytes[i] = 0;
    }
out:
    return rc;
}

err
load_ids(struct loader *l, void (*each)(void *ctx, const trace_id *id), void *ctx)
{
    struct parquet_values ids;
    err rc = OK;
    l->rows = l->file->meta->row_groups[l->group].row_count;
    TRY(parquet_column_open(l->column, l->file, l->group, (size_t)l->schema->column[BLOCK_TRACE_ID], l->f));
    rc = parquet_column_dictionary(l->column, l->f, &ids);
    if (rc == ERR_NOT_FOUND) {
        rc = load_corrupt(l, "trace_id has no dictionary");
    }
    TRY(rc);
    for (size_t i = 0; i < ids.count; i++) {
        trace_id id;
        TRY(parse_id(l, ids.bytes[i], &id));
        each(ctx, &id);
    }
out:
    return rc;
}

/* --- fixed columns ---------------------------------------------------------------------------------------
 */

#define EACH(EXPR)                                                                                           \
    for (size_t i = 0; i < n; i++) {                                                                         \
        struct row *row = rows[i];                                                                           \
        if (row) {                                                                                           \
            EXPR;                                                                                            \
        }                                                                                                    \
    }                                                                                                        \
    break;

static err
take_number(struct loader *l, const struct parquet_vector *v)
{
    struct row **rows = l->row + v->page.first_row;
    size_t n = v->page.row_count;
    const int32_t *i32 = v->values.i32;
    switch (l->fixed) {
    case BLOCK_SPAN_ID:
        EACH(memcpy(row->id.b, v->values.fixed + i * sizeof row->id, sizeof row->id))
    case BLOCK_START:
        EACH(row->start_ns = (uint64_t)v->values.i64[i])
    case BLOCK_DURATION:
        EACH(row->end_ns = (uint64_t)v->values.i64[i]) /* the start comes to it when rows are counted */
    case BLOCK_KIND:
        EACH(row->kind = i32[i])
    case BLOCK_STATUS_CODE:
        EACH(row->status = i32[i])
    case BLOCK_FLAGS:
        EACH(row->flags = (uint32_t)i32[i])
    case BLOCK_BATCH_START:
        EACH(row->batch_start = i32[i] == 0 || i32[i] == 1 ? (uint8_t)i32[i] : 2)
    case BLOCK_DROPPED_ATTRS:
        EACH(if (i32[i]) load_more(l, row)->dropped_attrs = (uint32_t)i32[i])
    case BLOCK_DROPPED_EVENTS:
        EACH(if (i32[i]) load_more(l, row)->dropped_events = (uint32_t)i32[i])
    case BLOCK_DROPPED_LINKS:
        EACH(if (i32[i]) load_more(l, row)->dropped_links = (uint32_t)i32[i])
    default:
        break;
    }
    return OK;
}

static err
take_parent(struct loader *l, const struct parquet_vector *v)
{
    size_t value = 0;
    for (size_t i = 0; i < v->page.row_count; i++) {
        struct row *row = l->row[v->page.first_row + i];
        if (v->def && v->def[i] == 0) {
            continue;
        }
        if (row) {
            memcpy(row->parent.b, v->values.fixed + value * sizeof row->parent, sizeof row->parent);
        }
        value++;
    }
    return OK;
}

static err
take_scope_of_row(struct loader *l, struct row *row, uint32_t resource, uint32_t raw)
{
    uint64_t key = (uint64_t)resource << 32 | raw, *place = id_table_put(&l->scopes, &key);
    uint32_t scope = 0;
    err rc = OK;
    if (*place == 0) {
        *place = UINT64_MAX; /* never read: an error ends the loading */
        rc = take_scope(l->b, intern_get(&l->b->strings, resource), intern_get(&l->b->strings, raw), l->f,
                        &scope);
        *place = (uint64_t)scope + 1;
    }
    row->scope = (uint32_t)*place - 1;
    return rc;
}

static err
take_text(struct loader *l, const struct parquet_vector *v)
{
    err rc = OK;
    uint32_t last_resource = UINT32_MAX, last_raw = UINT32_MAX, last_scope = 0;
    for (size_t i = 0; i < v->page.row_count && rc == OK; i++) {
        size_t at = v->page.first_row + i;
        struct row *row = l->row[at];
        uint32_t id = 0;
        if (row == NULL && l->fixed != BLOCK_ORDER) {
            continue;
        }
        TRY(load_id(l, v, i, &id));
        switch (l->fixed) {
        case BLOCK_NAME:
            row->name = id;
            load_count_bytes(l, at, 64 + l->b->strings.strings[id].n);
            break;
        case BLOCK_STATUS_MESSAGE:
        case BLOCK_TRACE_STATE:
            if (id) {
                struct row_more *more = load_more(l, row);
                *(l->fixed == BLOCK_TRACE_STATE ? &more->trace_state : &more->status_message) = id;
                load_count_bytes(l, at, l->b->strings.strings[id].n);
            }
            break;
        case BLOCK_ORDER:
            load_shape(l, &l->owners[BLOCK_SPAN].at[at], id);
            break;
        case BLOCK_RESOURCE_RAW:
            l->raw[at] = id;
            break;
        case BLOCK_SCOPE_RAW:
            if (l->raw[at] != last_resource || id != last_raw) {
                TRY(take_scope_of_row(l, row, l->raw[at], id));
                last_resource = l->raw[at];
                last_raw = id;
                last_scope = row->scope;
            }
            row->scope = last_scope;
            break;
        default:
            break;
        }
    }
out:
    return rc;
}

void
load_shape(struct loader *l, struct load_owner *o, uint32_t shape)
{
    o->shape = shape;
    if (o->held) {
        uint32_t cells = l->b->shapes[shape].cell_count;
        o->cells = cells ? builder_cells(l->b, cells) : NULL;
        load_count_bytes(l, o->row, l->b->shapes[shape].attr_count * sizeof(uint64_t));
    }
}

/* All zero, says the footer: rows begin that way. */
static bool
is_zero(const struct loader *l, enum block_column c)
{
    static const uint8_t zero[sizeof(int32_t)];
    const struct parquet_bounds *b =
        &parquet_meta_chunk(l->file->meta, l->group, (size_t)l->schema->column[c])->bounds;
    return b->min.n == sizeof zero && b->max.n == sizeof zero && memcmp(b->min.p, zero, sizeof zero) == 0 &&
           memcmp(b->max.p, zero, sizeof zero) == 0;
}

static err
load_fixed(struct loader *l)
{
    static const uint8_t numbers[] = {
        BLOCK_SPAN_ID, BLOCK_START,       BLOCK_DURATION,      BLOCK_KIND,           BLOCK_STATUS_CODE,
        BLOCK_FLAGS,   BLOCK_BATCH_START, BLOCK_DROPPED_ATTRS, BLOCK_DROPPED_EVENTS, BLOCK_DROPPED_LINKS};
    static const struct {
        uint8_t column, use;
    } texts[] = {{BLOCK_ORDER, LOAD_SHAPE},         {BLOCK_NAME, LOAD_TEXT},
                 {BLOCK_STATUS_MESSAGE, LOAD_TEXT}, {BLOCK_TRACE_STATE, LOAD_TEXT},
                 {BLOCK_RESOURCE_RAW, LOAD_RAW},    {BLOCK_SCOPE_RAW, LOAD_RAW}};
    err rc = OK;
    for (size_t i = 0; i < sizeof numbers; i++) {
        l->fixed = (enum block_column)numbers[i];
        if (column_forms[l->fixed].type != PARQUET_INT32 || !is_zero(l, l->fixed)) {
            TRY(load_pages(l, l->schema->column[l->fixed], PARQUET_DECODE_VALUES, take_number));
        }
    }
    TRY(load_pages(l, l->schema->column[BLOCK_PARENT_SPAN_ID], PARQUET_DECODE_VALUES, take_parent));
    l->scope = BLOCK_SPAN;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        l->fixed = (enum block_column)texts[i].column;
        l->use = (enum load_use)texts[i].use;
        TRY(load_pages(l, l->schema->column[l->fixed], PARQUET_DECODE_CODES, take_text));
    }
    for (size_t i = 0; i < l->rows; i++) {
        if (l->row[i]) {
            l->row[i]->shape = l->owners[BLOCK_SPAN].at[i].shape;
            l->row[i]->cells = l->owners[BLOCK_SPAN].at[i].cells;
        }
    }
out:
    return rc;
}

/* What a trace knows of its rows. */
static void
count_rows(struct loader *l)
{
    for (size_t i = 0; i < l->rows; i++) {
        struct row *row = l->row[i];
        if (row == NULL) {
            continue;
        }
        struct held_trace *t = &l->b->traces[l->trace_at[i]];
        row->end_ns += row->start_ns;
        row->bytes = l->bytes[i];
        t->rows++;
        trace_count_times(t, row->start_ns, row->end_ns);
    }
}

/* What loading the group takes: rows with their cells and what hangs on some, at most all values as strings;
 * the loader's own arrays, which stay. */
static size_t
load_need(const struct loader *l, size_t values)
{
    size_t own = l->rows * (sizeof(struct load_owner) + 24) + ((size_t)2 << 20), now = loader_bytes(l);
    return l->rows * (sizeof(struct row) + 128) + values + (now > own ? now : own) + ((size_t)1 << 20);
}

err
load_group(struct loader *l, load_place_fn place, void *ctx)
{
    const struct parquet_row_group *group = &l->file->meta->row_groups[l->group];
    struct block_builder *b = l->b;
    size_t values = group->bytes < VALUES_MAX ? (size_t)group->bytes : VALUES_MAX;
    if (group->row_count > ROWS_MAX || group->row_count > UINT32_MAX - b->row_count) {
        return load_corrupt(l, "it has more rows than a row group of a block");
    }
    err rc = OK;
    l->rows = (size_t)group->row_count;
    TRY(builder_reserve(b, block_builder_bytes(b) + load_need(l, values), l->f));
    if (l->rows > l->row_cap) {
        l->row_cap = l->rows;
        l->row = mem_realloc(l->row, l->rows, sizeof(struct row *));
        l->trace_at = mem_realloc(l->trace_at, l->rows, sizeof *l->trace_at);
        l->raw = mem_realloc(l->raw, l->rows, sizeof *l->raw);
        l->bytes = mem_realloc(l->bytes, l->rows, sizeof *l->bytes);
    }
    for (size_t i = 0; i < 3; i++) {
        l->owners[i].count = 0;
    }
    id_table_clear(&l->scopes);
    TRY(load_traces(l, place, ctx));
    TRY(load_fixed(l));
    TRY(load_attrs(l, BLOCK_SPAN));
    TRY(load_lists(l));
    count_rows(l);
out:
    return rc;
}
