/* Conditions and programs over vectors: bit masks.
 *
 * A program of conditions, constants, && || ! is worked out mask by mask. One that reads events (or links)
 * is worked out over entries: each row has one for each of its events, or a single one without; a row is kept
 * when any of its entries is. Whatever else there is (arithmetic, two attributes, events with links) is run
 * row by row. */
#include "columns_priv.h"

static err
mask_of(struct group_scan *s, size_t bits, struct fault *f, uint64_t **ret)
{
    uint64_t *m = scan_alloc(s, bits / 64 + 1, sizeof *m);
    if (m == NULL) {
        return scan_no_memory(f);
    }
    memset(m, 0, (bits / 64 + 1) * sizeof *m);
    *ret = m;
    return OK;
}

err
group_mask(struct group_scan *s, struct fault *f, uint64_t **ret)
{
    return mask_of(s, s->rows, f, ret);
}

/* --- one condition over a vector --------------------------------------------------------------------------
 */

/* Values for which an ordered comparison of integers holds: [low, high], empty when low > high. */
struct range {
    int64_t low, high;
};

static bool
holds(const struct tql_cond *c, uint8_t type, int64_t i)
{
    struct tql_static v = {.i = i, .type = type};
    return tql_cond_eval(c, &v);
}

/* `<` and the like change their answer once along the integers: find where. */
static struct range
range_of(const struct tql_cond *c, uint8_t type)
{
    const bool at_low = holds(c, type, INT64_MIN);
    const bool at_high = holds(c, type, INT64_MAX);
    uint64_t a = 0; /* distances from INT64_MIN: like at_low at a, like at_high at b */
    uint64_t b = UINT64_MAX;
    if (at_low == at_high) {
        return at_low ? (struct range){INT64_MIN, INT64_MAX} : (struct range){1, 0};
    }
    while (b - a > 1) {
        uint64_t mid = a + (b - a) / 2;
        if (holds(c, type, (int64_t)(mid + (UINT64_C(1) << 63))) == at_low) {
            a = mid;
        } else {
            b = mid;
        }
    }
    int64_t low_end = (int64_t)(a + (UINT64_C(1) << 63));
    return at_low ? (struct range){INT64_MIN, low_end} : (struct range){low_end + 1, INT64_MAX};
}

/* Is the condition's answer over integers of `type` a range, or all but one? */
static bool
as_range(const struct tql_cond *c, uint8_t type, struct range *ret, bool *ret_inverted)
{
    *ret_inverted = false;
    if (c->op == TQL_OP_LT || c->op == TQL_OP_LTE || c->op == TQL_OP_GT || c->op == TQL_OP_GTE) {
        *ret = range_of(c, type);
        return true;
    }
    if ((c->op == TQL_OP_EQ || c->op == TQL_OP_NEQ) &&
        (c->value.type == TQL_INT || c->value.type == TQL_DURATION || c->value.type == TQL_STATUS ||
         c->value.type == TQL_KIND)) {
        struct tql_cond equal = *c;
        equal.op = TQL_OP_EQ;
        *ret = (struct range){c->value.i, c->value.i};
        *ret_inverted = c->op == TQL_OP_NEQ;
        return holds(&equal, type, c->value.i); /* else the types do not fit: one by one */
    }
    return false;
}

static void
ints_range(const struct slot_vector *v, struct range r, bool inverted, uint64_t *m)
{
    const int64_t *x = v->ints;
    const uint64_t flip = inverted ? UINT64_MAX : 0;
    for (size_t w = 0; w * 64 < v->count; w++) {
        const size_t n = v->count - w * 64 < 64 ? v->count - w * 64 : 64;
        uint64_t bits = 0;
        for (size_t i = 0; i < n; i++) {
            bits |= (uint64_t)(x[w * 64 + i] >= r.low && x[w * 64 + i] <= r.high) << i;
        }
        bits ^= flip;
        m[w] = n == 64 ? bits : bits & ((UINT64_C(1) << n) - 1);
    }
}

