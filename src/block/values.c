/* Vectors of values into the pages of one column. */
#include "writer_priv.h"

#include "vivace/base/mem.h"

void
vectors_reserve(struct vectors *v, size_t values, size_t levels)
{
    if (values > v->cap) {
        v->cap = values + values / 2;
        v->ids = mem_realloc(v->ids, v->cap, sizeof *v->ids);
        v->codes = mem_realloc(v->codes, v->cap, sizeof *v->codes);
        v->slices = mem_realloc(v->slices, v->cap, sizeof *v->slices);
        v->i64 = mem_realloc(v->i64, v->cap, sizeof *v->i64);
        v->i32 = mem_realloc(v->i32, v->cap, sizeof *v->i32);
        v->bytes = mem_realloc(v->bytes, v->cap, sizeof(trace_id));
    }
    if (levels > v->level_cap) {
        v->level_cap = levels + levels / 2;
        v->def = mem_realloc(v->def, v->level_cap, 1);
        v->rep = mem_realloc(v->rep, v->level_cap, 1);
    }
}

void
vectors_fini(struct vectors *v)
{
    mem_free(v->ids);
    mem_free(v->codes);
    mem_free(v->slices);
    mem_free(v->i64);
    mem_free(v->i32);
    mem_free(v->bytes);
    mem_free(v->def);
    mem_free(v->rep);
}

/* Values that entries share, each once: which of them every one of the n entries has. */
static err
append_picked(struct block_writer *w, const struct target *t, struct levels l, struct parquet_values values,
              const uint32_t *codes, const uint32_t *pick, size_t n)
{
    if (w->out == NULL) {
        return OK;
    }
    struct parquet_batch batch = {
        .level_count = l.count,
        .def = l.def,
        .rep = l.rep,
        .def_level = l.def_level,
        .codes = codes,
        .values = values,
        .pick = pick,
        .pick_count = n,
    };
    return parquet_writer_append(w->out, (size_t)t->column, &batch, w->f);
}

static err
append(struct block_writer *w, const struct target *t, struct levels l, struct parquet_values values,
       const uint32_t *codes)
{
    return append_picked(w, t, l, values, codes, NULL, 0);
}

/* Codes for the ids; new values go to the dictionary. */
static err
code_ids(struct block_writer *w, struct target *t, const uint32_t *ids, size_t n, uint32_t *codes)
{
    uint32_t last = UINT32_MAX, code = 0;
    size_t fresh = 0;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] != last) {
            last = ids[i];
            const uint32_t *known = id_map_at_home(&t->codes, last);
            if (known) {
                code = *known;
            } else {
                bool is_new = false;
                uint32_t *place = id_map_put(&t->codes, last, &is_new);
                if (is_new) {
                    *place = t->code_count++;
                    w->v.slices[fresh++] = intern_get(&w->b->strings, last);
                }
                code = *place;
            }
        }
        codes[i] = code;
    }
    if (w->out && fresh) {
        struct parquet_values values = {.count = fresh, .bytes = w->v.slices};
        return parquet_writer_add_dictionary(w->out, (size_t)t->column, &values, w->f);
    }
    return OK;
}

err
put_ids(struct block_writer *w, struct target *t, struct levels l, const uint32_t *ids, size_t n)
{
    if (t->dictionary || w->out == NULL) { /* a sample counts distinct values the same way */
        t->sampled += n;
        err rc = code_ids(w, t, ids, n, w->v.codes);
        return rc == OK ? append(w, t, l, (struct parquet_values){.count = n}, w->v.codes) : rc;
    }
    for (size_t i = 0; i < n; i++) {
        w->v.slices[i] = intern_get(&w->b->strings, ids[i]);
        __builtin_prefetch(w->v.slices[i].p); /* most are read once, as they arrived: from far away */
    }
    return append(w, t, l, (struct parquet_values){.count = n, .bytes = w->v.slices}, NULL);
}

err
put_picked(struct block_writer *w, struct target *t, struct levels l, const uint32_t *ids, size_t distinct,
           const uint32_t *pick, size_t n)
{
    if (t->dictionary || w->out == NULL) {
        t->sampled += n;
        err rc = code_ids(w, t, ids, distinct, w->rows->codes_of);
        const struct parquet_values values = {.count = distinct};
        return rc == OK ? append_picked(w, t, l, values, w->rows->codes_of, pick, n) : rc;
    }
    for (size_t i = 0; i < n; i++) {
        w->v.slices[i] = intern_get(&w->b->strings, ids[pick[i]]);
    }
    return append(w, t, l, (struct parquet_values){.count = n, .bytes = w->v.slices}, NULL);
}

err
put_picked_i64(struct block_writer *w, struct target *t, struct levels l, const int64_t *v, size_t distinct,
               const uint32_t *pick, size_t n)
{
    return append_picked(w, t, l, (struct parquet_values){.count = distinct, .i64 = v}, NULL, pick, n);
}

err
put_i64(struct block_writer *w, struct target *t, struct levels l, const int64_t *v, size_t n)
{
    return append(w, t, l, (struct parquet_values){.count = n, .i64 = v}, NULL);
}

err
put_i32(struct block_writer *w, struct target *t, struct levels l, const int32_t *v, size_t n)
{
    return append(w, t, l, (struct parquet_values){.count = n, .i32 = v}, NULL);
}

err
put_f64(struct block_writer *w, struct target *t, struct levels l, const double *v, size_t n)
{
    return append(w, t, l, (struct parquet_values){.count = n, .f64 = v}, NULL);
}

err
put_bools(struct block_writer *w, struct target *t, struct levels l, const uint8_t *v, size_t n)
{
    return append(w, t, l, (struct parquet_values){.count = n, .bools = v}, NULL);
}

err
put_fixed(struct block_writer *w, struct target *t, struct levels l, const uint8_t *v, size_t n)
{
    return append(w, t, l, (struct parquet_values){.count = n, .fixed = v}, NULL);
}

err
put_traces(struct block_writer *w)
{
    const struct target *t = &w->targets[BLOCK_TRACE_ID];
    struct chunk_rows *c = w->rows;
    size_t fresh = 0;
    for (size_t i = 0; i < c->trace_count; i++) {
        const struct held_trace *trace = c->traces[i];
        if (trace != w->last_trace) { /* or the chunk before ended within it */
            char *hex = w->hex + fresh * sizeof trace->id * 2;
            hex_encode(trace->id.b, sizeof trace->id, hex);
            w->v.slices[fresh++] = slice_of(hex, sizeof trace->id * 2);
            w->last_trace = trace;
            w->trace_codes++;
        }
        c->codes_of[i] = w->trace_codes - 1;
    }
    if (w->out && fresh) {
        struct parquet_values values = {.count = fresh, .bytes = w->v.slices};
        err rc = parquet_writer_add_dictionary(w->out, (size_t)t->column, &values, w->f);
        if (rc != OK) {
            return rc;
        }
    }
    const struct levels none = {.count = c->count};
    return append_picked(w, t, none, (struct parquet_values){.count = c->trace_count}, c->codes_of,
                         c->trace_of_row, c->count);
}
