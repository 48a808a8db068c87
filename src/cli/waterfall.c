#include "waterfall.h"

#include "query.h"
#include "text.h"

#include "vivace/base/mem.h"
#include "vivace/base/table.h"

#include <stdlib.h>

#define NOBODY         UINT32_MAX
#define GUIDES_MAX     12 /* levels that are drawn; deeper ones show their number */
#define DURATION_WIDTH 8
#define ERRORS_TOLD    10
#define STATUS_ERROR   2
#define KIND_SERVER    2
#define KIND_CLIENT    3

struct node {
    uint32_t parent, first_child, next_sibling;
    uint32_t depth;
    bool seen, orphan;
};

struct waterfall {
    const struct span_batch *b;
    const struct waterfall_options *o;
    struct buf *out;
    struct node *nodes;
    uint32_t *order;           /* spans by start */
    struct id_table ids;       /* span id -> first span + 1 */
    struct str_table services; /* name -> colour + 1 */
    uint32_t service_count;
    uint64_t start_ns, length_ns;
    size_t name_width, bar_width;
    size_t errors, orphans, depth_max;
    bool more[GUIDES_MAX]; /* by depth: a sibling follows below */
};

static uint64_t
end_of(const struct span *s)
{
    return s->end_ns > s->start_ns ? s->end_ns : s->start_ns;
}

/* --- the tree ---------------------------------------------------------------------------------------------
 */

static int
by_start(const void *va, const void *vb, void *ctx)
{
    const struct span *spans = ctx;
    const uint32_t a = *(const uint32_t *)va, b = *(const uint32_t *)vb;
    if (spans[a].start_ns != spans[b].start_ns) {
        return spans[a].start_ns < spans[b].start_ns ? -1 : 1;
    }
    return a < b ? -1 : a > b;
}

/* The span with this id; of a client and a server that share one, a server's parent is the client and anybody
 * else's the server (Zipkin). The second of a pair is found by walking: ids are shared by two at most in
 * practice. */
static uint32_t
find_parent(const struct waterfall *w, uint32_t child, const uint32_t *twins)
{
    const struct span *spans = w->b->spans;
    uint64_t at = id_table_get(&w->ids, &spans[child].parent);
    uint32_t found = at ? (uint32_t)at - 1 : NOBODY;
    if (found != NOBODY && twins[found] != NOBODY) {
        int32_t want = spans[child].kind == KIND_SERVER ? KIND_CLIENT : KIND_SERVER;
        found = spans[found].kind != want && spans[twins[found]].kind == want ? twins[found] : found;
    }
    return found == child ? NOBODY : found;
}

static void
index_ids(struct waterfall *w, uint32_t *twins)
{
    id_table_init(&w->ids, sizeof(span_id));
    for (uint32_t i = 0; i < w->b->span_count; i++) {
        uint64_t *place = id_table_put(&w->ids, &w->b->spans[i].id);
        twins[i] = NOBODY;
        if (*place == 0) {
            *place = i + 1;
        } else {
            twins[*place - 1] = i;
        }
    }
}

static void
link_tree(struct waterfall *w)
{
    const uint32_t n = (uint32_t)w->b->span_count;
    uint32_t *twins = mem_new_array(uint32_t, n);
    index_ids(w, twins);
    for (uint32_t i = 0; i < n; i++) {
        w->order[i] = i;
        w->nodes[i] = (struct node){NOBODY, NOBODY, NOBODY, 0, false, false};
    }
    qsort_r(w->order, n, sizeof *w->order, by_start, w->b->spans);
    for (uint32_t k = n; k-- > 0;) { /* backwards: lists come out in order */
        uint32_t i = w->order[k];
        struct node *node = &w->nodes[i];
        if (span_id_is_zero(&w->b->spans[i].parent)) {
            continue;
        }
        node->parent = find_parent(w, i, twins);
        node->orphan = node->parent == NOBODY;
        w->orphans += node->orphan;
        if (node->parent != NOBODY) {
            node->next_sibling = w->nodes[node->parent].first_child;
            w->nodes[node->parent].first_child = i;
        }
    }
    mem_free(twins);
    id_table_fini(&w->ids);
}

/* --- a line -----------------------------------------------------------------------------------------------
 */

static slice
service_of(const struct waterfall *w, uint32_t i)
{
    return span_service_name(w->b, &w->b->spans[i]);
}

static int
color_of(struct waterfall *w, slice service)
{
    uintptr_t at = (uintptr_t)str_table_get(&w->services, service);
    if (at == 0) {
        at = ++w->service_count;
        (void)str_table_put(&w->services, service, (void *)at); // NOLINT(performance-no-int-to-ptr): a number
    }
    return (int)(at - 1);
}

