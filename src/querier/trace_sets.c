#include "trace_sets.h"

#include "vivace/base/mem.h"
#include "vivace/parquet/index.h"
#include "vivace/parquet/reader.h"

#include <stdlib.h>

#define BYTES_MAX ((size_t)256 << 20)

struct trace_set {
    const struct parquet_bloom *bloom; /* the reader's */
    trace_id *ids;                     /* sorted */
    size_t count;
    struct arena arena;
    size_t held; /* of the arena: counted */
    bool no_bloom, has_ids;
};

void
trace_sets_init(struct trace_sets *t, size_t block_count, struct budget *budget)
{
    *t = (struct trace_sets){.block_count = block_count, .budget = budget};
    t->sets = mem_new_array(struct trace_set *, block_count + 1);
    t->counts = mem_new_array(size_t, block_count + 1);
}

void
trace_sets_fini(struct trace_sets *t)
{
    for (size_t b = 0; b < t->block_count; b++) {
        for (size_t g = 0; g < t->counts[b]; g++) {
            arena_fini(&t->sets[b][g].arena);
        }
        mem_free(t->sets[b]);
    }
    if (t->budget) {
        budget_release(t->budget, atomic_load(&t->held));
    }
    mem_free(t->sets);
    mem_free(t->counts);
    *t = (struct trace_sets){0};
}

static err
no_memory(struct fault *f)
{
    return FAULT(f, ERR_LIMIT, "the memory for queries is used up, ask for less or try again");
}

/* Count `more` bytes. */
static err
hold(struct trace_sets *t, size_t more, struct fault *f)
{
    if (t->budget && budget_reserve(t->budget, more) != OK) {
        return no_memory(f);
    }
    const size_t before = atomic_fetch_add_explicit(&t->held, more, memory_order_relaxed);
    return before + more > BYTES_MAX ? no_memory(f) : OK;
}

static err
account(struct trace_sets *t, struct trace_set *set, struct fault *f)
{
    const size_t more = set->arena.bytes - set->held;
    set->held = set->arena.bytes;
    return more ? hold(t, more, f) : OK;
}

err
trace_sets_enter(struct trace_sets *t, size_t block, const struct block_reader *r, struct fault *f)
{
    const size_t n = block_reader_file(r)->meta->row_group_count;
    err rc = OK;
    if (t->sets[block]) {
        return OK;
    }
    TRY(hold(t, n * sizeof(struct trace_set), f));
    t->sets[block] = mem_new_array(struct trace_set, n + 1);
    t->counts[block] = n;
    for (size_t g = 0; g < n; g++) {
        arena_init(&t->sets[block][g].arena, BYTES_MAX);
    }
out:
    return rc;
}

static int
by_id(const void *a, const void *b)
{
    return memcmp(a, b, TRACE_ID_BYTES);
}

static err
take_ids(const struct parquet_values *v, struct trace_set *set, size_t *cap, struct fault *f)
{
    set->ids =
        arena_grow(&set->arena, set->ids, set->count, cap, set->count + v->count + 1, sizeof *set->ids);
    if (set->ids == NULL) {
        return no_memory(f);
    }
    for (size_t i = 0; i < v->count; i++) {
        if (i && slice_eq(v->bytes[i], v->bytes[i - 1])) {
            continue;
        }
        if (!hex_decode(v->bytes[i], set->ids[set->count].b, TRACE_ID_BYTES)) {
            return FAULT(f, ERR_CORRUPT, "trace_id is not 32 hex digits");
        }
        set->count++;
    }
    return OK;
}

static void
count_read(struct trace_sets *t, uint64_t bytes)
{
    atomic_fetch_add_explicit(&t->bytes_read, bytes, memory_order_relaxed);
}

/* The ids of the column: its dictionary when all pages are codes. */
static err
read_ids(struct trace_sets *t, struct parquet_column *c, const struct parquet_file *file, size_t group,
         size_t leaf, struct trace_set *set, struct fault *f)
{
    const struct parquet_chunk *chunk = parquet_meta_chunk(file->meta, group, leaf);
    const unsigned coded = 1U << PARQUET_PLAIN | 1U << PARQUET_RLE | 1U << PARQUET_RLE_DICTIONARY |
                           1U << PARQUET_PLAIN_DICTIONARY;
    struct parquet_values d;
    struct parquet_page page;
    struct parquet_vector v;
    size_t cap = 0;
    err rc = OK;
    TRY(parquet_column_open(c, file, group, leaf, f));
    count_read(t, chunk->compressed_bytes);
    if (chunk->has_dictionary && (chunk->encodings & ~coded) == 0) {
        TRY(parquet_column_dictionary(c, f, &d));
        rc = take_ids(&d, set, &cap, f);
        goto out;
    }
    while ((rc = parquet_column_next(c, f, &page)) == OK) {
        TRY(parquet_column_decode(c, PARQUET_DECODE_VALUES, f, &v));
        TRY(take_ids(&v.values, set, &cap, f));
    }
    rc = rc == ERR_NOT_FOUND ? OK : rc;
out:
    return rc;
}

