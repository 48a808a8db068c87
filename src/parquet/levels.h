/* Counts over definition and repetition levels (a byte each) and codes: the loops that every entry of every
 * column goes through, read or written. SSE4.1 (part of the build's baseline on x86-64) or portable. */
#pragma once

#include "vivace/base/slice.h"

/* How many are x. */
size_t levels_count(const uint8_t *v, size_t n, uint8_t x);
/* The largest, 0 for none. */
uint8_t levels_max(const uint8_t *v, size_t n);
uint32_t codes_max(const uint32_t *v, size_t n);
