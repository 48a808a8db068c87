/* "--name value" and "--name" arguments. Threads: none. */
#pragma once

#include <stdbool.h>

struct arg {
    const char *name; /* "--spans" */
    const char *help;
    double *number; /* one of these three takes the value; a flag takes none */
    const char **text;
    bool *flag;
};

/* Fill in what is given; ends with usage on --help (0) and on anything unknown (2). The list ends with a
 * NULL name. */
void args_parse(int argc, char **argv, const char *what, const struct arg *list);
