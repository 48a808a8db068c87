/* One merge: read, write, replace. */
#include "compactor_priv.h"

#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/block/merge.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

#define WORK_NS  (50 * NS_PER_MS) /* between pauses */
#define PAUSE_NS (5 * NS_PER_MS)
#define LOOK_NS  NS_PER_S /* between looks at the disk */

struct job {
    struct compactor *c;
    slice tenant;
    const struct selection *s;
    struct block_reader *readers[COMPACT_INPUTS_MAX];
    size_t opened;
    block_uuid inputs[COMPACT_INPUTS_MAX];
    struct block_source *sources;
    size_t source_count;
    uint64_t bytes;
    uint32_t level; /* the highest of the inputs */
    char dir[PATH_MAX];
    struct fault f;
};

static void
count_failure(struct compactor *c, const block_uuid *id, uint64_t failures)
{
    if (c->failures.count >= FAILURES_KEPT) {
        compactor_forget_failures(c);
    }
    *id_table_put(&c->failures, id) += failures;
}

static err
step(void *ctx, struct fault *f)
{
    struct compactor *c = ctx;
    int64_t now = clock_mono_ns();
    if (atomic_load_explicit(&c->stop, memory_order_relaxed)) {
        return FAULT(f, ERR_CANCELLED, "the compactor stops");
    }
    if (now >= c->look_at_ns) {
        c->look_at_ns = now + LOOK_NS;
        err rc = compactor_space(c, 0, f);
        if (rc != OK) {
            return rc;
        }
    }
    if (now >= c->pause_at_ns) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        c->pause_at_ns = now + PAUSE_NS + WORK_NS;
    }
    return OK;
}

/* What the inputs hold of the log: while a segment's files are there a start must know that it is in a block.
 * A segment is removed when its blocks are served; two merges later it is long gone. */
static void
gather_sources(struct job *j)
{
    for (size_t i = 0; i < j->s->count; i++) {
        const struct block_meta *m = &j->s->blocks[i]->meta;
        if (m->level > 1 || m->source_count > BLOCK_SOURCES_MAX - j->source_count) {
            continue;
        }
        j->sources = mem_realloc(j->sources, j->source_count + m->source_count + 1, sizeof *j->sources);
        for (uint32_t k = 0; k < m->source_count; k++) {
            j->sources[j->source_count++] = m->sources[k];
        }
    }
}

/* An input that cannot be opened is set aside by the store. */
static err
open_inputs(struct job *j)
{
    err rc = OK;
    for (; j->opened < j->s->count; j->opened++) {
        struct stored_block *b = j->s->blocks[j->opened];
        rc = stored_block_open(b, &j->f, &j->readers[j->opened]);
        if (rc != OK) {
            return rc;
        }
        j->inputs[j->opened] = b->meta.id;
        j->bytes += b->meta.bytes;
        j->level = b->meta.level > j->level ? b->meta.level : j->level;
    }
    gather_sources(j);
    rc = block_store_tenant_dir(j->c->o.store, j->tenant, j->dir, &j->f);
    return rc == OK ? compactor_space(j->c, j->bytes, &j->f) : rc;
}

static err
merge(struct job *j, struct block_meta *meta, struct block_merge_stats *stats)
{
    struct block_merge_options o = {
        .inputs = j->readers,
        .input_count = j->s->count,
        .tenant = j->tenant,
        .budget = j->c->o.budget,
        .step = step,
        .ctx = j->c,
    };
    struct block_publish p = {
        .dir = j->dir,
        .level = j->level + 1,
        .sources = j->sources,
        .source_count = j->source_count,
        .inputs = j->inputs,
        .input_count = j->s->count,
    };
    j->c->pause_at_ns = clock_mono_ns() + WORK_NS;
    j->c->look_at_ns = clock_mono_ns() + LOOK_NS;
    mem_trim();
    err rc = block_merge(&o, &p, &j->f, meta, stats);
    mem_trim();
    return rc;
}

