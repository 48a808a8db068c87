/* The server a program measures: one it starts, or one that runs already. */
#include "result.h"
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *
file_text(const char *path)
{
    FILE *f = fopen(path, "r");
    struct blob b = {0};
    if (!f) {
        die("%s: cannot be read", path);
    }
    for (int c; (c = fgetc(f)) != EOF;) {
        blob_add(&b, &(char){(char)c}, 1);
    }
    blob_add(&b, "", 1);
    fclose(f);
    return (char *)b.p;
}

static void
attach(struct target *t, const struct target_options *o)
{
    *t = (struct target){
        .pid = (pid_t)o->pid, .http_fd = -1, .http_port = (uint16_t)(o->http_port > 0 ? o->http_port : 3200)};
    const char *colon = strrchr(o->target, ':');
    if (!colon || (size_t)(colon - o->target) >= sizeof t->host) {
        die("--target wants host:port");
    }
    memcpy(t->host, o->target, (size_t)(colon - o->target));
    t->otlp_grpc_port = t->otlp_http_port = (uint16_t)strtoul(colon + 1, NULL, 10);
}

void
target_open(struct target *t, const struct target_options *o, const char *yaml, struct result *out)
{
    if (!o->server == !o->target) {
        die("one of --server and --target is needed");
    }
    if (o->target) {
        attach(t, o);
        return;
    }
    target_prepare(t, o->server, o->dir, o->config ? file_text(o->config) : yaml);
    double ready_ms = target_start(t);
    if (ready_ms < 0) {
        die("%s did not get ready", o->server);
    }
    struct stat st;
    result_num(out, "ready_ms", ready_ms);
    if (stat(o->server, &st) == 0) {
        result_num(out, "binary_mb", (double)st.st_size / 1e6);
    }
}

bool
target_close(struct target *t, const struct target_options *o, struct result *out)
{
    if (o->target) {
        return true;
    }
    double stop_ms = target_stop(t);
    result_num(out, "stop_ms", stop_ms);
    if (!o->keep) {
        target_remove(t);
    } else {
        fprintf(stderr, "data and log are in %s\n", t->dir);
    }
    return stop_ms >= 0;
}
