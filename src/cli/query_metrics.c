/* vivace query metrics: a TraceQL metrics query as a chart, or as one value for each series. */
#include "chart.h"
#include "query.h"
#include "text.h"

#define HEIGHT_DEFAULT 12
#define HEIGHT_MAX     100

static bool
print_series(const struct query *q, struct series_answer *a, bool instant, uint64_t height)
{
    const struct chart_options o = {
        .width = terminal_width(q),
        .height = height && height < HEIGHT_MAX ? (size_t)height : HEIGHT_DEFAULT,
        .color = terminal_color(q),
    };
    struct buf out;
    buf_init(&out, CLI_TEXT_MAX);
    if (instant) {
        chart_write_values(a, o.width, &out);
    } else {
        chart_write(a, &o, &out);
    }
    if (a->message.n) {
        (void)text_put(&out, a->message, TEXT_ALL);
        buf_append_byte(&out, '\n');
    }
    bool good = print_buf(&out);
    buf_fini(&out);
    return good;
}

struct shown {
    const struct query *q;
    bool instant;
    uint64_t height;
};

static err
show_series(void *ctx, slice body, struct arena *memory, struct fault *f, bool *ret_good)
{
    const struct shown *s = ctx;
    struct series_answer answer;
    err rc = answer_series(body, memory, f, &answer);
    *ret_good = rc == OK && print_series(s->q, &answer, s->instant, s->height);
    return rc;
}

int
query_metrics_command(int argc, char *const *argv)
{
    struct query q = {.limit = 0};
    struct shown shown = {.q = &q};
    const char *step = NULL;
    const struct option options[] = {QUERY_OPTIONS(&q),
                                     {"step", OPTION_TEXT, &step},
                                     {"instant", OPTION_SWITCH, &shown.instant},
                                     {"height", OPTION_NUMBER, &shown.height}};
    struct arguments args;
    struct buf params;
    struct fault f = {0};
    if (query_parse(&q, argc, argv, options, sizeof options / sizeof options[0], 2, 2, &args, &f) != OK) {
        return complain_usage(&f);
    }
    buf_init(&params, QUERY_PARAMS_MAX);
    param_text(&params, "q", args.v[1]);
    param_range(&params, &q);
    param_text(&params, "step", shown.instant ? NULL : step);
    if (q.limit) {
        param_number(&params, "maxSeries", q.limit);
    }
    int status = query_show(&q, shown.instant ? "/api/metrics/query" : "/api/metrics/query_range", &params,
                            show_series, &shown);
    buf_fini(&params);
    return status;
}
