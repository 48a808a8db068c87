/* Text for people: names that came from elsewhere made safe for a terminal, and numbers with units. */
#pragma once

#include "vivace/base/buf.h"

#define TEXT_ALL SIZE_MAX

/* Append `s` as a terminal may see it: bytes that are not UTF-8, control characters and marks that change the
 * direction of writing become U+FFFD. Cut to `columns` with an ellipsis. Returns the columns it takes. */
size_t text_put(struct buf *out, slice s, size_t columns);
/* Columns that `s` (already safe) takes. */
size_t text_columns(slice s);
/* Take one character off the front: its code point, or -1 for a byte that is not UTF-8. `s` is not empty. */
int32_t text_next(slice *s);
void text_pad(struct buf *out, size_t columns);

/* "512 B", "1.5 KiB", "2.0 GiB" */
void text_bytes(struct buf *out, uint64_t bytes);
/* "0s", "850ns", "1.25ms", "12.3s", "4m30s", "3h5m", "2d4h": three digits or two units. */
void text_duration(struct buf *out, uint64_t ns);
/* "2026-01-02T03:04:05Z" */
void text_time(struct buf *out, uint64_t unix_ns);
/* With milliseconds. */
void text_time_ms(struct buf *out, uint64_t unix_ns);
