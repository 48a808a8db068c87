#include "chart.h"

#include "query.h"
#include "table.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define AXIS_COLUMNS 9 /* "   12.3k " left of the chart */
#define GAP_STEPS    2.5
#define SPARK_MAX    40

struct figures {
    double last, min, max, avg;
    size_t count; /* of finite values */
};

struct chart {
    const struct series_answer *a;
    const struct chart_options *o;
    struct buf *out;
    struct figures *figures; /* of each series, in its order */
    size_t columns, rows;    /* cells of the chart */
    uint64_t start_ms, end_ms;
    double step_ms; /* smallest distance of two samples */
    double low, high;
    uint8_t *dots;  /* by cell */
    uint8_t *owner; /* by cell: the last series that drew there */
};

void
chart_number(struct buf *out, double v)
{
    static const char units[] = " kMGTP";
    size_t unit = 0;
    double size = fabs(v);
    if (!isfinite(v) || size >= 1e18 || (size > 0 && size < 1e-4)) {
        buf_printf(out, "%.3g", v);
        return;
    }
    while (size >= 999.5 && unit < 5) {
        size /= 1000;
        unit++;
    }
    if (unit) {
        buf_printf(out, "%s%.*f%c", v < 0 ? "-" : "",
                   size < 9.995   ? 2
                   : size < 99.95 ? 1
                                  : 0,
                   size, units[unit]);
    } else {
        buf_printf(out, "%.3g", v);
    }
}

static struct figures
measure(const struct answer_series *s)
{
    struct figures x = {NAN, NAN, NAN, NAN, 0};
    double mean = 0;
    for (size_t i = 0; i < s->count; i++) {
        double v = s->samples[i].value;
        if (!isfinite(v)) {
            continue;
        }
        x.count++;
        mean += v / (double)x.count - mean / (double)x.count; /* no sum that overflows */
        x.min = x.count == 1 || v < x.min ? v : x.min;
        x.max = x.count == 1 || v > x.max ? v : x.max;
        x.last = v;
    }
    x.avg = x.count ? mean : NAN;
    return x;
}

static int
highest_first(const void *va, const void *vb)
{
    const double a = measure(va).avg, b = measure(vb).avg;
    if (isnan(a) || isnan(b)) {
        return isnan(a) - isnan(b);
    }
    return a > b ? -1 : a < b;
}

/* --- ranges -----------------------------------------------------------------------------------------------
 */

static void
measure_all(struct chart *c)
{
    bool any = false;
    c->start_ms = UINT64_MAX;
    c->step_ms = INFINITY;
    for (size_t i = 0; i < c->a->count; i++) {
        const struct answer_series *s = &c->a->series[i];
        c->figures[i] = measure(s);
        if (c->figures[i].count) {
            c->low = !any || c->figures[i].min < c->low ? c->figures[i].min : c->low;
            c->high = !any || c->figures[i].max > c->high ? c->figures[i].max : c->high;
            any = true;
        }
        for (size_t k = 0; k < s->count; k++) {
            uint64_t t = s->samples[k].time_ms;
            c->start_ms = t < c->start_ms ? t : c->start_ms;
            c->end_ms = t > c->end_ms ? t : c->end_ms;
            if (k && t > s->samples[k - 1].time_ms) {
                c->step_ms = fmin(c->step_ms, (double)(t - s->samples[k - 1].time_ms));
            }
        }
    }
    c->low = fmin(c->low, 0); /* a chart from zero tells no lies about proportions */
    c->high = c->high > c->low ? c->high : c->low + 1;
}

