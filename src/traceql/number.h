/* Numbers and durations as Go and Prometheus write them. */
#pragma once

#include "vivace/base/buf.h"
#include "vivace/base/slice.h"

#define DURATION_TEXT_MAX 40
#define FLOAT_TEXT_MAX    32

/* `1d1h`, `1h30m`: Prometheus first, then Go (`1.5h`, `1ms1s`). False when it is neither, or over 64 bits. */
bool tql_duration_parse(slice s, int64_t *ret_ns);
/* Go's notation: "1h0m0s", "1.5s", "0s", "300µs". Returns the length; no NUL. */
size_t tql_duration_print(int64_t ns, char out[DURATION_TEXT_MAX]);
/* Shortest text that reads back the same, Go's 'g' format, always with '.', 'e' or a word. Returns the
 * length. */
size_t tql_float_print(double d, char out[FLOAT_TEXT_MAX]);
/* Decimal digits, '.', exponent, hexadecimal floats; false for what Go would refuse. */
bool tql_float_parse(slice s, double *ret);
