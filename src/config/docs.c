/* docs/config.md and config/vivace.yaml, from the same rows that read the file. */
#include "loading.h"

#include <stdio.h>

static const char *
type_name(const struct field *f)
{
    static const char *const names[FIELD_TYPE_COUNT] = {
        [FIELD_BOOL] = "bool",         [FIELD_TRI] = "bool",        [FIELD_UINT] = "number",
        [FIELD_PORT] = "port",         [FIELD_FLOAT] = "number",    [FIELD_DURATION] = "duration",
        [FIELD_STRING] = "text",       [FIELD_SECRET] = "secret",   [FIELD_URL] = "URL",
        [FIELD_ENUM] = "choice",       [FIELD_SCALAR] = "value",    [FIELD_STRINGS] = "list",
        [FIELD_FLOATS] = "numbers",    [FIELD_MAP] = "map",         [FIELD_SECRETS] = "map",
        [FIELD_LIST] = "list of maps", [FIELD_SECTION] = "section", [FIELD_RECEIVERS] = "map",
    };
    return names[f->type] ? names[f->type] : "any";
}

/* Text inside a table cell: | would end it. */
static void
cell(struct buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '|') {
            (void)buf_append_byte(out, '\\');
        }
        (void)buf_append_byte(out, (uint8_t)*s);
    }
}

static void
table_head(struct buf *out)
{
    (void)buf_append_cstr(out, "| key | type | default | flag | meaning |\n|---|---|---|---|---|\n");
}

static void
row(struct buf *out, const struct walk *w, const char *path)
{
    const struct field *f = w->field;
    (void)buf_printf(out, "| `%s` | %s | ", path, type_name(f));
    if (f->def && !w->open) {
        (void)buf_append_byte(out, '`');
        cell(out, f->def);
        (void)buf_append_byte(out, '`');
    }
    (void)buf_append_cstr(out, " | ");
    if (w->flag[0]) {
        (void)buf_printf(out, "`-%s`", w->flag);
    }
    (void)buf_append_cstr(out, " | ");
    if (f->type == FIELD_ENUM) {
        slice rest = slice_cstr(f->choices);
        const char *before = "";
        while (rest.p) {
            slice one = slice_cut(&rest, '|');
            if (one.n > 0) {
                (void)buf_printf(out, "%s`%.*s`", before, SL_FMT(one));
                before = ", ";
            }
        }
        (void)buf_append_cstr(out, ". ");
    }
    cell(out, f->doc ? f->doc : "");
    (void)buf_append_cstr(out, " |\n");
}

/* Used rows of one table below `path`. */
static void
write_rows(struct buf *out, const struct table *t)
{
    struct walk w;
    walk_init(&w, t, NULL);
    w.skip_alias = true;
    w.lists = true;
    for (enum walk_event e; (e = walk_next(&w)) != WALK_END;) {
        if (e == WALK_FIELD && w.field->type != FIELD_IGNORED) {
            row(out, &w, w.path);
        }
    }
}

static void
write_used(struct buf *out)
{
    struct walk w;
    bool top = true;
    walk_init(&w, &table_root, NULL);
    w.skip_alias = true;
    w.lists = true;
    (void)buf_append_cstr(out, "## Top level\n\n");
    table_head(out);
    for (enum walk_event e; (e = walk_next(&w)) != WALK_END;) {
        if (e == WALK_ENTER && w.depth == 2) {
            (void)buf_printf(out, "\n## %s\n\n%s\n\n", w.field->key, w.field->doc);
            table_head(out);
            top = false;
        } else if (e == WALK_FIELD && w.field->type != FIELD_IGNORED && (top || w.depth > 1)) {
            row(out, &w, w.path);
        }
    }
}

static void
write_receivers(struct buf *out)
{
    static const struct {
        const char *path;
        enum config_receiver_kind kind;
    } kinds[] = {
        {"otlp.protocols.grpc", RECEIVER_OTLP_GRPC},
        {"otlp.protocols.http", RECEIVER_OTLP_HTTP},
        {"zipkin", RECEIVER_ZIPKIN},
        {"jaeger.protocols.grpc", RECEIVER_JAEGER_GRPC},
        {"jaeger.protocols.thrift_http", RECEIVER_JAEGER_THRIFT_HTTP},
        {"jaeger.protocols.thrift_compact", RECEIVER_JAEGER_THRIFT_COMPACT},
        {"jaeger.protocols.thrift_binary", RECEIVER_JAEGER_THRIFT_BINARY},
    };
    (void)buf_append_cstr(out, "\n## Receivers\n\nUnder `distributor.receivers`, as in the OpenTelemetry "
                               "collector. A protocol runs when its key is there, also "
                               "with nothing after it. A name may have a suffix: `otlp/second`.\n");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        (void)buf_printf(out, "\n### %s\n\n", kinds[i].path);
        table_head(out);
        write_rows(out, table_receivers[kinds[i].kind]);
    }
}

static void
write_aliases(struct buf *out)
{
    struct walk w;
    walk_init(&w, &table_root, NULL);
    (void)buf_append_cstr(
        out,
        "\n## Other names\n\nAccepted, and the same setting. When a file has both, the later one counts.\n\n"
        "| key | flag | meaning |\n|---|---|---|\n");
    for (enum walk_event e; (e = walk_next(&w)) != WALK_END;) {
        if (e == WALK_FIELD && w.alias && w.field->type != FIELD_IGNORED) {
            (void)buf_printf(out, "| `%s` | ", w.path);
            if (w.flag[0]) {
                (void)buf_printf(out, "`-%s`", w.flag);
            }
            (void)buf_append_cstr(out, " | ");
            cell(out, w.field->doc);
            (void)buf_append_cstr(out, " |\n");
        }
    }
}

