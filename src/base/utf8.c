#include "vivace/base/utf8.h"

bool
utf8_is_valid(slice s)
{
    const uint8_t *p = s.p, *end = s.n ? s.p + s.n : s.p;
    while (p < end) {
        uint64_t word;
        if (end - p >= 8) {
            memcpy(&word, p, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                p += 8;
                continue;
            }
        }
        size_t n = utf8_char_bytes(p, (size_t)(end - p));
        if (n == 0) {
            return false;
        }
        p += n;
    }
    return true;
}