static err
ints_mask(struct group_scan *s, const struct tql_cond *c, const struct slot_vector *v, struct fault *f,
          uint64_t *m)
{
    struct tql_static nil = TQL_STATIC_NIL;
    const bool of_nil = tql_cond_eval(c, &nil);
    struct range r = {1, 0};
    bool inverted = false;
    err rc = OK;
    if (as_range(c, v->type, &r, &inverted)) {
        ints_range(v, r, inverted, m);
    } else {
        for (size_t i = 0; i < v->count; i++) {
            m[i / 64] |= (uint64_t)holds(c, v->type, v->ints[i]) << i % 64;
            TRY(scan_tick(s, f));
        }
    }
    for (size_t w = 0; v->present && w * 64 < v->count; w++) {
        const size_t n = v->count - w * 64 < 64 ? v->count - w * 64 : 64;
        const uint64_t all = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
        m[w] = (m[w] & v->present[w]) | (of_nil ? ~v->present[w] & all : 0);
    }
out:
    return rc;
}

static err
coded_mask(struct group_scan *s, const struct tql_cond *c, const struct slot_vector *v, struct fault *f,
           uint64_t *m)
{
    uint8_t *is = scan_alloc(s, v->dict_count, 1);
    uint32_t yes = 0;
    err rc = OK;
    if (is == NULL) {
        return scan_no_memory(f);
    }
    for (uint32_t i = 0; i < v->dict_count; i++) {
        is[i] = tql_cond_eval(c, &v->dict[i]);
        yes += is[i];
        TRY(scan_tick(s, f));
    }
    if (yes == v->dict_count) {
        mask_fill(m, v->count);
        return OK;
    }
    for (size_t w = 0; yes && w * 64 < v->count; w++) {
        const size_t n = v->count - w * 64 < 64 ? v->count - w * 64 : 64;
        const uint32_t *codes = v->codes + w * 64;
        uint64_t bits = 0;
        for (size_t i = 0; i < n; i++) {
            bits |= (uint64_t)is[codes[i]] << i;
        }
        m[w] = bits;
    }
out:
    return rc;
}

/* `m` is zeroed, one bit for each value. */
static err
vector_mask(struct group_scan *s, const struct tql_cond *c, const struct slot_vector *v, struct fault *f,
            uint64_t *m)
{
    return v->form == VECTOR_CODED ? coded_mask(s, c, v, f, m) : ints_mask(s, c, v, f, m);
}

static void
invert(uint64_t *m, size_t bits)
{
    for (size_t i = 0; i * 64 < bits; i++) {
        m[i] = ~m[i];
    }
    if (bits % 64) {
        m[bits / 64] &= (UINT64_C(1) << bits % 64) - 1;
    }
}

/* `span:id = "..."`: ids are compared as they are, not as text. */
static bool
asks_for_id(const struct group_scan *s, const struct tql_cond *c)
{
    return s->plan->compiler.slots.slots[c->slot].attr.intrinsic == TQL_INTRINSIC_SPAN_ID &&
           (c->op == TQL_OP_EQ || c->op == TQL_OP_NEQ) && c->value.type == TQL_STRING;
}

static err
ids_mask(struct group_scan *s, const struct tql_cond *c, struct fault *f, uint64_t *m)
{
    const slice text = tql_static_slice(&c->value);
    const span_id *ids = NULL;
    char again[2 * SPAN_ID_BYTES];
    span_id id;
    err rc = OK;
    bool is_id = hex_decode(text, id.b, sizeof id.b);
    if (is_id) { /* the text of an id has small letters */
        hex_encode(id.b, sizeof id.b, again);
        is_id = slice_eq(text, slice_of(again, sizeof again));
        TRY(group_span_ids(s, f, &ids));
    }
    for (size_t i = 0; is_id && i < s->rows; i++) {
        m[i / 64] |= (uint64_t)span_id_eq(&ids[i], &id) << i % 64;
    }
    if (c->op == TQL_OP_NEQ) {
        invert(m, s->rows);
    }
out:
    return rc;
}

/* `m` is zeroed, a bit for each row. */
static err
cond_rows(struct group_scan *s, const struct tql_cond *c, struct fault *f, uint64_t *m)
{
    const struct slot_vector *v = NULL;
    err rc = OK;
    if (asks_for_id(s, c)) {
        return ids_mask(s, c, f, m);
    }
    TRY(group_slot(s, c->slot, f, &v));
    rc = vector_mask(s, c, v, f, m);
out:
    return rc;
}

err
group_cond(struct group_scan *s, const struct tql_cond *c, struct fault *f, uint64_t *ret)
{
    bool never = false;
    memset(ret, 0, s->words * sizeof *ret);
    err rc = group_cond_never(s, c, f, &never);
    return rc != OK || never ? rc : cond_rows(s, c, f, ret);
}

/* --- programs as masks ------------------------------------------------------------------------------------
 */

