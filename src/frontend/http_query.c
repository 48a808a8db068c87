#include "http_query.h"

#include "answers.h"

#include "vivace/base/mem.h"

struct query_owner
http_query_owner(struct api_request *q)
{
    return (struct query_owner){
        .fe = q->fe, .tenants = q->tenants, .tenant_count = q->tenant_count, .arena = &q->arena};
}

static void
destroy(struct http_query *h)
{
    h->kind->fini(h);
    mem_free(h);
}

static void
answer(struct http_query *h)
{
    struct buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    slice type = h->kind->write(h, &out);
    if (out.failed) {
        buf_fini(&out);
        api_answer_error(h->q, 422, slice_cstr(h->kind->too_large));
    } else {
        api_answer_buf(h->q, 200, type, &out);
    }
}

static bool
step(struct query_task *task)
{
    struct http_query *h = (struct http_query *)task;
    struct fault f = {0};
    err rc = OK;
    if (!h->begun) {
        rc = h->kind->begin(h, &f);
        h->begun = true;
    }
    if (rc == OK) {
        rc = h->kind->step(h, &f);
    }
    if (rc == ERR_AGAIN) {
        return false;
    }
    h->kind->log(h, rc, &f);
    if (rc == OK) {
        answer(h);
    } else {
        api_answer_fault(h->q, rc, &f);
    }
    destroy(h);
    return true;
}

void
http_query_start(struct http_query *h, struct api_request *q, const struct http_query_kind *kind, err rc,
                 struct fault *f)
{
    h->task.step = step;
    h->kind = kind;
    h->q = q;
    if (rc == OK) {
        rc = query_gate_enter(&q->fe->gate, &h->task);
        if (rc == OK) {
            return;
        }
        rc = FAULT(f, ERR_LIMIT, "job queue full");
    }
    api_answer_fault(q, rc, f);
    destroy(h);
}
