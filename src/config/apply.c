/* Nodes into structs, row by row; and the defaults. */
#include "loading.h"

#include "vivace/base/must.h"

#define APPLY_DEPTH_MAX 24 /* sections and lists of our own tables nest less than this */

struct frame {
    const struct table *table;
    char *base;
    const struct yaml_node *node; /* the map at hand; a list when `list` */
    size_t i;
    size_t path_len;
    bool list; /* node is a list of maps, elements from base on */
};

struct applying {
    struct loading *l;
    struct frame stack[APPLY_DEPTH_MAX];
    int depth;
    char path[WALK_PATH_MAX];
};

/* --- defaults --- */

void
table_set_empty(const struct table *t, void *base, struct arena *a)
{
    (void)a;
    struct walk w;
    walk_init(&w, t, base);
    for (enum walk_event e; (e = walk_next(&w)) != WALK_END;) {
        uint8_t type = w.field->type;
        if (e == WALK_FIELD && (type == FIELD_STRING || type == FIELD_SECRET || type == FIELD_URL)) {
            *(const char **)w.at = "";
        } else if (e == WALK_FIELD && type == FIELD_SCALAR) {
            ((struct config_scalar *)w.at)->text = "";
        }
    }
}

void
table_set_defaults(const struct table *t, void *base, struct arena *a)
{
    table_set_empty(t, base, a);
    struct walk w;
    walk_init(&w, t, base);
    w.skip_alias = true;
    for (enum walk_event e; (e = walk_next(&w)) != WALK_END;) {
        if (e != WALK_FIELD || !w.field->def || w.open) {
            continue;
        }
        uint8_t type = w.field->type;
        if (type == FIELD_STRING || type == FIELD_SECRET || type == FIELD_URL) {
            *(const char **)w.at =
                w.field->def; /* the row outlives every configuration: no copy that could be refused */
        } else {
            const char *why = NULL;
            bool ok = value_set(w.field, w.at, slice_cstr(w.field->def), a, &why);
            MUST(ok); /* lists have defaults at the top only, where the arena is still empty */
        }
    }
}

/* --- finding rows --- */

/* The row for a key, also among included tables; `*base` moves to the struct the row counts from. */
static const struct field *
find_row(const struct table *t, slice key, char **base)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct field *f = &t->rows[i];
        if (f->type == FIELD_INCLUDE) {
            for (size_t k = 0; k < f->sub->count; k++) {
                if (slice_eq(slice_cstr(f->sub->rows[k].key), key)) {
                    *base += f->offset;
                    return &f->sub->rows[k];
                }
            }
        } else if (slice_eq(slice_cstr(f->key), key)) {
            return f;
        }
    }
    return NULL;
}

static void
too_large(struct applying *ap, const struct yaml_node *n)
{
    report_add(ap->l->report, CONFIG_ERROR, ap->l->name, n, "%s: too large", ap->path);
}

static const char *
kind_name(const struct yaml_node *n)
{
    return n->kind == YAML_MAP ? "a map" : n->kind == YAML_LIST ? "a list" : "a single value";
}

static void
wrong_kind(struct applying *ap, const struct yaml_node *n, const char *want)
{
    report_add(ap->l->report, CONFIG_ERROR, ap->l->name, n, "%s: %s, not %s", ap->path, want, kind_name(n));
}

/* --- values --- */

static void
apply_strings(struct applying *ap, const struct field *f, void *at, const struct yaml_node *n)
{
    struct config_strings s = {.v = n->count ? arena_new_array(ap->l->values, const char *, n->count) : NULL};
    struct config_floats d = {.v = n->count ? arena_new_array(ap->l->values, double, n->count) : NULL};
    if (n->count > 0 && (!s.v || !d.v)) {
        too_large(ap, n);
        return;
    }
    for (size_t i = 0; i < n->count; i++) {
        const struct yaml_node *item = n->items[i];
        if (item->kind != YAML_SCALAR) {
            wrong_kind(ap, item, "a list of single values");
            return;
        }
        struct field one = {.type = f->type == FIELD_STRINGS ? FIELD_STRING : FIELD_FLOAT};
        void *place = f->type == FIELD_STRINGS ? (void *)&s.v[i] : (void *)&d.v[i];
        const char *why = NULL;
        if (!value_set(&one, place, item->text, ap->l->values, &why)) {
            report_add(ap->l->report, CONFIG_ERROR, ap->l->name, item, "%s: \"%.*s\" is not %s", ap->path,
                       SL_FMT(slice_sub(item->text, 0, 80)), why);
            return;
        }
    }
    s.n = d.n = n->count;
    if (f->type == FIELD_STRINGS) {
        memcpy(at, &s, sizeof s);
    } else {
        memcpy(at, &d, sizeof d);
    }
}

static void
apply_pairs(struct applying *ap, void *at, const struct yaml_node *n)
{
    struct config_map m = {.v = n->count ? arena_new_array(ap->l->values, struct config_pair, n->count)
                                         : NULL};
    for (size_t i = 0; i < n->count; i++) {
        const struct yaml_node *v = n->pairs[i].value;
        if (v->kind != YAML_SCALAR) {
            wrong_kind(ap, v, "a map of single values");
            return;
        }
        if (m.v) {
            m.v[i].key = arena_cstr(ap->l->values, n->pairs[i].key->text);
            m.v[i].value = arena_cstr(ap->l->values, yaml_is_null(v) ? SL_EMPTY : v->text);
        }
        if (!m.v || !m.v[i].key || !m.v[i].value) {
            too_large(ap, v);
            return;
        }
    }
    m.n = n->count;
    memcpy(at, &m, sizeof m);
}

