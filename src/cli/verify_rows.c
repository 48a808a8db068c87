/* Rows as spans, page by page, against the columns that are derived from them: order, times, trees, roots and
 * services. Memory: a page of spans, and the trace under way (48 bytes a span, its services). */
#include "verify.h"

#include "vivace/base/mem.h"
#include "vivace/base/table.h"

#include <inttypes.h>
#include <stdio.h>

#define BATCH_BYTES_MAX ((size_t)768 << 20)
#define TREE_ROWS_MAX   (4U << 20) /* a trace of more spans: its tree is not checked */
#define NAME_BYTES_MAX  ((size_t)64 << 20)
#define TRACE_BYTES_MAX ((size_t)256 << 20) /* names of one trace: services, root */
#define SERVICES_MAX    (1U << 20)          /* of one trace: those beyond it are not compared */
#define STATUS_ERROR    2

/* Columns that follow from the spans; all of them required, the last three in a list. */
static const uint8_t derived[] = {
    BLOCK_NESTED_LEFT,    BLOCK_NESTED_RIGHT,  BLOCK_NESTED_PARENT,  BLOCK_CHILD_COUNT, BLOCK_TRACE_START,
    BLOCK_TRACE_DURATION, BLOCK_ROOT_SERVICE,  BLOCK_ROOT_NAME,      BLOCK_SCOPE_NAME,  BLOCK_SCOPE_VERSION,
    BLOCK_SERVICE_NAME,   BLOCK_SERVICE_SPANS, BLOCK_SERVICE_ERRORS,
};
#define DERIVED (sizeof derived)
enum {
    LEFT,
    RIGHT,
    PARENT,
    CHILDREN,
    START,
    DURATION,
    ROOT_SERVICE,
    ROOT_NAME,
    SCOPE,
    VERSION,
    SERVICE,
    SPANS,
    ERRORS
};

struct service {
    slice name; /* in the trace's arena */
    uint64_t spans, errors;
};

struct services {
    struct service *v;
    size_t n, cap;
};

struct trace {
    bool open;
    trace_id id;
    uint64_t first_row; /* in its row group */
    size_t group;
    uint64_t spans, min_start, max_end;
    uint64_t start, duration;           /* as its first row says */
    slice root_service, root_name;      /* as its first row says; in the arena */
    struct buf true_service, true_name; /* of the root that starts last */
    uint64_t root_start;
    span_id root_id;
    bool has_root;
    struct services stored, counted;
    struct str_table service_at; /* name -> position + 1 in counted */
    struct tree_row *rows;
    size_t row_count, row_cap;
    struct arena arena;
};

struct rows_check {
    struct verify *v;
    struct parquet_scratch *scratch;
    struct parquet_column *columns[DERIVED];
    struct parquet_column *other;      /* for columns that are read beside */
    struct parquet_vector at[DERIVED]; /* the page under way */
    size_t group;
    size_t service, service_level; /* next in the page's list of services */
    struct trace trace;
    uint64_t min_start, max_end;
    bool sorted; /* so far, in this row group */
};

static void
problem(struct rows_check *r, uint64_t row, const char *text)
{
    char place[96];
    (void)snprintf(place, sizeof place, "row group %zu, row %" PRIu64, r->group, row);
    verify_problem(r->v, place, "%s", text);
}

static void
trace_problem(struct rows_check *r, const char *text)
{
    char hex[2 * TRACE_ID_BYTES];
    char place[128];
    hex_encode(r->trace.id.b, sizeof r->trace.id, hex);
    (void)snprintf(place, sizeof place, "row group %zu, row %" PRIu64 ", trace %.32s", r->trace.group,
                   r->trace.first_row, hex);
    verify_problem(r->v, place, "%s", text);
}

/* --- one trace --------------------------------------------------------------------------------------------
 */

static struct service *
services_add(struct trace *t, struct services *list, slice name)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 8;
        list->v = mem_realloc(list->v, list->cap, sizeof *list->v);
    }
    list->v[list->n] = (struct service){.name = arena_copy(&t->arena, name)};
    return &list->v[list->n++];
}

static void
count_service(struct trace *t, slice name, bool is_error)
{
    uintptr_t at = (uintptr_t)str_table_get(&t->service_at, name);
    if (at == 0) {
        if (t->counted.n == SERVICES_MAX) {
            return;
        }
        (void)services_add(t, &t->counted, name);
        at = t->counted.n;
        (void)str_table_put(&t->service_at, name,
                            (void *)at); // NOLINT(performance-no-int-to-ptr): a position
    }
    t->counted.v[at - 1].spans++;
    t->counted.v[at - 1].errors += is_error;
}

