/* Distinct values of one column and row group, in the order they came, found again by hash.
 *
 * Values of fixed width stand one after another; byte arrays have their ends beside them. `slots` is open
 * addressing over codes. Growth is bounded by the caller, who looks at dict_plain_bytes.
 */
#pragma once

#include "vivace/base/buf.h"
#include "vivace/parquet/types.h"

struct dict {
    size_t width;      /* bytes per value, 0 = byte arrays */
    struct buf values; /* the bytes */
    struct buf ends;   /* byte arrays: uint32_t end of each in `values` */
    struct buf hashes; /* uint32_t per value */
    uint32_t *slots;   /* code + 1, 0 = free */
    uint32_t slot_count, count;
};

void dict_init(struct dict *d, size_t width, size_t bytes_max);
void dict_fini(struct dict *d);
/* Empty, keeps the memory. */
void dict_clear(struct dict *d);
/* Codes of values, adding the new ones. ERR_LIMIT when the memory cap is reached. */
CHECKED err dict_code_fixed(struct dict *d, const uint8_t *v, size_t n, uint32_t *codes);
CHECKED err dict_code_bytes(struct dict *d, const slice *v, size_t n, uint32_t *codes);
/* Add without looking: the caller knows that they are new. */
CHECKED err dict_add_fixed(struct dict *d, const uint8_t *v, size_t n);
CHECKED err dict_add_bytes(struct dict *d, const slice *v, size_t n);
slice dict_value(const struct dict *d, uint32_t code);
/* Bytes of the dictionary page. */
size_t dict_plain_bytes(const struct dict *d);
size_t dict_memory(const struct dict *d);
