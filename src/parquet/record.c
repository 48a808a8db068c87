/* Rows put together from columns. Walks the schema with a stack of its own: one frame per open group. */
#include "vivace/parquet/record.h"

#include "vivace/base/mem.h"

#include <math.h>

struct cursor {
    struct parquet_column *column;
    struct parquet_vector v;
    size_t at, value_at; /* entry, value in v */
    bool ended;
};

struct frame {
    int32_t node, child; /* the next child to visit, -1 when done */
    bool open;           /* something was printed in it */
};

struct parquet_rows {
    struct parquet_file file;
    struct parquet_scratch *scratch;
    struct cursor *cursors;
    uint32_t row_group; /* the next to open */
    uint64_t rows_left; /* in the open one */
};

struct parquet_rows *
parquet_rows_create(const struct parquet_file *file, const struct parquet_limits *limits)
{
    size_t n = (size_t)file->meta->schema->column_count;
    struct parquet_rows *r = mem_new(struct parquet_rows);
    r->file = *file;
    r->scratch = parquet_scratch_create(limits);
    r->cursors = mem_new_array(struct cursor, n + 1);
    for (size_t i = 0; i < n; i++) {
        r->cursors[i].column = parquet_column_create(r->scratch);
    }
    return r;
}

void
parquet_rows_destroy(struct parquet_rows *r)
{
    if (!r) {
        return;
    }
    for (int32_t i = 0; i < r->file.meta->schema->column_count; i++) {
        parquet_column_destroy(r->cursors[i].column);
    }
    parquet_scratch_destroy(r->scratch);
    mem_free(r->cursors);
    mem_free(r);
}

/* Make the cursor stand on an entry, or at the end of its chunk. */
static err
settle(struct cursor *c, struct fault *f)
{
    while (!c->ended && c->at == c->v.page.level_count) {
        struct parquet_page page;
        err rc = parquet_column_next(c->column, f, &page);
        if (rc == ERR_NOT_FOUND) {
            c->ended = true;
            break;
        }
        if (rc == OK) {
            rc = parquet_column_decode(c->column, PARQUET_DECODE_VALUES, f, &c->v);
        }
        if (rc != OK) {
            return rc;
        }
        c->at = c->value_at = 0;
    }
    return OK;
}

static uint8_t
cursor_def(const struct cursor *c, uint8_t max)
{
    return c->v.def ? c->v.def[c->at] : max;
}

static uint8_t
cursor_rep(const struct cursor *c)
{
    return c->v.rep ? c->v.rep[c->at] : 0;
}

static err
consume(struct cursor *c, const struct parquet_node *leaf, struct fault *f)
{
    if (c->ended) {
        return FAULT(f, ERR_CORRUPT, "parquet rows: column %.*s ends before the others",
                     SL_FMT(leaf->field.name));
    }
    c->value_at += cursor_def(c, leaf->max_def) == leaf->max_def;
    c->at++;
    return settle(c, f);
}

static void
put_string(struct buf *out, slice s)
{
    static const char hex[] = "0123456789abcdef";
    buf_append_byte(out, '"');
    for (size_t i = 0; i < s.n;) {
        uint8_t b = s.p[i];
        size_t len = b < 0x80                ? 1
                     : b >= 0xc2 && b < 0xe0 ? 2
                     : b >= 0xe0 && b < 0xf0 ? 3
                     : b >= 0xf0 && b < 0xf5 ? 4
                                             : 0;
        bool good = len > 0 && len <= s.n - i;
        for (size_t k = 1; good && k < len; k++) {
            good = (s.p[i + k] & 0xc0) == 0x80;
        }
        /* overlong, surrogate, above U+10FFFF */
        good = good && !(b == 0xe0 && s.p[i + 1] < 0xa0) && !(b == 0xed && s.p[i + 1] > 0x9f) &&
               !(b == 0xf0 && s.p[i + 1] < 0x90) && !(b == 0xf4 && s.p[i + 1] > 0x8f);
        if (!good) {
            buf_append_cstr(out, "\xef\xbf\xbd");
            i++;
            continue;
        }
        if (b < 0x20) {
            uint8_t esc[6] = {'\\', 'u', '0', '0', (uint8_t)hex[b >> 4], (uint8_t)hex[b & 15]};
            buf_append(out, esc, sizeof esc);
        } else {
            if (b == '"' || b == '\\') {
                buf_append_byte(out, '\\');
            }
            buf_append(out, s.p + i, len);
        }
        i += len;
    }
    buf_append_byte(out, '"');
}

