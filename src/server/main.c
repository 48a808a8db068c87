/* vivace: arguments, configuration, and one server until a signal ends it. */
#include "health.h"
#include "server.h"

#include "vivace/base/log.h"
#include "vivace/cli/cli.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)1 << 20) /* bytes of usage or report text */

enum { EXIT_USAGE = 2 };

static void
print(FILE *to, const struct buf *text)
{
    fwrite(text->p, 1, text->n, to);
}

static void
print_version(void)
{
    printf("tempo, version v" FRONTEND_API_VERSION " (branch: vivace, revision: vivace-" VIVACE_VERSION ")\n"
           "  server:           vivace " VIVACE_VERSION "\n"
           "  platform:         linux/amd64\n");
}

/* Memory that a request freed should go back to the system: arenas per thread would keep it. */
static void
tune_malloc(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

/* Connections and segments need descriptors: take all that the hard limit gives. */
static void
raise_descriptor_limit(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l); /* refused: process_max_fds shows what there is */
    }
}

static void
log_report(const struct config_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].severity == CONFIG_WARNING) {
            LOG_W(r->v[i].text);
        }
    }
    if (r->ignored) {
        struct buf keys;
        buf_init(&keys, (size_t)8 << 10);
        for (size_t i = 0; i < r->n; i++) {
            if (r->v[i].severity == CONFIG_IGNORED) {
                buf_printf(&keys, "%s%s", keys.n ? ", " : "", r->v[i].path);
            }
        }
        LOG_I("configuration keys that mean nothing here are ignored", LOG_STR("keys", buf_slice(&keys)));
        buf_fini(&keys);
    }
}

static int
verify(const struct config_report *r)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    config_report_write(r, &text);
    print(stderr, &text);
    buf_fini(&text);
    return r->errors || r->warnings ? 1 : 0;
}

static int
serve(const struct config *c, const struct config_args *args)
{
    static struct server server;
    struct fault f = {0};
    log_set_level((enum log_level)c->server.log_level);
    log_set_format((enum log_format)c->server.log_format);
    LOG_I("Starting Tempo",
          LOG_CSTR("version",
                   "(version=v" FRONTEND_API_VERSION ", branch=vivace, revision=vivace-" VIVACE_VERSION ")"),
          LOG_CSTR("target", c->target));
    if (server_start(&server, c, args, &f) != OK) {
        LOG_E("error running Tempo", LOG_FAULT(&f));
        return 1;
    }
    server_wait(&server);
    server_stop(&server);
    return 0;
}

static int
load_and_serve(const struct config_args *args)
{
    struct config *c = NULL;
    struct config_report report;
    struct fault f = {0};
    int code = 1;
    config_report_init(&report);
    err rc = config_load(args, &report, &f, &c);
    if (args->verify && (rc == OK || report.errors)) {
        code = verify(&report);
    } else if (rc != OK) {
        if (report.errors) {
            verify(&report);
        }
        fprintf(stderr, "%s\n", f.msg);
    } else {
        log_report(&report);
        config_report_fini(&report);
        config_report_init(&report);
        code = serve(c, args);
    }
    config_report_fini(&report);
    config_destroy(c);
    return code;
}

int
main(int argc, char **argv)
{
    struct config_args args;
    struct fault f = {0};
    struct buf usage;
    int status = 0;
    signal(SIGPIPE, SIG_IGN);
    if (cli_run(argc, argv, &status)) {
        return status;
    }
    tune_malloc();
    raise_descriptor_limit();
    buf_init(&usage, TEXT_MAX);
    if (config_parse_args(argc, argv, &f, &args) != OK) {
        config_write_usage(&usage);
        fprintf(stderr, "%s\n", f.msg);
        print(stderr, &usage);
        buf_fini(&usage);
        return EXIT_USAGE;
    }
    if (args.help) {
        config_write_usage(&usage);
        (void)buf_append_cstr(
            &usage, "\nvivace help lists the commands that read blocks and logs, and ask servers.\n");
        print(stdout, &usage);
    }
    buf_fini(&usage);
    if (args.help) {
        return 0;
    }
    if (args.version) {
        print_version();
        return 0;
    }
    if (args.health) {
        return health_check(args.health_url);
    }
    return load_and_serve(&args);
}
