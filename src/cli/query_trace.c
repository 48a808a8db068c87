/* vivace query trace: one trace as a waterfall. */
#include "query.h"
#include "waterfall.h"

#include "vivace/codec/otlp.h"

#define BATCH_BYTES_MAX ((size_t)1 << 30)
#define PARAMS_MAX      ((size_t)1 << 10)

static bool
print_trace(const struct query *q, const struct span_batch *b)
{
    const struct waterfall_options o = {.width = terminal_width(q), .color = terminal_color(q)};
    struct buf out;
    buf_init(&out, CLI_TEXT_MAX);
    waterfall_write(b, &o, &out);
    bool good = print_buf(&out);
    buf_fini(&out);
    return good;
}

static err
show(const struct query *q, slice body, struct fault *f, bool *ret_good)
{
    struct span_batch b;
    span_batch_init(&b, BATCH_BYTES_MAX);
    err rc = otlp_decode(body, &b, f);
    if (rc == OK && b.span_count == 0) {
        rc = FAULT(f, ERR_NOT_FOUND, "the server's answer has no span");
    }
    if (rc == OK) {
        *ret_good = print_trace(q, &b);
    } else {
        fault_prefix(f, "the trace cannot be read");
    }
    span_batch_fini(&b);
    return rc;
}

int
query_trace_command(int argc, char *const *argv)
{
    struct query q = {.limit = 0};
    const struct option options[] = {QUERY_OPTIONS(&q)};
    struct http_reply reply = {.status = 0};
    struct arguments args;
    struct buf params;
    trace_id id;
    char path[80], hex[2 * TRACE_ID_BYTES + 1] = {0};
    struct fault f = {0};
    bool good = false;
    if (query_parse(&q, argc, argv, options, sizeof options / sizeof options[0], 2, 2, &args, &f) != OK ||
        trace_id_parse(slice_cstr(args.v[1]), &id, &f) != OK) {
        return complain_usage(&f);
    }
    hex_encode(id.b, sizeof id.b, hex);
    (void)snprintf(path, sizeof path, "/api/traces/%s", hex);
    buf_init(&params, PARAMS_MAX);
    if (q.has_range) { /* else everything the server has */
        param_range(&params, &q);
    }
    err rc = query_get(&q, path, &params, q.json ? "application/json" : "application/protobuf", &f, &reply);
    if (rc == ERR_NOT_FOUND) {
        f = (struct fault){0};
        rc = FAULT(&f, ERR_NOT_FOUND, "the server does not have the trace %s", hex);
    }
    if (rc == OK && q.json) {
        good = print_reply(&reply);
    } else if (rc == OK) {
        rc = show(&q, buf_slice(&reply.body), &f, &good);
    }
    if (rc != OK) {
        (void)complain(&f);
    }
    http_reply_fini(&reply);
    buf_fini(&params);
    return good ? CLI_OK : CLI_FAILED;
}
