/* Inside of a column reader: where it stands, and the memory it reuses. */
#pragma once

#include "codecs.h"
#include "page.h"

#include "vivace/parquet/reader.h"

struct parquet_scratch {
    struct parquet_limits limits;
    struct codecs codecs;
};

/* Memory whose contents need not survive growing. */
struct room {
    uint8_t *p;
    size_t cap;
};

enum dictionary_state { DICTIONARY_UNKNOWN, DICTIONARY_NONE, DICTIONARY_READ };

struct parquet_column {
    struct parquet_scratch *scratch;
    struct parquet_file file;
    const struct parquet_chunk *chunk;
    const struct parquet_node *leaf;
    const struct parquet_offset_index *index; /* or NULL */
    uint64_t row_count;                       /* of the row group */
    size_t memory;                            /* sum of all rooms */

    /* bytes of the file: [window_off, window_off + window_n) */
    struct room window, dictionary_window;
    uint64_t window_off;
    size_t window_n;

    /* where the next page header stands, and which page of the index it is */
    uint64_t at, end;
    size_t index_at;
    uint64_t rows_seen, levels_seen;

    /* the current page */
    struct page_header header;
    struct parquet_page page;
    uint64_t body_off;
    bool have_page;                   /* next or a seek found it */
    bool pending;                     /* found by a seek: next returns it */
    bool unpacked;                    /* checked: the slices are good */
    bool packed;                      /* but `values` is compressed still */
    bool loaded;                      /* and all its levels are decoded */
    bool masked;                      /* or given as a mask */
    slice rep_bits, def_bits, values; /* encoded */
    size_t value_count;

    uint64_t *mask; /* of the caller, for the next decode; or NULL */
    size_t mask_at;

    void *into; /* of the caller, for the next decode; or NULL */
    size_t into_bytes;

    struct room body, def, rep, codes, typed, lengths, strings;

    enum dictionary_state dictionary_state;
    struct parquet_values dictionary;
    struct room dictionary_body, dictionary_typed;
};

/* `n` bytes in a room (old contents are lost); ERR_LIMIT over the reader's budget. */
CHECKED err room_take(struct parquet_column *c, struct room *r, uint64_t n, struct fault *f);
/* Bytes [off, off + n) of the chunk, until the next call. */
CHECKED err column_bytes_at(struct parquet_column *c, uint64_t off, uint64_t n, struct fault *f, slice *ret);
/* Parse the page header at `off`. */
CHECKED err column_header_at(struct parquet_column *c, uint64_t off, struct fault *f, struct page_header *ret,
                             uint64_t *ret_body);
/* column_load.c: body and levels of the current page. */
CHECKED err column_load(struct parquet_column *c, struct fault *f);
/* The chunk's dictionary into c->dictionary; sets the state. */
CHECKED err column_load_dictionary(struct parquet_column *c, struct fault *f);
/* Does the encoding, other than a dictionary's, fit the type? */
bool column_encoding_fits(unsigned encoding, enum parquet_type type);