static void
put_hex(struct buf *out, slice s)
{
    static const char hex[] = "0123456789abcdef";
    buf_append_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        buf_append_byte(out, (uint8_t)hex[s.p[i] >> 4]);
        buf_append_byte(out, (uint8_t)hex[s.p[i] & 15]);
    }
    buf_append_byte(out, '"');
}

static void
put_double(struct buf *out, double v)
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
put_int(struct buf *out, const struct parquet_field *field, int64_t v)
{
    bool is_unsigned = field->logical.kind == PARQUET_INTEGER && !field->logical.is_signed;
    bool wide = field->type == PARQUET_INT64;
    if (wide) {
        buf_append_byte(out, '"');
    }
    if (is_unsigned) {
        buf_append_u64(out, wide ? (uint64_t)v : (uint32_t)v);
    } else {
        buf_append_i64(out, v);
    }
    if (wide) {
        buf_append_byte(out, '"');
    }
}

static void
put_value(struct buf *out, const struct parquet_node *leaf, const struct parquet_values *v, size_t i)
{
    const struct parquet_field *field = &leaf->field;
    enum parquet_logical_kind kind = field->logical.kind;
    switch (field->type) {
    case PARQUET_BOOLEAN:
        buf_append_cstr(out, v->bools[i] ? "true" : "false");
        break;
    case PARQUET_INT32:
        put_int(out, field, v->i32[i]);
        break;
    case PARQUET_INT64:
        put_int(out, field, v->i64[i]);
        break;
    case PARQUET_FLOAT:
        put_double(out, (double)v->f32[i]);
        break;
    case PARQUET_DOUBLE:
        put_double(out, v->f64[i]);
        break;
    case PARQUET_BYTE_ARRAY:
        if (kind == PARQUET_STRING || kind == PARQUET_ENUM || kind == PARQUET_JSON) {
            put_string(out, v->bytes[i]);
        } else {
            put_hex(out, v->bytes[i]);
        }
        break;
    default:
        put_hex(out, slice_of(v->fixed + i * parquet_value_bytes(leaf), parquet_value_bytes(leaf)));
    }
}

/* The group around the repeated node of a LIST or MAP prints as its array. */
static bool
is_wrapper(const struct parquet_schema *s, int32_t n)
{
    const struct parquet_node *node = &s->nodes[n];
    return node->field.group && node->child_count == 1 &&
           (node->field.logical.kind == PARQUET_LIST || node->field.logical.kind == PARQUET_MAP) &&
           s->nodes[n + 1].field.repetition == PARQUET_REPEATED;
}

/* Nodes without braces: wrappers, and the repeated group of a three-level list (by the format's rules for
 * old writers, one named "array" or "..._tuple" is an element itself). */
static bool
is_bare(const struct parquet_schema *s, int32_t n)
{
    const struct parquet_node *node = &s->nodes[n];
    if (is_wrapper(s, n)) {
        return true;
    }
    return node->field.repetition == PARQUET_REPEATED && node->field.group && node->child_count == 1 &&
           node->parent >= 0 && is_wrapper(s, node->parent) &&
           s->nodes[node->parent].field.logical.kind == PARQUET_LIST &&
           !slice_eq(node->field.name, SL("array")) && !slice_ends_with(node->field.name, SL("_tuple"));
}

struct walk {
    struct parquet_rows *r;
    const struct parquet_schema *s;
    struct buf *out;
    struct frame stack[PARQUET_DEPTH_MAX + 2];
    int depth;
};

/* Nothing there: one entry of each column below. */
static err
pass_over(struct walk *w, const struct parquet_node *node, struct fault *f)
{
    err rc = OK;
    for (int32_t i = 0; i < node->column_count; i++) {
        int32_t column = node->first_column + i;
        TRY(consume(&w->r->cursors[column], parquet_schema_column(w->s, (size_t)column), f));
    }
out:
    return rc;
}

static void
push(struct walk *w, int32_t n)
{
    w->stack[w->depth++] = (struct frame){.node = n, .child = w->s->nodes[n].child_count ? n + 1 : -1};
    if (!is_bare(w->s, n)) {
        buf_append_byte(w->out, '{');
    }
}

