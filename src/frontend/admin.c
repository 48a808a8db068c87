/* Readiness, health, build information, metrics, flush and shutdown (api.md 1.6, 6.2). */
#include "api.h"

#include "vivace/base/log.h"

#define METRICS_MAX ((size_t)16 << 20) /* bytes of one /metrics answer */
#define REASON_MAX  ((size_t)1 << 10)

void
admin_ready(struct api_request *q)
{
    struct buf reason;
    buf_init(&reason, REASON_MAX);
    if (q->fe->o.hooks.ready(q->fe->o.hooks.ctx, &reason)) {
        api_answer_bytes(q, 200, SL("text/plain; charset=utf-8"), SL("ready\n"));
    } else {
        api_answer_http_error(q, 503, buf_slice(&reason));
    }
    buf_fini(&reason);
}

void
admin_echo(struct api_request *q)
{
    api_answer_bytes(q, 200, SL("text/plain; charset=utf-8"), SL("echo\n"));
}

void
admin_buildinfo(struct api_request *q)
{
    api_answer_bytes(
        q, 200, SL("application/json"),
        SL("{\"version\":\"v" FRONTEND_API_VERSION "\",\"revision\":\"vivace-" VIVACE_VERSION
           "\",\"branch\":\"vivace\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}\n"));
}

void
admin_metrics(struct api_request *q)
{
    bool openmetrics = api_accepts(q->r, SL("application/openmetrics-text"));
    struct buf out;
    buf_init(&out, METRICS_MAX);
    metrics_write(&out, openmetrics);
    if (out.failed) {
        buf_fini(&out);
        api_answer_http_error(q, 500, SL("the metrics do not fit into one answer"));
        return;
    }
    api_answer_buf(
        q, 200,
        openmetrics ? SL("application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores")
                    : SL("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
        &out);
}

static void
flush_done(void *arg, err rc, const struct fault *f)
{
    struct api_request *q = arg;
    if (rc == OK) {
        api_answer_bytes(q, 204, SL_EMPTY, SL_EMPTY);
    } else if (rc == ERR_NOT_FOUND) {
        api_answer_bytes(q, 404, SL_EMPTY, SL_EMPTY);
    } else {
        LOG_E("flush failed", LOG_FAULT(f));
        api_answer_http_error(q, 500, slice_cstr(f->msg));
    }
}

void
admin_flush(struct api_request *q)
{
    struct fault f = {0};
    slice tenant = SL_EMPTY;
    api_param(q, SL("tenant"), &tenant);
    err rc = q->fe->o.hooks.flush(q->fe->o.hooks.ctx, tenant, flush_done, q, &f);
    if (rc != OK) {
        flush_done(q, rc, &f);
    }
}

void
admin_shutdown(struct api_request *q)
{
    struct frontend *fe = q->fe;
    api_answer_bytes(q, 200, SL("text/plain; charset=utf-8"), SL("shutdown job acknowledged"));
    fe->o.hooks.shutdown(fe->o.hooks.ctx);
}

void
admin_usage_stats(struct api_request *q)
{
    api_answer_bytes(q, 200, SL("text/plain; charset=utf-8"), SL("usage-stats is not enabled\n"));
}

void
admin_memberlist(struct api_request *q)
{
    api_answer_bytes(q, 200, SL("text/plain; charset=utf-8"), SL("This instance doesn't use memberlist."));
}