static err
load_ids(struct trace_sets *t, const struct block_reader *r, size_t group, struct trace_set *set,
         struct fault *f)
{
    struct parquet_scratch *scratch = parquet_scratch_create(&BLOCK_PARQUET_LIMITS);
    struct parquet_column *c = parquet_column_create(scratch);
    const size_t leaf = (size_t)block_reader_schema(r)->column[BLOCK_TRACE_ID];
    set->count = 0;
    err rc = read_ids(t, c, block_reader_file(r), group, leaf, set, f);
    parquet_column_destroy(c);
    parquet_scratch_destroy(scratch);
    if (rc == ERR_NOT_FOUND) {
        rc = FAULT(f, ERR_CORRUPT, "the dictionary of trace_id is missing");
    }
    bool sorted = true;
    for (size_t i = 1; rc == OK && i < set->count && sorted; i++) {
        sorted = by_id(&set->ids[i - 1], &set->ids[i]) <= 0;
    }
    if (rc == OK && !sorted) {
        qsort(set->ids, set->count, sizeof *set->ids, by_id);
    }
    set->has_ids = rc == OK;
    return rc == OK ? account(t, set, f) : rc;
}

uint64_t
trace_sets_hash(const trace_id *id)
{
    char hex[2 * TRACE_ID_BYTES];
    hex_encode(id->b, TRACE_ID_BYTES, hex);
    return parquet_bloom_hash(slice_of(hex, sizeof hex));
}

err
trace_sets_list(struct trace_sets *t, size_t block, const struct block_reader *r, size_t group,
                const trace_id **ret_ids, size_t *ret_count, struct fault *f)
{
    struct trace_set *set = &t->sets[block][group];
    err rc = OK;
    if (!set->has_ids) {
        TRY(load_ids(t, r, group, set, f));
    }
    *ret_ids = set->ids;
    *ret_count = set->count;
out:
    return rc;
}

/* Does it have the trace? */
static err
ask_one(struct trace_sets *t, struct trace_set *set, const struct block_reader *r, size_t group,
        const trace_id *id, uint64_t hash, struct fault *f, bool *ret)
{
    err rc = OK;
    *ret = false;
    if (set->bloom && !parquet_bloom_has(set->bloom, hash)) {
        return OK;
    }
    if (!set->has_ids) {
        TRY(load_ids(t, r, group, set, f));
    }
    *ret = bsearch(id, set->ids, set->count, sizeof *set->ids, by_id) != NULL;
out:
    return rc;
}

static err
ready_to_ask(struct trace_sets *t, struct trace_set *set, const struct block_reader *r, size_t group,
             struct fault *f)
{
    uint64_t bytes = 0;
    if (set->bloom || set->no_bloom) {
        return OK;
    }
    err rc = block_reader_trace_filter(r, group, &bytes, f, &set->bloom);
    count_read(t, bytes);
    set->no_bloom = rc == ERR_NOT_FOUND;
    return set->no_bloom ? OK : rc;
}

err
trace_sets_ask(struct trace_sets *t, size_t block, const struct block_reader *r, size_t group,
               const trace_id *ids, const uint64_t *hashes, size_t n, uint8_t *ret, struct fault *f)
{
    struct trace_set *set = &t->sets[block][group];
    bool has = false;
    err rc = OK;
    TRY(ready_to_ask(t, set, r, group, f));
    for (size_t i = 0; i < n; i++) {
        if (__atomic_load_n(&ret[i], __ATOMIC_RELAXED) == TRACE_SETS_SKIP) {
            continue;
        }
        TRY(ask_one(t, set, r, group, &ids[i], hashes[i], f, &has));
        if (has) {
            trace_sets_mark(&ret[i]);
        }
    }
out:
    return rc;
}

err
trace_sets_any(struct trace_sets *t, size_t block, const struct block_reader *r, size_t group,
               const trace_id *ids, const uint64_t *hashes, size_t n, struct fault *f, bool *ret)
{
    struct trace_set *set = &t->sets[block][group];
    err rc = OK;
    *ret = false;
    TRY(ready_to_ask(t, set, r, group, f));
    for (size_t i = 0; i < n && !*ret; i++) {
        TRY(ask_one(t, set, r, group, &ids[i], hashes[i], f, ret));
    }
out:
    return rc;
}