bool
group_program_is_masks(const struct tql_program *p)
{
    const unsigned parts = 1U << TQL_LEVEL_EVENT | 1U << TQL_LEVEL_LINK;
    uint32_t depth = 0;
    if ((p->levels & parts) == parts || p->cond_count > GROUP_MASKS_MAX ||
        p->insn_count > 8 * GROUP_MASKS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < p->insn_count; i++) {
        const struct tql_insn *x = &p->insns[i];
        switch ((enum tql_code)x->code) {
        case TQL_CODE_COND:
            depth++;
            break;
        case TQL_CODE_CONST:
            if (p->consts[x->arg].type != TQL_BOOL) {
                return false;
            }
            depth++;
            break;
        case TQL_CODE_UNARY:
            if (x->op != TQL_OP_NOT) {
                return false;
            }
            break;
        case TQL_CODE_BINARY:
            if (x->op != TQL_OP_AND && x->op != TQL_OP_OR) {
                return false;
            }
            depth--;
            break;
        case TQL_CODE_JUMP_FALSE:
        case TQL_CODE_JUMP_TRUE:
            break;
        default:
            return false;
        }
        if (depth > GROUP_MASKS_MAX) {
            return false;
        }
    }
    return true;
}

/* What the bits of a program's masks stand for: rows, or entries of rows with their events or links. */
struct domain {
    const struct group_parts *parts; /* NULL: rows */
    size_t count;
};

/* A row without parts has one entry. */
static inline uint32_t
entries_of(const struct group_parts *p, size_t row)
{
    const uint32_t n = p->first[row + 1] - p->first[row];
    return n ? n : 1;
}

static err
domain_of(struct group_scan *s, const struct tql_program *p, struct fault *f, struct domain *ret)
{
    err rc = OK;
    *ret = (struct domain){.count = s->rows};
    if (p->levels & 1U << TQL_LEVEL_EVENT) {
        TRY(group_parts(s, TQL_LEVEL_EVENT, f, &ret->parts));
    } else if (p->levels & 1U << TQL_LEVEL_LINK) {
        TRY(group_parts(s, TQL_LEVEL_LINK, f, &ret->parts));
    }
    if (ret->parts) {
        ret->count = 0;
        for (size_t r = 0; r < s->rows; r++) {
            ret->count += entries_of(ret->parts, r);
        }
    }
out:
    return rc;
}

/* Bits of rows (or, with `elements`, of parts) to bits of entries. */
static void
expand(const struct domain *d, size_t rows, const uint64_t *from, bool elements, bool of_none, uint64_t *to)
{
    size_t at = 0;
    for (size_t r = 0; r < rows; r++) {
        const uint32_t first = d->parts->first[r];
        const uint32_t n = d->parts->first[r + 1] - first;
        if (n == 0) {
            bool bit = elements ? of_none : mask_has(from, r);
            to[at / 64] |= (uint64_t)bit << at % 64;
            at++;
        }
        for (uint32_t i = 0; i < n; i++, at++) {
            bool bit = mask_has(from, elements ? first + i : r);
            to[at / 64] |= (uint64_t)bit << at % 64;
        }
    }
}

static err
cond_entries(struct group_scan *s, const struct domain *d, const struct tql_cond *c, struct fault *f,
             uint64_t *ret)
{
    const bool elements = slot_is_part(&s->plan->compiler.slots.slots[c->slot]);
    const struct slot_vector *v = NULL;
    struct tql_static nil = TQL_STATIC_NIL;
    uint64_t *m = NULL;
    err rc = OK;
    if (!d->parts) {
        return cond_rows(s, c, f, ret);
    }
    TRY(group_slot(s, c->slot, f, &v));
    TRY(mask_of(s, v->count, f, &m));
    TRY(vector_mask(s, c, v, f, m));
    expand(d, s->rows, m, elements, tql_cond_eval(c, &nil), ret);
out:
    return rc;
}

static void
combine(uint8_t op, uint64_t *a, const uint64_t *b, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        a[i] = op == TQL_OP_AND ? a[i] & b[i] : a[i] | b[i];
    }
}

/* `a && b` whose left side is empty needs no right side: go on behind it. */
static bool
jumps(const struct tql_insn *x, const uint64_t *top, size_t words)
{
    return x->code == TQL_CODE_JUMP_FALSE && !mask_any(top, words);
}