static bool
same_services(const struct trace *t)
{
    if (t->stored.n != t->counted.n) {
        return false;
    }
    for (size_t i = 0; i < t->stored.n; i++) {
        const struct service *a = &t->stored.v[i], *b = &t->counted.v[i];
        if (!slice_eq(a->name, b->name) || a->spans != b->spans || a->errors != b->errors) {
            return false;
        }
    }
    return true;
}

static void
trace_check_tree(struct rows_check *r)
{
    size_t row = 0;
    char text[160];
    const char *why = NULL;
    if (r->trace.row_count < r->trace.spans) { /* too large to hold */
        return;
    }
    why = tree_check(r->trace.rows, r->trace.row_count, &row);
    if (why) {
        (void)snprintf(text, sizeof text, "span %zu: %s", row, why);
        trace_problem(r, text);
    }
}

static void
trace_end(struct rows_check *r)
{
    struct trace *t = &r->trace;
    if (!t->open) {
        return;
    }
    t->open = false;
    r->v->traces++;
    if (t->start != t->min_start || t->duration != t->max_end - t->min_start) {
        trace_problem(r, "trace_start_time and trace_duration_nano are not those of its spans");
    }
    if (!slice_eq(t->root_service, buf_slice(&t->true_service)) ||
        !slice_eq(t->root_name, buf_slice(&t->true_name))) {
        trace_problem(r, "root_service_name and root_span_name are not those of its root");
    }
    if (!same_services(t)) {
        trace_problem(r, "trace_services are not those of its spans");
    }
    trace_check_tree(r);
}

static void
trace_reset(struct trace *t)
{
    str_table_fini(&t->service_at);
    str_table_init(&t->service_at);
    arena_reset(&t->arena);
    t->stored.n = t->counted.n = t->row_count = 0;
    t->spans = 0;
    t->has_root = false;
    buf_clear(&t->true_service);
    buf_clear(&t->true_name);
}

/* The list of services that stands on this row; leaves the list at the next row. */
static void
take_services(struct rows_check *r, uint64_t row, bool first)
{
    const struct parquet_vector *name = &r->at[SERVICE], *spans = &r->at[SPANS], *errors = &r->at[ERRORS];
    size_t n = 0, levels = name->page.level_count;
    if (r->service_level >= levels) {
        problem(r, row, "trace_services end early");
        return;
    }
    do {
        size_t at = r->service_level++;
        if (name->def && name->def[at] == 0) {
            continue;
        }
        if (r->service >= name->values.count || r->service >= spans->values.count ||
            r->service >= errors->values.count) {
            problem(r, row, "trace_services have no such value");
            break;
        }
        if (first && r->trace.stored.n < SERVICES_MAX) {
            struct service *s = services_add(&r->trace, &r->trace.stored, name->values.bytes[r->service]);
            s->spans = (uint64_t)spans->values.i32[r->service];
            s->errors = (uint64_t)errors->values.i32[r->service];
        }
        r->service++;
        n++;
    } while (r->service_level < levels && name->rep && name->rep[r->service_level] > 0);
    if (!first && n) {
        problem(r, row, "trace_services stand on a row that is not its trace's first");
    }
}

static void
trace_begin(struct rows_check *r, const trace_id *id, uint64_t row, size_t i)
{
    struct trace *t = &r->trace;
    bool same_group = t->spans > 0 && t->group == r->group;
    if (same_group && memcmp(t->id.b, id->b, sizeof *id) > 0 && r->sorted) {
        r->sorted = false;
        problem(r, row, "traces are not in the order of their ids");
    }
    trace_reset(t);
    t->open = true;
    t->id = *id;
    t->group = r->group;
    t->first_row = row;
    t->min_start = UINT64_MAX;
    t->max_end = 0;
    t->start = (uint64_t)r->at[START].values.i64[i];
    t->duration = (uint64_t)r->at[DURATION].values.i64[i];
    t->root_service = arena_copy(&t->arena, r->at[ROOT_SERVICE].values.bytes[i]);
    t->root_name = arena_copy(&t->arena, r->at[ROOT_NAME].values.bytes[i]);
}