/* Share of the height, 0..1. */
static double
level(const struct chart *c, double v)
{
    double share = (v / 2 - c->low / 2) / (c->high / 2 - c->low / 2); /* halves: no overflow */
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

static size_t
place(const struct chart *c, uint64_t t, size_t cells)
{
    const double length = c->end_ms > c->start_ms ? (double)(c->end_ms - c->start_ms) : 1;
    const size_t last = cells ? cells - 1 : 0;
    size_t at = (size_t)((double)(t - c->start_ms) / length * (double)last + 0.5);
    return at < last ? at : last;
}

/* --- dots -------------------------------------------------------------------------------------------------
 */

/* x from the left, y from below, in dots: 2 by 4 a cell. */
static void
dot(struct chart *c, size_t x, size_t y, size_t series)
{
    static const uint8_t bits[4][2] = {{0x40, 0x80}, {0x04, 0x20}, {0x02, 0x10}, {0x01, 0x08}};
    size_t cell = (c->rows - 1 - y / 4) * c->columns + x / 2;
    c->dots[cell] |= bits[y % 4][x % 2];
    c->owner[cell] = (uint8_t)series;
}

static void
line(struct chart *c, size_t x0, size_t y0, size_t x1, size_t y1, size_t series)
{
    size_t dx = x1 > x0 ? x1 - x0 : x0 - x1, dy = y1 > y0 ? y1 - y0 : y0 - y1, n = dx > dy ? dx : dy;
    for (size_t i = 0; i <= n; i++) {
        double share = n ? (double)i / (double)n : 0;
        dot(c, (size_t)((double)x0 + ((double)x1 - (double)x0) * share + 0.5),
            (size_t)((double)y0 + ((double)y1 - (double)y0) * share + 0.5), series);
    }
}

static void
draw(struct chart *c, size_t series)
{
    const struct answer_series *s = &c->a->series[series];
    bool joined = false; /* to the point before */
    size_t x0 = 0, y0 = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct sample *p = &s->samples[i];
        if (!isfinite(p->value)) {
            joined = false;
            continue;
        }
        size_t x = place(c, p->time_ms, c->columns * 2);
        size_t y = (size_t)(level(c, p->value) * (double)(c->rows * 4 - 1) + 0.5);
        joined = joined && p->time_ms >= s->samples[i - 1].time_ms &&
                 (double)(p->time_ms - s->samples[i - 1].time_ms) <= c->step_ms * GAP_STEPS;
        line(c, joined ? x0 : x, joined ? y0 : y, x, y, series);
        x0 = x;
        y0 = y;
        joined = true;
    }
}

/* --- the picture ------------------------------------------------------------------------------------------
 */

static void
axis_put(struct chart *c, size_t row)
{
    bool marked = row == 0 || row + 1 == c->rows || row == c->rows / 2;
    double share = 1 - (double)row / (double)(c->rows > 1 ? c->rows - 1 : 1);
    struct buf text;
    buf_init(&text, 64);
    if (marked) {
        chart_number(&text, c->low + (c->high / 2 - c->low / 2) * share * 2);
    }
    size_t n = text_columns(buf_slice(&text));
    paint(c->out, c->o->color, PAINT_DIM);
    text_pad(c->out, n < AXIS_COLUMNS - 2 ? AXIS_COLUMNS - 2 - n : 0);
    buf_append_slice(c->out, buf_slice(&text));
    buf_append_cstr(c->out, marked ? " \xe2\x94\xa4" : " \xe2\x94\x82");
    unpaint(c->out, c->o->color);
    buf_fini(&text);
}

/* One row of dots without the blanks behind the last. */
static void
dots_put(struct chart *c, size_t row)
{
    size_t used = c->columns;
    int color = -1;
    while (used && c->dots[row * c->columns + used - 1] == 0) {
        used--;
    }
    for (size_t x = 0; x < used; x++) {
        const size_t cell = row * c->columns + x;
        const uint8_t d = c->dots[cell];
        const uint8_t braille[3] = {0xe2, (uint8_t)(0xa0 | d >> 6), (uint8_t)(0x80 | (d & 0x3f))};
        if (d && color != c->owner[cell]) {
            color = c->owner[cell];
            paint(c->out, c->o->color, color);
        }
        buf_append(c->out, d ? braille : (const uint8_t *)" ", d ? sizeof braille : 1);
    }
    unpaint(c->out, c->o->color && color >= 0);
}

