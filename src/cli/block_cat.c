/* vivace block cat: spans of a block as OTLP/JSON, a line a trace. */
#include "blocks.h"
#include "cli_priv.h"

#include "vivace/block/reader.h"
#include "vivace/codec/otlp.h"

#define RANGE_ROWS      8192 /* read at once: a page; a row group has 32 MiB of values at most */
#define RANGE_BYTES_MAX ((size_t)768 << 20)

struct cat {
    struct block_reader *reader;
    uint64_t left; /* spans still to print */
    struct span_batch trace;
    struct buf line;
    bool closed; /* nobody reads any more */
    struct fault *f;
};

static err
print_trace(struct cat *c)
{
    err rc = otlp_write_json(&c->trace, &c->line);
    if (rc != OK) {
        return FAULT(c->f, rc, "a trace is too large to print");
    }
    buf_append_byte(&c->line, '\n');
    c->left -= c->trace.span_count;
    span_batch_reset(&c->trace);
    c->closed = !print_buf(&c->line);
    return OK;
}

/* Spans of one trace stand together. A trace that goes on in the next range has another line. */
static err
print_batch(struct cat *c, const struct span_batch *b)
{
    struct span_copy_memo memo = {0};
    err rc = OK;
    for (size_t i = 0; i < b->span_count && c->left > 0 && !c->closed; i++) {
        TRY(span_batch_copy_span(&c->trace, b, i, false, &memo));
        bool last = i + 1 == b->span_count || !trace_id_eq(&b->spans[i].trace, &b->spans[i + 1].trace);
        if (last || c->trace.span_count == c->left) {
            TRY(print_trace(c));
            memo = (struct span_copy_memo){0};
        }
    }
out:
    return rc;
}

static err
cat_range(struct cat *c, size_t group, uint64_t from, uint64_t to)
{
    struct span_batch b;
    uint64_t inspected = 0;
    span_batch_init(&b, RANGE_BYTES_MAX);
    err rc = block_read_rows(c->reader, group, from, to, &b, &inspected, c->f);
    rc = rc == OK ? print_batch(c, &b) : rc;
    span_batch_fini(&b);
    return rc;
}

static err
cat_all(struct cat *c)
{
    const struct parquet_meta *m = block_reader_file(c->reader)->meta;
    err rc = OK;
    for (size_t g = 0; g < m->row_group_count; g++) {
        uint64_t rows = m->row_groups[g].row_count;
        for (uint64_t at = 0; at < rows && rc == OK && c->left > 0 && !c->closed; at += RANGE_ROWS) {
            rc = cat_range(c, g, at, at + RANGE_ROWS < rows ? at + RANGE_ROWS : rows);
        }
    }
    return rc;
}

static err
cat_trace(struct cat *c, const char *hex)
{
    struct span_batch b;
    uint64_t inspected = 0;
    trace_id id;
    span_batch_init(&b, RANGE_BYTES_MAX);
    err rc = trace_id_parse(slice_cstr(hex), &id, c->f);
    if (rc == OK) {
        rc = block_find_trace(c->reader, &id, &b, &inspected, c->f);
        if (rc == ERR_NOT_FOUND) {
            rc = FAULT(c->f, ERR_NOT_FOUND, "the block does not have the trace %.40s", hex);
        }
    }
    rc = rc == OK ? print_batch(c, &b) : rc;
    span_batch_fini(&b);
    return rc;
}

static int
cat(const char *path, const char *trace, uint64_t limit)
{
    struct fault f = {0};
    struct cat c = {.left = limit ? limit : UINT64_MAX, .f = &f};
    err rc = block_reader_open(path, &f, &c.reader);
    span_batch_init(&c.trace, RANGE_BYTES_MAX);
    buf_init(&c.line, CLI_TEXT_MAX * 4);
    if (rc == OK) {
        rc = trace ? cat_trace(&c, trace) : cat_all(&c);
    }
    if (rc != OK) {
        (void)complain(&f);
    }
    span_batch_fini(&c.trace);
    buf_fini(&c.line);
    block_reader_close(c.reader);
    return rc == OK && !c.closed ? CLI_OK : CLI_FAILED;
}

int
block_cat_command(int argc, char *const *argv)
{
    const char *trace = NULL;
    uint64_t limit = 0;
    bool json = false; /* it prints nothing else */
    const struct option options[] = {
        {"trace", OPTION_TEXT, &trace}, {"limit", OPTION_NUMBER, &limit}, {"json", OPTION_SWITCH, &json}};
    struct arguments args;
    struct fault f = {0};
    if (options_parse(argc, argv, options, 3, &args, &f) != OK) {
        return complain_usage(&f);
    }
    if (args.n != 1) {
        (void)FAULT(&f, ERR_INVALID, "block cat takes the directory of one block");
        return complain_usage(&f);
    }
    return cat(args.v[0], trace, limit);
}
