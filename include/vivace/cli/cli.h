/* The commands of the program beside the server: `vivace block|wal|query|help ...`.
 *
 * They read files and ask servers; none of them writes a file. Everything that comes out of a file or a
 * server is treated as hostile: bounded memory, and no control character reaches the terminal. docs/cli.md
 * says what each prints. Threads: one; output goes to stdout, complaints to stderr.
 */
#pragma once

#include <stdbool.h>

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1, /* it could not be done, or something is wrong with what was looked at */
    CLI_USAGE = 2,
};

/* Does argv[1] name a command? Then it is run: `*ret_exit` is the exit status. */
bool cli_run(int argc, char *const *argv, int *ret_exit);