/* "15:04:05" */
static void
clock_put(struct buf *out, uint64_t ms)
{
    struct buf text;
    buf_init(&text, 64);
    text_time(&text, ms > UINT64_MAX / 1000000 ? UINT64_MAX : ms * (uint64_t)NS_PER_MS);
    slice time = slice_sub(buf_slice(&text), 11, 8);
    buf_append_slice(out, time.n == 8 ? time : SL("   -    "));
    buf_fini(&text);
}

static void
times_put(struct chart *c)
{
    size_t half = c->columns / 2;
    text_pad(c->out, AXIS_COLUMNS);
    paint(c->out, c->o->color, PAINT_DIM);
    clock_put(c->out, c->start_ms);
    if (c->columns >= 30) {
        text_pad(c->out, half - 12);
        clock_put(c->out, c->start_ms + (c->end_ms - c->start_ms) / 2);
        text_pad(c->out, c->columns - half - 12);
        clock_put(c->out, c->end_ms);
    }
    unpaint(c->out, c->o->color);
    buf_append_byte(c->out, '\n');
}

static void
picture_put(struct chart *c)
{
    size_t cells = c->rows * c->columns, n = c->a->count < CHART_SERIES_MAX ? c->a->count : CHART_SERIES_MAX;
    c->dots = mem_new_array(uint8_t, cells);
    c->owner = mem_new_array(uint8_t, cells);
    for (size_t i = n; i-- > 0;) { /* the highest on top */
        draw(c, i);
    }
    for (size_t row = 0; row < c->rows; row++) {
        axis_put(c, row);
        dots_put(c, row);
        buf_append_byte(c->out, '\n');
    }
    times_put(c);
    mem_free(c->dots);
    mem_free(c->owner);
}

/* --- the legend -------------------------------------------------------------------------------------------
 */

/* The highest value of each of `n` stretches of time as a block; blank where there is none. */
static void
spark_put(const struct chart *c, const struct answer_series *s, size_t n, struct buf *out)
{
    double highs[SPARK_MAX];
    for (size_t i = 0; i < SPARK_MAX; i++) {
        highs[i] = NAN;
    }
    for (size_t i = 0; i < s->count; i++) {
        size_t at = place(c, s->samples[i].time_ms, n);
        double v = s->samples[i].value;
        if (isfinite(v) && !(v <= highs[at])) {
            highs[at] = v;
        }
    }
    for (size_t i = 0; i < n; i++) {
        unsigned height = isnan(highs[i]) ? 0 : 1 + (unsigned)(level(c, highs[i]) * 7 + 0.5);
        if (height == 0) {
            buf_append_byte(out, ' ');
        } else {
            buf_append_cstr(out, (const char *)(const uint8_t[4]){0xe2, 0x96, (uint8_t)(0x80 + height), 0});
        }
    }
}

static void
number_cell(struct table *t, double v)
{
    if (isfinite(v)) {
        chart_number(&t->text, v);
    } else {
        buf_append_byte(&t->text, '-');
    }
    table_end(t);
}

/* Bytes that all labels begin with, up to a value's quote. */
static size_t
common_labels(const struct series_answer *a)
{
    slice first = a->count > 1 ? a->series[0].labels : SL_EMPTY;
    size_t n = first.n;
    for (size_t i = 1; i < a->count; i++) {
        slice other = a->series[i].labels;
        size_t same = 0;
        while (same < n && same < other.n && first.p[same] == other.p[same]) {
            same++;
        }
        n = same;
    }
    while (n && first.p[n - 1] != '"') {
        n--;
    }
    return n;
}

