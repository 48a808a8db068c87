/* The server under test: started from its binary on a directory and ports of its own, or one that runs
 * already; what it uses (/proc), and plain HTTP requests to it. Threads: one owner. */
#pragma once

#include "blob.h"

#include <stdbool.h>
#include <sys/types.h>

struct target {
    char host[64];
    uint16_t http_port, grpc_api_port, otlp_grpc_port, otlp_http_port;
    pid_t pid;         /* 0 when not known: nothing is measured then */
    bool started_here; /* stop and remove the directory at the end */
    char dir[256];     /* data, configuration and log, of a server started here */
    const char *binary;
    const char *extra_config; /* YAML appended to the configuration, or NULL */
    int http_fd;              /* kept-alive connection of http_get; -1 = none */
};

/* What every program that needs a server takes; put TARGET_ARGS(o) into its list of arguments. */
struct target_options {
    const char *server, *target, *config, *dir;
    double http_port, pid;
    bool keep;
};

#define TARGET_ARGS(o)                                                                                       \
    {"--server", "server binary to start", .text = &(o)->server},                                            \
        {"--target", "OTLP host:port of a running server instead", .text = &(o)->target},                    \
        {"--http-port", "its API port, with --target", .number = &(o)->http_port},                           \
        {"--pid", "its process, to measure it, with --target", .number = &(o)->pid},                         \
        {"--config", "file with YAML to append to the configuration, with --server", .text = &(o)->config},  \
        {"--dir", "directory for data, with --server", .text = &(o)->dir},                                   \
    {                                                                                                        \
        "--keep", "leave the directory", .flag = &(o)->keep                                                  \
    }

struct result;
/* Start the server, or attach to the one that is named; ends the program when that fails. `yaml` is appended
 * to the configuration unless --config is given; "ready_ms" and "binary_mb" go to `out`. */
void target_open(struct target *t, const struct target_options *o, const char *yaml, struct result *out);
/* Stop it ("stop_ms"), and remove its directory unless --keep. False when it did not end well. */
bool target_close(struct target *t, const struct target_options *o, struct result *out);

/* Make a directory, pick ports and write the configuration. `dir` NULL = a new one under $TMPDIR. */
void target_prepare(struct target *t, const char *binary, const char *dir, const char *extra_config);
/* Start the server and wait for /ready. Returns the milliseconds from fork to ready; < 0 when it did not
 * come up in 30 s (the end of its log is printed). */
double target_start(struct target *t);
/* SIGTERM and wait; milliseconds until it was gone, < 0 when it had to be killed or failed. */
double target_stop(struct target *t);
/* SIGKILL and wait. */
void target_kill(struct target *t);
/* Remove the directory of a server started here. */
void target_remove(struct target *t);

struct target_usage {
    double cpu_s;                   /* user + system since start */
    uint64_t rss_bytes, peak_bytes; /* VmRSS, VmHWM */
    uint64_t disk_bytes;            /* of the directory's data, by blocks in use */
    uint64_t block_bytes;           /* of storage.trace.local.path alone */
};
void target_usage(const struct target *t, struct target_usage *ret);
/* The same without the disk: cheap. */
void target_process(const struct target *t, struct target_usage *ret);
/* Let VmHWM begin again at what is used now. False when the kernel refuses. */
bool target_peak_reset(const struct target *t);
/* Write the data files out and drop them from the page cache. */
void target_cache_drop(const struct target *t);

/* A GET on the API port over a kept-alive connection; `accept` may be NULL. Returns the status, or -1 when
 * the connection failed; the body goes to `body` (emptied first). */
int http_get(struct target *t, const char *path, const char *accept, struct blob *body);
/* A TCP connection or -1. */
int tcp_connect(const char *host, uint16_t port);
