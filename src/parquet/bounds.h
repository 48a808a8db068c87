/* Smallest and largest value of a page and of a chunk, as the column's order says. */
#pragma once

#include "dict.h"

#include "vivace/parquet/schema.h"

/* Bounds of a page: slices into the values, or into `words` for numbers. */
struct page_bounds {
    bool found; /* false: no values, or only NaN */
    slice min, max;
    uint8_t words[16];
};

/* Values as a column writer holds them. */
struct page_values {
    size_t count;
    const uint8_t *data;     /* fixed width, bools as bytes, or all byte arrays after each other */
    const uint32_t *lengths; /* byte arrays */
};

void bounds_of_values(const struct parquet_node *leaf, const struct page_values *v, struct page_bounds *ret);
/* `seen` is scratch of at least dictionary count + 8 zero bytes; zero again after. */
void bounds_of_codes(const struct parquet_node *leaf, const struct dict *d, const uint32_t *codes, size_t n,
                     uint8_t *seen, struct page_bounds *ret);

/* Cut a bound to at most `max` bytes: a minimum rounds down, a maximum up. Text stays UTF-8. False (and
 * `out` as it was) when a maximum cannot be rounded; *ret_exact tells whether it was cut. */
bool bounds_cut(slice v, size_t max, bool is_max, struct buf *out, bool *ret_exact);
