/* Opening a block: the footer, and the map of its columns. */
#include "dir.h"
#include "reader_priv.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"

#include <fcntl.h>
#include <limits.h>

#define SCHEMA_BYTES_MAX ((size_t)4 << 20)

/* A page may be one span with all it holds, and that as large as a record of the WAL. */
const struct parquet_limits BLOCK_PARQUET_LIMITS = {
    .footer_bytes_max = (size_t)32 << 20,
    .meta_bytes_max = (size_t)64 << 20,
    .page_bytes_max = (size_t)160 << 20,
    .column_bytes_max = (size_t)512 << 20,
    .read_bytes = (size_t)64 << 10,
};

static err
read_file(void *ctx, uint64_t off, size_t n, void *into, struct fault *f)
{
    const struct block_reader *r = ctx;
    return file_read_at(r->fd, r->name, into, n, (off_t)off, f);
}

static err
read_counted(void *ctx, uint64_t off, size_t n, void *into, struct fault *f)
{
    struct counted_source *c = ctx;
    if (c->ahead.p && off >= c->ahead_off && n <= c->ahead.n && off - c->ahead_off <= c->ahead.n - n) {
        memcpy(into, c->ahead.p + (off - c->ahead_off), n);
        return OK;
    }
    c->bytes += n;
    return c->inner.read(c->inner.ctx, off, n, into, f);
}

void
counted_open(struct counted_source *c, const struct block_reader *r, struct parquet_file *ret_file)
{
    *c = (struct counted_source){.inner = r->source};
    *ret_file = (struct parquet_file){.meta = r->meta, .source = {c, r->source.size, read_counted}};
}

err
counted_read_ahead(struct counted_source *c, uint64_t off, size_t n, struct arena *a, struct fault *f)
{
    void *p = arena_alloc(a, n);
    if (p == NULL) {
        return OK; /* each read for itself, then */
    }
    c->ahead = SL_EMPTY;
    err rc = c->inner.read(c->inner.ctx, off, n, p, f);
    c->bytes += n;
    if (rc == OK) {
        c->ahead = slice_of(p, n);
        c->ahead_off = off;
    }
    return rc;
}

/* --- columns that stand for what is in the messages ----------------------------------------------------- */

static void
firsts_init(struct block_reader *r)
{
    r->first_words = (r->meta->row_group_count * r->schema.attr_count + 63) / 64;
    r->firsts = mem_calloc(r->first_words + 1, sizeof *r->firsts);
}

static size_t
first_bit(const struct block_reader *r, size_t row_group, const struct block_attr_column *c)
{
    return row_group * r->schema.attr_count + (size_t)(c - r->schema.attrs);
}

bool
block_reader_holds_first(const struct block_reader *r, size_t row_group, const struct block_attr_column *c)
{
    const size_t bit = first_bit(r, row_group, c);
    return atomic_load_explicit(&r->firsts[bit / 64], memory_order_relaxed) >> bit % 64 & 1;
}

void
block_reader_learn_first(struct block_reader *r, size_t row_group, const struct block_attr_column *c)
{
    const size_t bit = first_bit(r, row_group, c);
    atomic_fetch_or_explicit(&r->firsts[bit / 64], UINT64_C(1) << bit % 64, memory_order_relaxed);
}

/* -------------------------------------------------------------------------------------------------------- */

static err
load(struct block_reader *r, struct fault *f)
{
    err rc = OK;
    TRY(parquet_meta_read(&r->source, &BLOCK_PARQUET_LIMITS, f, &r->meta));
    r->file = (struct parquet_file){r->meta, r->source};
    slice version = parquet_meta_get(r->meta, SL("vivace.version"));
    if (!slice_eq(version, SL(BLOCK_VERSION))) {
        rc = FAULT(f, version.p ? ERR_UNSUPPORTED : ERR_CORRUPT,
                   "%s: its schema is '%.*s', not " BLOCK_VERSION, r->name,
                   (int)(version.n < 40 ? version.n : 40), version.n ? (const char *)version.p : "");
        goto out;
    }
    TRY(block_schema_of(r->meta->schema, &r->arena, f, &r->schema));
    trace_filters_init(r);
    firsts_init(r);
out:
    if (rc != OK) {
        fault_prefix(f, "%s", r->name);
    }
    return rc;
}

static struct block_reader *
reader_create(const char *name)
{
    struct block_reader *r = mem_new(struct block_reader);
    r->name = mem_strdup(name);
    r->fd = -1;
    arena_init(&r->arena, SCHEMA_BYTES_MAX);
    return r;
}

err
block_reader_open(const char *dir, struct fault *f, struct block_reader **ret)
{
    char path[PATH_MAX];
    size_t size = 0;
    err rc = path_join(path, dir, BLOCK_SPANS_FILE, f);
    if (rc != OK) {
        return rc;
    }
    struct block_reader *r = reader_create(path);
    TRY(file_open(path, O_RDONLY, f, &r->fd));
    TRY(file_size(r->fd, path, f, &size));
    r->source = (struct parquet_source){r, size, read_file};
    TRY(load(r, f));
    *ret = r;
    r = NULL;
out:
    block_reader_close(r);
    return rc;
}

err
block_reader_open_source(const struct parquet_source *source, const char *name, struct fault *f,
                         struct block_reader **ret)
{
    struct block_reader *r = reader_create(name);
    err rc = OK;
    r->source = *source;
    TRY(load(r, f));
    *ret = r;
    r = NULL;
out:
    block_reader_close(r);
    return rc;
}

void
block_reader_close(struct block_reader *r)
{
    if (r == NULL) {
        return;
    }
    trace_filters_fini(r);
    mem_free(r->firsts);
    parquet_meta_destroy(r->meta);
    arena_fini(&r->arena);
    file_close(r->fd);
    mem_free(r->name);
    mem_free(r);
}

size_t
block_reader_bytes(const struct block_reader *r)
{
    return sizeof *r + r->arena.bytes + parquet_meta_bytes(r->meta) + r->filter_bytes +
           r->first_words * sizeof *r->firsts;
}

const struct parquet_file *
block_reader_file(const struct block_reader *r)
{
    return &r->file;
}

const struct block_schema *
block_reader_schema(const struct block_reader *r)
{
    return &r->schema;
}
