/* Tags over blocks: the rows a plan keeps as a mask, then names out of the orders of attributes and values
 * out of dictionaries, each that occurs once. No row is read as a span. */
#include "columns_priv.h"
#include "row_groups.h"
#include "tags_priv.h"

#include "vivace/base/mem.h"
#include "vivace/codec/wire.h"

#include <stdatomic.h>

struct tags_cursor {
    struct search_hunt hunt;
    struct group_list list;
    struct group_scan *scan; /* of block `of_block` */
    size_t of_block;
    uint64_t counted; /* of the scan's bytes */
    uint32_t blocks;
};

static err
tags_open(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
          void **ret_cursor)
{
    struct block_store *store = atomic_load((_Atomic(struct block_store *) *)ctx);
    struct tags_cursor *c = mem_new(struct tags_cursor);
    c->hunt = *hunt;
    *ret_cursor = c; /* the owner closes it in any case */
    err rc = group_list_open(&c->list, store, hunt->tenant, hunt->start_ns, hunt->end_ns, f);
    for (size_t i = 0; rc == OK && i < c->list.snapshot->count; i++) {
        const struct block_meta *m = &c->list.snapshot->blocks[i]->meta;
        if (m->min_start_ns <= hunt->end_ns && m->max_end_ns >= hunt->start_ns) {
            c->blocks++;
            stats->block_bytes += m->bytes;
        }
    }
    stats->blocks += c->blocks;
    stats->jobs += c->blocks;
    return rc;
}

static void
tags_close(void *cursor)
{
    struct tags_cursor *c = cursor;
    group_scan_destroy(c->scan);
    group_list_close(&c->list);
    mem_free(c);
}

/* --- which rows -------------------------------------------------------------------------------------------
 */

static err
mask_range(struct tags_cursor *c, const struct block_meta *m, struct fault *f, uint64_t *mask)
{
    struct group_scan *s = c->scan;
    const uint64_t *starts = NULL;
    const int64_t *durations = NULL;
    err rc = OK;
    if (m->min_start_ns >= c->hunt.start_ns && m->max_end_ns <= c->hunt.end_ns) {
        return OK;
    }
    TRY(group_starts(s, f, &starts));
    TRY(group_durations(s, f, &durations));
    for (size_t i = 0; i < s->rows; i++) {
        const bool in = starts[i] <= c->hunt.end_ns && starts[i] + (uint64_t)durations[i] >= c->hunt.start_ns;
        mask[i / 64] &= ~((uint64_t)!in << i % 64);
    }
out:
    return rc;
}

/* Rows of the range that every filter of the pipeline keeps. */
static err
kept_rows(struct tags_cursor *c, const struct block_meta *m, struct fault *f, uint64_t **ret)
{
    const struct tql_plan *plan = c->hunt.plan;
    uint64_t *mask = NULL;
    err rc = OK;
    TRY(group_mask(c->scan, f, &mask));
    mask_fill(mask, c->scan->rows);
    TRY(mask_range(c, m, f, mask));
    for (size_t i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].kind == TQL_STEP_FILTER) {
            TRY(group_filter(c->scan, plan->steps[i].filter, mask, f, mask));
        }
    }
    *ret = mask;
out:
    return rc;
}

/* The events or links of the rows. */
static err
elements_of(struct group_scan *s, const uint64_t *rows, enum tql_level level, struct fault *f, uint64_t **ret,
            size_t *ret_count)
{
    const struct group_parts *parts = NULL;
    err rc = OK;
    TRY(group_parts(s, level, f, &parts));
    uint64_t *mask = scan_alloc(s, parts->count / 64 + 1, sizeof *mask);
    if (mask == NULL) {
        return scan_no_memory(f);
    }
    memset(mask, 0, (parts->count / 64 + 1) * sizeof *mask);
    mask_of_parts(rows, s->rows, parts, mask);
    *ret = mask;
    *ret_count = parts->count;
out:
    return rc;
}

/* --- names ------------------------------------------------------------------------------------------------
 */

