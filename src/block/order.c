/* The order in which a file's traces and rows are written: slices of time, and what stands at the borders of
 * a block in row groups apart (docs/adr/0004, 0008). */
#include "writer_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <stdlib.h>

/* Row groups at the borders of a block: of the bench's corpus at 5000 spans a second the traces that began in
 * the block before lie in its first 8200 rows, those that go on in the last 70,000 by their end. */
#define HEAD_PART         4 /* of a row group */
#define BORDER_GROUPS_MIN 1 /* of rows, for a block to have such row groups */
#define LARGE_PART        2 /* of a row group: what has fewer rows is not copied by a merge, but joined */

/* Spans of a name and kind that have children: nearly all of so many. */
#define KIN_SPANS_MIN 8
#define KIN_PART      16

/* --- slices -----------------------------------------------------------------------------------------------
 */

static int
by_id(const void *va, const void *vb)
{
    const struct held_trace *a = *(struct held_trace *const *)va, *b = *(struct held_trace *const *)vb;
    return memcmp(a->id.b, b->id.b, sizeof a->id.b);
}

static int
by_start(const void *va, const void *vb)
{
    const struct held_trace *a = *(struct held_trace *const *)va, *b = *(struct held_trace *const *)vb;
    if (a->min_start_ns != b->min_start_ns) {
        return a->min_start_ns < b->min_start_ns ? -1 : 1;
    }
    return by_id(va, vb);
}

static int
by_end(const void *va, const void *vb)
{
    const struct held_trace *a = *(struct held_trace *const *)va, *b = *(struct held_trace *const *)vb;
    if (a->max_end_ns != b->max_end_ns) {
        return a->max_end_ns < b->max_end_ns ? -1 : 1;
    }
    return by_id(va, vb);
}

static uint64_t
rows_of(struct held_trace *const *order, size_t n)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        rows += order[i]->rows;
    }
    return rows;
}

/* Rows that a row group is to have: full ones, or with `even` all of about one size: rather three of two
 * thirds than two full ones and a rest. */
static uint64_t
target_rows(uint64_t most, struct held_trace *const *order, size_t n, bool even)
{
    uint64_t rows = even ? rows_of(order, n) : 0, groups = (rows + most - 1) / most;
    uint64_t each =
        groups > 1 ? rows / groups + rows / groups / 16 + 1 : most; /* traces end where they end */
    return each < most ? each : most;
}

/* End of the run of traces from `at` that fill one row group of `target` rows: at least one. */
static size_t
slice_end(struct held_trace *const *order, size_t n, size_t at, uint64_t target)
{
    uint64_t rows = order[at]->rows;
    size_t end = at + 1;
    while (end < n && rows + order[end]->rows <= target) {
        rows += order[end++]->rows;
    }
    return end;
}

/* A run of traces into slices, each by id. */
static void
cut_slices(const struct block_writer *w, struct held_trace **order, size_t n, bool even)
{
    uint64_t target = target_rows(w->b->options.row_group_rows, order, n, even);
    for (size_t at = 0, end = 0; at < n; at = end) {
        end = slice_end(order, n, at, target);
        qsort(order + at, end - at, sizeof(void *), by_id);
        order[end - 1]->ends_slice = true;
    }
}

/* --- rows -------------------------------------------------------------------------------------------------
 */

/* Where each trace's rows begin among those in order; returns how many there are. */
static uint32_t
place_rows(struct held_trace **order, size_t n, const struct block_builder *b, uint32_t *next)
{
    uint32_t first = 0;
    for (size_t i = 0; i < n; i++) {
        order[i]->first_row = next[order[i] - b->traces] = first;
        first += order[i]->rows;
    }
    return first;
}

static void
end_rows(struct row **sorted, uint32_t count)
{
    for (size_t i = 0; i < ROWS_AHEAD; i++) {
        sorted[count + i] = sorted[count - 1];
    }
}

/* Rows by trace, in order of arrival. */
static void
gather_rows(struct block_writer *w, struct held_trace **order, size_t n)
{
    const struct block_builder *b = w->b;
    uint32_t *next = mem_alloc((b->trace_count + 1) * sizeof *next); /* by trace */
    memset(next, 0xff, (b->trace_count + 1) * sizeof *next);
    const uint32_t count = place_rows(order, n, b, next);
    w->sorted = mem_realloc(w->sorted, (size_t)count + ROWS_AHEAD, sizeof(struct row *));
    for (uint64_t i = 0; i < b->row_count; i++) {
        struct row *row = builder_row(b, i);
        if (row->trace != ROW_DROPPED && next[row->trace] != UINT32_MAX) {
            w->sorted[next[row->trace]++] = row;
        }
    }
    end_rows(w->sorted, count);
    mem_free(next);
}

/* The same rows, when their traces have got another order. */
static void
move_rows(struct block_writer *w, struct held_trace **order, size_t n)
{
    const size_t count = (size_t)rows_of(order, n);
    struct row **sorted = mem_new_array(struct row *, count + ROWS_AHEAD);
    uint32_t first = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(sorted + first, w->sorted + order[i]->first_row, order[i]->rows * sizeof(void *));
        order[i]->first_row = first;
        first += order[i]->rows;
    }
    end_rows(sorted, first);
    mem_free(w->sorted);
    w->sorted = sorted;
}

/* --- traces that look unfinished --------------------------------------------------------------------------
 */

/* Spans of a name and kind. */
struct kin {
    uint32_t spans, parents;
};

struct kinds {
    struct id_map of; /* name and kind -> position */
    struct kin *at;
    size_t count, cap;
};

