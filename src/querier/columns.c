#include "columns_priv.h"

#include "vivace/base/mem.h"

/* --- a scan -----------------------------------------------------------------------------------------------
 */

static err
read_counted(void *ctx, uint64_t off, size_t n, void *into, struct fault *f)
{
    struct group_scan *s = ctx;
    s->bytes_read += n;
    return s->priv->source.read(s->priv->source.ctx, off, n, into, f);
}

struct group_scan *
group_scan_create(struct block_reader *r, const struct tql_plan *plan, const struct query_guard *guard,
                  struct budget *budget)
{
    static const struct query_guard never;
    struct group_scan *s = mem_new(struct group_scan);
    struct group_scan_private *p = mem_new(struct group_scan_private);
    const struct parquet_file *file = block_reader_file(r);
    *s = (struct group_scan){.reader = r, .plan = plan, .priv = p};
    p->schema = block_reader_schema(r);
    p->source = file->source;
    p->file = (struct parquet_file){file->meta, {s, file->source.size, read_counted}};
    p->scratch = parquet_scratch_create(&BLOCK_PARQUET_LIMITS);
    p->column = parquet_column_create(p->scratch);
    p->guard = guard ? guard : &never;
    p->budget = budget;
    arena_init_large(&p->arena, GROUP_BYTES_MAX);
    p->slots = mem_new_array(struct slot_vector *, plan->compiler.slots.count + 1);
    p->line = mem_new_array(struct tql_static, plan->compiler.slots.count + 1);
    p->stack = mem_new_array(struct tql_static, plan->values_max + (size_t)1);
    p->resources = context_list_create(false);
    p->scopes = context_list_create(true);
    return s;
}

void
group_scan_destroy(struct group_scan *s)
{
    if (s == NULL) {
        return;
    }
    struct group_scan_private *p = s->priv;
    if (p->budget) {
        budget_release(p->budget, p->reserved);
    }
    context_list_destroy(p->resources);
    context_list_destroy(p->scopes);
    parquet_column_destroy(p->column);
    parquet_scratch_destroy(p->scratch);
    arena_fini(&p->arena);
    mem_free(p->slots);
    mem_free(p->line);
    mem_free(p->stack);
    mem_free(p);
    mem_free(s);
}

err
group_scan_open(struct group_scan *s, size_t row_group, struct fault *f)
{
    struct group_scan_private *p = s->priv;
    const struct parquet_meta *m = p->file.meta;
    if (row_group >= m->row_group_count) {
        return FAULT(f, ERR_INVALID, "no row group %zu", row_group);
    }
    arena_recycle(&p->arena);
    s->row_group = row_group;
    s->rows = (size_t)m->row_groups[row_group].row_count;
    s->words = (s->rows + 63) / 64;
    s->looked = 0;
    memset(p->slots, 0, s->plan->compiler.slots.count * sizeof(void *));
    memset(p->columns, 0, sizeof p->columns);
    memset(p->raw, 0, sizeof p->raw);
    p->has_parts[0] = p->has_parts[1] = p->has_traces = p->has_services = p->held_known = false;
    p->starts = NULL;
    p->durations = NULL;
    p->span_ids = NULL;
    context_list_open(p->resources);
    context_list_open(p->scopes);
    if (m->row_groups[row_group].row_count > GROUP_ROWS_MAX) {
        return FAULT(f, ERR_LIMIT, "row group %zu has more rows than a query reads", row_group);
    }
    return OK;
}

void *
scan_alloc(struct group_scan *s, size_t count, size_t size)
{
    return count > GROUP_BYTES_MAX / size ? NULL : arena_alloc(&s->priv->arena, count * size);
}

err
scan_tick(struct group_scan *s, struct fault *f)
{
    return ++s->priv->ticks % 1024 ? OK : query_guard_check(s->priv->guard, f);
}

err
scan_account(struct group_scan *s, struct fault *f)
{
    struct group_scan_private *p = s->priv;
    size_t held = p->arena.bytes + parquet_column_bytes(p->column) + context_list_bytes(p->resources) +
                  context_list_bytes(p->scopes);
    if (p->budget == NULL || held <= p->reserved) {
        return OK;
    }
    if (budget_reserve(p->budget, held - p->reserved) != OK) {
        return scan_no_memory(f);
    }
    p->reserved = held;
    return OK;
}

