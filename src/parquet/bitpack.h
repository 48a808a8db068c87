/* Bit-packed integers, least significant bit first, as RLE/bit-packed hybrid and delta miniblocks use them.
 *
 * Unpackers never read past `avail` bytes; the caller has checked that n * width bits are there. AVX2 is
 * chosen at run time for 32-bit output up to 25 bits wide; everything else is portable.
 */
#pragma once

#include "vivace/base/slice.h"

void bits_unpack_u32(const uint8_t *p, size_t avail, unsigned width, uint32_t *out,
                     size_t n); /* width 0..32 */
void bits_unpack_u64(const uint8_t *p, size_t avail, unsigned width, uint64_t *out,
                     size_t n);                                                              /* width 0..64 */
void bits_unpack_u8(const uint8_t *p, size_t avail, unsigned width, uint8_t *out, size_t n); /* width 0..8 */

/* Pack n values, padding the last byte with zeros: returns the bytes written, (n * width + 7) / 8. `out` has
 * 8 bytes more than that. Values must fit the width. */
size_t bits_pack_u32(uint8_t *out, const uint32_t *in, size_t n, unsigned width);
size_t bits_pack_u64(uint8_t *out, const uint64_t *in, size_t n, unsigned width);
size_t bits_pack_u8(uint8_t *out, const uint8_t *in, size_t n, unsigned width);

/* Bits needed for v: 0 for 0. */
static inline unsigned
bits_width(uint64_t v)
{
    return v ? 64U - (unsigned)__builtin_clzll(v) : 0;
}
