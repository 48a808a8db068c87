#include "vivace/model/ids.h"

/* Digit + 1; 0 for what is none. */
static const uint8_t hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static int
hex_digit(uint8_t c)
{
    return hex_digits[c] - 1;
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
        if ((high | low) < 0) {
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
