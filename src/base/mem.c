#include "vivace/base/mem.h"

#include "vivace/base/must.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void
mem_trim(void)
{
    (void)malloc_trim(0);
}