/* A link into its own trace that says "child of" stands in for a parent (OpenTracing). */
static bool
has_parent_link(const struct span_batch *b, const struct span *s)
{
    for (uint32_t i = 0; i < s->links.n; i++) {
        const struct span_link *l = &b->links[s->links.at + i];
        for (uint32_t k = 0; trace_id_eq(&l->trace, &s->trace) && k < l->attrs.n; k++) {
            const struct attr *a = &b->attrs[l->attrs.at + k];
            if (a->kind == VALUE_STRING && slice_eq(attr_key(a), SL("opentracing.ref_type")) &&
                slice_eq(attr_bytes(a), SL("child_of"))) {
                return true;
            }
        }
    }
    return false;
}

static void
trace_add_row(struct rows_check *r, const struct span *s, size_t i, bool hangs)
{
    struct trace *t = &r->trace;
    if (t->row_count == t->row_cap && t->row_cap < TREE_ROWS_MAX) {
        t->row_cap = t->row_cap ? t->row_cap * 2 : 256;
        t->rows = mem_realloc(t->rows, t->row_cap, sizeof *t->rows);
    }
    if (t->row_count < t->row_cap) {
        t->rows[t->row_count++] = (struct tree_row){
            .id = s->id,
            .parent = s->parent,
            .left = r->at[LEFT].values.i32[i],
            .right = r->at[RIGHT].values.i32[i],
            .parent_left = r->at[PARENT].values.i32[i],
            .children = r->at[CHILDREN].values.i32[i],
            .may_hang = hangs,
        };
    }
}

/* Of several roots the one that starts last gives the trace its name. */
static bool
starts_last(const struct trace *t, const struct span *s)
{
    if (!t->has_root || s->start_ns != t->root_start) {
        return !t->has_root || s->start_ns > t->root_start;
    }
    return memcmp(s->id.b, t->root_id.b, sizeof s->id) >= 0;
}

static void
check_span(struct rows_check *r, const struct span_batch *b, size_t i, uint64_t row)
{
    const struct span *s = &b->spans[i];
    const struct scope *scope = &b->scopes[s->scope];
    const uint64_t last =
        s->end_ns > s->start_ns ? s->end_ns : s->start_ns; /* one that ends before it begins */
    struct trace *t = &r->trace;
    bool first = !t->open || !trace_id_eq(&t->id, &s->trace);
    if (first) {
        trace_end(r);
        trace_begin(r, &s->trace, row, i);
    } else if ((uint64_t)r->at[START].values.i64[i] != t->start ||
               (uint64_t)r->at[DURATION].values.i64[i] != t->duration ||
               !slice_eq(r->at[ROOT_SERVICE].values.bytes[i], t->root_service) ||
               !slice_eq(r->at[ROOT_NAME].values.bytes[i], t->root_name)) {
        problem(r, row, "columns of the trace differ from row to row");
    }
    take_services(r, row, first);
    bool hangs = span_id_is_zero(&s->parent) && has_parent_link(b, s);
    slice service = span_service_name(b, s);
    if (span_id_is_zero(&s->parent) && !hangs && starts_last(t, s)) {
        t->has_root = true;
        t->root_start = s->start_ns;
        t->root_id = s->id;
        buf_clear(&t->true_service);
        buf_clear(&t->true_name);
        buf_append_slice(&t->true_service, service);
        buf_append_slice(&t->true_name, s->name);
    }
    count_service(t, service, s->status_code == STATUS_ERROR);
    trace_add_row(r, s, i, hangs);
    t->spans++;
    t->min_start = s->start_ns < t->min_start ? s->start_ns : t->min_start;
    t->max_end = last > t->max_end ? last : t->max_end;
    r->min_start = s->start_ns < r->min_start ? s->start_ns : r->min_start;
    r->max_end = last > r->max_end ? last : r->max_end;
    if (!slice_eq(scope->name, r->at[SCOPE].values.bytes[i]) ||
        !slice_eq(scope->version, r->at[VERSION].values.bytes[i])) {
        problem(r, row, "scope_name and scope_version are not those of scope_raw");
    }
}

/* --- pages ------------------------------------------------------------------------------------------------
 */

