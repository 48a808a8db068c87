#include "table.h"

#include "cli_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <stdarg.h>

void
table_init(struct table *t, const char *heads)
{
    slice rest = slice_cstr(heads);
    *t = (struct table){.columns = 0};
    buf_init(&t->text, CLI_TEXT_MAX);
    while (rest.p) {
        slice head = slice_cut(&rest, '|');
        MUST(t->columns < TABLE_COLUMNS_MAX);
        t->right[t->columns] = slice_starts_with(head, SL(">"));
        buf_append_slice(&t->text, slice_sub(head, t->right[t->columns], head.n));
        t->columns++;
        table_end(t);
    }
}

void
table_fini(struct table *t)
{
    buf_fini(&t->text);
    mem_free(t->ends);
    *t = (struct table){.columns = 0};
}

void
table_end(struct table *t)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 256;
        t->ends = mem_realloc(t->ends, t->cap, sizeof *t->ends);
    }
    t->ends[t->count++] = t->text.n;
}

void
table_name(struct table *t, slice s, size_t columns)
{
    (void)text_put(&t->text, s, columns);
    table_end(t);
}

void
table_printf(struct table *t, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    buf_append_cstr(&t->text, text);
    table_end(t);
}

void
table_bytes(struct table *t, uint64_t bytes)
{
    text_bytes(&t->text, bytes);
    table_end(t);
}

void
table_duration(struct table *t, uint64_t ns)
{
    text_duration(&t->text, ns);
    table_end(t);
}

void
table_time(struct table *t, uint64_t unix_ns)
{
    text_time(&t->text, unix_ns);
    table_end(t);
}

size_t
table_rows(const struct table *t)
{
    return (t->count + t->columns - 1) / t->columns - 1;
}

static slice
cell(const struct table *t, size_t i)
{
    size_t from = i ? t->ends[i - 1] : 0;
    return slice_sub(buf_slice(&t->text), from, t->ends[i] - from);
}

void
table_write(struct table *t, struct buf *out)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    while (t->count % t->columns) {
        table_end(t);
    }
    for (size_t i = 0; i < t->count; i++) {
        size_t n = text_columns(cell(t, i));
        widths[i % t->columns] = n > widths[i % t->columns] ? n : widths[i % t->columns];
    }
    for (size_t i = 0; i < t->count; i++) {
        size_t c = i % t->columns, n = text_columns(cell(t, i));
        bool last = c + 1 == t->columns;
        if (t->right[c]) {
            text_pad(out, widths[c] - n);
        }
        buf_append_slice(out, cell(t, i));
        if (!last && !t->right[c]) {
            text_pad(out, widths[c] - n);
        }
        buf_append_cstr(out, last ? "\n" : "  ");
    }
    out->failed = out->failed || t->text.failed;
}