/* --- fixed columns ----------------------------------------------------------------------------------------
 */

static enum owner
column_owner(enum block_column c)
{
    return c >= BLOCK_LINK_TRACE ? OWNER_LINK : c >= BLOCK_EVENT_TIME ? OWNER_EVENT : OWNER_ROW;
}

static err
column_vector(struct group_scan *s, enum block_column c, uint8_t type, struct fault *f,
              struct slot_vector *ret)
{
    const struct raw_column *raw = NULL;
    size_t owners = 0;
    err rc = OK;
    TRY(owner_count(s, column_owner(c), f, &owners));
    TRY(raw_fixed(s, c, f, &raw));
    rc = raw_vector(s, raw, column_owner(c), owners, type, f, ret);
out:
    return rc;
}

err
group_column(struct group_scan *s, enum block_column c, struct fault *f, const struct slot_vector **ret)
{
    struct slot_vector **at = &s->priv->columns[c];
    err rc = OK;
    if (*at == NULL) {
        struct slot_vector *v = scan_alloc(s, 1, sizeof *v);
        if (v == NULL) {
            return scan_no_memory(f);
        }
        TRY(column_vector(s, c, TQL_INT, f, v));
        *at = v;
    }
    *ret = *at;
out:
    return rc;
}

/* A required INT64 column as it stands. */
static err
times_of(struct group_scan *s, enum block_column c, struct fault *f, const int64_t **ret)
{
    const struct slot_vector *v = NULL;
    err rc = OK;
    TRY(group_column(s, c, f, &v));
    if (v->form == VECTOR_INTS) {
        *ret = v->ints;
        return OK;
    }
    int64_t *ints = scan_alloc(s, s->rows + 1, sizeof *ints);
    if (ints == NULL) {
        return scan_no_memory(f);
    }
    for (size_t i = 0; i < s->rows; i++) {
        ints[i] = v->dict[v->codes[i]].i;
    }
    *ret = ints;
out:
    return rc;
}

err
group_starts(struct group_scan *s, struct fault *f, const uint64_t **ret)
{
    const int64_t *starts = NULL;
    err rc = OK;
    if (s->priv->starts == NULL) {
        TRY(times_of(s, BLOCK_START, f, &starts));
        s->priv->starts = (const uint64_t *)starts;
    }
    *ret = s->priv->starts;
out:
    return rc;
}

/* `end - start` of unsigned times, modulo 2^64, as the language has it. */
static int64_t
duration_value(uint64_t start, uint64_t stored)
{
    if (start + stored < start) {
        return 0; /* it ends before it begins */
    }
    return stored > INT64_MAX ? INT64_MAX : (int64_t)stored;
}

/* Are all starts so small that no duration below 2^63 runs over? */
static bool
starts_are_ordinary(const struct group_scan *s)
{
    const struct parquet_chunk *c =
        parquet_meta_chunk(s->priv->file.meta, s->row_group, (size_t)s->priv->schema->column[BLOCK_START]);
    int64_t min = -1;
    if (c->bounds.min.n == sizeof min) {
        memcpy(&min, c->bounds.min.p, sizeof min);
    }
    return min >= 0;
}

err
group_durations(struct group_scan *s, struct fault *f, const int64_t **ret)
{
    const int64_t *stored = NULL;
    const uint64_t *starts = NULL;
    bool plain = starts_are_ordinary(s);
    err rc = OK;
    if (s->priv->durations) {
        *ret = s->priv->durations;
        return OK;
    }
    TRY(times_of(s, BLOCK_DURATION, f, &stored));
    for (size_t i = 0; plain && i < s->rows; i++) {
        plain = stored[i] >= 0;
    }
    if (!plain) {
        int64_t *values = scan_alloc(s, s->rows + 1, sizeof *values);
        TRY(group_starts(s, f, &starts));
        if (values == NULL) {
            return scan_no_memory(f);
        }
        for (size_t i = 0; i < s->rows; i++) {
            values[i] = duration_value(starts[i], (uint64_t)stored[i]);
        }
        stored = values;
    }
    s->priv->durations = stored;
    *ret = stored;
out:
    return rc;
}

