/* vivace query metrics: a TraceQL metrics query as a chart, or as one value for each series. */
#include "chart.h"
#include "query.h"
#include "text.h"

#define ANSWER_ARENA_MAX ((size_t)512 << 20)
#define PARAMS_MAX       ((size_t)256 << 10)
#define HEIGHT_DEFAULT   12
#define HEIGHT_MAX       100

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

int
query_metrics_command(int argc, char *const *argv)
{
    struct query q = {.limit = 0};
    const char *step = NULL;
    bool instant = false, good = false;
    uint64_t height = 0;
    const struct option options[] = {QUERY_OPTIONS(&q),
                                     {"step", OPTION_TEXT, &step},
                                     {"instant", OPTION_SWITCH, &instant},
                                     {"height", OPTION_NUMBER, &height}};
    struct http_reply reply = {.status = 0};
    struct series_answer answer;
    struct arguments args;
    struct buf params;
    struct arena arena;
    struct fault f = {0};
    if (query_parse(&q, argc, argv, options, sizeof options / sizeof options[0], 2, 2, &args, &f) != OK) {
        return complain_usage(&f);
    }
    buf_init(&params, PARAMS_MAX);
    arena_init(&arena, ANSWER_ARENA_MAX);
    param_text(&params, "q", args.v[1]);
    param_range(&params, &q);
    param_text(&params, "step", instant ? NULL : step);
    if (q.limit) {
        param_number(&params, "maxSeries", q.limit);
    }
    err rc = query_get(&q, instant ? "/api/metrics/query" : "/api/metrics/query_range", &params,
                       "application/json", &f, &reply);
    if (rc == OK && q.json) {
        good = print_reply(&reply);
    } else if (rc == OK) {
        rc = answer_series(buf_slice(&reply.body), &arena, &f, &answer);
        good = rc == OK && print_series(&q, &answer, instant, height);
    }
    if (rc != OK) {
        (void)complain(&f);
    }
    http_reply_fini(&reply);
    arena_fini(&arena);
    buf_fini(&params);
    return good ? CLI_OK : CLI_FAILED;
}