/* The keys of an order of attributes (docs/block-format.md, section 3). */
static err
add_order(struct group_scan *s, struct tag_collector *out, enum tag_scope scope, slice order, struct fault *f)
{
    struct wire_reader in = wire_reader_of(order);
    while (in.p < in.end) {
        uint64_t n = 0;
        in.p++; /* the type */
        if (!wire_varint(&in, &n) || n > (uint64_t)(in.end - in.p)) {
            return scan_corrupt(s, "attribute_order is malformed", f);
        }
        tag_add_name(out, scope, slice_of(in.p, (size_t)n));
        in.p += n;
    }
    return OK;
}

/* Which values of the column the owners in the mask have; without a mask all of them. */
static err
seen_values(struct group_scan *s, const struct raw_column *raw, const uint64_t *mask, size_t owners,
            struct fault *f, uint8_t **ret)
{
    uint8_t *seen = scan_alloc(s, raw->values.count + 1, 1);
    if (seen == NULL) {
        return scan_no_memory(f);
    }
    if (mask && raw->value_count != owners) {
        return scan_corrupt(s, "columns have different numbers of values", f);
    }
    memset(seen, mask || raw->codes ? 0 : 1, raw->values.count);
    if (mask) {
        mask_see(mask, owners, raw->codes, seen);
    }
    for (size_t i = 0; !mask && raw->codes && i < raw->value_count; i++) {
        seen[raw->codes[i]] = 1;
    }
    *ret = seen;
    return OK;
}

static err
names_of_orders(struct group_scan *s, struct tag_collector *out, enum tag_scope scope, enum block_column c,
                const uint64_t *mask, size_t owners, struct fault *f)
{
    const struct raw_column *raw = NULL;
    uint8_t *seen = NULL;
    err rc = OK;
    TRY(raw_fixed(s, c, f, &raw));
    TRY(seen_values(s, raw, mask, owners, f, &seen));
    for (size_t i = 0; seen && i < raw->values.count && !tag_is_full(out); i++) {
        if (seen[i]) {
            TRY(add_order(s, out, scope, raw->values.bytes[i], f));
        }
    }
out:
    return rc;
}

static err
names_of_contexts(struct group_scan *s, struct tag_collector *out, bool scopes, const uint64_t *mask,
                  struct fault *f)
{
    struct context_view v;
    err rc = OK;
    uint8_t *seen = NULL;
    TRY(context_seen(s, scopes ? s->priv->scopes : s->priv->resources, mask, f, &v, &seen));
    for (uint32_t i = 0; i < v.count; i++) {
        const struct run run = scopes ? v.batch->scopes[i].attrs : v.batch->resources[i].attrs;
        for (uint32_t k = 0; seen[i] && k < run.n; k++) {
            tag_add_name(out, scopes ? TAG_SCOPE_INSTRUMENTATION : TAG_SCOPE_RESOURCE,
                         attr_key(&v.batch->attrs[run.at + k]));
        }
    }
out:
    return rc;
}

/* Names of the events or links of the rows. Of all rows they are all there are, whose rows need not be known.
 */
static err
names_of_parts(struct group_scan *s, struct tag_collector *out, enum tql_level level, const uint64_t *mask,
               struct fault *f)
{
    const bool events = level == TQL_LEVEL_EVENT;
    uint64_t *elements = NULL;
    size_t n = 0;
    err rc = OK;
    if (!mask_is_full(mask, s->rows)) {
        TRY(elements_of(s, mask, level, f, &elements, &n));
    }
    rc = names_of_orders(s, out, events ? TAG_SCOPE_EVENT : TAG_SCOPE_LINK,
                         events ? BLOCK_EVENT_ORDER : BLOCK_LINK_ORDER, elements, n, f);
out:
    return rc;
}

static err
collect_names(struct group_scan *s, struct tag_collector *out, const uint64_t *mask, struct fault *f)
{
    const unsigned scopes = tag_query(out)->scopes;
    err rc = OK;
    if (scopes & 1U << TAG_SCOPE_SPAN) {
        TRY(names_of_orders(s, out, TAG_SCOPE_SPAN, BLOCK_ORDER, mask, s->rows, f));
    }
    if (scopes & 1U << TAG_SCOPE_RESOURCE) {
        TRY(names_of_contexts(s, out, false, mask, f));
    }
    if (scopes & 1U << TAG_SCOPE_INSTRUMENTATION) {
        TRY(names_of_contexts(s, out, true, mask, f));
    }
    if (scopes & 1U << TAG_SCOPE_EVENT) {
        TRY(names_of_parts(s, out, TQL_LEVEL_EVENT, mask, f));
    }
    if (scopes & 1U << TAG_SCOPE_LINK) {
        TRY(names_of_parts(s, out, TQL_LEVEL_LINK, mask, f));
    }
out:
    return rc;
}

