/* Taking spans in: strings to numbers, attributes to shapes and cells. */
#include "builder_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/codec/json.h"
#include "vivace/codec/otlp.h"
#include "vivace/codec/wire.h"

#define CELL_CHUNK ((size_t)16 << 10) /* words */

err
block_builder_create(const struct block_builder_options *o, struct fault *f, struct block_builder **ret)
{
    if (o->tenant.n == 0 || o->tenant.n > BLOCK_TENANT_MAX) {
        return FAULT(f, ERR_INVALID, "a block's tenant has 1 to %d bytes, not %zu", BLOCK_TENANT_MAX,
                     o->tenant.n);
    }
    struct block_builder *b = mem_new(struct block_builder);
    b->options = *o;
    memcpy(b->tenant, o->tenant.p, o->tenant.n);
    b->options.tenant = slice_of(b->tenant, o->tenant.n);
    b->options.row_group_rows = o->row_group_rows ? o->row_group_rows : 65536;
    b->options.page_rows = o->page_rows ? o->page_rows : 8192;
    intern_init(&b->strings);
    arena_init(&b->arena, 0);
    b->arena.huge = true;
    id_table_init(&b->trace_ids, sizeof(trace_id));
    id_table_init(&b->resource_ids, 8);
    id_table_init(&b->scope_ids, 8);
    buf_init(&b->order, SIZE_MAX / 2);
    buf_init(&b->raw, SIZE_MAX / 2);
    b->min_start_ns = UINT64_MAX;
    b->service_key = intern_put(&b->strings, SL("service.name"));
    *ret = b;
    return OK;
}

void
block_builder_destroy(struct block_builder *b)
{
    if (b == NULL) {
        return;
    }
    intern_fini(&b->strings);
    arena_fini(&b->arena);
    id_table_fini(&b->trace_ids);
    id_table_fini(&b->resource_ids);
    id_table_fini(&b->scope_ids);
    for (size_t s = 0; s < BLOCK_SCOPE_COUNT; s++) {
        id_map_fini(&b->shape_of[s]);
        for (size_t k = 0; k <= VALUE_BYTES; k++) {
            id_map_fini(&b->field_of[s][k]);
        }
    }
    mem_free(b->traces);
    mem_free(b->row_chunks);
    mem_free(b->shapes);
    mem_free(b->fields);
    mem_free(b->resources);
    mem_free(b->scopes);
    mem_free(b->batch_scopes);
    mem_free(b->batch_traces);
    buf_fini(&b->order);
    buf_fini(&b->raw);
    if (b->options.budget) {
        budget_release(b->options.budget, b->reserved);
    }
    mem_free(b);
}

size_t
block_builder_bytes(const struct block_builder *b)
{
    return intern_bytes(&b->strings) + b->arena.bytes + id_table_bytes(&b->trace_ids) +
           id_table_bytes(&b->resource_ids) + id_table_bytes(&b->scope_ids) +
           b->trace_cap * sizeof *b->traces + b->row_chunk_cap * sizeof(void *) +
           b->shape_cap * sizeof *b->shapes + b->field_cap * sizeof *b->fields +
           b->resource_cap * sizeof *b->resources + b->scope_cap * sizeof *b->scopes +
           b->row_count * sizeof(struct row *); /* their order, which publishing makes */
}

uint64_t
block_builder_spans(const struct block_builder *b)
{
    return b->row_count;
}

uint64_t
block_builder_traces(const struct block_builder *b)
{
    return b->trace_count;
}

/* Room for one more element in a heap array. */
static void *
grow(void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) {
        return array;
    }
    *cap = *cap ? *cap + *cap / 2 : 64;
    return mem_realloc(array, *cap, size);
}

static uint32_t
put_text(struct block_builder *b, slice s)
{
    uint32_t id = s.n ? intern_put(&b->strings, s) : 0;
    b->bad_text |= b->strings.strings[id].bad;
    return id;
}

