#include "hist.h"

static unsigned
bucket_of(uint64_t v)
{
    if (v < (1u << HIST_SUB_BITS)) {
        return (unsigned)v;
    }
    unsigned top = 63u - (unsigned)__builtin_clzll(v);
    unsigned shift = top - HIST_SUB_BITS;
    return ((shift + 1) << HIST_SUB_BITS) + (unsigned)((v >> shift) & ((1u << HIST_SUB_BITS) - 1));
}

static uint64_t
bucket_top(unsigned i)
{
    unsigned group = i >> HIST_SUB_BITS;
    uint64_t sub = i & ((1u << HIST_SUB_BITS) - 1);
    if (group == 0) {
        return sub;
    }
    return (((1ull << HIST_SUB_BITS) + sub + 1) << (group - 1)) - 1;
}

void
hist_add(struct hist *h, uint64_t ns)
{
    h->count++;
    h->sum += ns;
    h->max = ns > h->max ? ns : h->max;
    h->bucket[bucket_of(ns)]++;
}

uint64_t
hist_quantile(const struct hist *h, double q)
{
    uint64_t rank = (uint64_t)(q * (double)h->count), seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS && h->count; i++) {
        seen += h->bucket[i];
        if (seen > rank || seen == h->count) {
            uint64_t top = bucket_top(i);
            return top < h->max ? top : h->max;
        }
    }
    return 0;
}
