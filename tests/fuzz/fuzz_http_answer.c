/* An HTTP answer from anywhere: in one piece and in pieces of seven bytes it must come to the same. */
#include "net/client_answer.h"

#include "vivace/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static err
feed(struct client_answer *a, slice in, size_t step)
{
    err rc = OK;
    client_answer_init(a, 1 << 20);
    while (rc == OK && in.n && !a->done) {
        rc = client_answer_feed(a, slice_sub(in, 0, step), NULL);
        in = slice_sub(in, step, in.n);
    }
    return rc == OK && !a->done ? client_answer_end(a, NULL) : rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct client_answer a, b;
    err whole = feed(&a, slice_of(p, n), n ? n : 1), pieces = feed(&b, slice_of(p, n), 7);
    MUST((whole == OK) == (pieces == OK));
    if (whole == OK) {
        struct buf out;
        buf_init(&out, 1 << 20);
        MUST(a.status == b.status && slice_eq(buf_slice(&a.body), buf_slice(&b.body)));
        err rc = client_answer_body(&a, &out, NULL);
        MUST(rc == OK || out.n <= out.max);
        buf_fini(&out);
    }
    client_answer_fini(&a);
    client_answer_fini(&b);
    return 0;
}
