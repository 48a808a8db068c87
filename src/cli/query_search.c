/* vivace query search and tags: lists that a server answers. */
#include "answer.h"
#include "query.h"
#include "table.h"

#include "vivace/base/clock.h"

static void
count_cell(struct table *t, uint64_t n)
{
    if (n) {
        buf_append_u64(&t->text, n);
    }
    table_end(t);
}

static void
trace_row(struct table *t, const struct found_trace *x)
{
    table_name(t, x->id, 32);
    table_name(t, x->service, 30);
    table_name(t, x->name, 50);
    text_time_ms(&t->text, x->start_ns);
    table_end(t);
    if (x->duration_ms) {
        table_duration(t, x->duration_ms * (uint64_t)NS_PER_MS);
    } else {
        table_printf(t, "<1ms");
    }
    table_printf(t, "%llu", (unsigned long long)x->matched);
    count_cell(t, x->spans);
    count_cell(t, x->errors);
}

static bool
print_traces(const struct search_answer *a)
{
    struct table t;
    struct buf out;
    table_init(&t, "TRACE|ROOT SERVICE|ROOT SPAN|START|>DURATION|>MATCHED|>SPANS|>ERRORS");
    buf_init(&out, CLI_TEXT_MAX);
    for (size_t i = 0; i < a->count; i++) {
        trace_row(&t, &a->traces[i]);
    }
    if (a->count) {
        table_write(&t, &out);
    }
    buf_printf(&out, "%zu trace%s", a->count, a->count == 1 ? "" : "s");
    if (a->inspected_bytes) {
        buf_append_cstr(&out, ", ");
        text_bytes(&out, a->inspected_bytes);
        buf_append_cstr(&out, " inspected");
    }
    buf_append_byte(&out, '\n');
    bool good = print_buf(&out);
    table_fini(&t);
    buf_fini(&out);
    return good;
}

static err
show_search(void *ctx, slice body, struct arena *memory, struct fault *f, bool *ret_good)
{
    struct search_answer answer;
    err rc = answer_search(body, memory, f, &answer);
    (void)ctx;
    *ret_good = rc == OK && print_traces(&answer);
    return rc;
}

int
query_search_command(int argc, char *const *argv)
{
    struct query q = {.limit = 20};
    const struct option options[] = {QUERY_OPTIONS(&q)};
    struct arguments args;
    struct buf params;
    struct fault f = {0};
    if (query_parse(&q, argc, argv, options, sizeof options / sizeof options[0], 1, 2, &args, &f) != OK) {
        return complain_usage(&f);
    }
    buf_init(&params, QUERY_PARAMS_MAX);
    param_text(&params, "q", args.n > 1 ? args.v[1] : "{}");
    param_number(&params, "limit", q.limit);
    param_range(&params, &q);
    int status = query_show(&q, "/api/search", &params, show_search, NULL);
    buf_fini(&params);
    return status;
}

/* --- tags -------------------------------------------------------------------------------------------------
 */

/* Names as a query writes them: "span.http.method", intrinsics bare. */
static void
name_line(struct buf *out, const struct tag *t)
{
    if (!slice_eq(t->scope, SL("intrinsic"))) {
        (void)text_put(out, t->scope, TEXT_ALL);
        buf_append_byte(out, '.');
    }
    (void)text_put(out, t->name, TEXT_ALL);
    buf_append_byte(out, '\n');
}

static bool
print_tags(const struct tags_answer *a, bool values)
{
    struct table t;
    struct buf out;
    table_init(&t, "VALUE|TYPE");
    buf_init(&out, CLI_TEXT_MAX);
    for (size_t i = 0; i < a->count; i++) {
        if (values) {
            table_name(&t, a->tags[i].value, 200);
            table_name(&t, a->tags[i].type, 20);
        } else {
            name_line(&out, &a->tags[i]);
        }
    }
    if (values && a->count) {
        table_write(&t, &out);
    }
    bool good = print_buf(&out);
    table_fini(&t);
    buf_fini(&out);
    return good;
}

static err
show_tags(void *ctx, slice body, struct arena *memory, struct fault *f, bool *ret_good)
{
    const bool *values = ctx;
    struct tags_answer answer;
    err rc = answer_tags(body, memory, f, &answer);
    *ret_good = rc == OK && print_tags(&answer, *values);
    return rc;
}

int
query_tags_command(int argc, char *const *argv)
{
    struct query q = {.limit = 0};
    const char *query = NULL, *scope = NULL;
    const struct option options[] = {
        QUERY_OPTIONS(&q), {"query", OPTION_TEXT, &query}, {"scope", OPTION_TEXT, &scope}};
    struct arguments args;
    struct buf params, path;
    struct fault f = {0};
    int status = CLI_FAILED;
    if (query_parse(&q, argc, argv, options, sizeof options / sizeof options[0], 1, 2, &args, &f) != OK) {
        return complain_usage(&f);
    }
    bool values = args.n > 1;
    buf_init(&params, QUERY_PARAMS_MAX);
    buf_init(&path, QUERY_PARAMS_MAX);
    buf_append_cstr(&path, values ? "/api/v2/search/tag/" : "/api/v2/search/tags");
    if (values) {
        url_encode(&path, slice_cstr(args.v[1]));
        buf_append_cstr(&path, "/values");
    }
    buf_append_byte(&path, 0);
    param_text(&params, "q", query);
    param_text(&params, "scope", scope);
    if (q.limit) {
        param_number(&params, "limit", q.limit);
    }
    param_range(&params, &q);
    if (path.failed) {
        (void)FAULT(&f, ERR_LIMIT, "the name is too long");
        (void)complain(&f);
    } else {
        status = query_show(&q, (const char *)path.p, &params, show_tags, &values);
    }
    buf_fini(&params);
    buf_fini(&path);
    return status;
}
