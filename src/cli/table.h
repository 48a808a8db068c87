/* A table of text: columns as wide as their widest cell, two blanks between. */
#pragma once

#include "text.h"

#define TABLE_COLUMNS_MAX 16

struct table {
    struct buf text; /* all cells, one after another */
    size_t *ends;    /* of each cell in `text` */
    size_t count, cap;
    size_t columns;
    bool right[TABLE_COLUMNS_MAX];
};

/* `heads` names the columns, separated by '|'; a name that begins with '>' is aligned right. */
void table_init(struct table *t, const char *heads);
void table_fini(struct table *t);
/* Append to t->text what the cell shows, then end it. */
void table_end(struct table *t);
/* Whole cells. */
void table_name(struct table *t, slice s, size_t columns); /* made safe */
void table_printf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_bytes(struct table *t, uint64_t bytes);
void table_duration(struct table *t, uint64_t ns);
void table_time(struct table *t, uint64_t unix_ns);
/* Rows without a cell are ended with empty ones. */
void table_write(struct table *t, struct buf *out);
size_t table_rows(const struct table *t); /* without the head */