/* The next page of every derived column: the same rows in each. ERR_NOT_FOUND behind the last. */
static err
next_page(struct rows_check *r, struct fault *f)
{
    err rc = OK;
    for (size_t i = 0; i < DERIVED; i++) {
        struct parquet_page page;
        rc = parquet_column_next(r->columns[i], f, &page);
        if (rc == ERR_NOT_FOUND && i > 0) {
            return FAULT(f, ERR_CORRUPT, "columns have different numbers of pages");
        }
        TRY(rc);
        TRY(parquet_column_decode(r->columns[i], PARQUET_DECODE_VALUES, f, &r->at[i]));
        if (r->at[i].page.first_row != r->at[0].page.first_row ||
            r->at[i].page.row_count != r->at[0].page.row_count) {
            return FAULT(f, ERR_CORRUPT, "pages end at different rows in different columns");
        }
        if (i < SERVICE && r->at[i].values.count != page.row_count) {
            return FAULT(f, ERR_CORRUPT, "a column that is required has nulls");
        }
    }
    r->service = r->service_level = 0;
out:
    return rc;
}

static err
check_page(struct rows_check *r, struct fault *f)
{
    const struct parquet_page *page = &r->at[0].page;
    struct span_batch b;
    uint64_t inspected = 0;
    span_batch_init(&b, BATCH_BYTES_MAX);
    err rc = block_read_rows(r->v->reader, r->group, page->first_row, page->first_row + page->row_count, &b,
                             &inspected, f);
    for (size_t i = 0; rc == OK && i < b.span_count; i++) {
        check_span(r, &b, i, page->first_row + i);
    }
    rc = rc == OK ? verify_attr_columns(r->v, r->other, r->group, page->first_row, &b, f) : rc;
    r->v->spans += b.span_count;
    span_batch_fini(&b);
    return rc;
}

static void
check_group(struct rows_check *r)
{
    char place[64];
    struct fault f = {0};
    err rc = OK;
    uint64_t at = 0;
    r->sorted = true;
    for (size_t i = 0; i < DERIVED && rc == OK; i++) {
        rc = parquet_column_open(r->columns[i], r->v->file, r->group,
                                 (size_t)r->v->schema->column[derived[i]], &f);
    }
    while (rc == OK && (rc = next_page(r, &f)) == OK) {
        at = r->at[0].page.first_row;
        rc = check_page(r, &f);
    }
    if (rc != ERR_NOT_FOUND) {
        (void)snprintf(place, sizeof place, "row group %zu, rows from %" PRIu64, r->group, at);
        verify_problem(r->v, place, "%s", f.msg[0] ? f.msg : err_name(rc));
        r->trace.open = false;
    }
}

static void
check_block(struct rows_check *r, uint64_t problems_before)
{
    const struct block_meta *m = r->v->meta;
    for (size_t g = 0; g < r->v->file->meta->row_group_count; g++) {
        if (r->v->unfit[g]) {
            return;
        }
    }
    if (r->v->problem_count != problems_before) {
        return; /* rows are missing: what follows would say the same again */
    }
    if (r->v->traces != m->traces) {
        verify_problem(r->v, "meta.json", "%" PRIu64 " traces, its rows are %" PRIu64 " runs of one trace",
                       m->traces, r->v->traces);
    }
    if (r->v->spans && (r->min_start != m->min_start_ns || r->max_end != m->max_end_ns)) {
        verify_problem(r->v, "meta.json", "the time range is not that of its spans");
    }
}

void
verify_rows(struct verify *v)
{
    struct rows_check r = {.v = v, .min_start = UINT64_MAX};
    uint64_t problems = v->problem_count;
    r.scratch = parquet_scratch_create(&BLOCK_PARQUET_LIMITS);
    for (size_t i = 0; i < DERIVED; i++) {
        r.columns[i] = parquet_column_create(r.scratch);
    }
    r.other = parquet_column_create(r.scratch);
    arena_init(&r.trace.arena, TRACE_BYTES_MAX);
    buf_init(&r.trace.true_service, NAME_BYTES_MAX);
    buf_init(&r.trace.true_name, NAME_BYTES_MAX);
    str_table_init(&r.trace.service_at);
    for (r.group = 0; r.group < v->file->meta->row_group_count; r.group++) {
        if (v->unfit[r.group]) { /* it is told why */
            r.trace.open = false;
        } else {
            check_group(&r);
        }
    }
    trace_end(&r);
    check_block(&r, problems);
    for (size_t i = 0; i < DERIVED; i++) {
        parquet_column_destroy(r.columns[i]);
    }
    parquet_column_destroy(r.other);
    parquet_scratch_destroy(r.scratch);
    str_table_fini(&r.trace.service_at);
    arena_fini(&r.trace.arena);
    buf_fini(&r.trace.true_service);
    buf_fini(&r.trace.true_name);
    mem_free(r.trace.rows);
    mem_free(r.trace.stored.v);
    mem_free(r.trace.counted.v);
}
