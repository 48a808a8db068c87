/* What a server answers the query commands: JSON lists, series drawn as charts, traces drawn as waterfalls.
 * Nothing of it may reach the terminal as a control character. */
#include "cli/answer.h"
#include "cli/chart.h"
#include "cli/text.h"
#include "cli/waterfall.h"

#include "vivace/base/must.h"
#include "vivace/codec/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
check(const struct buf *out)
{
    for (size_t i = 0; i < out->n; i++) {
        MUST(out->p[i] >= 0x20 || out->p[i] == '\n');
        MUST(out->p[i] != 0x7f);
    }
}

static void
series(slice in, struct arena *a, struct buf *out)
{
    struct series_answer s;
    if (answer_series(in, a, NULL, &s) == OK) {
        chart_write(&s, &(struct chart_options){.width = 60, .height = 5}, out);
        chart_write_values(&s, 60, out);
    }
}

static void
trace(slice in, struct buf *out)
{
    struct span_batch b;
    span_batch_init(&b, 64 << 20);
    if (otlp_decode(in, &b, NULL) == OK) {
        waterfall_write(&b, &(struct waterfall_options){.width = 70}, out);
    }
    span_batch_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct arena a;
    struct buf out;
    struct search_answer search;
    struct tags_answer tags;
    slice in = slice_of(p, n);
    arena_init(&a, 64 << 20);
    buf_init(&out, 64 << 20);
    if (answer_search(in, &a, NULL, &search) == OK) {
        for (size_t i = 0; i < search.count; i++) {
            (void)text_put(&out, search.traces[i].name, 20);
        }
    }
    if (answer_tags(in, &a, NULL, &tags) == OK) {
        for (size_t i = 0; i < tags.count; i++) {
            (void)text_put(&out, tags.tags[i].value, TEXT_ALL);
        }
    }
    series(in, &a, &out);
    trace(in, &out);
    check(&out);
    arena_fini(&a);
    buf_fini(&out);
    return 0;
}
