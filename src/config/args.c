/* The command line in Go's spelling: -name=value, --name=value, -name value, bare booleans. */
#include "loading.h"

#include "vivace/base/mem.h"

#include <stdio.h>

/* Tempo's flags that set nothing here; a trailing dot stands for every flag that starts so. */
static const char *const ignored_flags[] = {
    "mem-ballast-size-mbs",
    "mutex-profile-fraction",
    "block-profile-threshold",
    "memberlist.",
    "reporting.",
    "distributor.ring.",
    "ingester.lifecycler.",
    "compactor.ring.",
    "backend-worker.",
    "backend-scheduler.",
    "live-store.",
    "metrics-generator.",
    "querier.frontend-address",
    "querier.frontend-client.",
    "querier.worker-",
    "ingest.",
    "block-builder.",
    "usage-report.",
    "storage.trace.gcs.",
    "storage.trace.azure.",
    "storage.trace.memcached.",
    "storage.trace.redis.",
    "storage.trace.block.",
    "storage.trace.cache",
    "cache.",
    "server.",
    "tracing.",
};

static bool
is_ignored(slice name)
{
    for (size_t i = 0; i < sizeof ignored_flags / sizeof ignored_flags[0]; i++) {
        slice known = slice_cstr(ignored_flags[i]);
        bool family = slice_ends_with(known, SL(".")) || slice_ends_with(known, SL("-"));
        if (family ? slice_starts_with(name, known) && name.n > known.n : slice_eq(name, known)) {
            return true;
        }
    }
    return false;
}

const struct field *
flag_find(slice name, struct config *base, void **ret_at)
{
    struct walk w;
    walk_init(&w, &table_root, base);
    for (enum walk_event e; (e = walk_next(&w)) != WALK_END;) {
        if (e == WALK_FIELD && w.flag[0] && slice_eq(slice_cstr(w.flag), name)) {
            *ret_at = w.at;
            return w.field;
        }
    }
    return NULL;
}

enum own { OWN_FILE, OWN_EXPAND, OWN_VERIFY, OWN_VERSION, OWN_HEALTH, OWN_HEALTH_URL, OWN_HELP, OWN_COUNT };

static const struct {
    const char *name, *doc;
    bool takes_value;
    enum own own;
} own_flags[] = {
    {"config.file", "Configuration file (YAML).", true, OWN_FILE},
    {"config.expand-env", "Replace ${VAR} and ${VAR:default} in it.", false, OWN_EXPAND},
    {"config.verify",
     "Check the configuration, say what was found, and exit: 0 when there is nothing to warn of.", false,
     OWN_VERIFY},
    {"version", "Print the version and exit.", false, OWN_VERSION},
    {"health", "Ask a running server whether it is ready, and exit: 0 when it is.", false, OWN_HEALTH},
    {"health.url", "What -health asks.", true, OWN_HEALTH_URL},
    {"help", "Print this and exit.", false, OWN_HELP},
    {"h", NULL, false, OWN_HELP},
};
#define OWN_FLAGS (sizeof own_flags / sizeof own_flags[0])

struct parsing {
    int argc;
    char *const *argv;
    int i; /* argument at hand */
    slice name;
    const char *value; /* after '=', or NULL */
    struct config_args *args;
    struct config *scratch; /* values are tried out here */
    struct fault *f;
};

/* The value of a flag that needs one: after '=', or the next argument. */
static err
take_value(struct parsing *p)
{
    if (p->value) {
        return OK;
    }
    if (p->i + 1 >= p->argc) {
        return FAULT(p->f, ERR_INVALID, "flag needs an argument: -%.*s", SL_FMT(slice_sub(p->name, 0, 100)));
    }
    p->value = p->argv[++p->i];
    return OK;
}

static err
own_flag(struct parsing *p, size_t k)
{
    struct config_args *a = p->args;
    bool b = true;
    if (own_flags[k].takes_value) {
        err rc = take_value(p);
        if (rc != OK) {
            return rc;
        }
    } else if (p->value && !value_parse_bool(slice_cstr(p->value), &b)) {
        return FAULT(p->f, ERR_INVALID, "invalid boolean value \"%.100s\" for -%s: parse error", p->value,
                     own_flags[k].name);
    }
    bool *const switches[OWN_COUNT] = {[OWN_EXPAND] = &a->expand_env,
                                       [OWN_VERIFY] = &a->verify,
                                       [OWN_VERSION] = &a->version,
                                       [OWN_HEALTH] = &a->health,
                                       [OWN_HELP] = &a->help};
    if (own_flags[k].own == OWN_FILE) {
        a->file = p->value;
    } else if (own_flags[k].own == OWN_HEALTH_URL) {
        a->health_url = p->value;
    } else {
        *switches[own_flags[k].own] = b;
    }
    return OK;
}

