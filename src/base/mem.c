#include "vivace/base/mem.h"

#include "vivace/base/must.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

__attribute__((noreturn)) static void
out_of_memory(size_t n)
{
    fprintf(stderr, "out of memory: %zu bytes refused\n", n);
    abort();
}

void *
mem_alloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (p == NULL) {
        out_of_memory(n);
    }
    return p;
}

void *
mem_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (p == NULL) {
        out_of_memory(count * size);
    }
    return p;
}

void *
mem_realloc(void *p, size_t count, size_t size)
{
    size_t n = 0;
    MUST(!__builtin_mul_overflow(count, size, &n));
    void *grown = realloc(p, n ? n : 1);
    if (grown == NULL) {
        out_of_memory(n);
    }
    return grown;
}

char *
mem_strndup(const void *p, size_t n)
{
    char *copy = mem_alloc(n + 1);
    if (n) {
        memcpy(copy, p, n);
    }
    copy[n] = '\0';
    return copy;
}

char *
mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

void *
mem_try_alloc(size_t n)
{
    return malloc(n ? n : 1);
}

void
mem_free(void *p)
{
    free(p);
}

void *
mem_huge(void)
{
    size_t n = 2 * MEM_HUGE; /* an aligned half is in it */
    uint8_t *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        out_of_memory(n);
    }
    size_t lead = -(uintptr_t)p & (MEM_HUGE - 1);
    if (lead) {
        (void)munmap(p, lead);
    }
    (void)munmap(p + lead + MEM_HUGE, MEM_HUGE - lead);
    (void)madvise(p + lead, MEM_HUGE, MADV_HUGEPAGE); /* a kernel without them: small pages */
    return p + lead;
}

void
mem_huge_free(void *p)
{
    (void)munmap(p, MEM_HUGE);
}

void
mem_trim(void)
{
    (void)malloc_trim(0);
}
