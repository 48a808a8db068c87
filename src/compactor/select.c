/* Which blocks are merged.
 *
 * A block belongs to the window of time that its newest span is in. In the window that is not over yet four
 * blocks of one level make one, or as many more as wait by now: each span is rewritten once a level, and that
 * is seldom. When a window is over its blocks are merged regardless of level, the smallest first, but none
 * with others that are less than a quarter of its size together: a late block of ten spans does not have a
 * gigabyte rewritten.
 */
#include "compactor_priv.h"

#include "vivace/base/mem.h"

#include <stdlib.h>

#define WORTH_QUARTERS 4

struct candidate {
    struct stored_block *block;
    uint64_t window;
};

static int
newest_window_first(const void *va, const void *vb)
{
    const struct candidate *a = va, *b = vb;
    const struct block_meta *x = &a->block->meta, *y = &b->block->meta;
    if (a->window != b->window) {
        return a->window > b->window ? -1 : 1;
    }
    if (x->level != y->level) {
        return x->level < y->level ? -1 : 1;
    }
    if (x->min_start_ns != y->min_start_ns) {
        return x->min_start_ns < y->min_start_ns ? -1 : 1;
    }
    return memcmp(&x->id, &y->id, sizeof x->id);
}

static int
smallest_first(const void *va, const void *vb)
{
    const struct block_meta *x = &((const struct candidate *)va)->block->meta;
    const struct block_meta *y = &((const struct candidate *)vb)->block->meta;
    if (x->bytes != y->bytes) {
        return x->bytes < y->bytes ? -1 : 1;
    }
    return memcmp(&x->id, &y->id, sizeof x->id);
}

/* As many from `at` as fit one merged block. */
static size_t
fitting(const struct candidate *c, size_t n, const struct select_rules *r)
{
    uint64_t bytes = 0, traces = 0;
    size_t i = 0;
    for (; i < n && i < COMPACT_INPUTS_MAX; i++) {
        const struct block_meta *m = &c[i].block->meta;
        if ((r->max_block_bytes &&
             (m->bytes > r->max_block_bytes || bytes > r->max_block_bytes - m->bytes)) ||
            (r->max_objects && (m->traces > r->max_objects || traces > r->max_objects - m->traces))) {
            break;
        }
        bytes += m->bytes;
        traces += m->traces;
    }
    return i;
}

static void
take(struct selection *s, const struct candidate *c, size_t n)
{
    for (s->count = 0; s->count < n; s->count++) {
        s->blocks[s->count] = c[s->count].block;
    }
}

/* Of a window that goes on: runs of one level, in order of time. */
static size_t
select_open(const struct candidate *c, size_t n, const struct select_rules *r, struct selection *ret)
{
    size_t outstanding = 0;
    for (size_t at = 0, end = 0; at < n; at = end) {
        for (end = at + 1; end < n && c[end].block->meta.level == c[at].block->meta.level; end++) {
        }
        for (size_t i = at; i + COMPACT_INPUTS_OPEN <= end;) {
            size_t fit = fitting(c + i, end - i, r);
            if (fit < COMPACT_INPUTS_OPEN) {
                i++;
                continue;
            }
            outstanding += fit;
            if (ret->count == 0) {
                take(ret, c + i, fit);
            }
            i += fit;
        }
    }
    return outstanding;
}

/* Of a window that is over. */
static size_t
select_closed(struct candidate *c, size_t n, const struct select_rules *r, struct selection *ret)
{
    size_t outstanding = 0;
    qsort(c, n, sizeof *c, smallest_first);
    for (size_t at = 0; at + COMPACT_INPUTS_MIN <= n;) {
        size_t fit = fitting(c + at, n - at, r);
        uint64_t others = 0;
        for (size_t i = 0; i + 1 < fit; i++) {
            others += c[at + i].block->meta.bytes;
        }
        while (fit >= COMPACT_INPUTS_MIN && others * WORTH_QUARTERS < c[at + fit - 1].block->meta.bytes) {
            fit--;
            others -= fit ? c[at + fit - 1].block->meta.bytes : 0;
        }
        if (fit < COMPACT_INPUTS_MIN) {
            at++;
            continue;
        }
        outstanding += fit;
        if (ret->count == 0) {
            take(ret, c + at, fit);
        }
        at += fit;
    }
    return outstanding;
}

bool
select_blocks(const struct block_snapshot *v, const struct select_rules *r, struct selection *ret,
              size_t *ret_outstanding)
{
    struct candidate *all = mem_new_array(struct candidate, v->count + 1);
    uint64_t window = r->window_ns > 0 ? (uint64_t)r->window_ns : 1;
    size_t n = 0;
    *ret = (struct selection){.count = 0};
    *ret_outstanding = 0;
    for (size_t i = 0; i < v->count; i++) {
        if (r->failures == NULL || id_table_get(r->failures, &v->blocks[i]->meta.id) < FAILURES_MAX) {
            all[n++] = (struct candidate){v->blocks[i], v->blocks[i]->meta.max_end_ns / window};
        }
    }
    qsort(all, n, sizeof *all, newest_window_first);
    for (size_t at = 0, end = 0; at < n; at = end) {
        for (end = at + 1; end < n && all[end].window == all[at].window; end++) {
        }
        bool open = all[at].window >= (uint64_t)r->now_ns / window;
        *ret_outstanding +=
            open ? select_open(all + at, end - at, r, ret) : select_closed(all + at, end - at, r, ret);
    }
    mem_free(all);
    return ret->count > 0;
}