static err
put_leaf(struct walk *w, const struct parquet_node *leaf, struct fault *f)
{
    struct cursor *c = &w->r->cursors[leaf->column];
    err rc = OK;
    bool repeated = leaf->field.repetition == PARQUET_REPEATED;
    if (repeated) {
        buf_append_byte(w->out, '[');
    }
    for (;;) {
        if (c->ended || cursor_def(c, leaf->max_def) != leaf->max_def) {
            return FAULT(f, ERR_CORRUPT, "parquet rows: column %.*s has no value where its group is there",
                         SL_FMT(leaf->field.name));
        }
        put_value(w->out, leaf, &c->v.values, c->value_at);
        TRY(consume(c, leaf, f));
        if (!repeated || c->ended || cursor_rep(c) != leaf->max_rep) {
            break;
        }
        buf_append_byte(w->out, ',');
    }
    if (repeated) {
        buf_append_byte(w->out, ']');
    }
out:
    return rc;
}

static err
begin_node(struct walk *w, int32_t n, struct fault *f)
{
    const struct parquet_node *node = &w->s->nodes[n];
    if (node->column_count == 0) {
        buf_append_cstr(w->out, "{}");
        return OK;
    }
    const struct parquet_node *first = parquet_schema_column(w->s, (size_t)node->first_column);
    const struct cursor *c = &w->r->cursors[node->first_column];
    if (c->ended) {
        return FAULT(f, ERR_CORRUPT, "parquet rows: column %.*s ends before the others",
                     SL_FMT(first->field.name));
    }
    if (node->field.repetition != PARQUET_REQUIRED && cursor_def(c, first->max_def) < node->max_def) {
        buf_append_cstr(w->out, node->field.repetition == PARQUET_REPEATED ? "[]" : "null");
        return pass_over(w, node, f);
    }
    if (!node->field.group) {
        return put_leaf(w, node, f);
    }
    if (node->field.repetition == PARQUET_REPEATED) {
        buf_append_byte(w->out, '[');
    }
    push(w, n);
    return OK;
}

/* A group's children are through: close it, or begin its next repetition. */
static void
end_group(struct walk *w)
{
    struct frame *fr = &w->stack[w->depth - 1];
    int32_t n = fr->node;
    const struct parquet_node *node = &w->s->nodes[n];
    w->depth--;
    if (!is_bare(w->s, n)) {
        buf_append_byte(w->out, '}');
    }
    if (node->field.repetition != PARQUET_REPEATED || n == 0) {
        return;
    }
    const struct cursor *c = &w->r->cursors[node->first_column];
    if (!c->ended && cursor_rep(c) == node->max_rep) {
        buf_append_byte(w->out, ',');
        push(w, n);
    } else {
        buf_append_byte(w->out, ']');
    }
}

static err
put_row(struct walk *w, struct fault *f)
{
    err rc = OK;
    push(w, 0);
    while (w->depth > 0) {
        struct frame *fr = &w->stack[w->depth - 1];
        int32_t n = fr->child;
        if (n < 0) {
            end_group(w);
            continue;
        }
        if (fr->open) {
            buf_append_byte(w->out, ',');
        }
        if (!is_bare(w->s, fr->node)) {
            put_string(w->out, w->s->nodes[n].field.name);
            buf_append_byte(w->out, ':');
        }
        fr->open = true;
        fr->child = w->s->nodes[n].next_sibling;
        TRY(begin_node(w, n, f));
        if (w->out->failed) {
            return FAULT(f, ERR_LIMIT, "parquet rows: a row does not fit");
        }
    }
out:
    return rc;
}

static err
open_row_group(struct parquet_rows *r, struct fault *f)
{
    err rc = OK;
    for (int32_t i = 0; i < r->file.meta->schema->column_count; i++) {
        struct cursor *c = &r->cursors[i];
        *c = (struct cursor){.column = c->column};
        TRY(parquet_column_open(c->column, &r->file, r->row_group, (size_t)i, f));
        TRY(settle(c, f));
    }
    r->rows_left = r->file.meta->row_groups[r->row_group].row_count;
    r->row_group++;
out:
    return rc;
}

err
parquet_rows_next(struct parquet_rows *r, struct buf *out, struct fault *f)
{
    err rc = OK;
    struct walk w = {.r = r, .s = r->file.meta->schema, .out = out};
    while (r->rows_left == 0) {
        if (r->row_group == r->file.meta->row_group_count) {
            return ERR_NOT_FOUND;
        }
        TRY(open_row_group(r, f));
    }
    TRY(put_row(&w, f));
    r->rows_left--;
    for (int32_t i = 0; i < w.s->column_count; i++) {
        const struct cursor *c = &r->cursors[i];
        if (r->rows_left == 0 ? !c->ended : !c->ended && cursor_rep(c) != 0) {
            return FAULT(f, ERR_CORRUPT, "parquet rows: column %.*s has entries that belong to no row",
                         SL_FMT(parquet_schema_column(w.s, (size_t)i)->field.name));
        }
    }
out:
    return rc;
}
