/* The only door to malloc. Small allocations that fail end the process with a message: large ones are
 * budgeted before (base/budget.h) and so do not fail unexpectedly. Threads: any. */
#pragma once

#include <stddef.h>

/* Never NULL; zeroed for mem_new and mem_calloc. */
void *mem_alloc(size_t n) __attribute__((malloc, alloc_size(1), returns_nonnull));
void *mem_calloc(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2), returns_nonnull));
/* `p` may be NULL. Aborts on overflow of count * size. */
void *mem_realloc(void *p, size_t count, size_t size) __attribute__((alloc_size(2, 3), returns_nonnull));
char *mem_strndup(const void *p, size_t n) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
/* NULL when the memory is not there: for sizes a peer or a file chose. */
void *mem_try_alloc(size_t n) __attribute__((malloc, alloc_size(1)));
void mem_free(void *p);
/* MEM_HUGE bytes from the system, aligned to as much, in one huge page where it grants that: less page faults
 * and address translation for what is walked at random. Not for memory that stays half empty: it is taken
 * whole. Given back with mem_huge_free. */
#define MEM_HUGE ((size_t)2 << 20)
void *mem_huge(void) __attribute__((malloc, returns_nonnull));
void mem_huge_free(void *p);
/* Give freed pages back to the system: around work that takes much at once, so that what others freed does
 * not stand beside it. Some ms. */
void mem_trim(void);

#define mem_new(type)          ((type *)mem_calloc(1, sizeof(type)))
#define mem_new_array(type, n) ((type *)mem_calloc((n), sizeof(type)))
