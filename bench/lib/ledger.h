/* What was sent and what was acknowledged, by trace: the truth a checker compares the server's answers with.
 * Memory: 16 bytes a span and 48 a trace of those recorded. Threads: one owner. */
#pragma once

#include "corpus.h"

struct ledger_span {
    uint8_t id[8];
    bool acked, seen;
};

struct ledger_trace {
    uint8_t id[16];
    struct ledger_span *spans;
    uint32_t n, cap;
};

struct ledger {
    struct ledger_trace *traces; /* open addressing; n == 0 is a free place */
    size_t cap, count;
    uint32_t one_in; /* record one trace in this many; 0 or 1 = all */
};

struct ledger_verdict {
    uint64_t traces, spans; /* looked at: spans that should be there */
    uint64_t missing;       /* acknowledged and not in the answer */
    uint64_t invented;      /* in the answer and never sent */
    uint64_t doubled;       /* in the answer more than once */
    uint64_t malformed;     /* answers that could not be read or fetched */
};

/* Is this trace among those recorded? */
bool ledger_wants(const struct ledger *l, const struct corpus_ref *r);
void ledger_sent(struct ledger *l, const struct corpus_ref *refs, size_t n);
void ledger_acked(struct ledger *l, const struct corpus_ref *refs, size_t n);
/* The recorded trace, or NULL. */
struct ledger_trace *ledger_find(struct ledger *l, const uint8_t trace[16]);
/* Judge a v2 answer (message TraceByIDResponse) for one trace, adding to `v`. */
void ledger_judge(struct ledger_trace *t, const uint8_t *body, size_t n, struct ledger_verdict *v);
void ledger_free(struct ledger *l);

struct target;
/* Fetch one recorded trace over HTTP and judge it. Prints the first few faults. */
void ledger_check(struct ledger_trace *t, struct target *from, struct ledger_verdict *v);