/* "│  ├─ " before a name; returns its columns. */
static size_t
guides_put(struct waterfall *w, uint32_t i)
{
    const uint32_t depth = w->nodes[i].depth;
    const uint32_t drawn = depth < GUIDES_MAX ? depth : GUIDES_MAX;
    size_t used = 0;
    paint(w->out, w->o->color, PAINT_DIM);
    if (depth > GUIDES_MAX) {
        size_t from = w->out->n;
        buf_printf(w->out, "%u\xe2\x80\xa6 ", depth);
        used = text_columns(slice_of(w->out->p + from, w->out->n - from));
    } else {
        for (uint32_t d = 1; d <= drawn; d++) {
            bool last = d == drawn;
            bool more = w->more[d - 1];
            buf_append_cstr(w->out, last ? (more ? "\xe2\x94\x9c " : "\xe2\x94\x94 ")
                                         : (more ? "\xe2\x94\x82 " : "  "));
            used += 2;
        }
    }
    unpaint(w->out, w->o->color);
    return used;
}

/* Service where it changes, then the name. */
static void
label_put(struct waterfall *w, uint32_t i)
{
    const struct span *s = &w->b->spans[i];
    const uint32_t parent = w->nodes[i].parent;
    slice service = service_of(w, i);
    bool failed = s->status_code == STATUS_ERROR;
    size_t used = guides_put(w, i), room = w->name_width > used ? w->name_width - used : 0;
    const char *mark = failed ? "\xe2\x9c\x97 " : w->nodes[i].orphan ? "? " : "";
    if (*mark && room > 2) {
        paint(w->out, w->o->color, failed ? PAINT_ERROR : PAINT_DIM);
        buf_append_cstr(w->out, mark);
        unpaint(w->out, w->o->color);
        room -= 2;
    }
    if (w->nodes[i].depth == 0 || !slice_eq(service, service_of(w, parent))) {
        paint(w->out, w->o->color, color_of(w, service));
        room -= text_put(w->out, service.n ? service : SL("(no service)"), room);
        unpaint(w->out, w->o->color);
        if (room > 0) {
            buf_append_byte(w->out, ' ');
            room--;
        }
    }
    paint(w->out, w->o->color && failed, PAINT_ERROR);
    room -= text_put(w->out, s->name, room);
    unpaint(w->out, w->o->color && failed);
    text_pad(w->out, room);
}

/* `at` of the time line in half columns. */
static size_t
halves(const struct waterfall *w, uint64_t at_ns, bool up)
{
    double share = w->length_ns ? (double)(at_ns - w->start_ns) / (double)w->length_ns : 0;
    double v = share * (double)w->bar_width * 2;
    size_t n = (size_t)v + (up && v > (double)(size_t)v);
    return n < w->bar_width * 2 ? n : w->bar_width * 2;
}

static void
bar_put(struct waterfall *w, uint32_t i)
{
    const struct span *s = &w->b->spans[i];
    size_t from = halves(w, s->start_ns, false), to = halves(w, end_of(s), true);
    from = from == w->bar_width * 2 ? from - 1 : from;
    to = to > from ? to : from + 1;
    text_pad(w->out, from / 2);
    paint(w->out, w->o->color, s->status_code == STATUS_ERROR ? PAINT_ERROR : color_of(w, service_of(w, i)));
    for (size_t c = from / 2; c * 2 < to; c++) {
        bool left = c * 2 >= from, right = c * 2 + 1 < to;
        buf_append_cstr(w->out, left && right ? "\xe2\x96\x88" : left ? "\xe2\x96\x8c" : "\xe2\x96\x90");
    }
    unpaint(w->out, w->o->color);
}

static void
line_put(struct waterfall *w, uint32_t i)
{
    const struct span *s = &w->b->spans[i];
    struct buf duration;
    label_put(w, i);
    buf_init(&duration, 64);
    text_duration(&duration, end_of(s) - s->start_ns);
    size_t n = text_columns(buf_slice(&duration));
    text_pad(w->out, 1 + (n < DURATION_WIDTH ? DURATION_WIDTH - n : 0));
    buf_append_slice(w->out, buf_slice(&duration));
    buf_append_byte(w->out, ' ');
    buf_fini(&duration);
    bar_put(w, i);
    buf_append_byte(w->out, '\n');
}

/* --- the walk ---------------------------------------------------------------------------------------------
 */

/* The next sibling that was not shown: one cut out of a loop was. */
static uint32_t
unseen(const struct waterfall *w, uint32_t i)
{
    while (i != NOBODY && w->nodes[i].seen) {
        i = w->nodes[i].next_sibling;
    }
    return i;
}

static void
show(struct waterfall *w, uint32_t i, uint32_t root)
{
    struct node *node = &w->nodes[i];
    uint32_t depth = i == root ? 0 : w->nodes[node->parent].depth + 1;
    node->seen = true;
    node->depth = depth;
    w->depth_max = depth + 1 > w->depth_max ? depth + 1 : w->depth_max;
    if (depth > 0 && depth <= GUIDES_MAX) {
        w->more[depth - 1] = unseen(w, node->next_sibling) != NOBODY;
    }
    line_put(w, i);
}

static void
show_tree(struct waterfall *w, uint32_t root)
{
    uint32_t at = root;
    show(w, root, root);
    for (;;) {
        uint32_t next = unseen(w, w->nodes[at].first_child);
        while (next == NOBODY && at != root) {
            next = unseen(w, w->nodes[at].next_sibling);
            at = w->nodes[at].parent;
        }
        if (next == NOBODY) {
            return;
        }
        show(w, next, root);
        at = next;
    }
}