/* --- attributes ----------------------------------------------------------------------------------------- */

static uint32_t
field_put(struct block_builder *b, enum block_scope scope, const struct attr *a)
{
    uint32_t key = intern_put(&b->strings, attr_key(a));
    bool is_new = false;
    uint32_t *place = id_map_put(&b->field_of[scope][a->kind], key, &is_new);
    if (is_new) {
        b->fields = grow(b->fields, b->field_count, &b->field_cap, sizeof *b->fields);
        b->fields[b->field_count] =
            (struct field){.scope = scope, .kind = (enum value_kind)a->kind, .key = key, .chosen = -1};
        *place = (uint32_t)b->field_count++;
    }
    return *place;
}

static void
shape_fill(struct block_builder *b, struct shape *s, enum block_scope scope, const struct attr *attrs,
           uint32_t n)
{
    s->attrs = n ? arena_new_array(&b->arena, struct shape_attr, n) : NULL;
    s->attr_count = n;
    for (uint32_t i = 0; i < n; i++) {
        struct shape_attr *x = &s->attrs[i];
        x->field = field_put(b, scope, &attrs[i]);
        x->cell = s->cell_count;
        x->kind = attrs[i].kind;
        s->cell_count += (uint32_t)kind_cells((enum value_kind)attrs[i].kind);
    }
}

/* Mark what stands twice. Long lists are sorted out by a map: no square of the attribute count. */
static void
shape_mark_repeats(struct shape *s)
{
    struct id_map seen = {0};
    for (uint32_t i = 0; i < s->attr_count; i++) {
        bool is_new = false;
        *id_map_put(&seen, s->attrs[i].field, &is_new) = 1;
        s->attrs[i].repeated = !is_new;
    }
    id_map_fini(&seen);
}

/* The order string: for each attribute its kind, the length of its key as a varint, the key. */
static void
order_encode(struct buf *out, const struct attr *attrs, uint32_t n)
{
    buf_clear(out);
    for (uint32_t i = 0; i < n; i++) {
        buf_append_byte(out, attrs[i].kind);
        if (attrs[i].key_n < 0x80) {
            buf_append_byte(out, (uint8_t)attrs[i].key_n);
        } else {
            wire_put_varint(out, attrs[i].key_n);
        }
        buf_append(out, attrs[i].key, attrs[i].key_n);
    }
}

/* Is this the order string of the attributes? Long keys are not compared: false. */
static bool
order_is(slice order, const struct attr *attrs, uint32_t n)
{
    const uint8_t *p = order.p;
    size_t left = order.n;
    for (uint32_t i = 0; i < n; i++) {
        size_t key_n = attrs[i].key_n;
        if (key_n >= 0x80 || left < 2 + key_n || p[0] != attrs[i].kind || p[1] != key_n ||
            !bytes_same(p + 2, attrs[i].key, key_n)) {
            return false;
        }
        p += 2 + key_n;
        left -= 2 + key_n;
    }
    return left == 0;
}

/* Where the shape of such attributes was put down last: lengths and last letters of keys tell most apart. */
static uint32_t *
shape_guess(struct block_builder *b, enum block_scope scope, const struct attr *attrs, uint32_t n)
{
    uint64_t h = scope;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t last = attrs[i].key_n ? attrs[i].key[attrs[i].key_n - 1] : 0;
        h = (h ^ (attrs[i].key_n << 16 | (uint32_t)last << 8 | attrs[i].kind)) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return &b->shape_guess[h >> 56];
}

