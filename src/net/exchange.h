/* net-private: one request and its answer, whatever the protocol.
 *
 * A protocol creates an exchange, fills `req`, and hands it to exchange_dispatch. The handler answers through
 * http_answer / http_answer_later, which end in ops->answer on the loop thread (or nowhere, when the protocol
 * has detached because the connection went away). The exchange frees itself after the answer.
 * gRPC calls are built on the same struct by grpc.c.
 */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/net/http.h"

struct exchange;

struct exchange_ops {
    /* Send the answer. The response's slices are valid during the call; its body reference is the callee's.
     */
    void (*answer)(struct exchange *x, const struct http_response *resp);
};

struct exchange {
    uint32_t magic;
    struct http_request req; /* what the handler sees; &x->req <-> x by container_of */
    struct arena arena;      /* method, path, headers, and a copy of a deferred answer */
    const struct exchange_ops *ops;
    void *proto_state; /* the protocol's stream or connection; NULL once detached */
    struct http_response deferred;
    struct loop_msg msg;
    size_t reserved; /* bytes of the listener's budget held by the body */
    struct budget *budget;
};

struct exchange *exchange_create(struct loop *loop, const struct exchange_ops *ops, void *proto_state,
                                 struct budget *budget);
/* The protocol's stream is gone: sets req.cancelled, answers go nowhere. Loop thread. */
void exchange_detach(struct exchange *x);
/* Free without an answer (only before it was dispatched). */
void exchange_destroy(struct exchange *x);
/* Hand it to the listener's handler. */
void exchange_dispatch(struct exchange *x, http_handler handler, void *ctx);
