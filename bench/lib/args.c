#include "args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void
usage(const char *what, const struct arg *list, int code)
{
    FILE *f = code ? stderr : stdout;
    fprintf(f, "%s\n", what);
    for (const struct arg *a = list; a->name; a++) {
        fprintf(f, "  %-22s %s", a->name, a->help);
        if (a->number) {
            fprintf(f, " (%.10g)", *a->number);
        } else if (a->text && *a->text) {
            fprintf(f, " (%s)", *a->text);
        }
        fputc('\n', f);
    }
    exit(code);
}

void
args_parse(int argc, char **argv, const char *what, const struct arg *list)
{
    for (int i = 1; i < argc; i++) {
        const struct arg *a = list;
        while (a->name && strcmp(a->name, argv[i]) != 0) {
            a++;
        }
        if (strcmp(argv[i], "--help") == 0) {
            usage(what, list, 0);
        }
        if (!a->name || (!a->flag && i + 1 == argc)) {
            fprintf(stderr, "%s: unknown or without a value\n", argv[i]);
            usage(what, list, 2);
        }
        if (a->flag) {
            *a->flag = true;
        } else if (a->text) {
            *a->text = argv[++i];
        } else {
            char *end;
            *a->number = strtod(argv[++i], &end);
            if (*end) {
                fprintf(stderr, "%s: not a number: %s\n", a->name, argv[i]);
                usage(what, list, 2);
            }
        }
    }
}
