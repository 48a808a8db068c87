#include "settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What moves while blocks are written, merged and deleted; the names of Tempo 2.10 and 3.0, and our own. */
static const char *const moving[] = {
    "tempo_ingester_blocks_flushed_total",
    "tempo_compactor_",
    "tempodb_compaction_",
    "tempodb_blocklist_length",
    "tempodb_backend_objects_total",
    "tempo_live_store_blocks_",
    "vivace_compact",
    "vivace_block",
    "vivace_wal_segments",
};

static const char *
line_end(const char *p, const char *end)
{
    const char *nl = memchr(p, '\n', (size_t)(end - p));
    return nl ? nl : end;
}

double
metric_sum(const struct blob *text, const char *name)
{
    size_t n = strlen(name);
    double sum = 0;
    bool found = false;
    const char *p = (const char *)text->p, *end = p + text->n;
    for (const char *next; p < end; p = next + 1) {
        next = line_end(p, end);
        if ((size_t)(next - p) > n && memcmp(p, name, n) == 0 && (p[n] == ' ' || p[n] == '{')) {
            const char *value = next;
            while (value > p && value[-1] != ' ') {
                value--;
            }
            sum += strtod(value, NULL);
            found = true;
        }
        if (next == end) {
            break;
        }
    }
    return found ? sum : -1;
}

/* A number that changes when one of the lines of the metrics above does. */
static uint64_t
mark_of(const struct blob *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    const char *p = (const char *)text->p, *end = p + text->n;
    for (const char *next; p < end; p = next + 1) {
        next = line_end(p, end);
        for (size_t i = 0; i < sizeof moving / sizeof moving[0]; i++) {
            size_t n = strlen(moving[i]);
            if ((size_t)(next - p) < n || memcmp(p, moving[i], n) != 0) {
                continue;
            }
            for (const char *c = p; c < next; c++) {
                h = (h ^ (uint8_t)*c) * 0x100000001b3u;
            }
        }
        if (next == end) {
            break;
        }
    }
    return h;
}

void
settle(struct target *t, double quiet_s, double limit_s, struct settled *ret)
{
    struct blob text = {0};
    *ret = (struct settled){.rested = true, .blocks = -1, .flushes = -1, .compactions = -1};
    uint64_t start = now_ns();
    int status = http_get(t, "/flush", NULL, &text);
    if (status >= 200 && status <= 299) {
        ret->flush_s = (double)(now_ns() - start) / 1e9;
    }
    target_usage(t, &ret->at_flush);
    uint64_t from = now_ns(), moved = from,
             mark = http_get(t, "/metrics", NULL, &text) == 200 ? mark_of(&text) : 0;
    double cpu = ret->at_flush.cpu_s;
    while (quiet_s > 0 && (double)(now_ns() - moved) < quiet_s * 1e9) {
        usleep(250000);
        struct target_usage now;
        target_process(t, &now);
        uint64_t seen = http_get(t, "/metrics", NULL, &text) == 200 ? mark_of(&text) : 0;
        if (seen != mark ||
            now.cpu_s - cpu > 0.25 * 0.08) { /* a clock tick is 10 ms: two in a quarter second */
            moved = now_ns();
        }
        mark = seen;
        cpu = now.cpu_s;
        if ((double)(now_ns() - from) > limit_s * 1e9) {
            ret->rested = false;
            break;
        }
    }
    ret->quiet_s = (double)(moved - from) / 1e9;
    if (http_get(t, "/metrics", NULL, &text) == 200) {
        ret->blocks = metric_sum(&text, "tempodb_blocklist_length");
        ret->flushes = metric_sum(&text, "tempo_ingester_blocks_flushed_total");
        ret->compactions = metric_sum(&text, "tempo_compactor_compaction_total");
    }
    target_usage(t, &ret->at_rest);
    blob_free(&text);
}
