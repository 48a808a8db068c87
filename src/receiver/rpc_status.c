#include "rpc_status.h"

#include "vivace/codec/json.h"
#include "vivace/codec/wire.h"
#include "vivace/net/grpc.h"

#define RETRY_INFO_TYPE "type.googleapis.com/google.rpc.RetryInfo"

void
rpc_status_encode(struct buf *out, int code, slice message, uint32_t retry_after_s)
{
    wire_put_u64_nz(out, 1, (uint64_t)code);
    wire_put_bytes_nz(out, 2, message);
    if (retry_after_s) {
        /* Any{1 type_url, 2 value = RetryInfo{1 retry_delay = Duration{1 seconds}}} */
        size_t duration = 1 + wire_varint_size(retry_after_s);
        size_t info = 1 + wire_varint_size(duration) + duration;
        size_t any = 1 + 1 + sizeof RETRY_INFO_TYPE - 1 + 1 + wire_varint_size(info) + info;
        wire_put_header(out, 3, any);
        wire_put_bytes(out, 1, SL(RETRY_INFO_TYPE));
        wire_put_header(out, 2, info);
        wire_put_header(out, 1, duration);
        wire_put_u64(out, 1, retry_after_s);
    }
}

void
rpc_status_write_json(struct buf *out, int code, slice message, uint32_t retry_after_s)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SL("code"));
    json_i64(&w, code);
    json_key(&w, SL("message"));
    json_string(&w, message);
    if (retry_after_s) {
        struct buf delay;
        buf_init(&delay, 16);
        buf_append_u64(&delay, retry_after_s);
        buf_append_byte(&delay, 's');
        json_key(&w, SL("details"));
        json_array_begin(&w);
        json_object_begin(&w);
        json_key(&w, SL("@type"));
        json_string(&w, SL(RETRY_INFO_TYPE));
        json_key(&w, SL("retryDelay"));
        json_string(&w, buf_slice(&delay));
        json_object_end(&w);
        json_array_end(&w);
        buf_fini(&delay);
    }
    json_object_end(&w);
}

int
rpc_status_of(err rc)
{
    switch (rc) {
    case OK:
        return GRPC_OK;
    case ERR_INVALID:
        return GRPC_INVALID_ARGUMENT;
    case ERR_LIMIT:
        return GRPC_RESOURCE_EXHAUSTED;
    case ERR_DENIED: /* no org id: Tempo says Unavailable */
    case ERR_UNAVAILABLE:
        return GRPC_UNAVAILABLE;
    case ERR_CANCELLED:
        return GRPC_CANCELLED;
    case ERR_TIMEOUT:
        return GRPC_DEADLINE_EXCEEDED;
    default:
        return GRPC_INTERNAL;
    }
}

int
rpc_status_to_http(int code)
{
    switch (code) {
    case GRPC_OK:
        return 200;
    case GRPC_INVALID_ARGUMENT:
        return 400;
    case GRPC_UNAUTHENTICATED:
        return 401;
    case GRPC_PERMISSION_DENIED:
        return 403;
    case GRPC_UNIMPLEMENTED:
        return 404;
    case GRPC_RESOURCE_EXHAUSTED:
        return 429;
    case GRPC_CANCELLED:
    case GRPC_DEADLINE_EXCEEDED:
    case GRPC_ABORTED:
    case GRPC_OUT_OF_RANGE:
    case GRPC_UNAVAILABLE:
    case GRPC_DATA_LOSS:
        return 503;
    default:
        return 500;
    }
}

const char *
rpc_status_name(int code)
{
    static const char *const names[] = {
        "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
        "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
        "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
        "DataLoss", "Unauthenticated"};
    return code >= 0 && (size_t)code < sizeof names / sizeof names[0] ? names[code] : "Unknown";
}