err
group_span_ids(struct group_scan *s, struct fault *f, const span_id **ret)
{
    const struct raw_column *raw = NULL;
    err rc = OK;
    TRY(raw_fixed(s, BLOCK_SPAN_ID, f, &raw));
    if (raw->value_count != s->rows) {
        return scan_corrupt(s, "columns have different numbers of rows", f);
    }
    if (raw->codes == NULL) {
        s->priv->span_ids = (const span_id *)(const void *)raw->values.fixed;
    } else if (s->priv->span_ids == NULL) {
        span_id *ids = scan_alloc(s, s->rows + 1, sizeof *ids);
        if (ids == NULL) {
            return scan_no_memory(f);
        }
        for (size_t i = 0; i < s->rows; i++) {
            memcpy(&ids[i], raw->values.fixed + raw->codes[i] * sizeof *ids, sizeof *ids);
        }
        s->priv->span_ids = ids;
    }
    *ret = s->priv->span_ids;
out:
    return rc;
}

err
group_services(struct group_scan *s, struct fault *f, const struct slot_vector **ret)
{
    err rc = OK;
    if (!s->priv->has_services) {
        TRY(context_text(s, s->priv->resources, CONTEXT_SERVICE, f, &s->priv->services));
        s->priv->has_services = true;
    }
    *ret = &s->priv->services;
out:
    return rc;
}

err
group_parts(struct group_scan *s, enum tql_level level, struct fault *f, const struct group_parts **ret)
{
    const size_t at = level == TQL_LEVEL_EVENT ? 0 : 1;
    const struct raw_column *raw = NULL;
    err rc = OK;
    if (!s->priv->has_parts[at]) {
        /* the cheapest column that is there for each element */
        TRY(raw_fixed(s, at == 0 ? BLOCK_EVENT_DROPPED : BLOCK_LINK_DROPPED, f, &raw));
        TRY(raw_parts(s, raw, f, &s->priv->parts[at]));
        s->priv->has_parts[at] = true;
    }
    *ret = &s->priv->parts[at];
out:
    return rc;
}

/* The row behind the last of the trace that begins at `from`. */
static size_t
trace_end(const struct raw_column *raw, size_t from, size_t rows)
{
    const slice *ids = raw->values.bytes;
    size_t i = from + 1;
    if (raw->codes) {
        for (const uint32_t code = raw->codes[from]; i < rows && raw->codes[i] == code; i++) {
        }
    } else {
        for (; i < rows && slice_eq(ids[i], ids[from]); i++) {
        }
    }
    return i;
}

err
group_traces(struct group_scan *s, struct fault *f, struct group_traces *ret)
{
    struct group_scan_private *p = s->priv;
    const struct raw_column *raw = NULL;
    size_t n = 0;
    err rc = OK;
    if (p->has_traces) {
        *ret = p->traces;
        return OK;
    }
    TRY(raw_fixed(s, BLOCK_TRACE_ID, f, &raw));
    if (raw->value_count != s->rows) {
        return scan_corrupt(s, "columns have different numbers of rows", f);
    }
    for (size_t i = 0; i < s->rows; n++) {
        i = trace_end(raw, i, s->rows);
    }
    struct group_trace *v = scan_alloc(s, n + 1, sizeof *v);
    if (v == NULL) {
        return scan_no_memory(f);
    }
    n = 0;
    for (size_t i = 0; i < s->rows; n++) {
        const size_t to = trace_end(raw, i, s->rows);
        v[n].from = (uint32_t)i;
        v[n].to = (uint32_t)to;
        if (!hex_decode(raw->values.bytes[raw->codes ? raw->codes[i] : i], v[n].id.b, TRACE_ID_BYTES)) {
            return scan_corrupt(s, "trace_id is not 32 hex digits", f);
        }
        i = to;
    }
    p->traces = (struct group_traces){v, n};
    p->has_traces = true;
    *ret = p->traces;
out:
    return rc;
}