/* --- values -----------------------------------------------------------------------------------------------
 */

static err
collect_vector(struct group_scan *s, struct tag_collector *out, const struct slot_vector *v,
               const uint64_t *mask, struct fault *f)
{
    err rc = OK;
    if (v->form != VECTOR_CODED) {
        for (size_t i = mask_next(mask, 0, v->count); i < v->count && !tag_is_full(out);
             i = mask_next(mask, i + 1, v->count)) {
            struct tql_static value = vector_at(v, i);
            tag_add_value(out, &value);
            TRY(scan_tick(s, f));
        }
        return OK;
    }
    uint8_t *seen = scan_alloc(s, v->dict_count, 1);
    if (seen == NULL) {
        return scan_no_memory(f);
    }
    memset(seen, 0, v->dict_count);
    mask_see(mask, v->count, v->codes, seen);
    for (uint32_t i = 0; i < v->dict_count && !tag_is_full(out); i++) {
        if (seen[i]) {
            tag_add_value(out, &v->dict[i]);
        }
        TRY(scan_tick(s, f));
    }
out:
    return rc;
}

static err
collect_values(struct group_scan *s, struct tag_collector *out, const uint64_t *mask, struct fault *f)
{
    const struct tags_query *q = tag_query(out);
    err rc = OK;
    for (size_t i = 0; i < q->slot_count && !tag_is_full(out); i++) {
        const struct tql_slot *slot = &s->plan->compiler.slots.slots[q->slots[i]];
        const struct slot_vector *v = NULL;
        const uint64_t *of = mask;
        TRY(group_slot(s, q->slots[i], f, &v));
        if (slot_is_part(slot)) {
            uint64_t *elements = NULL;
            size_t n = 0;
            TRY(elements_of(s, mask, (enum tql_level)slot->level, f, &elements, &n));
            of = elements;
        }
        TRY(collect_vector(s, out, v, of, f));
    }
out:
    return rc;
}

/* --- row groups -------------------------------------------------------------------------------------------
 */

static err
enter_group(struct tags_cursor *c, const struct listed_group *g, struct fault *f)
{
    if (c->scan == NULL || c->of_block != g->block) {
        group_scan_destroy(c->scan);
        c->scan = group_scan_create(c->list.readers[g->block], c->hunt.plan, c->hunt.guard, c->hunt.budget);
        c->of_block = g->block;
        c->counted = 0;
    }
    return group_scan_open(c->scan, g->group, f);
}

static err
tags_advance(void *cursor, struct tag_collector *out, struct search_stats *stats, struct fault *f)
{
    struct tags_cursor *c = cursor;
    struct listed_group g;
    uint64_t *mask = NULL;
    err rc = group_list_peek(&c->list, f, &g);
    if (rc == ERR_NOT_FOUND) {
        stats->jobs_done += c->blocks;
        c->blocks = 0;
    }
    TRY(rc);
    group_list_take(&c->list);
    TRY(enter_group(c, &g, f));
    TRY(kept_rows(c, &c->list.snapshot->blocks[g.block]->meta, f, &mask));
    if (mask_any(mask, c->scan->words)) {
        TRY(tag_query(out)->scopes ? collect_names(c->scan, out, mask, f)
                                   : collect_values(c->scan, out, mask, f));
    }
    stats->spans += c->scan->rows;
    stats->bytes += c->scan->bytes_read - c->counted;
    c->counted = c->scan->bytes_read;
    rc = tag_is_full(out) ? ERR_NOT_FOUND : OK;
out:
    return rc;
}

struct tag_source
tag_source_blocks(_Atomic(struct block_store *) *at)
{
    return (struct tag_source){.open = tags_open, .advance = tags_advance, .close = tags_close, .ctx = at};
}