static err
run_masks(struct group_scan *s, const struct tql_program *p, const struct domain *d, const uint8_t *never,
          struct fault *f, uint64_t **ret)
{
    uint64_t *stack[GROUP_MASKS_MAX + 1] = {NULL};
    const size_t words = (d->count + 63) / 64;
    size_t depth = 0;
    err rc = OK;
    for (uint32_t i = 0; i < p->insn_count; i++) {
        const struct tql_insn *x = &p->insns[i];
        switch ((enum tql_code)x->code) {
        case TQL_CODE_COND:
            TRY(mask_of(s, d->count, f, &stack[depth]));
            TRY(never[x->arg] ? OK : cond_entries(s, d, &p->conds[x->arg], f, stack[depth]));
            depth++;
            break;
        case TQL_CODE_CONST:
            TRY(mask_of(s, d->count, f, &stack[depth]));
            if (p->consts[x->arg].b) {
                mask_fill(stack[depth], d->count);
            }
            depth++;
            break;
        case TQL_CODE_UNARY:
            if (depth) { /* always */
                invert(stack[depth - 1], d->count);
            }
            break;
        case TQL_CODE_BINARY:
            depth--;
            combine(x->op, stack[depth - 1], stack[depth], words);
            break;
        default:
            if (jumps(x, stack[depth - 1], words)) {
                i = x->arg - 1;
            }
            break;
        }
    }
    if (stack[0] == NULL) { /* never: a program leaves one value */
        return scan_no_memory(f);
    }
    *ret = stack[0];
out:
    return rc;
}

static void
reduce(const struct domain *d, size_t rows, const uint64_t *entries, uint64_t *ret)
{
    size_t at = 0;
    for (size_t r = 0; r < rows; r++) {
        bool any = false;
        for (uint32_t n = entries_of(d->parts, r); n > 0; n--, at++) {
            any = any || mask_has(entries, at);
        }
        ret[r / 64] |= (uint64_t)any << r % 64;
    }
}

static err
program_masks(struct group_scan *s, const struct tql_program *p, const uint8_t *never, const uint64_t *among,
              struct fault *f, uint64_t *ret)
{
    struct domain d;
    uint64_t *entries = NULL;
    uint64_t *rows = NULL;
    err rc = OK;
    TRY(domain_of(s, p, f, &d));
    TRY(run_masks(s, p, &d, never, f, &entries));
    rows = entries;
    if (d.parts) {
        TRY(group_mask(s, f, &rows));
        reduce(&d, s->rows, entries, rows);
    }
    for (size_t i = 0; i < s->words; i++) { /* `among` may be `ret` */
        ret[i] = rows[i] & (among ? among[i] : UINT64_MAX);
    }
out:
    return rc;
}

/* --- programs row by row ----------------------------------------------------------------------------------
 */

struct reader {
    const struct tql_program *p;
    const uint32_t *slots; /* it reads */
    const struct slot_vector **vectors;
    uint32_t count;
    const struct group_parts *events, *links; /* NULL when it reads none */
};

static err
reader_open(struct group_scan *s, const struct tql_program *p, struct fault *f, struct reader *r)
{
    uint32_t *slots = scan_alloc(s, p->insn_count + (size_t)1, sizeof *slots);
    err rc = OK;
    *r = (struct reader){.p = p, .slots = slots};
    r->vectors = scan_alloc(s, p->insn_count + (size_t)1, sizeof(void *));
    if (!slots || !r->vectors) {
        return scan_no_memory(f);
    }
    for (uint32_t i = 0; i < p->insn_count; i++) {
        const struct tql_insn *x = &p->insns[i];
        if (x->code == TQL_CODE_SLOT || x->code == TQL_CODE_COND) {
            uint32_t slot = x->code == TQL_CODE_SLOT ? x->arg : p->conds[x->arg].slot;
            slots[r->count] = slot;
            TRY(group_slot(s, slot, f, &r->vectors[r->count]));
            r->count++;
        }
    }
    if (p->levels & 1U << TQL_LEVEL_EVENT) {
        TRY(group_parts(s, TQL_LEVEL_EVENT, f, &r->events));
    }
    if (p->levels & 1U << TQL_LEVEL_LINK) {
        TRY(group_parts(s, TQL_LEVEL_LINK, f, &r->links));
    }
out:
    return rc;
}

