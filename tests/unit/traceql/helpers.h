/* What the tests of traceql share: tables read from files, and a query's way through parser and checker. */
#pragma once

#include "test.h"

#include "vivace/base/arena.h"
#include "vivace/traceql/traceql.h"

/* Lines of tab-separated fields with \n, \t and \\ as escapes; '#' begins a comment line. */
struct tsv {
    FILE *file;
    char *line;
    size_t cap;
    char *field[8];
    size_t fields;
};

static inline void
tsv_open(struct tsv *t, const char *path)
{
    *t = (struct tsv){.file = fopen(path, "r")};
    if (!t->file) {
        fail_msg("cannot open %s", path);
    }
}

static inline void
tsv_unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (*s == '\\' && s[1]) {
            s++;
            *to++ = *s == 'n' ? '\n' : *s == 't' ? '\t' : *s;
        } else {
            *to++ = *s;
        }
    }
    *to = 0;
}

static inline bool
tsv_next(struct tsv *t)
{
    ssize_t n;
    do {
        n = getline(&t->line, &t->cap, t->file);
    } while (n > 0 && (t->line[0] == '#' || t->line[0] == '\n'));
    if (n <= 0) {
        return false;
    }
    t->line[strcspn(t->line, "\n")] = 0;
    char *rest = t->line;
    for (t->fields = 0; t->fields < 8; t->fields++) {
        t->field[t->fields] = rest ? strsep(&rest, "\t") : t->line + n;
    }
    t->line[n] = 0;
    for (size_t i = 0; i < 8; i++) {
        if (t->field[i] == t->line + n) {
            t->field[i] = "";
        } else {
            tsv_unescape(t->field[i]);
        }
    }
    return true;
}

static inline void
tsv_close(struct tsv *t)
{
    (void)fclose(t->file);
    free(t->line);
}

struct outcome {
    const char *class; /* "valid", "syntax", "check" */
    char msg[FAULT_MSG_MAX];
    char printed[4096]; /* normal form when it parsed */
};

static inline struct outcome
outcome_of(const char *q)
{
    struct outcome o = {.class = "valid"};
    struct arena a;
    struct fault f = {0};
    struct tql_query *query = NULL;
    arena_init(&a, 0);
    if (traceql_parse(slice_cstr(q), &a, &f, &query) != OK) {
        o.class = "syntax";
    } else {
        struct buf b;
        buf_init(&b, sizeof o.printed - 1);
        traceql_print(query, &b);
        memcpy(o.printed, b.p, b.n);
        buf_fini(&b);
        if (traceql_check(query, &f) != OK) {
            o.class = "check";
        }
    }
    memcpy(o.msg, f.msg, sizeof o.msg);
    arena_fini(&a);
    return o;
}