static uint32_t
kin_key(const struct row *row)
{
    return row->name << 3 | ((uint32_t)row->kind & 7);
}

static struct kin *
kin_put(struct kinds *k, const struct row *row)
{
    bool is_new = false;
    uint32_t *place = id_map_put(&k->of, kin_key(row), &is_new);
    if (is_new) {
        if (k->count == k->cap) {
            k->cap = k->cap ? k->cap * 2 : 256;
            k->at = mem_realloc(k->at, k->cap, sizeof *k->at);
        }
        k->at[k->count] = (struct kin){0};
        *place = (uint32_t)k->count++;
    }
    return &k->at[*place];
}

/* Do nearly all spans of its name and kind have children? */
static bool
are_parents(const struct kinds *k, const struct row *row)
{
    const uint32_t *place = id_map_get(&k->of, kin_key(row));
    const struct kin *kin = place ? &k->at[*place] : NULL;
    return kin && kin->spans >= KIN_SPANS_MIN && kin->parents + kin->spans / KIN_PART >= kin->spans;
}

static void
count_parents(struct block_writer *w, struct kinds *kinds, struct held_trace *trace)
{
    struct row **rows = w->sorted + trace->first_row;
    trace_summarise(w->b, &w->tree, trace, rows);
    for (uint32_t i = 0; i < trace->rows; i++) {
        struct kin *kin = kin_put(kinds, rows[i]);
        kin->spans++;
        kin->parents += w->tree.sets[i].children > 0;
    }
}

/* Does a part of the trace seem to be missing: a parent, or children of a span whose like nearly always have
 * some? Who is wrong costs a merge the decoding of one more row group, nothing else. */
static bool
is_open(struct block_writer *w, const struct kinds *kinds, struct held_trace *trace)
{
    struct row **rows = w->sorted + trace->first_row;
    trace_summarise(w->b, &w->tree, trace, rows);
    for (uint32_t i = 0; i < trace->rows; i++) {
        const struct nested_set *set = &w->tree.sets[i];
        if (set->left == 0 || (set->children == 0 && are_parents(kinds, rows[i]))) {
            return true;
        }
    }
    return false;
}

/* Moves open traces to the front; returns how many. */
static size_t
part_open(struct block_writer *w, const struct kinds *kinds, struct held_trace **order, size_t n)
{
    size_t open = 0;
    for (size_t i = 0; i < n; i++) {
        struct held_trace *trace = order[i];
        if (is_open(w, kinds, trace)) {
            order[i] = order[open];
            order[open++] = trace;
        }
    }
    return open;
}

/* --- order ------------------------------------------------------------------------------------------------
 */

/* Traces from the first on, or from the last back, that have at most so many rows. */
static size_t
count_first(struct held_trace *const *order, size_t n, uint64_t most)
{
    size_t end = 0;
    for (uint64_t rows = 0; end < n && rows + order[end]->rows <= most; end++) {
        rows += order[end]->rows;
    }
    return end;
}

static size_t
count_last(struct held_trace *const *order, size_t n, uint64_t most)
{
    size_t from = n;
    for (uint64_t rows = 0; from > 0 && rows + order[from - 1]->rows <= most; from--) {
        rows += order[from - 1]->rows;
    }
    return n - from;
}

/* Traces in order of their start, and their rows. A block that is cut out of a stream has traces that began
 * in the block before, whose spans come first, and such that go on in the next, which ended last. Those of
 * them that look unfinished get a row group at either end, and the others that ended last one apart, for such
 * looks deceive: so a merge of the blocks finds the others' untouched (docs/adr/0008). */
static void
cut_borders(struct block_writer *w, struct held_trace **order, size_t n)
{
    const uint64_t most = w->b->options.row_group_rows;
    struct kinds kinds = {.count = 0};
    const size_t first = count_first(order, n, most / HEAD_PART);
    const size_t sample = count_first(order + first, n - first, most / HEAD_PART);
    for (size_t i = first; i < first + sample; i++) {
        count_parents(w, &kinds, order[i]);
    }
    const size_t head = part_open(w, &kinds, order, first);
    qsort(order + head, n - head, sizeof(void *), by_end);
    size_t tail = n - count_last(order + head, n - head, most);
    if (rows_of(order + head, tail - head) < most / LARGE_PART) {
        tail = head; /* too little to stand between them */
    }
    size_t open = tail + part_open(w, &kinds, order + tail, n - tail);
    if (rows_of(order + open, n - open) < most / LARGE_PART) {
        open = n;
    }
    qsort(order + head, tail - head, sizeof(void *), by_start);
    cut_slices(w, order, head, false);
    cut_slices(w, order + head, tail - head, true);
    cut_slices(w, order + tail, open - tail, true);
    cut_slices(w, order + open, n - open, true);
    id_map_fini(&kinds.of);
    mem_free(kinds.at);
}

void
writer_order(struct block_writer *w, struct held_trace **order, size_t n)
{
    MUST(w->b->options.row_group_rows > 0);
    if (w->b->options.order == BLOCK_ORDER_TRACE_ID) {
        qsort(order, n, sizeof(void *), by_id);
        cut_slices(w, order, n, w->even);
        gather_rows(w, order, n);
        return;
    }
    qsort(order, n, sizeof(void *), by_start);
    if (w->even || rows_of(order, n) < w->b->options.row_group_rows * (uint64_t)BORDER_GROUPS_MIN) {
        cut_slices(w, order, n, w->even);
        gather_rows(w, order, n);
        return;
    }
    gather_rows(w, order, n);
    cut_borders(w, order, n);
    move_rows(w, order, n);
}