static uint32_t
shape_put(struct block_builder *b, enum block_scope scope, const struct attr *attrs, uint32_t n)
{
    uint32_t *guess = shape_guess(b, scope, attrs, n);
    if (*guess) {
        struct shape *s = &b->shapes[*guess - 1];
        if (s->scope == scope && order_is(intern_get(&b->strings, s->order), attrs, n)) {
            s->owners++;
            return *guess - 1;
        }
    }
    order_encode(&b->order, attrs, n);
    uint32_t order = intern_put(&b->strings, buf_slice(&b->order));
    bool is_new = false;
    uint32_t *place = id_map_put(&b->shape_of[scope], order, &is_new);
    if (is_new) {
        struct shape s = {.order = order, .scope = scope};
        shape_fill(b, &s, scope, attrs, n);
        shape_mark_repeats(&s);
        b->shapes = grow(b->shapes, b->shape_count, &b->shape_cap, sizeof *b->shapes);
        b->shapes[b->shape_count] = s;
        *place = (uint32_t)b->shape_count++;
    }
    b->shapes[*place].owners++;
    *guess = *place + 1;
    return *place;
}

static uint32_t *
cells_take(struct block_builder *b, size_t n)
{
    if (n > (size_t)(b->cell_end - b->cell_at)) {
        size_t chunk = n > CELL_CHUNK ? n : CELL_CHUNK;
        b->cell_at = arena_alloc(&b->arena, chunk * sizeof(uint32_t));
        b->cell_end = b->cell_at + chunk;
    }
    uint32_t *at = b->cell_at;
    b->cell_at += n;
    return at;
}

static bool
has_bytes(const struct attr *a)
{
    return a->kind == VALUE_STRING || a->kind >= VALUE_ARRAY;
}

#define HASHED_AHEAD 32

/* Hashes of the first values that have bytes. */
static void
hash_ahead(const struct block_builder *b, const struct attr *attrs, uint32_t n, uint32_t hashes[HASHED_AHEAD])
{
    for (uint32_t i = 0; i < n && i < HASHED_AHEAD; i++) {
        if (has_bytes(&attrs[i])) {
            hashes[i] = intern_hash(attr_bytes(&attrs[i]));
            intern_fetch(&b->strings, hashes[i]);
        }
    }
}

/* Take the attributes of one owner; returns the shape. `*bytes` grows by what their values take. */
static uint32_t
attrs_put(struct block_builder *b, enum block_scope scope, const struct span_batch *batch, struct run r,
          uint32_t **ret_cells, size_t *bytes)
{
    const struct attr *attrs = r.n ? &batch->attrs[r.at] : NULL;
    uint32_t hashes[HASHED_AHEAD] = {0};
    hash_ahead(b, attrs, r.n, hashes);
    uint32_t shape = shape_put(b, scope, attrs, r.n);
    uint32_t *cells = cells_take(b, b->shapes[shape].cell_count), *at = cells;
    for (uint32_t i = 0; i < r.n; i++) {
        const struct attr *a = &attrs[i];
        switch ((enum value_kind)a->kind) {
        case VALUE_NONE:
            break;
        case VALUE_BOOL:
            *at++ = a->b;
            break;
        case VALUE_INT:
        case VALUE_DOUBLE:
            memcpy(at, &a->i, sizeof a->i);
            at += 2;
            break;
        case VALUE_STRING:
        case VALUE_ARRAY:
        case VALUE_KVLIST:
        case VALUE_BYTES:
            *at = a->n == 0          ? 0
                  : i < HASHED_AHEAD ? intern_put_hashed(&b->strings, attr_bytes(a), hashes[i])
                                     : intern_put(&b->strings, attr_bytes(a));
            if (a->kind == VALUE_STRING && b->strings.strings[*at].bad) {
                b->fields[b->shapes[shape].attrs[i].field].bad = true;
            }
            at++;
            *bytes += a->n;
        }
        *bytes += sizeof(uint64_t);
    }
    *ret_cells = cells;
    return shape;
}

/* --- resources and scopes ----------------------------------------------------------------------------- */

/* The body of the first message of `n` nested ones in a request: what stands behind their tags and lengths.
 */
static slice
unwrap(slice request, int n)
{
    for (int i = 0; i < n; i++) {
        struct wire_reader r = wire_reader_of(request);
        uint32_t field = 0, type = 0;
        MUST(wire_tag(&r, &field, &type) && wire_len(&r, &request));
    }
    return request;
}

