/* net-private: HTTP/1.x message syntax, strictly. Pure functions over bytes in memory; no I/O, no state
 * elsewhere.
 *
 * A head is first scanned for its end as bytes arrive (each byte once), then parsed in one pass over a block
 * that belongs to the request, in the shape of picohttpparser. Whatever two servers could read differently is
 * refused: bare CR or LF, folded lines, blanks before a colon, NUL, more than one Host or Content-Length,
 * both lengths, a Transfer-Encoding that is not exactly "chunked". Sources: RFC 9112 (2.2, 3, 5, 6, 7), RFC
 * 9110 (5, 7.2, 10.1.1).
 */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/net/http.h"

/* --- the end of a head --- */

struct http1_scan {
    size_t at;         /* bytes seen */
    size_t line_start; /* of the current line */
    size_t lines;      /* complete lines */
    bool blank;        /* one empty line before the request line was skipped (2.2: robust) */
};

/* Look at p[scan->at, n). OK: the head, with its empty line, is *ret_n bytes long (a skipped blank line
 * included); ERR_AGAIN: more bytes; ERR_INVALID: a control character or a bare CR or LF. */
CHECKED err http1_scan_head(struct http1_scan *scan, const uint8_t *p, size_t n, size_t *ret_n);

/* --- a head --- */

struct http1_head {
    slice method, path, query, authority;
    const struct http_header *headers; /* names in lower case */
    size_t header_count;
    int version; /* 10 or 11 */
    bool keep_alive;
    bool chunked;
    bool expect_continue;
    bool options_star; /* OPTIONS * */
    uint64_t length;   /* Content-Length; 0 when absent or chunked */
};

struct http1_refusal {
    int status;
    const char *text; /* one plain sentence */
};

/* Parse a whole head in place (names are lowered; slices point into it). False: `ret_why` says what to
 * answer. */
CHECKED bool http1_parse_head(uint8_t *p, size_t n, size_t header_count_max, struct arena *a,
                              struct http1_head *ret, struct http1_refusal *ret_why);

/* May the byte stand in a method or a header's name? */
bool http1_is_token(uint8_t c);

/* --- a chunked body --- */

#define HTTP1_CHUNK_DIGITS_MAX 16   /* hex digits of a chunk size */
#define HTTP1_CHUNK_EXT_MAX    4096 /* bytes of chunk extensions in one body */
#define HTTP1_TRAILER_MAX      8192 /* bytes of trailers */

struct http1_chunks {
    uint8_t state;
    uint8_t digits;
    uint64_t left; /* bytes of the chunk's data to come */
    uint32_t ext, trailer;
    bool line_empty; /* the trailer line has no bytes yet */
    bool in_value;   /* behind its colon */
};

enum http1_chunk { CHUNK_MORE, CHUNK_DATA, CHUNK_END, CHUNK_BAD };

void http1_chunks_init(struct http1_chunks *c);
/* Take from `in`: CHUNK_DATA with bytes of the body, CHUNK_MORE when `in` is used up, CHUNK_END when the body
 * and its trailers (thrown away) are complete, CHUNK_BAD when it is not chunked coding. */
CHECKED enum http1_chunk http1_chunks_next(struct http1_chunks *c, slice *in, slice *ret_data);
