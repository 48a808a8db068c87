/* Batches, directories and damage for the tests of wal/ and ingester/. */
#pragma once

#include "test.h"

#include "vivace/base/file.h"
#include "vivace/base/log.h"
#include "vivace/codec/otlp.h"
#include "vivace/model/span_batch.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static inline trace_id
trace_number(uint64_t n)
{
    trace_id id = {{0x42}};
    for (int i = 0; i < 8; i++) {
        id.b[15 - i] = (uint8_t)(n >> (8 * i));
    }
    return id;
}

/* A batch as a receiver hands it over: bytes, and spans that point into them. */
struct made {
    struct buf wire;
    struct span_batch batch;
};

/* `spans` spans of each trace first..first+traces-1, interleaved; the span ids begin with `mark`. */
static inline void
made_init(struct made *m, uint64_t first, size_t traces, size_t spans, uint32_t mark)
{
    struct span_batch b;
    struct fault f = {0};
    span_batch_init(&b, 0);
    span_batch_add_resource(&b)->has_resource = true;
    span_batch_add_scope(&b)->has_scope = true;
    for (size_t i = 0; i < traces * spans; i++) {
        struct span *s = span_batch_add_span(&b);
        uint32_t id[2] = {mark, (uint32_t)i + 1};
        s->trace = trace_number(first + i % traces);
        memcpy(s->id.b, id, sizeof s->id.b);
        s->start_ns = 1700000000000000000u + i;
        s->end_ns = s->start_ns + 1000;
        s->name = SL("GET /a/fairly/ordinary/name");
        s->kind = 2;
    }
    buf_init(&m->wire, 1u << 26);
    span_batch_init(&m->batch, 0);
    assert_int_equal(otlp_encode(&b, &m->wire), OK);
    assert_ok(otlp_decode(buf_slice(&m->wire), &m->batch, &f), &f);
    span_batch_fini(&b);
}

static inline void
made_fini(struct made *m)
{
    span_batch_fini(&m->batch);
    buf_fini(&m->wire);
}

/* A fresh directory, in memory where there is such a place: these tests sync thousands of times. */
static inline void
temp_dir(char path[64])
{
    snprintf(path, 64, "%s/vivace-wal-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(path));
}

static inline void
remove_dir(const char *path)
{
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", path);
    assert_int_equal(system(cmd), 0);
}

/* Files of the directory whose name ends in `suffix`; the last one's path in `ret`. */
static inline size_t
count_files(const char *dir, const char *suffix, char ret[512])
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e = NULL; d && (e = readdir(d)) != NULL;) {
        size_t len = strlen(e->d_name);
        if (e->d_name[0] != '.' && len >= strlen(suffix) &&
            strcmp(e->d_name + len - strlen(suffix), suffix) == 0) {
            n++;
            if (ret) {
                snprintf(ret, 512, "%s/%s", dir, e->d_name);
            }
        }
    }
    if (d) {
        closedir(d);
    }
    return n;
}

static inline void
write_file(const char *path, const uint8_t *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), (ssize_t)n);
    close(fd);
}
