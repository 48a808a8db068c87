/* Any bytes as a segment file: a start reads it without a crash, in bounded memory, and a second start agrees
 * with the first. The header's checksum and the salt would stop every input at the door, so the fuzzer's
 * bytes stand behind a good header, and a first byte of 1 has a good header put on each record it names. */
#include "wal/wal_priv.h"

#include "vivace/base/file.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/ingester/ingester.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEGMENT "0000000000000001"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];

static void
make_dir(void)
{
    snprintf(dir, sizeof dir, "%s/vivace-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    MUST(mkdtemp(dir) != NULL);
    log_set_level(LOG_ERROR + 1);
}

static void
segment_header(uint8_t p[SEGMENT_HEADER_BYTES])
{
    memset(p, 0, SEGMENT_HEADER_BYTES);
    memcpy(p, SEGMENT_MAGIC, 8);
    put32(p + 8, WAL_VERSION);
    put32(p + 12, SEGMENT_HEADER_BYTES);
    put64(p + 16, 1);
    put64(p + 56, wal_hash(p, 56, 0));
}

/* Read the input as records of {length, bytes} and sign each; what is left is noise. */
static void
sign_records(struct buf *out, const uint8_t *data, size_t size)
{
    while (size > 2) {
        uint8_t header[RECORD_HEADER_BYTES];
        size_t n = data[0] | (size_t)data[1] << 8;
        if (n > size - 2) {
            break;
        }
        struct record_header h = {.type = RECORD_TYPE_SPANS,
                                  .tenant_n = 1,
                                  .payload_n = (uint32_t)n,
                                  .payload_hash = wal_hash(data + 2, n, 0)};
        record_header_encode(header, &h, SL("t"), out->n);
        (void)buf_append(out, header, sizeof header);
        (void)buf_append_byte(out, 't');
        (void)buf_append(out, data + 2, n);
        data += n + 2;
        size -= n + 2;
    }
    (void)buf_append(out, data, size);
}

/* Start, read all, stop; the number of live spans. */
static uint64_t
start(void)
{
    struct budget budget;
    struct fault f = {0};
    struct ingester *ing = NULL;
    struct ingester_stats st = {0};
    budget_init(&budget, "fuzz", NULL, 4u << 20);
    const struct ingester_options o = {.wal_dir = dir, .sync = WAL_SYNC_NONE, .budget = &budget};
    err rc = ingester_open(&o, &f, &ing);
    MUST(rc == OK || rc == ERR_LIMIT);
    if (rc == OK) {
        ingester_stats(ing, &st);
        struct ingester_sealed *s = ingester_next_sealed(ing, 0);
        if (s) {
            struct wal_cursor c;
            struct wal_record r;
            struct wal_ref at;
            ingester_sealed_records(s, &c);
            while ((rc = wal_cursor_next(&c, &f, &r, &at)) == OK || rc == ERR_CORRUPT) {
            }
            MUST(rc == ERR_NOT_FOUND || rc == ERR_LIMIT);
            wal_cursor_fini(&c);
            ingester_sealed_release(s);
        }
        ingester_close(ing);
    }
    MUST(budget_used(&budget) == 0);
    return st.live_spans;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[128];
    char command[160];
    struct buf file;
    uint8_t header[SEGMENT_HEADER_BYTES];
    if (dir[0] == '\0') {
        make_dir();
    }
    if (size == 0 || size > 1u << 20) {
        return 0;
    }
    buf_init(&file, 4u << 20);
    segment_header(header);
    (void)buf_append(&file, header, data[0] == 2 ? 0 : sizeof header);
    if (data[0] == 1) {
        sign_records(&file, data + 1, size - 1);
    } else {
        (void)buf_append(&file, data + 1, size - 1);
    }
    snprintf(path, sizeof path, "%s/" SEGMENT ".wal", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    MUST(fd >= 0 && write(fd, file.p, file.n) == (ssize_t)file.n);
    close(fd);
    buf_fini(&file);
    uint64_t spans = start();
    MUST(start() == spans);
    snprintf(path, sizeof path, "%s/" SEGMENT ".wal", dir);
    (void)unlink(path);
    snprintf(path, sizeof path, "%s/" SEGMENT ".idx", dir);
    (void)unlink(path);
    static unsigned runs;
    if (runs++ % 256 == 0) { /* quarantine fills: empty it now and then */
        snprintf(command, sizeof command, "rm -rf %s/quarantine", dir);
        (void)!system(command); // NOLINT(cert-env33-c,concurrency-mt-unsafe)
    }
    return 0;
}
