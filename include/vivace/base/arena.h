/* A chain of chunks handed out by bumping a pointer and freed all at once.
 *
 * Lifetimes are a tree: process -> loop -> connection -> request -> batch; a query -> a row group.
 * Memory is 16-byte aligned. Under ASan what was not handed out, or was reset, is poisoned.
 * Threads: one owner at a time.
 */
#pragma once

#include "vivace/base/slice.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *head; /* newest chunk */
    struct arena_chunk *kept; /* by arena_recycle; first come, first taken */
    uint8_t *at, *end;        /* free part of the newest chunk */
    size_t bytes;             /* allocated from the system */
    size_t max;               /* cap on `bytes`; 0 = none (the caller has budgeted) */
    size_t chunk_bytes;       /* size of the next ordinary chunk */
    bool huge;                /* chunks are huge pages (mem.h) once it holds one's bytes; set after init */
};

struct arena_mark {
    struct arena_chunk *head;
    uint8_t *at;
};

/* Caller's storage; nothing is allocated before the first use. */
void arena_init(struct arena *a, size_t max);
/* For what grows to megabytes again and again, such as the vectors of a row group: chunks of 2 MiB, of which
 * the process keeps four when they are freed. The next arena's memory is mapped already then, which costs
 * more than most of what is done with it. */
void arena_init_large(struct arena *a, size_t max);
void arena_fini(struct arena *a);
/* Give the process's spare chunks back when nobody took one since the last five calls. One thread. */
void arena_spares_age(void);
/* Forget everything, keep one chunk. */
void arena_reset(struct arena *a);
/* Forget everything, keep all chunks. */
void arena_recycle(struct arena *a);
struct arena_mark arena_mark(const struct arena *a);
/* Forget what came after the mark. */
void arena_rewind(struct arena *a, struct arena_mark m);

/* NULL only when `max` would be passed. Uninitialised. */
void *arena_alloc(struct arena *a, size_t n);
/* Zeroed. */
void *arena_calloc(struct arena *a, size_t count, size_t size);
/* Copy of bytes; `ret->p` is NULL with n > 0 only when refused. */
slice arena_copy(struct arena *a, slice s);
/* NUL-terminated copy, or NULL when refused. */
char *arena_cstr(struct arena *a, slice s);
/* Grow an array of `size`-byte elements that lives in the arena: returns memory for at least `want`
 * elements, the first `used` copied, `*cap` updated; doubles. In place when it is the last allocation.
 * NULL when refused (the old array stays good). */
void *arena_grow(struct arena *a, void *old, size_t used, size_t *cap, size_t want, size_t size);

#define arena_new(a, type)          ((type *)arena_calloc((a), 1, sizeof(type)))
#define arena_new_array(a, type, n) ((type *)arena_calloc((a), (n), sizeof(type)))
