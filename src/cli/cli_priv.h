/* What the commands share: how they are called, their options, and how they print. */
#pragma once

#include "vivace/base/buf.h"
#include "vivace/cli/cli.h"

#include <stdio.h>

/* --- commands --- */

/* `argv` holds what stands behind the command's name. Returns an exit status. */
typedef int (*command_fn)(int argc, char *const *argv);

int block_list_command(int argc, char *const *argv);
int block_inspect_command(int argc, char *const *argv);
int block_verify_command(int argc, char *const *argv);
int block_cat_command(int argc, char *const *argv);
int wal_inspect_command(int argc, char *const *argv);
int query_search_command(int argc, char *const *argv);
int query_trace_command(int argc, char *const *argv);
int query_tags_command(int argc, char *const *argv);
int query_metrics_command(int argc, char *const *argv);

/* --- options --- */

#define OPTION_VALUES_MAX 32 /* times one option may be repeated */
#define ARGUMENTS_MAX     4  /* arguments of a command that are not options */

enum option_kind {
    OPTION_SWITCH, /* to: bool */
    OPTION_TEXT,   /* to: const char * */
    OPTION_NUMBER, /* to: uint64_t */
    OPTION_LIST,   /* to: struct option_list */
};

struct option {
    const char *name; /* without dashes */
    enum option_kind kind;
    void *to;
};

struct option_list {
    const char *v[OPTION_VALUES_MAX];
    size_t n;
};

struct arguments {
    const char *v[ARGUMENTS_MAX];
    size_t n;
};

/* --name value, --name=value, with one dash or two, anywhere; "--" ends them. ERR_INVALID says what is wrong.
 */
CHECKED err options_parse(int argc, char *const *argv, const struct option *options, size_t option_count,
                          struct arguments *ret, struct fault *f);

/* --- printing --- */

#define CLI_TEXT_MAX ((size_t)256 << 20) /* bytes of one piece of output */

/* Write what is in `text` to stdout and empty it. False when that failed (a pipe that was closed, a full
 * disk): said on stderr once, unless the reader has simply gone away. */
bool print_buf(struct buf *text);
/* stdout is flushed: false as above. */
bool print_end(void);
/* "vivace: <message>" on stderr; returns CLI_FAILED. */
int complain(const struct fault *f);
/* The same for a command called wrongly; returns CLI_USAGE. */
int complain_usage(const struct fault *f);