/* The new block in place of the old ones, or nowhere. */
static err
replace(struct job *j, const struct block_meta *meta)
{
    struct compactor *c = j->c;
    struct block_swap swap = {
        .tenant = j->tenant, .add = meta, .add_count = 1, .gone = j->s->blocks, .gone_count = j->s->count};
    err rc = block_store_swap(c->o.store, &swap, 1, NULL, NULL, &j->f);
    if (rc != OK) {
        c->has_leftover = true;
        c->leftover = meta->id;
        (void)snprintf(c->leftover_tenant, sizeof c->leftover_tenant, "%.*s", SL_FMT(j->tenant));
        (void)compact_leftover(c);
    }
    return rc;
}

bool
compact_leftover(struct compactor *c)
{
    char dir[PATH_MAX];
    struct fault f = {0};
    if (!c->has_leftover) {
        return true;
    }
    err rc = block_store_tenant_dir(c->o.store, slice_cstr(c->leftover_tenant), dir, &f);
    rc = rc == OK ? block_remove(dir, &c->leftover, &f) : rc;
    c->has_leftover = rc != OK && rc != ERR_NOT_FOUND;
    if (c->has_leftover) {
        LOG_LIMITED(LOG_WARN, 1, "a merged block that is not used cannot be removed; tried again later",
                    LOG_FAULT(&f));
    }
    return !c->has_leftover;
}

static void
count_done(struct job *j, const struct block_meta *meta, const struct block_merge_stats *stats)
{
    struct compactor_metrics *m = &j->c->m;
    char level[16];
    (void)snprintf(level, sizeof level, "%u", j->level);
    slice l = slice_cstr(level);
    series_add(metric_series1(m->blocks, l), j->s->count);
    series_add(metric_series1(m->bytes, l), meta->bytes);
    series_add(metric_series1(m->combined, l), stats->combined_traces);
    series_add(metric_series1(m->written, l), meta->traces);
    series_add(metric_series1(m->spans_combined, l), stats->duplicate_spans);
    series_add(m->done, 1);
}

/* Corrupt pages stay corrupt; for memory there may be a better time. */
static void
count_failed(struct job *j, err rc, const struct block_merge_stats *stats)
{
    struct compactor *c = j->c;
    if (rc == ERR_CANCELLED || rc == ERR_UNAVAILABLE) {
        return;
    }
    series_add(c->m.errors, 1);
    if (rc == ERR_CORRUPT && j->opened == j->s->count && stats->bad_input < j->s->count) {
        struct stored_block *bad = j->s->blocks[stats->bad_input];
        if (block_store_fall_back(bad, j->f.msg, NULL) != OK) {
            count_failure(c, &j->inputs[stats->bad_input], FAILURES_MAX);
        }
    } else if (j->opened == j->s->count && (rc == ERR_LIMIT || rc == ERR_UNSUPPORTED || rc == ERR_CORRUPT)) {
        for (size_t i = 0; i < j->s->count; i++) {
            count_failure(c, &j->inputs[i], 1);
        }
    }
    LOG_W("blocks not merged, they stay as they are", LOG_STR("tenant", j->tenant),
          LOG_CSTR("reason", err_name(rc)), LOG_FAULT(&j->f));
}

err
compact_blocks(struct compactor *c, slice tenant, const struct selection *s)
{
    struct job j = {.c = c, .tenant = tenant, .s = s};
    struct block_merge_stats stats = {.bad_input = COMPACT_INPUTS_MAX};
    struct block_meta meta = {.source_count = 0};
    err rc = OK;
    TRY(open_inputs(&j));
    TRY(merge(&j, &meta, &stats));
    TRY(replace(&j, &meta));
    count_done(&j, &meta, &stats);
out:
    if (rc != OK) {
        count_failed(&j, rc, &stats);
    }
    for (size_t i = 0; i < j.opened; i++) {
        stored_block_done(s->blocks[i]);
    }
    mem_free(j.sources);
    block_meta_fini(&meta);
    return rc;
}