/* {"key":value}: strings, numbers and bools as JSON has them, anything else as OTLP/JSON writes it. */
static err
resource_json(const struct span_batch *batch, struct run r, struct buf *out)
{
    struct json_writer w;
    err rc = OK;
    buf_clear(out);
    json_writer_init(&w, out);
    json_object_begin(&w);
    for (uint32_t i = 0; i < r.n && rc == OK; i++) {
        const struct attr *a = &batch->attrs[r.at + i];
        struct buf value;
        json_key(&w, attr_key(a));
        switch ((enum value_kind)a->kind) {
        case VALUE_STRING:
            json_string(&w, attr_bytes(a));
            break;
        case VALUE_INT:
            json_i64(&w, a->i);
            break;
        case VALUE_DOUBLE:
            json_double(&w, a->d);
            break;
        case VALUE_BOOL:
            json_bool(&w, a->b);
            break;
        case VALUE_NONE:
        case VALUE_ARRAY:
        case VALUE_KVLIST:
        case VALUE_BYTES:
            buf_init(&value, SIZE_MAX / 2);
            rc = otlp_value_write_json(a, &value);
            json_raw(&w, buf_slice(&value));
            buf_fini(&value);
        }
    }
    json_object_end(&w);
    return rc == OK && out->failed ? ERR_LIMIT : rc;
}

static err
resource_put(struct block_builder *b, const struct span_batch *batch, uint32_t i, uint32_t *ret)
{
    struct span_batch one = {.attrs = batch->attrs,
                             .attr_count = batch->attr_count,
                             .resources = &batch->resources[i],
                             .resource_count = 1};
    buf_clear(&b->raw);
    err rc = otlp_encode(&one, &b->raw);
    if (rc != OK) {
        return rc;
    }
    uint64_t raw = intern_put(&b->strings, unwrap(buf_slice(&b->raw), 1));
    uint64_t held = id_table_get(&b->resource_ids, &raw);
    if (held == 0) {
        uint64_t *place = NULL;
        struct held_resource r = {.raw = (uint32_t)raw};
        const struct attr *service = attrs_find(batch, batch->resources[i].attrs, SL("service.name"));
        size_t bytes = 0;
        rc = resource_json(batch, batch->resources[i].attrs, &b->raw);
        if (rc != OK) {
            return rc;
        }
        r.json = put_text(b, buf_slice(&b->raw));
        place = id_table_put(&b->resource_ids, &raw);
        *place = b->resource_count + 1;
        r.shape = attrs_put(b, BLOCK_RESOURCE, batch, batch->resources[i].attrs, &r.cells, &bytes);
        if (service && service->kind == VALUE_STRING) {
            r.service = put_text(b, attr_bytes(service));
        }
        b->resources = grow(b->resources, b->resource_count, &b->resource_cap, sizeof *b->resources);
        b->resources[b->resource_count++] = r;
        *ret = (uint32_t)b->resource_count - 1;
        return OK;
    }
    *ret = (uint32_t)held - 1;
    return OK;
}

static err
scope_put(struct block_builder *b, const struct span_batch *batch, uint32_t i, uint32_t resource,
          uint32_t *ret)
{
    struct scope scope = batch->scopes[i];
    struct resource none = {0};
    scope.resource = 0;
    struct span_batch one = {.attrs = batch->attrs,
                             .attr_count = batch->attr_count,
                             .resources = &none,
                             .resource_count = 1,
                             .scopes = &scope,
                             .scope_count = 1};
    buf_clear(&b->raw);
    err rc = otlp_encode(&one, &b->raw);
    if (rc != OK) {
        return rc;
    }
    uint32_t raw = intern_put(&b->strings, unwrap(buf_slice(&b->raw), 2));
    uint64_t key = (uint64_t)resource << 32 | raw;
    uint64_t *place = id_table_put(&b->scope_ids, &key);
    if (*place == 0) {
        struct held_scope s = {.resource = resource, .raw = raw};
        size_t bytes = 0;
        *place = b->scope_count + 1;
        s.shape = attrs_put(b, BLOCK_INSTRUMENTATION, batch, scope.attrs, &s.cells, &bytes);
        s.name = put_text(b, scope.name);
        s.version = put_text(b, scope.version);
        b->scopes = grow(b->scopes, b->scope_count, &b->scope_cap, sizeof *b->scopes);
        b->scopes[b->scope_count++] = s;
        *ret = (uint32_t)b->scope_count - 1;
        return OK;
    }
    *ret = (uint32_t)*place - 1;
    return OK;
}

