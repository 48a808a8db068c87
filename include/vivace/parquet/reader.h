/* Read column chunks page by page into vectors.
 *
 *   parquet_meta_read -> struct parquet_file
 *   parquet_scratch_create (one per thread), parquet_column_create (one per column read at a time)
 *   parquet_column_open -> [parquet_column_dictionary] -> { parquet_column_next -> parquet_column_decode }
 *
 * A page that is not decoded costs the reading of its header; with an offset index, pages that a seek passes
 * over cost nothing. Memory belongs to the column reader and is reused from page to page: what decode returns
 * is good until the next call of next, seek, decode or open on the same column; the dictionary until the next
 * open. Every size that comes from the file is checked against the bytes there are and the limits before
 * memory is taken. Threads: a scratch and its columns have one owner.
 */
#pragma once

#include "vivace/parquet/index.h"

struct parquet_scratch; /* decompression state */
struct parquet_column;  /* reader of one column chunk at a time */

/* `limits` NULL = defaults. */
struct parquet_scratch *parquet_scratch_create(const struct parquet_limits *limits);
/* After the columns made from it. Accepts NULL. */
void parquet_scratch_destroy(struct parquet_scratch *s);

struct parquet_column *parquet_column_create(struct parquet_scratch *s);
/* Accepts NULL. */
void parquet_column_destroy(struct parquet_column *c);
/* Bytes it holds from the system. */
size_t parquet_column_bytes(const struct parquet_column *c);

/* Begin at the first page of a chunk; `file` (its metadata and source) must outlive the reading. Reads
 * nothing yet. ERR_INVALID for a row group or column that is not there, ERR_UNSUPPORTED for a codec. */
CHECKED err parquet_column_open(struct parquet_column *c, const struct parquet_file *file, size_t row_group,
                                size_t column, struct fault *f);
/* Find pages by this offset index from now on (it must outlive the reading): seeks and skips read nothing,
 * and each page is one read. ERR_CORRUPT when it does not fit the chunk. */
CHECKED err parquet_column_use_index(struct parquet_column *c, const struct parquet_offset_index *index,
                                     struct fault *f);

/* The chunk's dictionary; ERR_NOT_FOUND when it has none. */
CHECKED err parquet_column_dictionary(struct parquet_column *c, struct fault *f, struct parquet_values *ret);

struct parquet_page {
    uint64_t first_row; /* in the row group; a first entry with rep > 0 goes on with the row before */
    uint32_t row_count; /* rows that begin here */
    uint32_t level_count;
    uint32_t bytes; /* uncompressed, as its header says; within the limit of a page */
    enum parquet_encoding encoding;
    bool coded; /* dictionary codes: may be decoded as codes */
};

/* The next data page; ERR_NOT_FOUND behind the last. */
CHECKED err parquet_column_next(struct parquet_column *c, struct fault *f, struct parquet_page *ret);
/* Go so that the next page is the one that holds `row` (of the row group). ERR_INVALID past the end. */
CHECKED err parquet_column_seek(struct parquet_column *c, uint64_t row, struct fault *f);

enum parquet_decode {
    PARQUET_DECODE_LEVELS, /* def, rep and counts only */
    PARQUET_DECODE_VALUES, /* typed values, dictionary codes looked up */
    PARQUET_DECODE_CODES,  /* codes for a coded page, values for any other */
};

struct parquet_vector {
    struct parquet_page page;
    const uint8_t *def;    /* level_count bytes, NULL when max_def is 0 or every entry is present */
    const uint8_t *rep;    /* level_count bytes, NULL when max_rep is 0 */
    const uint32_t *codes; /* value count in values.count; NULL when values are given */
    struct parquet_values values;
};

/* Where the next decode puts codes, or whole numbers that must be decoded, when they fit into `bytes`: the
 * vector points there then. For those who keep them: it saves a copy. */
void parquet_column_into(struct parquet_column *c, void *p, size_t bytes);
/* Where the next decode puts the levels of a column of max_def 1 and max_rep 0, a bit each: bit at + i of
 * `mask`, 0 before, is set when entry i is present. The mask must have room for the page. The vector's `def`
 * is NULL then, also when the same page is decoded again: a page whose levels (decoded alone, which does not
 * decompress it) show that it is of no use is passed over, another one decoded on. */
void parquet_column_mask(struct parquet_column *c, uint64_t *mask, size_t at);
/* Decode the page that parquet_column_next returned. */
CHECKED err parquet_column_decode(struct parquet_column *c, enum parquet_decode how, struct fault *f,
                                  struct parquet_vector *ret);
/* The same for those of its rows that are in [from, to), counted in the row group: ret->page says which they
 * are, and levels and values are theirs alone. Codes and levels of the other rows are passed over, so that a
 * few rows of a page cost little more than its decompression. */
CHECKED err parquet_column_decode_rows(struct parquet_column *c, enum parquet_decode how, uint64_t from,
                                       uint64_t to, struct fault *f, struct parquet_vector *ret);