/* The slots of a row with one event and link; UINT32_MAX = none. */
static void
fill_line(struct group_scan *s, const struct reader *r, size_t row, uint32_t event, uint32_t link)
{
    for (uint32_t i = 0; i < r->count; i++) {
        const struct tql_slot *slot = &s->plan->compiler.slots.slots[r->slots[i]];
        uint32_t at = slot->level == TQL_LEVEL_EVENT  ? event
                      : slot->level == TQL_LEVEL_LINK ? link
                                                      : (uint32_t)row;
        s->priv->line[r->slots[i]] = at == UINT32_MAX ? TQL_STATIC_NIL : vector_at(r->vectors[i], at);
    }
}

/* The program's value for a row; with parts that of the first combination for which `wanted` holds. */
static err
row_value(struct group_scan *s, const struct reader *r, size_t row,
          bool (*wanted)(const struct tql_static *v), struct fault *f, struct tql_static *ret)
{
    const uint32_t events = r->events ? r->events->first[row + 1] - r->events->first[row] : 0;
    const uint32_t links = r->links ? r->links->first[row + 1] - r->links->first[row] : 0;
    err rc = OK;
    for (uint32_t e = 0; e < (events ? events : 1); e++) {
        for (uint32_t l = 0; l < (links ? links : 1); l++) {
            fill_line(s, r, row, events ? r->events->first[row] + e : UINT32_MAX,
                      links ? r->links->first[row] + l : UINT32_MAX);
            TRY(scan_tick(s, f));
            TRY(tql_program_eval(r->p, s->priv->line, s->priv->stack, f, ret));
            if (wanted(ret)) {
                return OK;
            }
        }
    }
    *ret = TQL_STATIC_NIL;
out:
    return rc;
}

/* `lenient`: a row with a run-time error is kept. */
static err
program_rows(struct group_scan *s, const struct tql_program *p, const uint64_t *among, bool lenient,
             struct fault *f, uint64_t *ret)
{
    struct reader r;
    err rc = OK;
    TRY(reader_open(s, p, f, &r));
    uint64_t *out = NULL; /* `among` may be `ret` */
    TRY(group_mask(s, f, &out));
    for (size_t row = 0; row < s->rows; row++) {
        struct tql_static v;
        row = among ? mask_next(among, row, s->rows) : row;
        if (row == s->rows) {
            break;
        }
        rc = row_value(s, &r, row, tql_static_is_true, lenient ? NULL : f, &v);
        if (lenient && (rc == ERR_INVALID || rc == ERR_UNSUPPORTED)) {
            v = tql_static_bool(true);
            rc = OK;
        } else if (lenient && rc != OK) {
            rc = query_guard_check(s->priv->guard, f);
        }
        TRY(rc);
        out[row / 64] |= (uint64_t)tql_static_is_true(&v) << row % 64;
    }
    memcpy(ret, out, s->words * sizeof *ret);
out:
    return rc;
}

/* `among` may be `ret`. */
static void
same_for_all(const struct group_scan *s, bool kept, const uint64_t *among, uint64_t *ret)
{
    memset(ret, 0, (!kept || !among ? s->words : 0) * sizeof *ret);
    if (kept && among) {
        memmove(ret, among, s->words * sizeof *ret);
    } else if (kept) {
        mask_fill(ret, s->rows);
    }
}

err
group_program(struct group_scan *s, const struct tql_program *p, const uint64_t *among, struct fault *f,
              uint64_t *ret)
{
    const bool masks = group_program_is_masks(p);
    uint8_t never[GROUP_MASKS_MAX] = {0};
    enum group_answer known = GROUP_MAYBE;
    err rc = OK;
    if (s->rows == 0) {
        return OK;
    }
    TRY(group_program_known(s, p, masks ? never : NULL, f, &known));
    if (known != GROUP_MAYBE) {
        same_for_all(s, known == GROUP_YES, among, ret);
    } else if (masks) {
        rc = program_masks(s, p, never, among, f, ret);
    } else {
        rc = program_rows(s, p, among, false, f, ret);
    }
out:
    return rc;
}

err
group_program_may(struct group_scan *s, const struct tql_program *p, const uint64_t *among, struct fault *f,
                  uint64_t *ret)
{
    return program_rows(s, p, among, true, f, ret);
}

err
group_filter(struct group_scan *s, uint32_t filter, const uint64_t *among, struct fault *f, uint64_t *ret)
{
    const struct tql_filter *x = &s->plan->filters[filter];
    if (x->never || x->always) {
        same_for_all(s, x->always, among, ret);
        return OK;
    }
    return group_program(s, &x->program, among, f, ret);
}