/* Numbers of all scopes of the batch; those without spans too, for they cost little. */
static err
scopes_put(struct block_builder *b, const struct span_batch *batch)
{
    err rc = OK;
    uint32_t last = UINT32_MAX, resource = 0;
    while (b->batch_scope_cap < batch->scope_count) {
        b->batch_scopes = grow(b->batch_scopes, b->batch_scope_cap, &b->batch_scope_cap, sizeof(uint32_t));
    }
    for (uint32_t i = 0; i < batch->scope_count && rc == OK; i++) {
        if (batch->scopes[i].resource != last) {
            last = batch->scopes[i].resource;
            rc = resource_put(b, batch, last, &resource);
        }
        if (rc == OK) {
            rc = scope_put(b, batch, i, resource, &b->batch_scopes[i]);
        }
    }
    return rc;
}

/* --- spans -------------------------------------------------------------------------------------------- */

static uint32_t
trace_put(struct block_builder *b, const trace_id *id)
{
    uint64_t *place = id_table_put(&b->trace_ids, id->b);
    if (*place == 0) {
        b->traces = grow(b->traces, b->trace_count, &b->trace_cap, sizeof *b->traces);
        b->traces[b->trace_count++] =
            (struct held_trace){.id = *id, .min_start_ns = UINT64_MAX, .batch = UINT32_MAX};
        *place = b->trace_count;
    }
    return (uint32_t)*place - 1;
}

#define TRACES_AHEAD 8

/* Numbers of the traces of all spans of the batch. */
static void
traces_put(struct block_builder *b, const struct span_batch *batch)
{
    const struct span *spans = batch->spans;
    size_t n = batch->span_count;
    while (b->batch_trace_cap < n) {
        b->batch_traces = grow(b->batch_traces, b->batch_trace_cap, &b->batch_trace_cap, sizeof(uint32_t));
    }
    for (size_t i = 0; i < n; i++) {
        if (i + TRACES_AHEAD < n) {
            id_table_fetch(&b->trace_ids, spans[i + TRACES_AHEAD].trace.b);
        }
        bool same = i > 0 && trace_id_eq(&spans[i].trace, &spans[i - 1].trace);
        b->batch_traces[i] = same ? b->batch_traces[i - 1] : trace_put(b, &spans[i].trace);
    }
}

static struct held_event *
events_put(struct block_builder *b, const struct span_batch *batch, struct run r, size_t *bytes)
{
    struct held_event *events = arena_new_array(&b->arena, struct held_event, r.n);
    for (uint32_t i = 0; i < r.n; i++) {
        const struct span_event *e = &batch->events[r.at + i];
        struct held_event *h = &events[i];
        h->time_ns = e->time_ns;
        h->dropped = e->dropped_attrs;
        h->name = put_text(b, e->name);
        h->shape = attrs_put(b, BLOCK_EVENT, batch, e->attrs, &h->cells, bytes);
        *bytes += e->name.n + sizeof *h;
    }
    return events;
}

