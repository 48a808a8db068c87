/* The blocks below a directory, found at start.
 *
 * `<path>/<tenant>/<uuid>/`: only meta.json is read, or meta.compacted.json of a block that was replaced.
 * What is half written (a temporary directory of a crash) is removed; what is not a block, or a block that
 * cannot be read, is left where it is, named and counted. Threads: one owner; entries are plain values.
 */
#pragma once

#include "vivace/block/meta.h"

enum block_problem {
    BLOCK_PROBLEM_FOREIGN, /* not named as a block */
    BLOCK_PROBLEM_CORRUPT, /* meta.json missing, wrong, or not fitting the files */
    BLOCK_PROBLEM_VERSION, /* of a version this program does not read */
    BLOCK_PROBLEM_COUNT
};

struct block_compacted {
    struct block_meta meta;
    int64_t marked_ns; /* unix */
};

struct block_list {
    struct block_meta *blocks; /* newest first: by max_end_ns, then id */
    size_t count, cap;
    struct block_compacted *compacted; /* marked, not deleted yet; in no order */
    size_t compacted_count, compacted_cap;
    struct block_meta *damaged; /* set aside, but it is known what they replaced; in no order */
    size_t damaged_count, damaged_cap;
    char **unknown; /* tenants with a block of which even that cannot be read; names may come again */
    size_t unknown_count, unknown_cap;
    size_t problems[BLOCK_PROBLEM_COUNT];
    size_t swept; /* temporary directories removed */
};

/* Told each thing that is set aside; may be NULL. `path` is good during the call. */
typedef void (*block_problem_fn)(void *ctx, enum block_problem what, const char *path, const char *reason);

/* A missing `path` is an empty list. ERR_IO when a directory cannot be read. */
CHECKED err block_list_scan(const char *path, block_problem_fn report, void *ctx, struct fault *f,
                            struct block_list *ret);
void block_list_fini(struct block_list *l);
/* Take a meta; the blocks are to be sorted again when all are there. */
void block_list_add(struct block_list *l, const struct block_meta *m);
void block_list_add_damaged(struct block_list *l, const struct block_meta *m);
void block_list_sort(struct block_list *l);

/* Mark a block as replaced: its meta.json becomes meta.compacted.json, durably. One that is marked already is
 * OK; ERR_NOT_FOUND when there is no such block. */
CHECKED err block_mark_compacted(const char *tenant_dir, const block_uuid *id, struct fault *f);
/* The same the other way: it is served by the next start. */
CHECKED err block_unmark_compacted(const char *tenant_dir, const block_uuid *id, struct fault *f);
/* A damaged block is none any more: its meta.json becomes meta.damaged.json, durably. What it replaced must
 * be unmarked before. */
CHECKED err block_mark_damaged(const char *tenant_dir, const block_uuid *id, struct fault *f);
/* Remove a block: renamed away first, so that no lister sees half of it. ERR_NOT_FOUND. */
CHECKED err block_remove(const char *tenant_dir, const block_uuid *id, struct fault *f);
