/* The configuration as YAML: /status/config and /status/runtime_config. */
#include "loading.h"

#include "vivace/base/mem.h"

struct writer {
    struct buf *out;
    const struct config *now, *other; /* other: only what differs from it is written; NULL = all */
    int indent;                       /* of the first level */
    size_t headings[WALK_DEPTH_MAX];  /* per level: where a section's heading starts when nothing stands under
                                         it yet */
    int level;
    bool item; /* the next key starts a list item */
};

static void
write_indent(struct writer *w)
{
    for (int i = 0; i < w->indent + 2 * w->level - (w->item ? 2 : 0); i++) {
        (void)buf_append_byte(w->out, ' ');
    }
    if (w->item) {
        (void)buf_append_cstr(w->out, "- ");
        w->item = false;
    }
}

static void
write_key(struct writer *w, const char *key)
{
    write_indent(w);
    value_write_string(key, w->out);
    (void)buf_append_byte(w->out, ':');
}

static bool
is_same(const struct writer *w, const struct field *f, const void *at)
{
    size_t offset = (size_t)((const char *)at - (const char *)w->now);
    if (!w->other || offset >= sizeof *w->now) {
        return false; /* inside a list, which was found to differ */
    }
    return value_eq(f, at, (const char *)w->other + offset);
}

/* Walk one table; stops at a row of type FIELD_RECEIVERS (true) or at the end (false). */
static bool
write_rows(struct writer *w, struct walk *k)
{
    for (enum walk_event e; (e = walk_next(k)) != WALK_END;) {
        const struct field *f = k->field;
        if (e == WALK_ENTER) {
            w->headings[w->level] = w->out->n;
            write_key(w, f->key);
            (void)buf_append_byte(w->out, '\n');
            w->level += f->type == FIELD_LIST ? 2 : 1;
        } else if (e == WALK_ITEM) {
            w->item = true;
        } else if (e == WALK_LEAVE) {
            w->level -= f->type == FIELD_LIST ? 2 : 1;
            size_t heading = w->headings[w->level];
            const uint8_t *end = memchr(w->out->p + heading, '\n', w->out->n - heading);
            if (end && end == w->out->p + w->out->n - 1) {
                w->out->n = heading; /* nothing stood under it */
            }
        } else if (f->type == FIELD_RECEIVERS) {
            return true;
        } else if (f->type != FIELD_IGNORED && !is_same(w, f, k->at)) {
            write_key(w, f->key);
            (void)buf_append_byte(w->out, ' ');
            value_write(f, k->at, true, w->out);
            (void)buf_append_byte(w->out, '\n');
        }
    }
    return false;
}

static void
write_table(struct writer *w, const struct table *t, void *base)
{
    struct walk k;
    walk_init(&k, t, base);
    k.skip_alias = true;
    k.lists = true;
    (void)write_rows(w, &k);
}

/* Receivers of one name stand together: they were read so. */
static void
write_receivers(struct writer *w, struct config_receivers *r)
{
    const char *name = "";
    write_key(w, "receivers");
    (void)buf_append_byte(w->out, '\n');
    w->level++;
    for (size_t i = 0; i < r->n; i++) {
        const char *protocol = config_receiver_protocol(r->v[i].kind);
        if (strcmp(name, r->v[i].name) != 0) {
            name = r->v[i].name;
            write_key(w, name);
            (void)buf_append_byte(w->out, '\n');
            if (protocol[0]) {
                w->level++;
                write_key(w, "protocols");
                (void)buf_append_byte(w->out, '\n');
                w->level--;
            }
        }
        if (protocol[0]) {
            w->level += 2;
            write_key(w, protocol);
            (void)buf_append_byte(w->out, '\n');
        }
        w->level++;
        write_table(w, table_receivers[r->v[i].kind], &r->v[i]);
        w->level -= protocol[0] ? 3 : 1;
    }
    w->level--;
}

static bool
receivers_differ(const struct config *a, const struct config *b)
{
    const struct config_receivers *x = &a->distributor.receivers, *y = &b->distributor.receivers;
    if (x->n != y->n) {
        return true;
    }
    for (size_t i = 0; i < x->n; i++) {
        if (x->v[i].kind != y->v[i].kind || strcmp(x->v[i].name, y->v[i].name) != 0 ||
            strcmp(x->v[i].endpoint, y->v[i].endpoint) != 0) {
            return true;
        }
    }
    return false;
}

static struct config *
load_defaults(void)
{
    struct config *d = NULL;
    struct config_report r;
    config_report_init(&r);
    if (config_load_text(SL_EMPTY, "defaults", NULL, &r, NULL, &d) != OK) {
        d = NULL; /* cannot be: the defaults pass the checks, and a test says so */
    }
    config_report_fini(&r);
    return d;
}

void
config_write_yaml(const struct config *c, enum config_write_mode mode, struct buf *out)
{
    struct config *defaults = mode == CONFIG_WRITE_CURRENT ? NULL : load_defaults();
    const struct config *now = mode == CONFIG_WRITE_DEFAULTS && defaults ? defaults : c;
    size_t start = out->n;
    struct writer w = {.out = out, .now = now, .other = mode == CONFIG_WRITE_DIFF ? defaults : NULL};
    struct walk k;
    void *base = NULL;
    memcpy(&base, &now, sizeof base); /* the walk only reads here; it writes when defaults are set */
    walk_init(&k, &table_root, base);
    k.skip_alias = true;
    k.lists = true;
    while (write_rows(&w, &k)) {
        if (!w.other || receivers_differ(now, w.other)) {
            write_receivers(&w, k.at);
        }
    }
    if (out->n == start) {
        (void)buf_append_cstr(out, "{}\n");
    }
    config_destroy(defaults);
}

void
config_write_limits(const struct tenant_limits *l, int indent, struct buf *out)
{
    struct writer w = {.out = out, .indent = indent};
    void *base = NULL;
    memcpy(&base, &l, sizeof base);
    write_table(&w, &table_limits, base);
}
