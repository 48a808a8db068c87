/* receiver-private: google.rpc.Status, the error body of OTLP. */
#pragma once

#include "vivace/base/buf.h"

/* Status{code, message, details=[RetryInfo{retry_after_s}] when retry_after_s > 0}. */
void rpc_status_encode(struct buf *out, int code, slice message, uint32_t retry_after_s);
void rpc_status_write_json(struct buf *out, int code, slice message, uint32_t retry_after_s);
/* The gRPC status a push result has on the wire, and the HTTP status of OTLP/HTTP (receivers.md 3.4, 4.1). */
int rpc_status_of(err rc);
int rpc_status_to_http(int code);
/* As Go's codes spell it: "InvalidArgument". */
const char *rpc_status_name(int code);
