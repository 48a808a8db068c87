/* Walking the tables: one order for defaults, flags, writing and docs. Tables are ours, so the depth is
 * bounded. */
#include "field.h"
#include "loading.h"

#include "vivace/base/must.h"

void
walk_init(struct walk *w, const struct table *t, void *base)
{
    memset(w, 0, sizeof *w);
    w->stack[0].table = t;
    w->stack[0].base = base;
    w->stack[0].flags = true;
    w->depth = 1;
}

static void
set_path(struct walk *w, const struct field *f)
{
    size_t n = w->stack[w->depth - 1].path_len;
    size_t k = f->key ? strlen(f->key) : 0;
    MUST(n + k + 2 < sizeof w->path);
    if (n > 0 && k > 0) {
        w->path[n++] = '.';
    }
    if (k > 0) {
        memcpy(w->path + n, f->key, k);
    }
    w->path[n + k] = '\0';
}

static void
set_flag(struct walk *w, const struct field *f)
{
    size_t n = w->stack[w->depth - 1].flag_len;
    w->flag[n] = '\0';
    if (!f->flag || !w->stack[w->depth - 1].flags) {
        if (f->type != FIELD_SECTION) {
            w->flag[0] = '\0';
        }
        return;
    }
    bool absolute = f->flag[0] == '/';
    const char *name = f->flag + (absolute ? 1 : 0);
    size_t at = absolute ? 0 : n;
    size_t k = strlen(name);
    MUST(at + k + 1 < sizeof w->flag);
    memcpy(w->flag + at, name, k + 1);
}

/* The flag prefix of the frame on top, rebuilt from the section rows below it (an absolute name may have
 * overwritten it). */
static void
restore_prefix(struct walk *w)
{
    size_t n = 0;
    for (int d = 1; d < w->depth; d++) {
        const struct field *s = w->stack[d].section;
        if (w->stack[d].flags && s && s->flag) {
            size_t k = strlen(s->flag);
            memcpy(w->flag + n, s->flag, k);
            n += k;
        }
    }
    w->flag[n] = '\0';
    w->stack[w->depth - 1].flag_len = (uint16_t)n;
}

static void
push(struct walk *w, const struct field *f, char *base, size_t items)
{
    MUST(w->depth < WALK_DEPTH_MAX);
    int top = w->depth - 1;
    w->stack[w->depth].table = f->sub;
    w->stack[w->depth].section = f;
    w->stack[w->depth].i = f->type == FIELD_LIST && items > 0 ? f->sub->count : 0;
    w->stack[w->depth].base = base;
    w->stack[w->depth].items = items;
    w->stack[w->depth].path_len = (uint16_t)strlen(w->path);
    w->stack[w->depth].flags = w->stack[top].flags && f->flag && f->type == FIELD_SECTION;
    w->stack[w->depth].open = w->stack[top].open || f->open || f->type == FIELD_LIST;
    w->stack[w->depth].alias = w->stack[top].alias || f->cls == FIELD_ALIAS;
    w->depth++;
    restore_prefix(w);
}

static enum walk_event
leave(struct walk *w)
{
    if (w->depth == 1) {
        w->depth = 0;
        return WALK_END;
    }
    w->field = w->stack[w->depth - 1].section;
    w->depth--;
    set_path(w, w->field);
    restore_prefix(w);
    return WALK_LEAVE;
}

/* A row with rows below it. True: it was entered. */
static bool
enter(struct walk *w, const struct field *f, char *base)
{
    if (f->type == FIELD_SECTION) {
        push(w, f, base ? base + f->offset : NULL, 0);
        return true;
    }
    if (f->type == FIELD_LIST && w->lists) {
        if (!base) {
            push(w, f, NULL, 0);
            return true;
        }
        struct yaml_list *l = (struct yaml_list *)(void *)(base + f->offset);
        if (l->n > 0) {
            push(w, f, (char *)l->v - f->sub->size, l->n);
            return true;
        }
    }
    return false;
}

enum walk_event
walk_next(struct walk *w)
{
    for (;;) {
        if (w->depth == 0) {
            return WALK_END;
        }
        int top = w->depth - 1;
        const struct table *t = w->stack[top].table;
        if (w->stack[top].i >= t->count) {
            if (w->stack[top].items > 0) {
                w->stack[top].items--;
                w->stack[top].i = 0;
                w->stack[top].base += t->size;
                w->field = w->stack[top].section;
                return WALK_ITEM;
            }
            enum walk_event e = leave(w);
            if (e == WALK_LEAVE && w->field->type == FIELD_INCLUDE) {
                continue;
            }
            return e;
        }
        const struct field *f = &t->rows[w->stack[top].i++];
        if (w->skip_alias && (f->cls == FIELD_ALIAS || f->type == FIELD_INCLUDE)) {
            continue;
        }
        char *base = w->stack[top].base;
        w->field = f;
        w->alias = w->stack[top].alias || f->cls == FIELD_ALIAS;
        w->open = w->stack[top].open;
        w->at = base ? base + f->offset : NULL;
        set_path(w, f);
        restore_prefix(w);
        set_flag(w, f);
        if (f->type == FIELD_INCLUDE) {
            push(w, f, base ? base + f->offset : NULL, 0);
            continue;
        }
        return enter(w, f, base) ? WALK_ENTER : WALK_FIELD;
    }
}

void
walk_skip(struct walk *w)
{
    w->stack[w->depth - 1].i = w->stack[w->depth - 1].table->count;
    w->stack[w->depth - 1].items = 0;
    (void)leave(w);
}
