/* A seeded corpus of realistic traces, as encoded ExportTraceServiceRequest bodies.
 *
 * A shop of twelve services in four pods each. Every pod has its own batch, flushed at 50 to 500 spans as an
 * SDK's batch processor does, so a trace's spans arrive in many requests. Attributes are named as the
 * OpenTelemetry semantic conventions 1.27 name them, resources as the Kubernetes attributes processor fills
 * them. The same options always give the same bytes.
 *
 * Memory: the batches under way (about 5 MB), whatever the number of spans. Threads: one owner.
 */
#pragma once

#include "blob.h"

#include <stdbool.h>

struct corpus_options {
    uint64_t seed;
    uint64_t spans;            /* stop starting traces once this many spans were made */
    uint64_t start_ns;         /* unix time of the first trace */
    uint32_t spans_per_second; /* how dense traces lie in simulated time; 0 = 5000 */
};

struct corpus_ref {
    uint8_t trace[16];
    uint8_t span[8];
};

struct corpus_request {
    const uint8_t *body; /* good until the next corpus_next */
    size_t n;
    const struct corpus_ref *refs; /* one per span, good until the next corpus_next */
    uint32_t spans;
    uint32_t pod; /* 0..CORPUS_PODS-1 */
};

struct corpus;

struct corpus *corpus_create(const struct corpus_options *o);
void corpus_destroy(struct corpus *c);
/* The next request; false when all spans were given out. */
bool corpus_next(struct corpus *c, struct corpus_request *ret);
uint64_t corpus_traces(const struct corpus *c); /* traces begun so far */
uint64_t corpus_spans(const struct corpus *c);  /* spans made so far */
