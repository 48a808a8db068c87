/* spans.parquet from anywhere: every trace it claims to have and every row; and what `block verify` says. */
#include "cli/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_all(struct block_reader *r)
{
    const struct parquet_meta *m = block_reader_file(r)->meta;
    for (uint32_t g = 0; g < m->row_group_count && g < 4; g++) {
        uint64_t rows = m->row_groups[g].row_count, inspected = 0;
        struct span_batch out;
        span_batch_init(&out, (size_t)64 << 20);
        if (rows && block_read_rows(r, g, 0, rows < 1000 ? rows : 1000, &out, &inspected, NULL) == OK &&
            out.span_count) {
            struct span_batch one;
            trace_id id = out.spans[out.span_count / 2].trace;
            span_batch_init(&one, (size_t)64 << 20);
            err rc = block_find_trace(r, &id, &one, &inspected, NULL);
            (void)rc;
            span_batch_fini(&one);
        }
        span_batch_fini(&out);
    }
}

static void
verify(struct block_reader *r)
{
    struct block_meta meta = {.tenant = "fuzz"};
    struct verify v = {.path = "fuzz", .meta = &meta, .reader = r, .work_max = 1 << 28};
    buf_init(&v.problems, 1 << 20);
    verify_run(&v);
    buf_fini(&v.problems);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice bytes = slice_of(data, size);
    struct parquet_source source = parquet_source_of(&bytes);
    struct block_reader *r = NULL;
    if (block_reader_open_source(&source, "fuzz", NULL, &r) == OK) {
        read_all(r);
        verify(r);
        block_reader_close(r);
    }
    return 0;
}
