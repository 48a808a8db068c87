/* The last pages of codes and what they were compressed to. Columns that say the same of every row in other
 * words (a service's name, its version, its deployment) have the same codes: such a page is compressed once.
 *
 * Threads: one owner, the writer.
 */
#pragma once

#include "vivace/base/buf.h"

#define PACKED_MEMO_PAGES 8
#define PACKED_MEMO_BYTES                                                                                    \
    (((size_t)16 << 10) + 64) /* larger pages are not kept; 8192 codes of two bytes are */

struct packed_memo {
    struct {
        struct buf body, packed;
    } pages[PACKED_MEMO_PAGES];
    uint32_t next; /* the oldest */
    size_t memory;
};

void packed_memo_init(struct packed_memo *m);
void packed_memo_fini(struct packed_memo *m);
/* What a body was compressed to, valid until the next put; false when it is not known. */
bool packed_memo_get(const struct packed_memo *m, slice body, slice *ret);
/* Both are copied. */
void packed_memo_put(struct packed_memo *m, slice body, slice packed);