static err
set_flag(struct parsing *p, const struct field *row, void *at)
{
    struct config_args *a = p->args;
    if (row->type == FIELD_BOOL) {
        p->value = p->value ? p->value : "true";
    } else {
        err rc = take_value(p);
        if (rc != OK) {
            return rc;
        }
    }
    const char *why = NULL;
    if (!value_set(row, at, slice_cstr(p->value), &p->scratch->arena, &why)) {
        return FAULT(p->f, ERR_INVALID, "invalid value \"%.80s\" for flag -%.*s: expected %s", p->value,
                     SL_FMT(slice_sub(p->name, 0, 100)), why);
    }
    if (a->flag_count == CONFIG_FLAGS_MAX) {
        return FAULT(p->f, ERR_LIMIT, "more than %d flags", CONFIG_FLAGS_MAX);
    }
    a->flags[a->flag_count++] = (struct config_flag){(const char *)p->name.p, p->value};
    return OK;
}

/* Tempo's flag without effect. With "-x v" the value is only known by not looking like a flag. */
static err
skip_flag(struct parsing *p)
{
    struct config_args *a = p->args;
    if (!p->value && p->i + 1 < p->argc && p->argv[p->i + 1][0] != '-') {
        p->value = p->argv[++p->i];
    }
    if (a->ignored_count == CONFIG_FLAGS_MAX) {
        return FAULT(p->f, ERR_LIMIT, "more than %d flags", CONFIG_FLAGS_MAX);
    }
    a->ignored[a->ignored_count++] = (struct config_flag){(const char *)p->name.p, p->value ? p->value : ""};
    return OK;
}

static err
parse_one(struct parsing *p)
{
    for (size_t k = 0; k < OWN_FLAGS; k++) {
        if (slice_eq(p->name, slice_cstr(own_flags[k].name))) {
            return own_flag(p, k);
        }
    }
    void *at = NULL;
    const struct field *row = flag_find(p->name, p->scratch, &at);
    if (row && row->type != FIELD_IGNORED) {
        return set_flag(p, row, at);
    }
    if (row || is_ignored(p->name)) {
        return skip_flag(p);
    }
    return FAULT(p->f, ERR_INVALID, "flag provided but not defined: -%.*s",
                 SL_FMT(slice_sub(p->name, 0, 200)));
}

err
config_parse_args(int argc, char *const *argv, struct fault *f, struct config_args *ret)
{
    struct config_args *a = mem_new(struct config_args);
    *a = (struct config_args){.file = "", .health_url = "http://localhost:3200/ready"};
    struct parsing p = {.argc = argc, .argv = argv, .args = a, .scratch = mem_new(struct config), .f = f};
    arena_init(&p.scratch->arena, CONFIG_FILE_MAX);
    err rc = OK;
    for (p.i = 1; rc == OK && p.i < argc; p.i++) {
        const char *arg = argv[p.i];
        if (strcmp(arg, "--") == 0) {
            break;
        }
        const char *name = arg + (arg[0] == '-') + (arg[0] == '-' && arg[1] == '-');
        const char *eq = strchr(name, '=');
        if (arg[0] != '-' || !*name || *name == '-' || *name == '=') {
            rc = FAULT(f, ERR_INVALID, arg[0] == '-' ? "bad flag syntax: %.200s" : "not a flag: %.200s", arg);
            break;
        }
        p.name = slice_of(name, eq ? (size_t)(eq - name) : strlen(name));
        p.value = eq ? eq + 1 : NULL;
        rc = parse_one(&p);
    }
    if (rc == OK) {
        *ret = *a;
    }
    arena_fini(&p.scratch->arena);
    mem_free(p.scratch);
    mem_free(a);
    return rc;
}

void
config_write_usage(struct buf *out)
{
    (void)buf_append_cstr(out,
                          "Usage of vivace (flags as -name=value; each beats the configuration file):\n");
    for (size_t k = 0; k < OWN_FLAGS; k++) {
        if (own_flags[k].doc) {
            (void)buf_printf(out, "  -%s%s\n        %s\n", own_flags[k].name,
                             own_flags[k].takes_value ? " value" : "", own_flags[k].doc);
        }
    }
    struct walk w;
    walk_init(&w, &table_root, NULL);
    for (enum walk_event e; (e = walk_next(&w)) != WALK_END;) {
        if (e != WALK_FIELD || !w.flag[0] || w.field->type == FIELD_IGNORED) {
            continue;
        }
        (void)buf_printf(out, "  -%s%s\n        %s", w.flag, w.field->type == FIELD_BOOL ? "" : " value",
                         w.field->doc);
        if (w.field->def && !w.alias) {
            (void)buf_printf(out, " (default %s)", w.field->def);
        }
        (void)buf_append_byte(out, '\n');
    }
}
