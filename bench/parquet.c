/* Parquet: what each encoding costs to read and to write, as a column of a file in memory: plain (no codec),
 * with each third row missing, and with zstd pages; and what a wide row costs to write. Codes are dictionary
 * codes without their values. Median of several runs, one thread, warm cache. */
#include "args.h"
#include "result.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/parquet/reader.h"
#include "vivace/parquet/writer.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS      65536
#define PAGE_ROWS 8192
#define RUNS_MAX  101

static uint64_t seed = 1;

/* splitmix64; bench/lib has a generator of its own that base's must not meet in one program. */
static uint64_t
random_u64(void)
{
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

struct column_case {
    const char *name; /* as a JSON key */
    enum parquet_type type;
    enum parquet_encoding encoding;
    enum parquet_dictionary dictionary;
    int64_t (*number)(size_t i);
    size_t (*text)(size_t i, char *into); /* byte arrays */
};

static int64_t
random_number(size_t i)
{
    (void)i;
    return (int64_t)random_u64();
}

static int64_t
rising_number(size_t i)
{
    return INT64_C(1700000000000000000) + (int64_t)i * 1000000 + (int64_t)(random_u64() % 100000);
}

static int64_t
small_number(size_t i)
{
    (void)i;
    return (int64_t)(random_u64() % 1000);
}

static int64_t
flag_number(size_t i)
{
    return i / 16 % 2;
}

static size_t
few_texts(size_t i, char *into)
{
    (void)i;
    return (size_t)snprintf(into, 64, "service-name-%u", (unsigned)(random_u64() % 200));
}

static size_t
many_texts(size_t i, char *into)
{
    return (size_t)snprintf(into, 64, "/api/v1/orders/%08zu/items", i * 7919);
}

static const struct column_case cases[] = {
    {"int64_plain", PARQUET_INT64, PARQUET_PLAIN, PARQUET_DICTIONARY_NONE, random_number, NULL},
    {"int64_delta_times", PARQUET_INT64, PARQUET_DELTA_BINARY_PACKED, PARQUET_DICTIONARY_NONE, rising_number,
     NULL},
    {"int64_delta_random", PARQUET_INT64, PARQUET_DELTA_BINARY_PACKED, PARQUET_DICTIONARY_NONE, random_number,
     NULL},
    {"int32_delta_small", PARQUET_INT32, PARQUET_DELTA_BINARY_PACKED, PARQUET_DICTIONARY_NONE, small_number,
     NULL},
    {"int32_dictionary_1000", PARQUET_INT32, PARQUET_PLAIN, PARQUET_DICTIONARY_AUTO, small_number, NULL},
    {"int64_split", PARQUET_INT64, PARQUET_BYTE_STREAM_SPLIT, PARQUET_DICTIONARY_NONE, rising_number, NULL},
    {"double_split", PARQUET_DOUBLE, PARQUET_BYTE_STREAM_SPLIT, PARQUET_DICTIONARY_NONE, small_number, NULL},
    {"boolean_plain", PARQUET_BOOLEAN, PARQUET_PLAIN, PARQUET_DICTIONARY_NONE, flag_number, NULL},
    {"boolean_rle", PARQUET_BOOLEAN, PARQUET_RLE, PARQUET_DICTIONARY_NONE, flag_number, NULL},
    {"bytes_plain", PARQUET_BYTE_ARRAY, PARQUET_PLAIN, PARQUET_DICTIONARY_NONE, NULL, many_texts},
    {"bytes_delta_length", PARQUET_BYTE_ARRAY, PARQUET_DELTA_LENGTH_BYTE_ARRAY, PARQUET_DICTIONARY_NONE, NULL,
     many_texts},
    {"bytes_delta_byte_array", PARQUET_BYTE_ARRAY, PARQUET_DELTA_BYTE_ARRAY, PARQUET_DICTIONARY_NONE, NULL,
     many_texts},
    {"bytes_dictionary_200", PARQUET_BYTE_ARRAY, PARQUET_PLAIN, PARQUET_DICTIONARY_AUTO, NULL, few_texts},
};
#define CASES (sizeof cases / sizeof *cases)

struct column_data {
    void *values;
    char *text;
    size_t value_bytes; /* of all values */
};

static void
make_data(const struct column_case *c, struct column_data *d)
{
    bool wide = c->type == PARQUET_INT64 || c->type == PARQUET_DOUBLE;
    d->values = mem_calloc(ROWS, sizeof(slice));
    d->text = mem_alloc((size_t)ROWS * 64);
    d->value_bytes = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (c->text) {
            char *at = d->text + i * 64;
            ((slice *)d->values)[i] = slice_of(at, c->text(i, at));
            d->value_bytes += ((slice *)d->values)[i].n;
            continue;
        }
        int64_t v = c->number(i);
        if (c->type == PARQUET_DOUBLE) {
            ((double *)d->values)[i] = (double)v / 8;
        } else if (wide) {
            ((int64_t *)d->values)[i] = v;
        } else if (c->type == PARQUET_INT32) {
            ((int32_t *)d->values)[i] = (int32_t)v;
        } else {
            ((uint8_t *)d->values)[i] = v & 1;
        }
        d->value_bytes += wide ? 8 : c->type == PARQUET_INT32 ? 4 : 1;
    }
}