/* --- head and foot ----------------------------------------------------------------------------------------
 */

static void
measure(struct waterfall *w)
{
    uint64_t end = 0;
    w->start_ns = UINT64_MAX;
    for (size_t i = 0; i < w->b->span_count; i++) {
        const struct span *s = &w->b->spans[i];
        w->start_ns = s->start_ns < w->start_ns ? s->start_ns : w->start_ns;
        end = end_of(s) > end ? end_of(s) : end;
        w->errors += s->status_code == STATUS_ERROR;
        (void)color_of(w, service_of(w, (uint32_t)i));
    }
    w->length_ns = end - w->start_ns;
    w->name_width = w->o->width * 9 / 20;
    w->bar_width = w->o->width - w->name_width - DURATION_WIDTH - 2;
}

static void
head_put(struct waterfall *w)
{
    char hex[2 * TRACE_ID_BYTES];
    hex_encode(w->b->spans[0].trace.b, TRACE_ID_BYTES, hex);
    paint(w->out, w->o->color, PAINT_BOLD);
    buf_printf(w->out, "trace %.32s", hex);
    unpaint(w->out, w->o->color);
    buf_append_cstr(w->out, "  ");
    text_time_ms(w->out, w->start_ns);
    buf_append_cstr(w->out, "  ");
    text_duration(w->out, w->length_ns);
    buf_append_byte(w->out, '\n');
}

/* The time line over the bars: begin, middle, end. */
static void
scale_put(struct waterfall *w)
{
    struct buf middle, end;
    buf_init(&middle, 64);
    buf_init(&end, 64);
    text_duration(&middle, w->length_ns / 2);
    text_duration(&end, w->length_ns);
    size_t m = text_columns(buf_slice(&middle)), e = text_columns(buf_slice(&end)), half = w->bar_width / 2;
    text_pad(w->out, w->name_width + DURATION_WIDTH + 2);
    paint(w->out, w->o->color, PAINT_DIM);
    buf_append_byte(w->out, '0');
    if (half + m + e + 2 < w->bar_width) {
        text_pad(w->out, half - 1);
        buf_append_slice(w->out, buf_slice(&middle));
        text_pad(w->out, w->bar_width - half - m - e);
        buf_append_slice(w->out, buf_slice(&end));
    }
    unpaint(w->out, w->o->color);
    buf_append_byte(w->out, '\n');
    buf_fini(&middle);
    buf_fini(&end);
}

static void
foot_put(struct waterfall *w)
{
    size_t told = 0;
    for (size_t k = 0; k < w->b->span_count && told < ERRORS_TOLD; k++) {
        const struct span *s = &w->b->spans[w->order[k]];
        if (s->status_code == STATUS_ERROR && s->status_message.n) {
            told++;
            paint(w->out, w->o->color, PAINT_ERROR);
            buf_append_cstr(w->out, "\xe2\x9c\x97 ");
            (void)text_put(w->out, s->name, w->o->width / 2);
            unpaint(w->out, w->o->color);
            buf_append_cstr(w->out, ": ");
            (void)text_put(w->out, s->status_message, w->o->width / 2 > 4 ? w->o->width / 2 - 4 : 1);
            buf_append_byte(w->out, '\n');
        }
    }
    buf_printf(w->out, "%zu span%s, %u service%s, %zu error%s, %zu level%s\n", w->b->span_count,
               w->b->span_count == 1 ? "" : "s", w->service_count, w->service_count == 1 ? "" : "s",
               w->errors, w->errors == 1 ? "" : "s", w->depth_max, w->depth_max == 1 ? "" : "s");
    if (w->orphans) {
        buf_printf(w->out, "?: the parent of %zu span%s is not in the trace\n", w->orphans,
                   w->orphans == 1 ? "" : "s");
    }
}

void
waterfall_write(const struct span_batch *b, const struct waterfall_options *o, struct buf *out)
{
    struct waterfall w = {.b = b, .o = o, .out = out};
    if (b->span_count == 0 || b->span_count >= NOBODY) {
        return;
    }
    w.nodes = mem_new_array(struct node, b->span_count);
    w.order = mem_new_array(uint32_t, b->span_count);
    str_table_init(&w.services);
    link_tree(&w);
    measure(&w);
    head_put(&w);
    scale_put(&w);
    for (size_t k = 0; k < b->span_count; k++) {
        if (w.nodes[w.order[k]].parent == NOBODY) {
            show_tree(&w, w.order[k]);
        }
    }
    for (size_t k = 0; k < b->span_count; k++) { /* loops: no root reaches them */
        if (!w.nodes[w.order[k]].seen) {
            w.nodes[w.order[k]].orphan = true;
            w.orphans++;
            show_tree(&w, w.order[k]);
        }
    }
    foot_put(&w);
    str_table_fini(&w.services);
    mem_free(w.nodes);
    mem_free(w.order);
}