/* The ID of the trace of a row, of whose page no other row is decoded. */
static err
read_trace_id(struct group_scan *s, uint32_t row, struct fault *f, trace_id *ret)
{
    struct parquet_column *c = s->priv->column;
    struct parquet_page page;
    struct parquet_vector v;
    err rc = OK;
    TRY(parquet_column_seek(c, row, f));
    rc = parquet_column_next(c, f, &page);
    if (rc == ERR_NOT_FOUND) {
        return scan_corrupt(s, "a column ends before its row group", f);
    }
    TRY(rc);
    TRY(parquet_column_decode_rows(c, PARQUET_DECODE_VALUES, row, (uint64_t)row + 1, f, &v));
    if (v.values.count != 1 || !hex_decode(v.values.bytes[0], ret->b, TRACE_ID_BYTES)) {
        return scan_corrupt(s, "trace_id is not 32 hex digits", f);
    }
out:
    return rc;
}

err
group_traces_of(struct group_scan *s, const uint32_t *rows, size_t n, struct fault *f, trace_id *ret)
{
    const int32_t leaf = s->priv->schema->column[BLOCK_TRACE_ID];
    err rc = OK;
    TRY(parquet_column_open(s->priv->column, &s->priv->file, s->row_group, (size_t)leaf, f));
    for (size_t i = 0; i < n; i++) {
        TRY(read_trace_id(s, rows[i], f, &ret[i]));
    }
    rc = scan_account(s, f);
out:
    return rc;
}

/* --- slots ------------------------------------------------------------------------------------------------
 */

/* Ids in hex, one entry for each value; an owner without one has zeros. */
static err
hex_vector(struct group_scan *s, enum block_column c, size_t width, bool strip, struct fault *f,
           struct slot_vector *ret)
{
    static const uint8_t zeros[TRACE_ID_BYTES];
    const enum owner owner = column_owner(c);
    const struct raw_column *raw = NULL;
    const uint32_t *of = NULL;
    size_t owners = 0;
    err rc = OK;
    TRY(owner_count(s, owner, f, &owners));
    TRY(raw_fixed(s, c, f, &raw));
    TRY(raw_values_of(s, raw, owner_def(owner), owners, f, &of));
    struct tql_static *dict = scan_alloc(s, owners + 1, sizeof *dict);
    uint32_t *codes = scan_alloc(s, owners + 1, sizeof *codes);
    char *text = scan_alloc(s, owners + 1, 2 * width);
    if (!dict || !codes || !text) {
        return scan_no_memory(f);
    }
    dict[0] = TQL_STATIC_NIL;
    for (size_t i = 0; i < owners; i++, text += 2 * width) {
        size_t skip = 0;
        const uint8_t *id = of[i] == UINT32_MAX
                                ? zeros
                                : raw->values.fixed + (raw->codes ? raw->codes[of[i]] : of[i]) * width;
        hex_encode(id, width, text);
        while (strip && skip + 1 < 2 * width && text[skip] == '0') {
            skip++;
        }
        dict[i + 1] = tql_static_string(slice_of(text + skip, 2 * width - skip));
        codes[i] = (uint32_t)i + 1;
    }
    *ret = (struct slot_vector){.form = VECTOR_CODED,
                                .count = owners,
                                .codes = codes,
                                .dict = dict,
                                .dict_count = (uint32_t)owners + 1};
out:
    return rc;
}

static err
trace_id_vector(struct group_scan *s, struct fault *f, struct slot_vector *ret)
{
    err rc = OK;
    TRY(column_vector(s, BLOCK_TRACE_ID, TQL_STRING, f, ret));
    struct tql_static *dict = scan_alloc(s, ret->dict_count + (size_t)1, sizeof *dict);
    if (dict == NULL) {
        return scan_no_memory(f);
    }
    for (uint32_t i = 0; i < ret->dict_count; i++) {
        slice id = tql_static_slice(&ret->dict[i]);
        while (id.n > 1 && id.p[0] == '0') {
            id = slice_sub(id, 1, id.n);
        }
        dict[i] = ret->dict[i].type == TQL_NIL ? TQL_STATIC_NIL : tql_static_string(id);
    }
    ret->dict = dict;
out:
    return rc;
}

