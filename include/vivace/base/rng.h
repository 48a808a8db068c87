/* Random numbers: a seeded generator for tests, benches and jitter, and the OS's randomness for seeds and
 * UUIDs. Not for secrets, except rng_os. Threads: a `struct rng` has one owner; rng_os is safe anywhere. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4]; /* xoshiro256++ state */
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, n), n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Uniform in [0, 1). */
double rng_unit(struct rng *r);
void rng_fill(struct rng *r, void *p, size_t n);
/* From getrandom(2); aborts if the OS has none. */
void rng_os(void *p, size_t n);
/* A per-process secret for hash tables keyed by what clients choose. */
uint64_t rng_process_seed(void);
/* 36 characters and a NUL: a version 4 UUID. */
void rng_uuid4(char ret[37]);
