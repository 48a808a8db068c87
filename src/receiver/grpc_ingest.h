/* receiver-private: what the gRPC receivers share: one unary method that takes spans. A worker decompresses,
 * decodes and pushes. Threads: run on the loop, the protocol's functions on a worker. */
#pragma once

#include "receiver_priv.h"

/* One receiver's part; static. */
struct grpc_protocol {
    slice receiver; /* metric label */
    err (*decode)(slice body, struct span_batch *out, struct fault *f);
    slice reply;             /* the response message */
    bool is_otlp_wire;       /* the message can be stored as it is */
    enum grpc_status denied; /* for a missing tenant */
};

void grpc_ingest_run(struct receiver *rx, struct grpc_call *c, const struct grpc_protocol *protocol);
