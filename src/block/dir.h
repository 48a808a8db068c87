/* Names of a block's files, and directories of files. */
#pragma once

#include "vivace/block/list.h"

#define BLOCK_SPANS_FILE  "spans.parquet"
#define BLOCK_META_FILE   "meta.json"
#define BLOCK_GONE_FILE   "meta.compacted.json" /* what meta.json becomes when the block is replaced */
#define BLOCK_BAD_FILE    "meta.damaged.json"   /* and when what it replaced is served again */
#define BLOCK_TEMP_PREFIX ".tmp-"               /* a directory that is being written or removed */

/* "<dir>/<name>" into PATH_MAX bytes; ERR_INVALID when it does not fit. */
CHECKED err path_join(char *ret, const char *dir, const char *name, struct fault *f);
/* Remove a directory and the files in it (no directories below). */
CHECKED err dir_remove(const char *dir, struct fault *f);

/* The meta of the block in `dir`, marked compacted (then *ret_marked_ns is when) or not. */
CHECKED err block_dir_meta(const char *dir, struct fault *f, struct block_meta *ret, int64_t *ret_marked_ns);
