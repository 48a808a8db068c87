#include "vivace/base/rng.h"

#include "vivace/base/must.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static uint64_t
splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t
rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void
rng_seed(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        r->s[i] = splitmix(&seed);
    }
}

/* xoshiro256++ 1.0, Blackman and Vigna. */
uint64_t
rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t
rng_below(struct rng *r, uint64_t n)
{
    MUST(n > 0);
    /* Lemire's multiply-shift; the bias for n far below 2^64 is of no matter to tests and jitter. */
    return (uint64_t)(((unsigned __int128)rng_next(r) * n) >> 64);
}

double
rng_unit(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1.0p-53;
}

void
rng_fill(struct rng *r, void *p, size_t n)
{
    uint8_t *at = p;
    while (n) {
        uint64_t v = rng_next(r);
        size_t step = n < sizeof v ? n : sizeof v;
        memcpy(at, &v, step);
        at += step;
        n -= step;
    }
}

void
rng_os(void *p, size_t n)
{
    uint8_t *at = p;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0) {
            MUST(errno == EINTR);
            continue;
        }
        at += got;
        n -= (size_t)got;
    }
}

static uint64_t process_seed;

static void
make_process_seed(void)
{
    rng_os(&process_seed, sizeof process_seed);
}

uint64_t
rng_process_seed(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    MUST(pthread_once(&once, make_process_seed) == 0);
    return process_seed;
}

void
rng_uuid4(char ret[37])
{
    uint8_t b[16];
    rng_os(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}
