#include "vivace/base/arena.h"

#include "vivace/base/mem.h"

#include <stdatomic.h>

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
    bool huge;
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

/* --- spare chunks of the process --------------------------------------------------------------------------
 */

#define SPARES      4
#define SPARE_BYTES (((size_t)2 << 20) - sizeof(struct arena_chunk))
#define SPARE_TICKS 5

#ifdef ARENA_ASAN
#define KEEPS_SPARES false /* what is used after it was freed is to be found */
#else
#define KEEPS_SPARES true
#endif

static _Atomic(struct arena_chunk *) spares[SPARES];
static _Atomic unsigned spares_taken;

/* A place is given up or filled in one step, so that no lock is needed. */
static struct arena_chunk *
spare_take(void)
{
    for (size_t i = 0; i < SPARES; i++) {
        struct arena_chunk *c = atomic_exchange(&spares[i], NULL);
        if (c) {
            atomic_fetch_add_explicit(&spares_taken, 1, memory_order_relaxed);
            return c;
        }
    }
    return NULL;
}

static bool
spare_put(struct arena_chunk *c)
{
    for (size_t i = 0; KEEPS_SPARES && i < SPARES; i++) {
        struct arena_chunk *none = NULL;
        if (atomic_compare_exchange_strong(&spares[i], &none, c)) {
            return true;
        }
    }
    return false;
}

void
arena_spares_age(void)
{
    static unsigned last;
    static unsigned idle;
    const unsigned taken = atomic_load_explicit(&spares_taken, memory_order_relaxed);
    idle = taken == last ? idle + 1 : 0;
    last = taken;
    for (size_t i = 0; idle >= SPARE_TICKS && i < SPARES; i++) {
        mem_free(atomic_exchange(&spares[i], NULL));
    }
}

static struct arena_chunk *
chunk_create(size_t bytes, bool huge)
{
    struct arena_chunk *c = bytes == SPARE_BYTES && !huge ? spare_take() : NULL;
    if (c == NULL) {
        c = huge ? mem_huge() : mem_alloc(sizeof *c + bytes);
        c->bytes = bytes;
        c->huge = huge;
    }
    return c;
}

static void
chunk_destroy(struct arena_chunk *c)
{
    UNPOISON(c->data, c->bytes);
    if (c->huge) {
        mem_huge_free(c);
    } else if (c->bytes != SPARE_BYTES || !spare_put(c)) {
        mem_free(c);
    }
}

/* --- an arena ---------------------------------------------------------------------------------------------
 */

void
arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max, .chunk_bytes = ARENA_CHUNK_FIRST};
}

void
arena_init_large(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max, .chunk_bytes = SPARE_BYTES};
}

static void
free_down_to(struct arena *a, struct arena_chunk *keep)
{
    while (a->head != keep) {
        struct arena_chunk *older = a->head->older;
        a->bytes -= a->head->bytes;
        chunk_destroy(a->head);
        a->head = older;
    }
}

/* Free kept chunks until `n` bytes went. */
static void
free_kept(struct arena *a, size_t n)
{
    for (size_t freed = 0; a->kept && freed < n;) {
        struct arena_chunk *c = a->kept;
        a->kept = c->older;
        a->bytes -= c->bytes;
        freed += c->bytes;
        chunk_destroy(c);
    }
}

void
arena_fini(struct arena *a)
{
    const bool large = a->chunk_bytes == SPARE_BYTES;
    free_down_to(a, NULL);
    free_kept(a, SIZE_MAX);
    if (large) {
        arena_init_large(a, a->max);
    } else {
        arena_init(a, a->max);
    }
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
    a->at = keep->data;
    a->end = keep->data + keep->bytes;
    POISON(keep->data, keep->bytes);
}

void
arena_recycle(struct arena *a)
{
    while (a->head) {
        struct arena_chunk *older = a->head->older;
        POISON(a->head->data, a->head->bytes);
        a->head->older = a->kept;
        a->kept = a->head;
        a->head = older;
    }
    a->at = a->end = NULL;
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

/* The first kept chunk with room for `need`. */
static struct arena_chunk *
kept_take(struct arena *a, size_t need)
{
    struct arena_chunk **at = &a->kept;
    while (*at && (*at)->bytes < need) {
        at = &(*at)->older;
    }
    struct arena_chunk *c = *at;
    if (c) {
        *at = c->older;
    }
    return c;
}

static struct arena_chunk *
chunk_add(struct arena *a, size_t need)
{
    size_t n = a->chunk_bytes > need ? a->chunk_bytes : need;
    free_kept(a, n); /* those are too small: they make room */
    if (a->max && (a->bytes > a->max || n > a->max - a->bytes)) {
        n = need; /* the last piece of the cap */
        if (a->bytes > a->max || n > a->max - a->bytes) {
            return NULL;
        }
    }
    const bool huge = a->huge && n == a->chunk_bytes && a->bytes >= MEM_HUGE && a->max == 0;
    if (huge) {
        n = MEM_HUGE - sizeof(struct arena_chunk);
    }
    struct arena_chunk *c = chunk_create(n, huge);
    a->bytes += n;
    if (a->chunk_bytes < ARENA_CHUNK_LAST) {
        a->chunk_bytes *= 2;
    }
    return c;
}

static bool
add_chunk(struct arena *a, size_t need)
{
    struct arena_chunk *c = kept_take(a, need);
    c = c ? c : chunk_add(a, need);
    if (c == NULL) {
        return false;
    }
    c->older = a->head;
    a->head = c;
    a->at = c->data;
    a->end = c->data + c->bytes;
    POISON(c->data, c->bytes);
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