static bool
is_unitless(const struct yaml_node *n)
{
    uint64_t v = 0;
    return value_parse_uint(n->text, &v) && v != 0;
}

static void
apply_scalar(struct applying *ap, const struct field *f, void *at, const struct yaml_node *n)
{
    const char *why = NULL;
    if (f->type == FIELD_SCALAR) {
        value_set_scalar(at, n->text, n->plain, ap->l->values);
        return;
    }
    if (!value_set(f, at, n->text, ap->l->values, &why)) {
        bool secret = f->type == FIELD_SECRET;
        report_add(ap->l->report, CONFIG_ERROR, ap->l->name, n, "%s: \"%.*s\" is not %s%s", ap->path,
                   SL_FMT(secret ? SL("<secret>") : slice_sub(n->text, 0, 80)),
                   f->type == FIELD_ENUM ? "one of " : "", why);
        return;
    }
    if (f->type == FIELD_DURATION && is_unitless(n)) {
        report_add(ap->l->report, CONFIG_WARNING, ap->l->name, n,
                   "%s: %.*s has no unit and is read as nanoseconds", ap->path,
                   SL_FMT(slice_sub(n->text, 0, 40)));
    }
}

static void
apply_value(struct applying *ap, const struct field *f, void *at, const struct yaml_node *n)
{
    bool list = f->type == FIELD_STRINGS || f->type == FIELD_FLOATS;
    bool map = f->type == FIELD_MAP || f->type == FIELD_SECRETS;
    if (list && n->kind == YAML_LIST) {
        apply_strings(ap, f, at, n);
    } else if (map) {
        if (n->kind == YAML_MAP) {
            apply_pairs(ap, at, n);
        } else {
            wrong_kind(ap, n, "a map is wanted");
        }
    } else if (n->kind != YAML_SCALAR) {
        wrong_kind(ap, n, list ? "a list of single values is wanted" : "a single value is wanted");
    } else {
        apply_scalar(ap, f, at, n);
    }
}

/* --- nesting --- */

static void
push(struct applying *ap, struct frame f)
{
    MUST(ap->depth < APPLY_DEPTH_MAX);
    f.path_len = strlen(ap->path);
    ap->stack[ap->depth++] = f;
}

static void
enter_list(struct applying *ap, const struct field *f, char *at, const struct yaml_node *n)
{
    if (n->kind != YAML_LIST) {
        wrong_kind(ap, n, "a list is wanted");
        return;
    }
    struct yaml_list l = {.v = n->count ? arena_calloc(ap->l->values, n->count, f->sub->size) : NULL};
    if (n->count > 0 && !l.v) {
        too_large(ap, n);
        return;
    }
    l.n = n->count;
    for (size_t i = 0; i < l.n; i++) {
        table_set_defaults(f->sub, (char *)l.v + i * f->sub->size, ap->l->values);
    }
    memcpy(at, &l, sizeof l);
    if (l.n > 0) {
        push(ap, (struct frame){.table = f->sub, .base = l.v, .node = n, .list = true});
    }
}

static void
set_key(struct applying *ap, size_t path_len, slice key)
{
    size_t n = path_len;
    size_t k = key.n < 64 ? key.n : 64;
    if (n + k + 2 > sizeof ap->path) {
        k = 0;
    }
    if (n > 0 && k > 0) {
        ap->path[n++] = '.';
    }
    memcpy(ap->path + n, key.p ? key.p : (const uint8_t *)"", k);
    ap->path[n + k] = '\0';
}

static void
apply_pair(struct applying *ap, const struct table *t, char *base, const struct yaml_pair *p)
{
    const struct field *f = find_row(t, p->key->text, &base);
    if (!f) {
        report_add(ap->l->report, CONFIG_WARNING, ap->l->name, p->key, "unknown key \"%.*s\" (ignored)",
                   SL_FMT(slice_sub(slice_cstr(ap->path), 0, 200)));
        return;
    }
    char *at = base + f->offset;
    const struct yaml_node *n = p->value;
    if (f->type == FIELD_IGNORED) {
        report_ignored(ap->l, p->key, ap->path);
    } else if (f->type == FIELD_RECEIVERS) {
        ap->l->receivers = n;
    } else if (yaml_is_null(n)) {
        return; /* as if it were not there */
    } else if (f->type == FIELD_LIST) {
        enter_list(ap, f, at, n);
    } else if (f->type == FIELD_SECTION) {
        if (n->kind == YAML_MAP) {
            push(ap, (struct frame){.table = f->sub, .base = at, .node = n});
        } else {
            wrong_kind(ap, n, "a map is wanted");
        }
    } else {
        apply_value(ap, f, at, n);
    }
}

void
apply_map(struct loading *l, const struct table *t, void *base, const struct yaml_node *map, const char *path)
{
    struct applying ap = {.l = l};
    set_key(&ap, 0, slice_cstr(path));
    push(&ap, (struct frame){.table = t, .base = base, .node = map});
    while (ap.depth > 0) {
        struct frame *f = &ap.stack[ap.depth - 1];
        ap.path[f->path_len] = '\0';
        if (f->i == f->node->count) {
            ap.depth--;
        } else if (f->list) {
            size_t i = f->i++;
            const struct yaml_node *item = f->node->items[i];
            if (item->kind == YAML_MAP) {
                push(&ap,
                     (struct frame){.table = f->table, .base = f->base + i * f->table->size, .node = item});
            } else if (!yaml_is_null(item)) {
                wrong_kind(&ap, item, "a list of maps is wanted");
            }
        } else {
            const struct yaml_pair *p = &f->node->pairs[f->i++];
            set_key(&ap, f->path_len, p->key->text);
            apply_pair(&ap, f->table, f->base, p);
        }
    }
}
