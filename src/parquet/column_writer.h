/* One column of the open row group: the open page of values, the pages already cut, the dictionary. */
#pragma once

#include "codecs.h"
#include "dict.h"
#include "packed_memo.h"
#include "page_index.h"

#include "vivace/parquet/writer.h"

/* What the columns of one writer share. */
struct writer_shared {
    struct codecs codecs;
    struct buf levels; /* scratch: repetition and definition levels of the page being cut */
    struct buf body;   /* scratch: encoded values */
    struct buf packed; /* scratch: compressed values */
    struct buf seen;   /* scratch: a byte per dictionary code and 8 more, all zero */
    struct packed_memo memo;
    size_t memory, memory_max;
    size_t dictionary_bytes_max, bounds_bytes_max;
    uint32_t page_rows;
};

/* Levels of the open page: nothing but `same` while all of them are, then a byte each. */
struct page_levels {
    struct buf each;
    uint8_t same;
};

/* Codes of the open page: nothing but `same` while all of them are, then all. */
struct page_codes {
    struct buf each; /* uint32_t */
    struct buf used; /* uint32_t: every code there is, some more than once; unless used_lost */
    uint32_t same, top;
    bool used_lost;
};

struct column_writer {
    const struct parquet_node *leaf;
    struct parquet_column_options options;
    struct writer_shared *shared;
    size_t width; /* bytes per value, 0 = byte arrays */
    size_t memory;

    /* the open page */
    struct page_levels def, rep;
    struct buf values, lengths; /* values without a dictionary */
    struct page_codes codes;    /* values with one */
    size_t level_count, value_count, row_count;
    uint64_t byte_array_bytes;

    /* the open row group */
    struct dict dict;
    uint32_t dict_used; /* entries that pages cut so far refer to */
    bool coded, incompressible;
    struct buf pages;  /* headers and bodies */
    struct buf notes;  /* struct page_note */
    struct buf bounds; /* of the pages, for the column index */
    struct buf min, max;
    bool min_exact, max_exact, has_bounds, bounds_lost;
    uint64_t rows_cut, levels_cut, nulls_cut, byte_array_bytes_cut, uncompressed_bytes;
    uint16_t encodings;
    uint8_t *bloom;
    uint32_t bloom_bytes;
};

/* ERR_INVALID when the options do not fit the type. */
CHECKED err column_writer_init(struct column_writer *c, const struct parquet_node *leaf,
                               const struct parquet_column_options *options, struct writer_shared *shared,
                               struct fault *f);
void column_writer_fini(struct column_writer *c);
CHECKED err column_append(struct column_writer *c, const struct parquet_batch *b, struct fault *f);
CHECKED err column_add_dictionary(struct column_writer *c, const struct parquet_values *v, struct fault *f);
/* Rows of the row group so far. */
uint64_t column_rows(const struct column_writer *c);
/* Encode and compress the open page, if it has any rows. */
CHECKED err column_cut_page(struct column_writer *c, struct fault *f);
/* The dictionary page with its header (in shared->levels; empty when no page uses it). */
CHECKED err column_dictionary_page(struct column_writer *c, struct fault *f, slice *ret);
/* Forget the open page's values. */
void column_clear_page(struct column_writer *c);
/* Forget the row group. */
void column_reset(struct column_writer *c);
/* Values of a column that is coded: their codes, of which new values go to the dictionary. Values (or codes)
 * [at, at + n) of the batch. ERR_LIMIT. */
CHECKED err column_append_codes(struct column_writer *c, const struct parquet_batch *b, size_t at, size_t n);
/* Values of the dictionary from `from` on into the Bloom filter, if there is one. */
void column_bloom_new(struct column_writer *c, uint32_t from);
/* The open page's codes, one for each value. ERR_LIMIT. */
CHECKED err column_spread_codes(struct column_writer *c);
/* Recount the column's memory; ERR_LIMIT when the writer's is over. */
CHECKED err column_account(struct column_writer *c, struct fault *f);

/* Go from codes back to values: the dictionary does not pay. */
CHECKED err column_leave_dictionary(struct column_writer *c, struct fault *f);