static void
write_ignored(struct buf *out)
{
    struct walk w;
    walk_init(&w, &table_root, NULL);
    w.lists = true;
    (void)buf_append_cstr(out, "\n## Known and ignored\n\nKeys of Tempo that mean nothing here. They are "
                               "accepted with anything below them, and named once at "
                               "start.\n\n| key | why |\n|---|---|\n");
    for (enum walk_event e; (e = walk_next(&w)) != WALK_END;) {
        if (e == WALK_FIELD && w.field->type == FIELD_IGNORED) {
            (void)buf_printf(out, "| `%s` | ", w.path);
            cell(out, w.field->doc);
            (void)buf_append_cstr(out, " |\n");
        }
    }
}

void
config_write_docs(struct buf *out)
{
    (void)buf_append_cstr(
        out,
        "# Configuration\n\n"
        "Written by the program from the table it reads with (`src/config/table_*.c`); do not edit. A "
        "file of Tempo 2.x or 3.0 works as it is. Keys of parts that are not built yet (README.md, \"What "
        "works\") are read and checked, and have no effect until those parts exist.\n\n"
        "- `-config.file=tempo.yaml`; precedence: defaults, then the file, then flags (`-name=value`, "
        "`--name=value`, `-name value`, booleans bare).\n"
        "- `-config.expand-env` replaces `${VAR}`, `${VAR:default}` and `${VAR:-default}` in the file "
        "before it is read; `$${` is a literal `${`.\n"
        "- An unknown key is a warning with `file:line:column`; a wrong value, a key given twice or "
        "broken YAML is an error, and the process exits 1. "
        "`-config.verify` only checks: exit 0 when there is nothing to warn of.\n"
        "- Durations: `90s`, `1h30m`, `14d`. Numbers: `1_000_000`, `0x10`, `5e9`, also `64MiB` or "
        "`2GB`. Booleans: `true`, `yes`, `on` and their opposites.\n"
        "- `GET /status/config` shows what runs (`?mode=diff`: what differs from the defaults).\n"
        "- Bounds: 4 MiB, 200 000 nodes and 48 levels a file; 32 receivers; 10 000 tenants in the "
        "per-tenant file.\n"
        "- `overrides.per_tenant_override_config` names a file `overrides: {<tenant>: {…}}` with the "
        "keys of `overrides.defaults`. The entry of a tenant, "
        "else of `*`, replaces the defaults as a whole; it is read again while running.\n\n");
    write_used(out);
    write_receivers(out);
    write_aliases(out);
    write_ignored(out);
}

/* --- config/vivace.yaml --- */

struct example {
    const char *path;  /* dotted; its row's doc is the comment */
    const char *value; /* NULL: the default, commented out */
};

static const struct example examples[] = {
    {"server.http_listen_port", "3200"},
    {"server.grpc_listen_port", "9095"},
    {"server.log_level", NULL},
    {"storage.trace.backend", "local"},
    {"storage.trace.local.path", "./data/traces"},
    {"storage.trace.wal.path", "./data/wal"},
    {"compactor.compaction.block_retention", "336h"},
    {"overrides.defaults.ingestion.rate_limit_bytes", NULL},
    {"overrides.defaults.global.max_bytes_per_trace", NULL},
    {"vivace.wal_sync", NULL},
    {"vivace.wal_sync_interval", NULL},
    {"vivace.memory_limit", NULL},
    {"vivace.workers", NULL},
    {"vivace.retention_bytes", NULL},
};

static const struct field *
row_of(const char *path)
{
    struct walk w;
    walk_init(&w, &table_root, NULL);
    w.skip_alias = true;
    for (enum walk_event e; (e = walk_next(&w)) != WALK_END;) {
        if (e == WALK_FIELD && strcmp(w.path, path) == 0) {
            return w.field;
        }
    }
    return NULL;
}

/* Headings of the sections of `path` that `before` was not in; returns the depth. */
static int
write_headings(struct buf *out, const char *before, const char *path)
{
    int depth = 0;
    size_t from = 0;
    bool same = true;
    for (size_t i = 0; path[i]; i++) {
        if (path[i] != '.') {
            continue;
        }
        same = same && strncmp(before, path, i + 1) == 0;
        if (!same) {
            if (depth == 0 && out->n > 0) {
                (void)buf_append_byte(out, '\n');
            }
            (void)buf_printf(out, "%*s%.*s:\n", 2 * depth, "", (int)(i - from), path + from);
        }
        depth++;
        from = i + 1;
    }
    return depth;
}

static void
write_example(struct buf *out, const struct example *e, const char *before)
{
    const struct field *f = row_of(e->path);
    int depth = write_headings(out, before, e->path);
    const char *value = e->value ? e->value : f->def;
    (void)buf_printf(out, "%*s# %s\n%*s%s%s: %s\n", 2 * depth, "", f->doc, 2 * depth, "",
                     e->value ? "" : "# ", f->key, value);
}

void
config_write_example(struct buf *out)
{
    (void)buf_append_cstr(out, "# Vivace: one process, spans in on 4317 and 4318, everything else on 3200.\n"
                               "# Every key: docs/config.md. Lines with a key behind \"#\" show defaults. A "
                               "configuration of Tempo works here as it is.\n");
    const char *before = "";
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        if (strcmp(examples[i].path, "storage.trace.backend") == 0) {
            (void)buf_printf(out,
                             "\ndistributor:\n  # %s\n  receivers:\n    otlp:\n      protocols:\n        "
                             "grpc:\n          endpoint: 0.0.0.0:4317\n"
                             "        http:\n          endpoint: 0.0.0.0:4318\n",
                             row_of("distributor.receivers")->doc);
        }
        write_example(out, &examples[i], before);
        before = examples[i].path;
    }
}
