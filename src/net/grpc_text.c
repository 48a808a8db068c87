#include "grpc_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/codec/json.h"

/* The longest value grpc_base64 and grpc_percent_encode allocate for is bounded by GRPC_*_MAX. */

err
grpc_timeout_parse(slice s, struct fault *f, int64_t *ret_ns)
{
    static const struct {
        char unit;
        int64_t ns;
    } units[] = {{'H', 3600 * NS_PER_S}, {'M', 60 * NS_PER_S}, {'S', NS_PER_S},
                 {'m', NS_PER_MS},       {'u', NS_PER_US},     {'n', 1}};
    struct buf q;
    buf_init(&q, 256);
    err rc = OK;
    int64_t unit = 0;
    uint64_t v = 0;
    for (size_t i = 0; s.n > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        unit = s.p[s.n - 1] == (uint8_t)units[i].unit ? units[i].ns : unit;
    }
    grpc_quote(&q, slice_sub(s, 0, 32));
    if (s.n < 2) {
        rc = FAULT(f, ERR_INVALID, "malformed grpc-timeout: transport: timeout string is too short: %.*s",
                   SL_FMT(buf_slice(&q)));
    } else if (s.n > 9) {
        rc = FAULT(f, ERR_INVALID, "malformed grpc-timeout: transport: timeout string is too long: %.*s",
                   SL_FMT(buf_slice(&q)));
    } else if (unit == 0) {
        rc = FAULT(f, ERR_INVALID, "malformed grpc-timeout: transport: timeout unit is not recognized: %.*s",
                   SL_FMT(buf_slice(&q)));
    } else if (!slice_to_u64(slice_sub(s, 0, s.n - 1), &v)) {
        buf_clear(&q);
        grpc_quote(&q, slice_sub(s, 0, s.n - 1));
        rc = FAULT(f, ERR_INVALID, "malformed grpc-timeout: strconv.ParseUint: parsing %.*s: invalid syntax",
                   SL_FMT(buf_slice(&q)));
    } else {
        /* At most 8 digits: hours overflow, and mean for ever. */
        bool huge = (int64_t)v > INT64_MAX / unit;
        *ret_ns = huge ? INT64_MAX : (int64_t)v * unit;
    }
    buf_fini(&q);
    return rc;
}

char *
grpc_percent_encode(slice s)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t max = s.n > GRPC_TEXT_MAX / 3 ? GRPC_TEXT_MAX : s.n * 3;
    char *out = mem_alloc(max + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool plain = c >= ' ' && c <= '~' && c != '%';
        if (n + (plain ? 1 : 3) > max) {
            break;
        }
        if (plain) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    out[n] = 0;
    return out;
}

char *
grpc_base64(slice s)
{
    struct buf out;
    buf_init(&out, GRPC_DETAILS_MAX + 1);
    base64_encode(s, false, &out);
    (void)buf_append_byte(&out, 0);
    if (out.failed) {
        buf_fini(&out);
        return NULL;
    }
    return (char *)out.p;
}

void
grpc_quote(struct buf *out, slice s)
{
    buf_append_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '"' || c == '\\') {
            buf_append_byte(out, '\\');
            buf_append_byte(out, c);
        } else if (c == '\n' || c == '\r' || c == '\t') {
            buf_append_byte(out, '\\');
            buf_append_byte(out, c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        } else if (c < ' ' || c >= 0x7f) {
            buf_printf(out, "\\x%02x", c);
        } else {
            buf_append_byte(out, c);
        }
    }
    buf_append_byte(out, '"');
}