/* What does not fit loses its beginning first where that is the same in all. */
static void
labels_cell(struct table *t, slice labels, size_t common, size_t room)
{
    if (common && text_columns(labels) > room) {
        buf_append_cstr(&t->text, "\xe2\x80\xa6");
        labels = slice_sub(labels, common, labels.n);
        room--;
    }
    table_name(t, labels, room);
}

static void
legend_put(struct chart *c, bool sparks)
{
    size_t shown = c->a->count < LEGEND_ROWS_MAX ? c->a->count : LEGEND_ROWS_MAX;
    size_t spark = sparks ? (c->o->width / 3 < SPARK_MAX ? c->o->width / 3 : SPARK_MAX) : 0;
    size_t common = common_labels(c->a);
    size_t rest = spark + 40, room = c->o->width > rest + 20 ? c->o->width - rest : 20;
    struct table t;
    struct buf text;
    table_init(&t, sparks ? "SERIES||>LAST|>MIN|>MAX|>AVG" : "SERIES|>LAST|>MIN|>MAX|>AVG");
    buf_init(&text, CLI_TEXT_MAX);
    for (size_t i = 0; i < shown; i++) {
        const struct answer_series *s = &c->a->series[i];
        const struct figures *x = &c->figures[i];
        labels_cell(&t, s->labels, common, room);
        if (sparks) {
            spark_put(c, s, spark, &t.text);
            table_end(&t);
        }
        number_cell(&t, x->last);
        number_cell(&t, x->min);
        number_cell(&t, x->max);
        number_cell(&t, x->avg);
    }
    table_write(&t, &text);
    slice lines = buf_slice(&text);
    for (size_t i = 0; lines.p && lines.n; i++) { /* a coloured mark in front of each */
        slice one = slice_cut(&lines, '\n');
        bool drawn = i > 0 && i <= CHART_SERIES_MAX && !sparks;
        paint(c->out, c->o->color && drawn, (int)i - 1);
        buf_append_cstr(c->out, drawn ? "\xe2\x97\x8f " : "  ");
        unpaint(c->out, c->o->color && drawn);
        buf_append_slice(c->out, one);
        buf_append_byte(c->out, '\n');
    }
    if (shown < c->a->count) {
        buf_printf(c->out, "  and %zu more series\n", c->a->count - shown);
    }
    c->out->failed = c->out->failed || text.failed;
    table_fini(&t);
    buf_fini(&text);
}

void
chart_write(struct series_answer *a, const struct chart_options *o, struct buf *out)
{
    struct chart c = {.a = a, .o = o, .out = out};
    bool sparks = a->count > 1 && !o->color;
    if (a->count == 0) {
        buf_append_cstr(out, "no series\n");
        return;
    }
    qsort(a->series, a->count, sizeof *a->series, highest_first);
    c.figures = mem_new_array(struct figures, a->count);
    c.columns = o->width > AXIS_COLUMNS + 10 ? o->width - AXIS_COLUMNS : 10;
    c.rows = o->height ? o->height : 1;
    measure_all(&c);
    if (c.start_ms != UINT64_MAX && !sparks) {
        picture_put(&c);
    }
    c.start_ms = c.start_ms == UINT64_MAX ? 0 : c.start_ms;
    legend_put(&c, sparks);
    mem_free(c.figures);
}

void
chart_write_values(struct series_answer *a, size_t width, struct buf *out)
{
    struct table t;
    if (a->count == 0) {
        buf_append_cstr(out, "no series\n");
        return;
    }
    qsort(a->series, a->count, sizeof *a->series, highest_first);
    size_t common = common_labels(a);
    table_init(&t, "SERIES|>VALUE");
    for (size_t i = 0; i < a->count; i++) {
        const struct answer_series *s = &a->series[i];
        labels_cell(&t, s->labels, common, width > 32 ? width - 12 : 20);
        number_cell(&t, s->count ? s->samples[s->count - 1].value : NAN);
    }
    table_write(&t, out);
    table_fini(&t);
}
