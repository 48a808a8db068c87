#include "http1.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Value of a header in the block [head, end), or NULL. */
static const char *
header_find(const char *head, const char *end, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = strchr(head, '\n'); line && line < end; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            return line + n + 1 + strspn(line + n + 1, " ");
        }
    }
    return NULL;
}

/* Bytes of the chunked body at `p`, 0 while incomplete; joins its chunks in place when `ret_n` is not NULL.
 */
static size_t
chunks_walk(uint8_t *p, size_t n, size_t *ret_n)
{
    size_t at = 0, joined = 0;
    for (;;) {
        const uint8_t *eol = memmem(p + at, n - at, "\r\n", 2);
        if (!eol) {
            return 0;
        }
        unsigned long size = strtoul((const char *)p + at, NULL, 16);
        size_t data = (size_t)(eol - p) + 2;
        if (size > n || data + size + 2 > n) {
            return 0;
        }
        if (ret_n) {
            memmove(p + joined, p + data, size);
        }
        joined += size;
        at = data + size + 2;
        if (size == 0) {
            if (ret_n) {
                *ret_n = joined;
            }
            return at;
        }
    }
}

size_t
http1_parse(struct blob *in, struct http1_answer *ret)
{
    blob_reserve(in, 1);
    in->p[in->n] = 0;
    const char *head = (const char *)in->p, *end = memmem(head, in->n, "\r\n\r\n", 4);
    if (!end) {
        return 0;
    }
    size_t at = (size_t)(end - head) + 4;
    const char *length = header_find(head, end, "content-length"),
               *coding = header_find(head, end, "transfer-encoding");
    size_t body_n = length ? strtoul(length, NULL, 10) : 0, whole = body_n;
    if (coding && strncasecmp(coding, "chunked", 7) == 0) {
        whole = chunks_walk(in->p + at, in->n - at, NULL);
        if (whole == 0) {
            return 0;
        }
        chunks_walk(in->p + at, in->n - at, &body_n);
    } else if (in->n - at < body_n) {
        return 0;
    }
    *ret = (struct http1_answer){
        .status = (int)strtol(head + 9, NULL, 10), .body = in->p + at, .body_n = body_n};
    return at + whole;
}