static err
since_start_vector(struct group_scan *s, struct fault *f, struct slot_vector *ret)
{
    const struct group_parts *parts = NULL;
    const uint64_t *starts = NULL;
    struct slot_vector times;
    err rc = OK;
    TRY(group_parts(s, TQL_LEVEL_EVENT, f, &parts));
    TRY(group_starts(s, f, &starts));
    TRY(column_vector(s, BLOCK_EVENT_TIME, TQL_INT, f, &times));
    int64_t *ints = scan_alloc(s, parts->count + (size_t)1, sizeof *ints);
    if (ints == NULL) {
        return scan_no_memory(f);
    }
    for (size_t r = 0; r < s->rows; r++) {
        for (uint32_t i = parts->first[r]; i < parts->first[r + 1]; i++) {
            ints[i] = (int64_t)((uint64_t)vector_at(&times, i).i - starts[r]);
        }
    }
    *ret =
        (struct slot_vector){.form = VECTOR_INTS, .type = TQL_DURATION, .count = parts->count, .ints = ints};
out:
    return rc;
}

/* The duration of the whole trace: the block has it as an unsigned number. */
static err
trace_duration_vector(struct group_scan *s, struct fault *f, struct slot_vector *ret)
{
    const int64_t *stored = NULL;
    err rc = OK;
    TRY(times_of(s, BLOCK_TRACE_DURATION, f, &stored));
    int64_t *ints = scan_alloc(s, s->rows + 1, sizeof *ints);
    if (ints == NULL) {
        return scan_no_memory(f);
    }
    for (size_t i = 0; i < s->rows; i++) {
        ints[i] = stored[i] < 0 ? INT64_MAX : stored[i];
    }
    *ret = (struct slot_vector){.form = VECTOR_INTS, .type = TQL_DURATION, .count = s->rows, .ints = ints};
out:
    return rc;
}

/* A column of strings: one vector for the slot and for what a result shows. */
static err
text_vector(struct group_scan *s, enum block_column c, struct fault *f, struct slot_vector *ret)
{
    const struct slot_vector *v = NULL;
    err rc = group_column(s, c, f, &v);
    if (rc == OK) {
        *ret = *v;
    }
    return rc;
}

static err
duration_vector(struct group_scan *s, struct fault *f, struct slot_vector *ret)
{
    *ret = (struct slot_vector){.form = VECTOR_INTS, .type = TQL_DURATION, .count = s->rows};
    return group_durations(s, f, &ret->ints);
}

static err
intrinsic_vector(struct group_scan *s, uint8_t intrinsic, struct fault *f, struct slot_vector *ret)
{
    switch ((enum tql_intrinsic)intrinsic) {
    case TQL_INTRINSIC_DURATION:
        return duration_vector(s, f, ret);
    case TQL_INTRINSIC_NAME:
        return text_vector(s, BLOCK_NAME, f, ret);
    case TQL_INTRINSIC_STATUS:
        return column_vector(s, BLOCK_STATUS_CODE, TQL_STATUS, f, ret);
    case TQL_INTRINSIC_STATUS_MESSAGE:
        return text_vector(s, BLOCK_STATUS_MESSAGE, f, ret);
    case TQL_INTRINSIC_KIND:
        return column_vector(s, BLOCK_KIND, TQL_KIND, f, ret);
    case TQL_INTRINSIC_SPAN_ID:
        return hex_vector(s, BLOCK_SPAN_ID, SPAN_ID_BYTES, false, f, ret);
    case TQL_INTRINSIC_SPAN_PARENT_ID:
        return hex_vector(s, BLOCK_PARENT_SPAN_ID, SPAN_ID_BYTES, false, f, ret);
    case TQL_INTRINSIC_SPAN_CHILD_COUNT:
        return column_vector(s, BLOCK_CHILD_COUNT, TQL_INT, f, ret);
    case TQL_INTRINSIC_NESTED_SET_LEFT:
        return column_vector(s, BLOCK_NESTED_LEFT, TQL_INT, f, ret);
    case TQL_INTRINSIC_NESTED_SET_RIGHT:
        return column_vector(s, BLOCK_NESTED_RIGHT, TQL_INT, f, ret);
    case TQL_INTRINSIC_NESTED_SET_PARENT:
        return column_vector(s, BLOCK_NESTED_PARENT, TQL_INT, f, ret);
    case TQL_INTRINSIC_TRACE_ID:
        return trace_id_vector(s, f, ret);
    case TQL_INTRINSIC_TRACE_DURATION:
        return trace_duration_vector(s, f, ret);
    case TQL_INTRINSIC_TRACE_ROOT_NAME:
        return text_vector(s, BLOCK_ROOT_NAME, f, ret);
    case TQL_INTRINSIC_TRACE_ROOT_SERVICE:
        return text_vector(s, BLOCK_ROOT_SERVICE, f, ret);
    case TQL_INTRINSIC_EVENT_NAME:
        return text_vector(s, BLOCK_EVENT_NAME, f, ret);
    case TQL_INTRINSIC_EVENT_TIME_SINCE_START:
        return since_start_vector(s, f, ret);
    case TQL_INTRINSIC_LINK_TRACE_ID:
        return hex_vector(s, BLOCK_LINK_TRACE, TRACE_ID_BYTES, true, f, ret);
    case TQL_INTRINSIC_LINK_SPAN_ID:
        return hex_vector(s, BLOCK_LINK_SPAN, SPAN_ID_BYTES, false, f, ret);
    case TQL_INTRINSIC_INSTRUMENTATION_NAME:
        return context_text(s, s->priv->scopes, CONTEXT_SCOPE_NAME, f, ret);
    case TQL_INTRINSIC_INSTRUMENTATION_VERSION:
        return context_text(s, s->priv->scopes, CONTEXT_SCOPE_VERSION, f, ret);
    default:
        return nil_vector(s, s->rows, f, ret);
    }
}

