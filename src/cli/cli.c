/* Which command it is, and help. */
#include "cli_priv.h"
#include "text.h"

#include "vivace/base/slice.h"

#include <errno.h>

static const struct {
    const char *group, *name;
    command_fn run;
} commands[] = {
    {"block", "list", block_list_command},       {"block", "inspect", block_inspect_command},
    {"block", "verify", block_verify_command},   {"block", "cat", block_cat_command},
    {"wal", "inspect", wal_inspect_command},     {"query", "search", query_search_command},
    {"query", "trace", query_trace_command},     {"query", "tags", query_tags_command},
    {"query", "metrics", query_metrics_command},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static const char help[] =
    "vivace [flags]                               the server (vivace -help lists the flags)\n"
    "\n"
    "vivace block list <path>                     blocks of a directory, a tenant, or one block\n"
    "vivace block inspect <block>                 columns, encodings and sizes of a block\n"
    "vivace block verify <path>                   read everything and check it against itself\n"
    "vivace block cat <block> [--trace <id>] [--limit <spans>]\n"
    "                                             spans as OTLP/JSON, one trace a line\n"
    "vivace wal inspect <path>                    segments of a write-ahead log, or one segment\n"
    "\n"
    "vivace query search <url> [<TraceQL>]        traces that match\n"
    "vivace query trace <url> <trace id>          one trace as a waterfall\n"
    "vivace query tags <url> [<tag>] [--query <TraceQL>] [--scope <scope>]\n"
    "                                             names of tags, or the values of one\n"
    "vivace query metrics <url> <TraceQL> [--step <duration>] [--instant]\n"
    "                                             series as a chart, or one value each\n"
    "\n"
    "Every command: --json prints JSON for programs. Files are read and never changed.\n"
    "query: --since <duration> (1h), --start and --end (RFC 3339 or unix seconds), --limit <n>, --tenant "
    "<id>,\n"
    "  --header 'Name: value', --ca <file>, --insecure, --timeout <duration> (30s), --width <columns>,\n"
    "  --color auto|always|never\n"
    "Exit status: 0, 1 when it failed or something is wrong, 2 when it was called wrongly. docs/cli.md\n";

bool
print_buf(struct buf *text)
{
    bool good = !text->failed && (text->n == 0 || fwrite(text->p, 1, text->n, stdout) == text->n);
    if (text->failed) {
        fprintf(stderr, "vivace: the answer is larger than %zu bytes\n", text->max);
    } else if (!good && errno != EPIPE) {
        fprintf(stderr, "vivace: the answer cannot be written: %s\n",
                strerror(errno)); // NOLINT(concurrency-mt-unsafe)
    }
    buf_clear(text);
    return good;
}

bool
print_end(void)
{
    if (ferror(stdout)) { /* said already */
        return false;
    }
    if (fflush(stdout) != 0) {
        if (errno != EPIPE) {
            fprintf(stderr, "vivace: the answer cannot be written: %s\n",
                    strerror(errno)); // NOLINT(concurrency-mt-unsafe)
        }
        return false;
    }
    return true;
}

int
complain(const struct fault *f)
{
    fflush(stdout);
    struct buf safe; /* it may hold a server's words */
    buf_init(&safe, FAULT_MSG_MAX * 4);
    (void)text_put(&safe, slice_cstr(f->msg[0] ? f->msg : "it cannot be done"), TEXT_ALL);
    fprintf(stderr, "vivace: %.*s\n", SL_FMT(buf_slice(&safe)));
    buf_fini(&safe);
    return CLI_FAILED;
}

int
complain_usage(const struct fault *f)
{
    (void)complain(f);
    fputs("vivace help lists the commands\n", stderr);
    return CLI_USAGE;
}

static int
print_help(FILE *to, int status)
{
    fputs(help, to);
    return to == stdout && !print_end() ? CLI_FAILED : status;
}

static bool
is_help(const char *arg)
{
    return strcmp(arg, "help") == 0 || strcmp(arg, "-help") == 0 || strcmp(arg, "--help") == 0 ||
           strcmp(arg, "-h") == 0;
}

static int
run_group(int argc, char *const *argv)
{
    struct fault f = {0};
    if (argc < 3 || is_help(argv[2])) {
        return print_help(argc < 3 ? stderr : stdout, argc < 3 ? CLI_USAGE : CLI_OK);
    }
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-help") == 0) {
            return print_help(stdout, CLI_OK);
        }
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].group, argv[1]) == 0 && strcmp(commands[i].name, argv[2]) == 0) {
            int status = commands[i].run(argc - 3, argv + 3);
            return print_end() || status != CLI_OK ? status : CLI_FAILED;
        }
    }
    (void)FAULT(&f, ERR_INVALID, "there is no command '%s %.40s'", argv[1], argv[2]);
    return complain_usage(&f);
}

bool
cli_run(int argc, char *const *argv, int *ret_exit)
{
    if (argc < 2 || argv[1][0] == '-') {
        return false;
    }
    if (strcmp(argv[1], "help") == 0) {
        *ret_exit = print_help(stdout, CLI_OK);
        return true;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].group, argv[1]) == 0) {
            *ret_exit = run_group(argc, argv);
            return true;
        }
    }
    return false;
}
