/* Inside the room: logical types as numbers on the wire, and the footer's way out. */
#pragma once

#include "varint.h"

#include "vivace/base/buf.h"
#include "vivace/parquet/meta.h"

/* LogicalType's union member, PARQUET_LOGICAL_OTHER for one we do not know. */
enum parquet_logical_kind logical_from_thrift(int id);
/* 0 = not written. */
int logical_to_thrift(enum parquet_logical_kind kind);
/* The old ConvertedType, -1 = none that says the same. */
struct parquet_logical logical_from_converted(int64_t converted, int32_t scale, int32_t precision);
int logical_to_converted(struct parquet_logical l);

/* Append the footer's thrift bytes, its length and the magic. Check `out->failed`. */
void meta_write(const struct parquet_meta *m, struct buf *out);
