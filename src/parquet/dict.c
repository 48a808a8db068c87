#include "dict.h"

#include "varint.h"

#include "vivace/base/mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define DICT_SLOTS_FIRST 256U
#define RECENT_WORDS     16U

void
dict_init(struct dict *d, size_t width, size_t bytes_max)
{
    *d = (struct dict){.width = width};
    buf_init(&d->values, bytes_max < UINT32_MAX ? bytes_max : UINT32_MAX);
    buf_init(&d->ends, bytes_max);
    buf_init(&d->hashes, bytes_max);
}

void
dict_fini(struct dict *d)
{
    buf_fini(&d->values);
    buf_fini(&d->ends);
    buf_fini(&d->hashes);
    mem_free(d->slots);
    d->slots = NULL;
}

void
dict_clear(struct dict *d)
{
    buf_clear(&d->values);
    buf_clear(&d->ends);
    buf_clear(&d->hashes);
    if (d->slots) {
        memset(d->slots, 0, d->slot_count * sizeof *d->slots);
    }
    d->count = 0;
}

static const uint32_t *
u32s(const struct buf *b)
{
    return (const uint32_t *)(const void *)b->p;
}

slice
dict_value(const struct dict *d, uint32_t code)
{
    if (d->width) {
        return slice_of(d->values.p + (size_t)code * d->width, d->width);
    }
    uint32_t from = code ? u32s(&d->ends)[code - 1] : 0;
    const uint8_t *at = d->values.p ? d->values.p + from : NULL; /* NULL: every value is empty */
    return slice_of(at, u32s(&d->ends)[code] - from);
}

size_t
dict_plain_bytes(const struct dict *d)
{
    return d->values.n + (d->width ? 0 : (size_t)d->count * 4);
}

size_t
dict_memory(const struct dict *d)
{
    return d->values.cap + d->ends.cap + d->hashes.cap + d->slot_count * sizeof *d->slots;
}

static void
grow_slots(struct dict *d)
{
    uint32_t n = d->slot_count ? d->slot_count * 2 : DICT_SLOTS_FIRST;
    mem_free(d->slots);
    d->slots = mem_new_array(uint32_t, n);
    d->slot_count = n;
    for (uint32_t code = 0; code < d->count && d->hashes.n; code++) {
        uint32_t at = u32s(&d->hashes)[code] & (n - 1);
        while (d->slots[at]) {
            at = (at + 1) & (n - 1);
        }
        d->slots[at] = code + 1;
    }
}

static err
append_value(struct dict *d, slice v)
{
    if (d->count == UINT32_MAX >> 2 || buf_append_slice(&d->values, v) != OK) {
        return ERR_LIMIT;
    }
    uint32_t end = (uint32_t)d->values.n;
    if (!d->width && buf_append(&d->ends, &end, sizeof end) != OK) {
        return ERR_LIMIT;
    }
    d->count++;
    return OK;
}

static err
insert(struct dict *d, slice v, uint32_t hash, uint32_t slot, uint32_t *ret)
{
    err rc = append_value(d, v);
    if (rc == OK) {
        rc = buf_append(&d->hashes, &hash, sizeof hash);
    }
    if (rc == OK) {
        *ret = d->count - 1;
        d->slots[slot] = d->count;
    }
    return rc;
}

static uint32_t
hash_word(uint64_t v)
{
    v *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(v >> 32) ^ (uint32_t)(v >> 16);
}

/* Probe for a value; SAME compares it with the value of code c. */
#define DICT_LOOKUP(VALUE, HASH, SAME, RET)                                                                  \
    do {                                                                                                     \
        if (d->count >= d->slot_count / 2) {                                                                 \
            grow_slots(d);                                                                                   \
        }                                                                                                    \
        uint32_t h_ = (HASH), at_ = h_ & (d->slot_count - 1), c = 0;                                         \
        while ((c = d->slots[at_]) != 0) {                                                                   \
            c--;                                                                                             \
            if (u32s(&d->hashes)[c] == h_ && (SAME)) {                                                       \
                break;                                                                                       \
            }                                                                                                \
            at_ = (at_ + 1) & (d->slot_count - 1);                                                           \
        }                                                                                                    \
        if (d->slots[at_]) {                                                                                 \
            (RET) = c;                                                                                       \
        } else if (insert(d, (VALUE), h_, at_, &(RET)) != OK) {                                              \
            return ERR_LIMIT;                                                                                \
        }                                                                                                    \
    } while (0)

/* Most columns have few values: the last codes are kept by value, in front of the table. */
#define CODE_WORDS(NAME, TYPE, LOAD)                                                                         \
    static err NAME(struct dict *d, const uint8_t *v, size_t n, uint32_t *codes)                             \
    {                                                                                                        \
        struct {                                                                                             \
            TYPE value;                                                                                      \
            uint32_t code;                                                                                   \
        } recent[RECENT_WORDS];                                                                              \
        memset(recent, 0xff, sizeof recent);                                                                 \
        for (size_t i = 0; i < n; i++, v += sizeof(TYPE)) {                                                  \
            TYPE x = LOAD(v);                                                                                \
            size_t place = (x ^ x >> 20) % RECENT_WORDS;                                                     \
            if (recent[place].value != x || recent[place].code == UINT32_MAX) {                              \
                DICT_LOOKUP(slice_of(v, sizeof(TYPE)), hash_word(x),                                         \
                            LOAD(d->values.p + (size_t)c * sizeof(TYPE)) == x, codes[i]);                    \
                recent[place].value = x;                                                                     \
                recent[place].code = codes[i];                                                               \
            }                                                                                                \
            codes[i] = recent[place].code;                                                                   \
        }                                                                                                    \
        return OK;                                                                                           \
    }

CODE_WORDS(code_words4, uint32_t, load_u32)
CODE_WORDS(code_words8, uint64_t, load_u64)

err
dict_code_fixed(struct dict *d, const uint8_t *v, size_t n, uint32_t *codes)
{
    if (d->width == 4 || d->width == 8) {
        return d->width == 4 ? code_words4(d, v, n, codes) : code_words8(d, v, n, codes);
    }
    for (size_t i = 0; i < n; i++, v += d->width) {
        DICT_LOOKUP(slice_of(v, d->width), (uint32_t)XXH3_64bits(v, d->width),
                    memcmp(d->values.p + (size_t)c * d->width, v, d->width) == 0, codes[i]);
    }
    return OK;
}

err
dict_code_bytes(struct dict *d, const slice *v, size_t n, uint32_t *codes)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && slice_eq(v[i], v[i - 1])) {
            codes[i] = codes[i - 1];
            continue;
        }
        DICT_LOOKUP(v[i], (uint32_t)XXH3_64bits(v[i].p, v[i].n), slice_eq(dict_value(d, c), v[i]), codes[i]);
    }
    return OK;
}

err
dict_add_fixed(struct dict *d, const uint8_t *v, size_t n)
{
    err rc = OK;
    for (size_t i = 0; i < n && rc == OK; i++) {
        rc = append_value(d, slice_of(v + i * d->width, d->width));
    }
    return rc;
}

err
dict_add_bytes(struct dict *d, const slice *v, size_t n)
{
    err rc = OK;
    for (size_t i = 0; i < n && rc == OK; i++) {
        rc = append_value(d, v[i]);
    }
    return rc;
}