static struct held_link *
links_put(struct block_builder *b, const struct span_batch *batch, struct run r, size_t *bytes)
{
    struct held_link *links = arena_new_array(&b->arena, struct held_link, r.n);
    for (uint32_t i = 0; i < r.n; i++) {
        const struct span_link *l = &batch->links[r.at + i];
        struct held_link *h = &links[i];
        h->trace = l->trace;
        h->span = l->span;
        h->flags = l->flags;
        h->dropped = l->dropped_attrs;
        h->state = put_text(b, l->trace_state);
        h->shape = attrs_put(b, BLOCK_LINK, batch, l->attrs, &h->cells, bytes);
        *bytes += l->trace_state.n + sizeof *h;
    }
    return links;
}

static struct row_more *
more_put(struct block_builder *b, const struct span_batch *batch, const struct span *s, size_t *bytes)
{
    if (!s->events.n && !s->links.n && !s->dropped_attrs && !s->dropped_events && !s->dropped_links &&
        !s->status_message.n && !s->trace_state.n) {
        return NULL;
    }
    struct row_more *m = arena_new(&b->arena, struct row_more);
    m->event_count = s->events.n;
    m->link_count = s->links.n;
    m->dropped_attrs = s->dropped_attrs;
    m->dropped_events = s->dropped_events;
    m->dropped_links = s->dropped_links;
    m->status_message = put_text(b, s->status_message);
    m->trace_state = put_text(b, s->trace_state);
    if (s->events.n) {
        m->events = events_put(b, batch, s->events, bytes);
    }
    if (s->links.n) {
        m->links = links_put(b, batch, s->links, bytes);
    }
    *bytes += s->status_message.n + s->trace_state.n;
    return m;
}

static void
trace_append(struct held_trace *t, struct row *row, uint32_t batch, const struct span_batch *from,
             const struct span *s)
{
    uint32_t resource = from->scopes[s->scope].resource;
    bool goes_on = t->batch == batch && t->batch_resource == resource;
    row->batch_start = !goes_on ? 2 : t->batch_scope != s->scope ? 1 : 0;
    t->batch = batch;
    t->batch_resource = resource;
    t->batch_scope = s->scope;
    t->rows++;
    trace_count_times(t, s->start_ns, s->end_ns);
}

/* Room for the next row: rows stand in chunks by their number. */
static struct row *
row_take(struct block_builder *b)
{
    size_t chunk = b->row_count / ROW_CHUNK;
    if (b->row_count % ROW_CHUNK == 0) {
        b->row_chunks = grow(b->row_chunks, chunk, &b->row_chunk_cap, sizeof(void *));
        b->row_chunks[chunk] = arena_alloc(&b->arena, ROW_CHUNK * sizeof(struct row));
    }
    return &b->row_chunks[chunk][b->row_count % ROW_CHUNK];
}

static void
span_put(struct block_builder *b, const struct span_batch *batch, const struct span *s,
         struct held_trace *trace)
{
    size_t bytes = 64 + s->name.n;
    struct row *row = row_take(b);
    *row = (struct row){
        .start_ns = s->start_ns,
        .end_ns = s->end_ns,
        .id = s->id,
        .parent = s->parent,
        .name = put_text(b, s->name),
        .scope = b->batch_scopes[s->scope],
        .flags = s->flags,
        .trace = (uint32_t)(trace - b->traces),
        .kind = s->kind,
        .status = s->status_code,
    };
    row->shape = attrs_put(b, BLOCK_SPAN, batch, s->attrs, &row->cells, &bytes);
    row->more = more_put(b, batch, s, &bytes);
    row->bytes = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
    trace_append(trace, row, b->batch, batch, s);
    b->row_count++;
    b->min_start_ns = s->start_ns < b->min_start_ns ? s->start_ns : b->min_start_ns;
    b->max_end_ns = trace->max_end_ns > b->max_end_ns ? trace->max_end_ns : b->max_end_ns;
}

