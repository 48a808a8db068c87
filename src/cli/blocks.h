/* Blocks below a path, found without changing anything: a data directory (storage.trace.local.path), a
 * tenant's directory, or one block. Unlike block/list.h it leaves what a crash left where it is. */
#pragma once

#include "vivace/block/meta.h"

enum found_state {
    FOUND_BLOCK,
    FOUND_COMPACTED, /* replaced by another, kept for a while */
    FOUND_CORRUPT,   /* meta.json missing, wrong, or not fitting the files */
    FOUND_VERSION,   /* of a version this program does not read */
    FOUND_TEMPORARY, /* being written or removed, or left by a crash */
    FOUND_FOREIGN,   /* not a block */
};

struct found {
    enum found_state state;
    char *path;
    struct block_meta meta; /* of FOUND_BLOCK and FOUND_COMPACTED */
    char *reason;           /* of the others; may be NULL */
};

struct found_list {
    struct found *v; /* by tenant, newest first; what has no meta comes last */
    size_t count, cap;
};

#define FOUND_MAX 1000000 /* entries one listing holds */

/* "block", "compacted", "corrupt", ...: stable, for programs. */
const char *found_state_name(enum found_state s);
/* ERR_NOT_FOUND when there is no such path, ERR_IO when a directory cannot be read, ERR_LIMIT. */
CHECKED err blocks_find(const char *path, struct fault *f, struct found_list *ret);
void found_list_fini(struct found_list *l);
/* What `vivace block <name> [--json] <path>` was asked: CLI_OK and the list, or the exit status after
 * complaining. */
int blocks_asked(const char *name, int argc, char *const *argv, bool *ret_json, struct found_list *ret);
/* One directory that must be a block (or one that was compacted). ERR_CORRUPT, ERR_UNSUPPORTED. */
CHECKED err block_find(const char *path, struct fault *f, struct found *ret);
void found_fini(struct found *b);
