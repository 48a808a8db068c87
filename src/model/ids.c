#include "vivace/model/ids.h"

static int
hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

err
trace_id_parse(slice hex, trace_id *ret, struct fault *f)
{
    trace_id id = {0};
    for (size_t i = 0; i < hex.n; i++) {
        if (hex_digit(hex.p[i]) < 0) {
            return FAULT(f, ERR_INVALID,
                         "trace IDs can only contain hex characters: invalid character '%c' at position %zu",
                         hex.p[i], i + 1);
        }
    }
    if (hex.n == 0) {
        return FAULT(f, ERR_INVALID, "please provide a traceID");
    }
    if (hex.n > 2 * TRACE_ID_BYTES) {
        return FAULT(f, ERR_INVALID, "trace IDs can't be larger than 128 bits");
    }
    for (size_t i = 0; i < hex.n; i++) {
        size_t nibble = 2 * TRACE_ID_BYTES - hex.n + i;
        id.b[nibble / 2] |= (uint8_t)(hex_digit(hex.p[i]) << (nibble % 2 ? 0 : 4));
    }
    *ret = id;
    return OK;
}

bool
hex_decode(slice hex, uint8_t *ret, size_t n)
{
    if (hex.n != 2 * n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(hex.p[2 * i]);
        int low = hex_digit(hex.p[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void
hex_encode(const uint8_t *p, size_t n, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        ret[2 * i] = digits[p[i] >> 4];
        ret[2 * i + 1] = digits[p[i] & 15];
    }
}

void
trace_id_format(struct buf *out, const trace_id *id, bool strip)
{
    char hex[2 * TRACE_ID_BYTES];
    size_t from = 0;
    hex_encode(id->b, TRACE_ID_BYTES, hex);
    while (strip && from < sizeof hex - 1 && hex[from] == '0') {
        from++;
    }
    buf_append(out, hex + from, sizeof hex - from);
}
