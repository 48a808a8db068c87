/* Messages of a load: bounded, in order. */
#include "loading.h"

#include <stdio.h>

#define MESSAGE_BYTES_MAX 512

void
config_report_init(struct config_report *r)
{
    memset(r, 0, sizeof *r);
    arena_init(&r->arena, 0);
}

void
config_report_fini(struct config_report *r)
{
    arena_fini(&r->arena);
    memset(r, 0, sizeof *r);
}

static void
count(struct config_report *r, enum config_severity s)
{
    r->errors += s == CONFIG_ERROR;
    r->warnings += s == CONFIG_WARNING;
    r->ignored += s == CONFIG_IGNORED;
}

/* An error must not be lost behind warnings: errors get a share of their own. */
static bool
has_room(const struct config_report *r, enum config_severity s)
{
    return r->n < (s == CONFIG_ERROR ? CONFIG_MESSAGES_MAX : CONFIG_MESSAGES_MAX / 2);
}

static void
store(struct config_report *r, struct config_message m)
{
    struct config_message *v = arena_grow(&r->arena, r->v, r->n, &r->cap, r->n + 1, sizeof *v);
    if (v) {
        r->v = v;
        r->v[r->n++] = m;
    }
}

void
report_add(struct config_report *r, enum config_severity s, const char *name, const struct yaml_node *at,
           const char *fmt, ...)
{
    count(r, s);
    if (!has_room(r, s)) {
        return;
    }
    char text[MESSAGE_BYTES_MAX];
    int n = at && at->line > 0 ? snprintf(text, sizeof text, "%s:%d:%d: ", name, at->line, at->column)
                               : snprintf(text, sizeof text, "%s: ", name);
    if (n < 0 || (size_t)n >= sizeof text) {
        n = 0;
    }
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
    va_end(ap);
    char *copy = arena_cstr(&r->arena, slice_cstr(text));
    store(r, (struct config_message){.severity = s,
                                     .line = at ? at->line : 0,
                                     .column = at ? at->column : 0,
                                     .text = copy ? copy : "",
                                     .path = ""});
}

void
report_ignored(struct loading *l, const struct yaml_node *at, const char *path)
{
    struct config_report *r = l->report;
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].severity == CONFIG_IGNORED && strcmp(r->v[i].path, path) == 0) {
            return;
        }
    }
    size_t before = r->n;
    report_add(r, CONFIG_IGNORED, l->name, at, "%s means nothing here (ignored)", path);
    if (r->n > before) {
        char *copy = arena_cstr(&r->arena, slice_cstr(path));
        r->v[r->n - 1].path = copy ? copy : "";
    }
}

void
config_report_write(const struct config_report *r, struct buf *out)
{
    size_t shown = 0, names = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].severity != CONFIG_IGNORED) {
            (void)buf_append_cstr(out, r->v[i].severity == CONFIG_ERROR ? "error: " : "warning: ");
            (void)buf_append_cstr(out, r->v[i].text);
            (void)buf_append_byte(out, '\n');
            shown++;
        }
    }
    if (r->errors + r->warnings > shown) {
        (void)buf_printf(out, "and %zu more\n", r->errors + r->warnings - shown);
    }
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].severity == CONFIG_IGNORED) {
            (void)buf_append_cstr(out, names++ ? ", " : "ignored: ");
            (void)buf_append_cstr(out, r->v[i].path);
        }
    }
    if (names > 0) {
        (void)buf_append_byte(out, '\n');
    }
}
