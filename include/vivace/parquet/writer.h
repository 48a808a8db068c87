/* Write a Parquet file column by column, row group by row group, to a sink.
 *
 *   parquet_writer_create
 *   { { parquet_writer_append(column, vector) for every column } ... parquet_writer_end_row_group } ...
 *   parquet_writer_finish
 *
 * Values are copied on append; a page is encoded and compressed when it is cut, and stays in memory
 * (compressed) until its row group ends, because a column's pages stand together in the file. So memory is
 * one open page of values, plus one compressed row group, plus footer and page indexes.
 * Pages are cut at the same rows in every column: each `page_rows` rows, or at parquet_writer_end_page.
 * Data pages are V2; chunks are ZSTD or uncompressed; every page has its CRC.
 *
 * After an error the writer is dead: every later call returns the same code. Threads: one owner.
 * Numbers: bench/parquet.c.
 */
#pragma once

#include "vivace/parquet/reader.h"

/* Where a column's values are looked up in a dictionary. */
enum parquet_dictionary {
    PARQUET_DICTIONARY_NONE,  /* straight to `encoding` */
    PARQUET_DICTIONARY_AUTO,  /* built here; goes over to `encoding` where it does not pay */
    PARQUET_DICTIONARY_GIVEN, /* the caller adds the values and appends codes: no hashing, no fallback */
};

struct parquet_column_options {
    enum parquet_dictionary dictionary;
    /* Without a dictionary. PARQUET_PLAIN (0) fits all; BOOLEAN may use RLE; INT32 and INT64
     * DELTA_BINARY_PACKED; byte arrays DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY; INT32, INT64, FLOAT,
     * DOUBLE and FIXED BYTE_STREAM_SPLIT. */
    enum parquet_encoding encoding;
    bool uncompressed;  /* for what does not compress: random ids */
    bool no_statistics; /* no bounds, and so no column index */
    uint64_t bloom_ndv; /* > 0: a Bloom filter for that many distinct values per row group */
    double bloom_fpp;   /* wanted share of false positives, 0 = 0.01 */
};

struct parquet_writer_options {
    int zstd_level;              /* 0 = 1 */
    uint32_t page_rows;          /* 0 = only parquet_writer_end_page cuts */
    size_t dictionary_bytes_max; /* of one column and row group, 0 = 1 MiB */
    size_t bounds_bytes_max;     /* strings in bounds are cut to this, 0 = 64 */
    size_t memory_max;           /* columns with their open row group and scratch, 0 = 512 MiB; over it is
                                    ERR_LIMIT. Page indexes and footer are capped by it each */
    slice created_by;            /* empty = "vivace" */
    const struct parquet_sorting *sorting; /* how every row group is sorted */
    size_t sorting_count;
    /* One per column, NULL = all defaults: dictionary AUTO, PLAIN, ZSTD, statistics, no Bloom filter. */
    const struct parquet_column_options *columns;
};

struct parquet_batch {
    size_t level_count;           /* entries: values and nulls and empty lists */
    const uint8_t *def;           /* NULL: every entry has `def_level` */
    const uint8_t *rep;           /* NULL: every entry begins a row (max_rep 0 or not) */
    uint8_t def_level;            /* for def == NULL: max_def (all there) or less (a run of nulls) */
    const uint32_t *codes;        /* for PARQUET_DICTIONARY_GIVEN: values.count codes; else NULL */
    struct parquet_values values; /* as many as entries with def == max_def */
    /* Values that entries share: `values` (or `codes`, as many as values.count says) has each of them once,
     * and the i-th entry with def == max_def has that at pick[i]. Every one is picked. NULL: as above. */
    const uint32_t *pick;
    size_t pick_count;
};

struct parquet_writer;

/* `schema` must outlive the writer; options are copied. Writes the magic. */
CHECKED err parquet_writer_create(const struct parquet_schema *schema,
                                  const struct parquet_writer_options *options,
                                  const struct parquet_sink *sink, struct fault *f,
                                  struct parquet_writer **ret);
/* Frees it, finished or not. Accepts NULL. */
void parquet_writer_destroy(struct parquet_writer *w);

/* Append entries to a column of the open row group; a row may go on in the next batch (rep > 0).
 * ERR_INVALID when counts, levels or codes do not fit together. */
CHECKED err parquet_writer_append(struct parquet_writer *w, size_t column, const struct parquet_batch *batch,
                                  struct fault *f);
/* Add values to the dictionary of a PARQUET_DICTIONARY_GIVEN column of the open row group: the first value
 * added is code 0. The caller adds no value twice. */
CHECKED err parquet_writer_add_dictionary(struct parquet_writer *w, size_t column,
                                          const struct parquet_values *values, struct fault *f);
/* Cut the open page of every column. ERR_INVALID when columns have different row counts. */
CHECKED err parquet_writer_end_page(struct parquet_writer *w, struct fault *f);
/* Cut, and hand the row group to the sink. Nothing happens when it has no rows. */
CHECKED err parquet_writer_end_row_group(struct parquet_writer *w, struct fault *f);
/* Where a column of a copied row group comes from. */
struct parquet_copy_column {
    int32_t from; /* leaf of the other file whose pages are copied, parquet_copy_fits; -1 = there is none */
    int32_t like; /* then each entry of this one has an entry without value, at the same levels */
};

struct parquet_group_copy {
    const struct parquet_file *file; /* where the row group stands */
    size_t group;
    const struct parquet_copy_column *columns; /* one a column of the writer */
    struct parquet_column *reader;             /* scratch for dictionaries, and the levels of `like` */
    err (*step)(void *ctx, struct fault *f);   /* asked for each part of 256 KiB; NULL: never */
    void *ctx;
};

/* Can pages of one column stand in the other: the same type, meaning and levels? */
bool parquet_copy_fits(const struct parquet_node *from, const struct parquet_node *to);
/* Append a row group of another file with its pages as they are: read in parts of 256 KiB, each page's
 * checksum and counts compared on the way. Bounds, column indexes and Bloom filters are taken over, places
 * are counted anew. Between row groups only. ERR_CORRUPT when the other file does not hold what it says, or
 * pages have no checksum, are not V2, or end at different rows. */
CHECKED err parquet_writer_copy_group(struct parquet_writer *w, const struct parquet_group_copy *copy,
                                      struct fault *f);
/* Key-value metadata: any time before finish; copied. */
CHECKED err parquet_writer_add_key_value(struct parquet_writer *w, slice key, slice value, struct fault *f);
/* End the row group, write page indexes and footer. */
CHECKED err parquet_writer_finish(struct parquet_writer *w, struct fault *f);

/* Bytes handed to the sink; compressed bytes of the open row group; memory held. */
uint64_t parquet_writer_file_bytes(const struct parquet_writer *w);
size_t parquet_writer_row_group_bytes(const struct parquet_writer *w);
size_t parquet_writer_memory(const struct parquet_writer *w);
