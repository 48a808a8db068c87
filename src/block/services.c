/* The list of services that the first row of a trace holds: how many of its spans and errors are whose. */
#include "writer_priv.h"

#include "vivace/base/mem.h"

#define STATUS_ERROR 2

void
services_fini(struct chunk_services *s)
{
    mem_free(s->ids);
    mem_free(s->spans);
    mem_free(s->errors);
    mem_free(s->def);
    mem_free(s->rep);
    mem_free(s->number);
    mem_free(s->seen);
}

void
services_use(struct chunk_services *s, const struct block_builder *b)
{
    struct id_map numbers = {0};
    uint32_t count = 0;
    s->number = mem_realloc(s->number, b->resource_count + 1, sizeof *s->number);
    for (size_t i = 0; i < b->resource_count; i++) {
        bool is_new = false;
        uint32_t *place = id_map_put(&numbers, b->resources[i].service, &is_new);
        if (is_new) {
            *place = count++;
        }
        s->number[i] = *place;
    }
    id_map_fini(&numbers);
    s->seen = mem_realloc(s->seen, (size_t)count + 1, sizeof *s->seen);
    memset(s->seen, 0, ((size_t)count + 1) * sizeof *s->seen);
    s->trace = 0;
}

static void
grow_levels(struct chunk_services *s)
{
    const size_t had = s->level_cap;
    s->level_cap = had ? had * 2 : CHUNK_ROWS;
    s->def = mem_realloc(s->def, s->level_cap, 1);
    s->rep = mem_realloc(s->rep, s->level_cap, 1);
    memset(s->def + had, 0, s->level_cap - had);
    memset(s->rep + had, 0, s->level_cap - had);
}

/* Room for one more service and one more level. */
static void
reserve(struct chunk_services *s)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 256;
        s->ids = mem_realloc(s->ids, s->cap, sizeof *s->ids);
        s->spans = mem_realloc(s->spans, s->cap, sizeof *s->spans);
        s->errors = mem_realloc(s->errors, s->cap, sizeof *s->errors);
    }
    if (s->level_count == s->level_cap) {
        grow_levels(s);
    }
}

void
services_skip(struct chunk_services *s)
{
    if (s->level_count == s->level_cap) {
        grow_levels(s);
    }
    s->level_count++;
}

void
services_take(struct chunk_services *s, const struct block_builder *b, struct row *const *rows, uint32_t n)
{
    size_t first = s->count;
    s->trace++;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t resource = b->scopes[rows[i]->scope].resource;
        struct service_seen *seen = &s->seen[s->number[resource]];
        if (seen->trace != s->trace) {
            reserve(s);
            *seen = (struct service_seen){s->trace, s->count};
            s->ids[s->count] = b->resources[resource].service;
            s->spans[s->count] = s->errors[s->count] = 0;
            s->def[s->level_count] = 1;
            s->rep[s->level_count++] = s->count > first;
            s->count++;
        }
        s->spans[seen->at]++;
        s->errors[seen->at] += rows[i]->status == STATUS_ERROR;
    }
}

err
emit_services(struct block_writer *w)
{
    struct chunk_services *s = &w->services;
    struct levels l = {.count = s->level_count, .def = s->def, .rep = s->rep};
    err rc = OK;
    vectors_reserve(&w->v, s->count, 0);
    TRY(put_ids(w, &w->targets[BLOCK_SERVICE_NAME], l, s->ids, s->count));
    TRY(put_i32(w, &w->targets[BLOCK_SERVICE_SPANS], l, s->spans, s->count));
    TRY(put_i32(w, &w->targets[BLOCK_SERVICE_ERRORS], l, s->errors, s->count));
out:
    memset(s->def, 0, s->level_count);
    memset(s->rep, 0, s->level_count);
    s->count = s->level_count = 0;
    return rc;
}