/* An upper bound on what taking this batch in allocates. */
static size_t
batch_need(const struct block_builder *b, const struct span_batch *batch)
{
    size_t n = ((size_t)4 << 20) + b->strings.cap * (sizeof(struct intern_string) + 8) / 2 +
               id_table_bytes(&b->trace_ids) + b->trace_cap * sizeof *b->traces / 2;
    n += batch->span_count * (sizeof(struct row) + sizeof(struct row_more) + sizeof(struct held_trace) + 128);
    n += batch->attr_count * 96 + batch->event_count * 128 + batch->link_count * 160;
    n += (batch->scope_count + batch->resource_count) * 256;
    for (size_t i = 0; i < batch->attr_count; i++) {
        const struct attr *a = &batch->attrs[i];
        n += a->key_n * 2 + (has_bytes(a) ? a->n * 2 : 0);
    }
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct span *s = &batch->spans[i];
        n += s->name.n + s->trace_state.n + s->status_message.n;
    }
    for (size_t i = 0; i < batch->event_count; i++) {
        n += batch->events[i].name.n;
    }
    for (size_t i = 0; i < batch->link_count; i++) {
        n += batch->links[i].trace_state.n;
    }
    return n;
}

/* Hold at least `want` of the budget. */
static err
reserve(struct block_builder *b, size_t want, struct fault *f)
{
    if (b->options.budget == NULL || want <= b->reserved) {
        return OK;
    }
    if (budget_reserve(b->options.budget, want - b->reserved) != OK) {
        return FAULT(f, ERR_LIMIT, "the memory budget for blocks is used up");
    }
    b->reserved = want;
    return OK;
}

err
block_builder_add(struct block_builder *b, const struct span_batch *batch, struct fault *f)
{
    err rc = OK;
    MUST(!b->spent);
    if (batch->span_count > UINT32_MAX - b->row_count) {
        return FAULT(f, ERR_LIMIT, "a block holds at most 4294967295 spans");
    }
    if (b->options.budget) {
        TRY(reserve(b, block_builder_bytes(b) + batch_need(b, batch), f));
    }
    TRY(scopes_put(b, batch));
    traces_put(b, batch);
    for (size_t i = 0; i < batch->span_count; i++) {
        if (i + TRACES_AHEAD < batch->span_count) {
            __builtin_prefetch(&b->traces[b->batch_traces[i + TRACES_AHEAD]], 1);
        }
        span_put(b, batch, &batch->spans[i], &b->traces[b->batch_traces[i]]);
    }
    b->batch++;
out:
    return rc;
}

/* --- rows that come from columns (take.c, load.c) ----------------------------------------------------- */

err
builder_reserve(struct block_builder *b, size_t want, struct fault *f)
{
    return reserve(b, want, f);
}

uint32_t
builder_text(struct block_builder *b, slice s)
{
    return put_text(b, s);
}

uint32_t *
builder_cells(struct block_builder *b, size_t n)
{
    return cells_take(b, n);
}

uint32_t
builder_shape(struct block_builder *b, enum block_scope scope, const struct attr *attrs, uint32_t n)
{
    return shape_put(b, scope, attrs, n);
}

err
builder_resource(struct block_builder *b, const struct span_batch *batch, uint32_t i, uint32_t *ret)
{
    return resource_put(b, batch, i, ret);
}

err
builder_scope(struct block_builder *b, const struct span_batch *batch, uint32_t i, uint32_t resource,
              uint32_t *ret)
{
    return scope_put(b, batch, i, resource, ret);
}

size_t
builder_new_trace(struct block_builder *b, const trace_id *id)
{
    b->traces = grow(b->traces, b->trace_count, &b->trace_cap, sizeof *b->traces);
    b->traces[b->trace_count] =
        (struct held_trace){.id = *id, .min_start_ns = UINT64_MAX, .batch = UINT32_MAX};
    return b->trace_count++;
}

struct row *
builder_new_row(struct block_builder *b)
{
    struct row *row = row_take(b);
    memset(row, 0, sizeof *row);
    b->row_count++;
    return row;
}