static err
append(void *ctx, slice bytes, struct fault *f)
{
    (void)f;
    return buf_append_slice(ctx, bytes);
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* A file of one column (`nulls`: each third row is missing); returns seconds. */
static double
write_column(const struct column_case *c, const struct column_data *d, bool compressed, bool nulls,
             struct buf *out)
{
    struct parquet_schema *s = parquet_schema_create(SL("s"));
    struct parquet_field leaf = {
        .name = SL("v"), .type = c->type, .repetition = nulls ? PARQUET_OPTIONAL : PARQUET_REQUIRED};
    struct parquet_column_options column = {
        .encoding = c->encoding, .dictionary = c->dictionary, .uncompressed = !compressed};
    struct parquet_writer_options o = {.page_rows = PAGE_ROWS, .columns = &column};
    struct parquet_writer *w = NULL;
    static uint8_t def[ROWS];
    size_t present = 0;
    for (size_t i = 0; i < ROWS; i++) {
        def[i] = i % 3 > 0;
        present += def[i];
    }
    struct parquet_batch b = {.level_count = ROWS, .values = {ROWS, {d->values}}};
    if (nulls) {
        b.def = def;
        b.values.count = present;
    }
    MUST(parquet_schema_add(s, 0, &leaf, NULL, NULL) == OK);
    buf_clear(out);
    int64_t from = clock_mono_ns();
    MUST(parquet_writer_create(s, &o, &(struct parquet_sink){.ctx = out, .append = append}, NULL, &w) == OK);
    MUST(parquet_writer_append(w, 0, &b, NULL) == OK);
    MUST(parquet_writer_finish(w, NULL) == OK);
    double took = (double)(clock_mono_ns() - from) / 1e9;
    parquet_writer_destroy(w);
    parquet_schema_destroy(s);
    return took;
}

static double
read_column(slice bytes, enum parquet_decode how, struct parquet_column *column)
{
    struct parquet_file file = {.source = parquet_source_of(&bytes)};
    struct parquet_meta *meta = NULL;
    struct parquet_page page;
    struct parquet_vector v;
    size_t rows = 0;
    MUST(parquet_meta_read(&file.source, NULL, NULL, &meta) == OK);
    file.meta = meta;
    int64_t from = clock_mono_ns();
    MUST(parquet_column_open(column, &file, 0, 0, NULL) == OK);
    while (parquet_column_next(column, NULL, &page) == OK) {
        MUST(parquet_column_decode(column, how, NULL, &v) == OK);
        rows += page.row_count;
    }
    double took = (double)(clock_mono_ns() - from) / 1e9;
    MUST(rows == ROWS);
    parquet_meta_destroy(meta);
    return took;
}

static void
report(struct result *out, const char *name, const char *mode, const char *unit, double v)
{
    char key[96];
    snprintf(key, sizeof key, "%s_%s_%s", name, mode, unit);
    result_num(out, key, v);
}

static void
run_case(const struct column_case *c, int runs, const char *mode, struct result *out)
{
    struct column_data d;
    struct buf file;
    double writes[RUNS_MAX], reads[RUNS_MAX], codes[RUNS_MAX];
    struct parquet_scratch *s = parquet_scratch_create(NULL);
    struct parquet_column *column = parquet_column_create(s);
    bool compressed = strcmp(mode, "zstd") == 0, nulls = strcmp(mode, "nulls") == 0;
    buf_init(&file, (size_t)1 << 30);
    make_data(c, &d);
    for (int i = 0; i < runs; i++) {
        writes[i] = write_column(c, &d, compressed, nulls, &file);
        reads[i] = read_column(buf_slice(&file), PARQUET_DECODE_VALUES, column);
        codes[i] = read_column(buf_slice(&file), PARQUET_DECODE_CODES, column);
    }
    double w = median(writes, runs), r = median(reads, runs), k = median(codes, runs);
    double bytes = (double)d.value_bytes * (nulls ? 2.0 / 3 : 1);
    fprintf(stderr, "%-24s %-5s %8.2f %9.0f %9.0f %9.0f %9.1f\n", c->name, mode, (double)file.n / ROWS,
            ROWS / r / 1e6, bytes / r / 1e6, ROWS / k / 1e6, w * 1e9 / ROWS);
    report(out, c->name, mode, "bytes_per_row", (double)file.n / ROWS);
    report(out, c->name, mode, "read_mrows_per_s", ROWS / r / 1e6);
    report(out, c->name, mode, "read_mb_per_s", bytes / r / 1e6);
    report(out, c->name, mode, "codes_mrows_per_s", ROWS / k / 1e6);
    report(out, c->name, mode, "write_ns_per_row", w * 1e9 / ROWS);
    parquet_column_destroy(column);
    parquet_scratch_destroy(s);
    buf_fini(&file);
    mem_free(d.values);
    mem_free(d.text);
}

#define WIDE_COLUMNS 120
#define WIDE_NUMBERS 5  /* in every row */
#define WIDE_DENSE   20 /* codes in every row; the rest is sparse */
#define WIDE_TEXTS   500

struct wide_data {
    int64_t times[ROWS];
    uint32_t codes[ROWS];
    uint8_t sparse_def[ROWS];
    size_t sparse_count;
    slice texts[WIDE_TEXTS];
    char text[WIDE_TEXTS][32];
};

static void
make_wide(struct wide_data *d)
{
    d->sparse_count = 0;
    for (size_t i = 0; i < ROWS; i++) {
        d->times[i] = rising_number(i);
        d->codes[i] = (uint32_t)(random_u64() % WIDE_TEXTS);
        d->sparse_def[i] = random_u64() % 20 == 0;
        d->sparse_count += d->sparse_def[i];
    }
    for (size_t i = 0; i < WIDE_TEXTS; i++) {
        d->texts[i] = slice_of(d->text[i], (size_t)snprintf(d->text[i], 32, "attribute-value-%zu", i));
    }
}

/* A row group as a table of spans has it: a few numbers, dense and sparse codes. Seconds. */
static double
write_wide(const struct parquet_schema *s, const struct wide_data *d, struct buf *out)
{
    static struct parquet_column_options columns[WIDE_COLUMNS];
    struct parquet_writer *w = NULL;
    for (size_t c = 0; c < WIDE_COLUMNS; c++) {
        columns[c].dictionary = c < WIDE_NUMBERS ? PARQUET_DICTIONARY_NONE : PARQUET_DICTIONARY_GIVEN;
        columns[c].encoding = c < WIDE_NUMBERS ? PARQUET_DELTA_BINARY_PACKED : PARQUET_PLAIN;
    }
    buf_clear(out);
    int64_t from = clock_mono_ns();
    struct parquet_writer_options o = {.page_rows = PAGE_ROWS, .columns = columns};
    MUST(parquet_writer_create(s, &o, &(struct parquet_sink){.ctx = out, .append = append}, NULL, &w) == OK);
    for (size_t c = 0; c < WIDE_COLUMNS; c++) {
        struct parquet_batch b = {.level_count = ROWS, .def_level = 1, .values = {ROWS, {d->times}}};
        if (c >= WIDE_NUMBERS) {
            struct parquet_values texts = {WIDE_TEXTS, {d->texts}};
            MUST(parquet_writer_add_dictionary(w, c, &texts, NULL) == OK);
            b.codes = d->codes;
        }
        if (c >= WIDE_NUMBERS + WIDE_DENSE) {
            b.def = d->sparse_def;
            b.values.count = d->sparse_count;
        }
        MUST(parquet_writer_append(w, c, &b, NULL) == OK);
    }
    MUST(parquet_writer_finish(w, NULL) == OK);
    double took = (double)(clock_mono_ns() - from) / 1e9;
    parquet_writer_destroy(w);
    return took;
}

static void
run_wide(int runs, struct result *out)
{
    struct wide_data *d = mem_new(struct wide_data);
    struct parquet_schema *s = parquet_schema_create(SL("spans"));
    struct buf file;
    double took[RUNS_MAX];
    buf_init(&file, (size_t)1 << 30);
    for (size_t c = 0; c < WIDE_COLUMNS; c++) {
        struct parquet_field leaf = {.name = SL("c"),
                                     .type = c < WIDE_NUMBERS ? PARQUET_INT64 : PARQUET_BYTE_ARRAY,
                                     .repetition = PARQUET_OPTIONAL};
        MUST(parquet_schema_add(s, 0, &leaf, NULL, NULL) == OK);
    }
    make_wide(d);
    for (int i = 0; i < runs; i++) {
        took[i] = write_wide(s, d, &file);
    }
    double ns = median(took, runs) * 1e9 / ROWS;
    fprintf(stderr,
            "%d columns (%d numbers, %d codes, the rest codes in 5 %% of rows): %.1f B/row, %.1f ns a row to "
            "write\n",
            WIDE_COLUMNS, WIDE_NUMBERS, WIDE_DENSE, (double)file.n / ROWS, ns);
    result_num(out, "wide_bytes_per_row", (double)file.n / ROWS);
    result_num(out, "wide_write_ns_per_row", ns);
    parquet_schema_destroy(s);
    buf_fini(&file);
    mem_free(d);
}

int
main(int argc, char **argv)
{
    static const char *const modes[] = {"plain", "nulls", "zstd"};
    double runs = 11;
    const char *path = "-";
    struct result out = {0};
    const struct arg args[] = {
        {.name = "--runs", .help = "times each case is measured; the median counts", .number = &runs},
        {.name = "--result", .help = "file for the JSON result, - = standard output", .text = &path},
        {.name = NULL},
    };
    args_parse(argc, argv, "Parquet encodings: read and write speed, one thread, warm cache", args);
    runs = runs < 1 ? 1 : runs > RUNS_MAX ? RUNS_MAX : runs;
    fprintf(stderr, "%-24s %-5s %8s %9s %9s %9s %9s\n", "column", "mode", "B/row", "Mrows/s", "MB/s",
            "Mcodes/s", "write ns");
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
        for (size_t i = 0; i < CASES; i++) {
            run_case(&cases[i], (int)runs, modes[m], &out);
        }
    }
    run_wide((int)runs, &out);
    result_write(&out, path);
    return 0;
}
