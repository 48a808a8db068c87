#include "vivace/base/arena.h"

#include "vivace/base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define RED_ZONE       16 /* bytes left poisoned behind each allocation */
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define RED_ZONE       0
#endif

#define ARENA_ALIGN       16
#define ARENA_CHUNK_FIRST ((size_t)4 << 10)
#define ARENA_CHUNK_LAST  ((size_t)1 << 20) /* chunks double up to here */

struct arena_chunk {
    struct arena_chunk *older;
    size_t bytes; /* data bytes, without this header */
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

void
arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max, .chunk_bytes = ARENA_CHUNK_FIRST};
}

static void
free_down_to(struct arena *a, struct arena_chunk *keep)
{
    while (a->head != keep) {
        struct arena_chunk *older = a->head->older;
        a->bytes -= a->head->bytes;
        UNPOISON(a->head->data, a->head->bytes);
        mem_free(a->head);
        a->head = older;
    }
}

void
arena_fini(struct arena *a)
{
    free_down_to(a, NULL);
    arena_init(a, a->max);
}

void
arena_reset(struct arena *a)
{
    if (a->head == NULL) {
        return;
    }
    /* Keep the newest chunk: it is the largest ordinary one. */
    struct arena_chunk *keep = a->head;
    a->head = keep->older;
    free_down_to(a, NULL);
    keep->older = NULL;
    a->head = keep;
    a->bytes = keep->bytes;
    a->at = keep->data;
    a->end = keep->data + keep->bytes;
    POISON(keep->data, keep->bytes);
}

struct arena_mark
arena_mark(const struct arena *a)
{
    return (struct arena_mark){a->head, a->at};
}

void
arena_rewind(struct arena *a, struct arena_mark m)
{
    free_down_to(a, m.head);
    a->at = m.at;
    a->end = m.head ? m.head->data + m.head->bytes : NULL;
    if (m.head) {
        POISON(a->at, (size_t)(a->end - a->at));
    }
}

static bool
add_chunk(struct arena *a, size_t need)
{
    size_t n = a->chunk_bytes > need ? a->chunk_bytes : need;
    if (a->max && (a->bytes > a->max || n > a->max - a->bytes)) {
        n = need; /* the last piece of the cap */
        if (a->bytes > a->max || n > a->max - a->bytes) {
            return false;
        }
    }
    struct arena_chunk *c = mem_alloc(sizeof *c + n);
    c->older = a->head;
    c->bytes = n;
    a->head = c;
    a->bytes += n;
    a->at = c->data;
    a->end = c->data + n;
    POISON(c->data, n);
    if (a->chunk_bytes < ARENA_CHUNK_LAST) {
        a->chunk_bytes *= 2;
    }
    return true;
}

static size_t
rounded(size_t n)
{
    return (n + RED_ZONE + (ARENA_ALIGN - 1)) & ~(size_t)(ARENA_ALIGN - 1);
}

void *
arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX / 2) {
        return NULL;
    }
    size_t need = rounded(n ? n : 1);
    if (need > (size_t)(a->end - a->at) && !add_chunk(a, need)) {
        return NULL;
    }
    uint8_t *p = a->at;
    a->at += need;
    UNPOISON(p, n ? n : 1);
    return p;
}

void *
arena_calloc(struct arena *a, size_t count, size_t size)
{
    size_t n = 0;
    if (__builtin_mul_overflow(count, size, &n)) {
        return NULL;
    }
    void *p = arena_alloc(a, n);
    if (p) {
        memset(p, 0, n);
    }
    return p;
}

slice
arena_copy(struct arena *a, slice s)
{
    if (s.n == 0) {
        return SL_EMPTY;
    }
    void *p = arena_alloc(a, s.n);
    if (p) {
        memcpy(p, s.p, s.n);
    }
    return (slice){p, s.n};
}

char *
arena_cstr(struct arena *a, slice s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (p) {
        if (s.n) {
            memcpy(p, s.p, s.n);
        }
        p[s.n] = '\0';
    }
    return p;
}

void *
arena_grow(struct arena *a, void *old, size_t used, size_t *cap, size_t want, size_t size)
{
    if (want <= *cap) {
        return old;
    }
    size_t grown = *cap ? *cap : 8;
    while (grown < want) {
        if (grown > SIZE_MAX / 4) {
            return NULL;
        }
        grown *= 2;
    }
    size_t bytes = 0;
    if (__builtin_mul_overflow(grown, size, &bytes) || bytes > SIZE_MAX / 2) {
        return NULL;
    }
    size_t old_need = old ? rounded(*cap * size) : 0;
    size_t need = rounded(bytes);
    if (old && (uint8_t *)old + old_need == a->at && need - old_need <= (size_t)(a->end - a->at)) {
        a->at += need - old_need; /* the last allocation grows where it stands */
        UNPOISON(old, bytes);
        *cap = grown;
        return old;
    }
    void *p = arena_alloc(a, bytes);
    if (p == NULL && grown > want && !__builtin_mul_overflow(want, size, &bytes)) {
        grown = want; /* near the cap: just what is asked */
        p = arena_alloc(a, bytes);
    }
    if (p) {
        if (old && used) {
            memcpy(p, old, used * size);
        }
        *cap = grown;
    }
    return p;
}