/* resource.service.name always exists: it is empty where nobody sent a value that can be looked at. */
static err
fill_service(struct group_scan *s, struct fault *f, struct slot_vector *v)
{
    struct tql_static *dict = scan_alloc(s, v->dict_count + (size_t)1, sizeof *dict);
    if (dict == NULL) {
        return scan_no_memory(f);
    }
    for (uint32_t i = 0; i < v->dict_count; i++) {
        dict[i] = i == 0 || v->dict[i].type != TQL_NIL ? v->dict[i] : tql_static_string(SL_EMPTY);
    }
    v->dict = dict;
    return OK;
}

static err
attribute_vector(struct group_scan *s, const struct tql_attr *a, struct fault *f, struct slot_vector *ret)
{
    struct slot_vector span;
    struct slot_vector resource;
    err rc = OK;
    switch ((enum tql_scope)a->scope) {
    case TQL_SCOPE_SPAN:
        return attr_vector(s, OWNER_ROW, a->name, f, ret);
    case TQL_SCOPE_EVENT:
        return attr_vector(s, OWNER_EVENT, a->name, f, ret);
    case TQL_SCOPE_LINK:
        return attr_vector(s, OWNER_LINK, a->name, f, ret);
    case TQL_SCOPE_INSTRUMENTATION:
        return context_attr(s, s->priv->scopes, a->name, f, ret);
    case TQL_SCOPE_RESOURCE:
        TRY(context_attr(s, s->priv->resources, a->name, f, ret));
        return slice_eq(a->name, SL("service.name")) ? fill_service(s, f, ret) : OK;
    default:
        TRY(attr_vector(s, OWNER_ROW, a->name, f, &span));
        TRY(context_attr(s, s->priv->resources, a->name, f, &resource));
        rc = vector_either(s, &span, &resource, f, ret);
        break;
    }
out:
    return rc;
}

err
group_slot(struct group_scan *s, uint32_t slot, struct fault *f, const struct slot_vector **ret)
{
    struct slot_vector **at = &s->priv->slots[slot];
    const struct tql_attr *a = &s->plan->compiler.slots.slots[slot].attr;
    err rc = OK;
    if (*at == NULL) {
        struct slot_vector *v = scan_alloc(s, 1, sizeof *v);
        if (v == NULL) {
            return scan_no_memory(f);
        }
        rc = a->intrinsic == TQL_INTRINSIC_NONE ? attribute_vector(s, a, f, v)
                                                : intrinsic_vector(s, a->intrinsic, f, v);
        if (rc == OK) {
            rc = scan_account(s, f);
        }
        if (rc != OK) {
            return rc;
        }
        *at = v;
    }
    *ret = *at;
    return rc;
}
