/* Which conditions no value of a row group satisfies, told before any of them is read: from the bounds in the
 * footer, the Bloom filters, and which columns are empty. What the file does not say, or in a way that is not
 * understood, counts as "some value may". */
#include "columns_priv.h"

/* --- a column ---------------------------------------------------------------------------------------------
 */

/* Every value of a column but NaN lies in [min, max]; nil: there is no such bound. */
struct value_bounds {
    uint8_t type; /* of the values, as the language sees them */
    struct tql_static min, max;
};

static const struct parquet_chunk *
chunk_of(const struct group_scan *s, int32_t leaf)
{
    return parquet_meta_chunk(s->priv->file.meta, s->row_group, (size_t)leaf);
}

/* A bound as a value; nil when it is none of the column's type. `type`: of whole numbers. */
static struct tql_static
value_of_bound(enum parquet_type stored, slice bound, uint8_t type)
{
    struct tql_static v = {.type = type};
    int32_t narrow = 0;
    if (bound.p == NULL) {
        return TQL_STATIC_NIL;
    }
    if (stored == PARQUET_BYTE_ARRAY) {
        return tql_static_string(bound);
    }
    if (stored == PARQUET_BOOLEAN && bound.n == 1) {
        return tql_static_bool(bound.p[0] != 0);
    }
    if (stored == PARQUET_DOUBLE && bound.n == sizeof v.f) {
        memcpy(&v.f, bound.p, sizeof v.f);
        return tql_static_float(v.f);
    }
    if (stored == PARQUET_INT64 && bound.n == sizeof v.i) {
        memcpy(&v.i, bound.p, sizeof v.i); /* little-endian, as is every machine this runs on */
        return v;
    }
    if (stored == PARQUET_INT32 && bound.n == sizeof narrow) {
        memcpy(&narrow, bound.p, sizeof narrow);
        v.i = narrow;
        return v;
    }
    return TQL_STATIC_NIL;
}

static uint8_t
type_of(enum parquet_type stored, uint8_t whole)
{
    switch (stored) {
    case PARQUET_INT32:
    case PARQUET_INT64:
        return whole;
    case PARQUET_DOUBLE:
        return TQL_FLOAT;
    case PARQUET_BOOLEAN:
        return TQL_BOOL;
    case PARQUET_BYTE_ARRAY:
        return TQL_STRING;
    default:
        return TQL_NIL;
    }
}

/* Numbers that compare as the values do: status, kind and booleans know equality alone. */
static struct tql_static
as_ordered(const struct tql_static *v)
{
    switch (v->type) {
    case TQL_STATUS:
    case TQL_KIND:
        return tql_static_int(v->i);
    case TQL_BOOL:
        return tql_static_int(v->b);
    default:
        return *v;
    }
}

/* Is a known to be less than b? */
static bool
is_less(const struct tql_static *a, const struct tql_static *b)
{
    const struct tql_static x = as_ordered(a);
    const struct tql_static y = as_ordered(b);
    bool less = false;
    return tql_static_compare(TQL_OP_LT, &x, &y, &less, NULL) == OK && less;
}

/* Bounds that do not follow the order of the language are none: unsigned numbers, files that do not say which
 * order they mean, and nonsense. */
static struct value_bounds
bounds_of(const struct group_scan *s, int32_t leaf, uint8_t whole)
{
    const struct parquet_meta *m = s->priv->file.meta;
    const struct parquet_field *field = &parquet_schema_column(m->schema, (size_t)leaf)->field;
    const struct parquet_bounds *b = &chunk_of(s, leaf)->bounds;
    const enum parquet_order order = parquet_order_of(field->type, field->logical);
    struct value_bounds v = {.type = type_of(field->type, whole)};
    if (!m->typed_order || order == PARQUET_ORDER_NONE ||
        (order == PARQUET_ORDER_UNSIGNED && field->type != PARQUET_BOOLEAN)) {
        return v;
    }
    v.min = value_of_bound(field->type, b->min, whole);
    v.max = value_of_bound(field->type, b->max, whole);
    if (is_less(&v.max, &v.min)) {
        v.min = v.max = TQL_STATIC_NIL;
    }
    return v;
}

/* Do values of the types compare at all? Elsewise every comparison is false, `!=` too. */
static bool
types_fit(uint8_t a, uint8_t b)
{
    return a == b || (tql_type_is_numeric(a) && tql_type_is_numeric(b));
}

static bool
has_order(uint8_t type)
{
    return tql_type_is_numeric(type) || type == TQL_STRING;
}

/* Comparisons with a number or a string change their answer once along the values, whatever is rounded on the
 * way: when the outermost value fails, all do. No comparison but `!=` holds for NaN. */
static bool
bounds_may_hold(const struct value_bounds *b, const struct tql_cond *c)
{
    const struct tql_static *outermost = c->op == TQL_OP_LT || c->op == TQL_OP_LTE ? &b->min : &b->max;
    if (b->type == TQL_NIL || c->value.type == TQL_NIL || tql_type_is_array(c->value.type)) {
        return true;
    }
    switch ((enum tql_op)c->op) {
    case TQL_OP_EQ:
        return types_fit(b->type, c->value.type) && !is_less(&c->value, &b->min) &&
               !is_less(&b->max, &c->value);
    case TQL_OP_LT:
    case TQL_OP_LTE:
    case TQL_OP_GT:
    case TQL_OP_GTE:
        return types_fit(b->type, c->value.type) && has_order(b->type) &&
               (outermost->type == TQL_NIL || tql_cond_eval(c, outermost));
    case TQL_OP_NEQ:
        return types_fit(b->type, c->value.type);
    case TQL_OP_RE:
    case TQL_OP_NRE:
        return b->type == TQL_STRING;
    default:
        return true;
    }
}

/* May the filter of the column hold the string? Two small reads. */
static err
filter_may_hold(struct group_scan *s, int32_t leaf, slice value, struct fault *f, bool *ret)
{
    const struct parquet_chunk *chunk = chunk_of(s, leaf);
    *ret = true;
    if (chunk->bloom_offset == 0) {
        return OK;
    }
    err rc = parquet_bloom_check(&s->priv->file, chunk, parquet_bloom_hash(value), f, ret);
    if (rc == ERR_NOT_FOUND || rc == ERR_UNSUPPORTED) { /* of a kind that is not known here */
        *ret = true;
        rc = OK;
    }
    return rc;
}

/* May a value of the column satisfy it? `whole`: the type its whole numbers have. */
static err
column_may_hold(struct group_scan *s, int32_t leaf, uint8_t whole, const struct tql_cond *c, struct fault *f,
                bool *ret)
{
    *ret = true;
    if (leaf < 0) {
        return OK;
    }
    const struct value_bounds b = bounds_of(s, leaf, whole);
    *ret = !raw_is_empty(s, leaf) && bounds_may_hold(&b, c);
    if (*ret && c->op == TQL_OP_EQ && c->value.type == TQL_STRING && b.type == TQL_STRING) {
        return filter_may_hold(s, leaf, tql_static_slice(&c->value), f, ret);
    }
    return OK;
}

/* --- what a slot may be ------------------------------------------------------------------------------------
 */

/* An attribute stands in a column for each of its types, and in the generic list. */
static err
attr_may_hold(struct group_scan *s, enum owner owner, slice key, const struct tql_cond *c, struct fault *f,
              bool *ret)
{
    static const uint8_t kinds[] = {VALUE_STRING, VALUE_INT, VALUE_DOUBLE, VALUE_BOOL};
    const struct block_schema *schema = s->priv->schema;
    err rc = OK;
    *ret = false;
    for (size_t i = 0; i < sizeof kinds && !*ret; i++) {
        const struct block_attr_column *a =
            block_schema_attr(schema, (enum block_scope)owner, (enum value_kind)kinds[i], key);
        if (a) {
            TRY(column_may_hold(s, a->column, TQL_INT, c, f, ret));
        }
    }
    if (!*ret) {
        rc = attr_may_be_generic(s, owner, key, f, ret);
    }
out:
    return rc;
}

static err
attribute_may_hold(struct group_scan *s, const struct tql_attr *a, const struct tql_cond *c, struct fault *f,
                   bool *ret)
{
    const struct tql_static empty = tql_static_string(SL_EMPTY);
    err rc = OK;
    switch ((enum tql_scope)a->scope) {
    case TQL_SCOPE_SPAN:
        return attr_may_hold(s, OWNER_ROW, a->name, c, f, ret);
    case TQL_SCOPE_EVENT:
        return attr_may_hold(s, OWNER_EVENT, a->name, c, f, ret);
    case TQL_SCOPE_LINK:
        return attr_may_hold(s, OWNER_LINK, a->name, c, f, ret);
    case TQL_SCOPE_INSTRUMENTATION:
        return context_may_hold(s, s->priv->scopes, a->name, c, f, ret);
    case TQL_SCOPE_RESOURCE:
        /* not by their columns, which do not hold every value; a missing service.name is empty */
        if (slice_eq(a->name, SL("service.name")) && tql_cond_eval(c, &empty)) {
            return OK;
        }
        return context_may_hold(s, s->priv->resources, a->name, c, f, ret);
    default:
        TRY(attr_may_hold(s, OWNER_ROW, a->name, c, f, ret));
        rc = *ret ? OK : context_may_hold(s, s->priv->resources, a->name, c, f, ret);
        break;
    }
out:
    return rc;
}

/* Durations stand as unsigned numbers, those of spans that end before they begin as the largest ones, which
 * signed bounds take for negative; the language has zero for them, as long as no span begins so early that
 * such a number is a long duration. */
static bool
duration_may_hold(const struct group_scan *s, const struct tql_cond *c)
{
    const int32_t *leaf = s->priv->schema->column;
    const struct value_bounds starts = bounds_of(s, leaf[BLOCK_START], TQL_INT);
    struct value_bounds b = bounds_of(s, leaf[BLOCK_DURATION], TQL_DURATION);
    if (starts.min.type == TQL_NIL || starts.min.i < 0 || b.min.type == TQL_NIL || b.min.i < -starts.min.i) {
        return true;
    }
    b.min.i = b.min.i < 0 ? 0 : b.min.i;
    b.max.i = b.max.i < 0 ? 0 : b.max.i;
    return bounds_may_hold(&b, c);
}

/* The same of whole traces, where what is negative counts as very long. */
static bool
trace_duration_may_hold(const struct group_scan *s, const struct tql_cond *c)
{
    const struct value_bounds b = bounds_of(s, s->priv->schema->column[BLOCK_TRACE_DURATION], TQL_DURATION);
    return b.min.type == TQL_NIL || b.min.i < 0 || bounds_may_hold(&b, c);
}

/* `trace:id = "..."`: without its leading zeros, and the column has all 32 digits. */
static err
trace_id_may_hold(struct group_scan *s, const struct tql_cond *c, struct fault *f, bool *ret)
{
    const slice text = tql_static_slice(&c->value);
    struct tql_cond whole = *c;
    char digits[2 * TRACE_ID_BYTES];
    if (c->op != TQL_OP_EQ || c->value.type != TQL_STRING) {
        return OK;
    }
    if (text.n == 0 || text.n > sizeof digits || (text.n > 1 && text.p[0] == '0')) {
        *ret = false;
        return OK;
    }
    memset(digits, '0', sizeof digits);
    memcpy(digits + sizeof digits - text.n, text.p, text.n);
    whole.value = tql_static_string(slice_of(digits, sizeof digits));
    return column_may_hold(s, s->priv->schema->column[BLOCK_TRACE_ID], TQL_STRING, &whole, f, ret);
}

/* Intrinsics whose values are those of a column. */
static const struct {
    enum block_column column;
    uint8_t type; /* TQL_NIL: it is no such intrinsic */
} plain_columns[] = {
    [TQL_INTRINSIC_NAME] = {BLOCK_NAME, TQL_STRING},
    [TQL_INTRINSIC_STATUS] = {BLOCK_STATUS_CODE, TQL_STATUS},
    [TQL_INTRINSIC_STATUS_MESSAGE] = {BLOCK_STATUS_MESSAGE, TQL_STRING},
    [TQL_INTRINSIC_KIND] = {BLOCK_KIND, TQL_KIND},
    [TQL_INTRINSIC_SPAN_CHILD_COUNT] = {BLOCK_CHILD_COUNT, TQL_INT},
    [TQL_INTRINSIC_NESTED_SET_LEFT] = {BLOCK_NESTED_LEFT, TQL_INT},
    [TQL_INTRINSIC_NESTED_SET_RIGHT] = {BLOCK_NESTED_RIGHT, TQL_INT},
    [TQL_INTRINSIC_NESTED_SET_PARENT] = {BLOCK_NESTED_PARENT, TQL_INT},
    [TQL_INTRINSIC_TRACE_ROOT_NAME] = {BLOCK_ROOT_NAME, TQL_STRING},
    [TQL_INTRINSIC_TRACE_ROOT_SERVICE] = {BLOCK_ROOT_SERVICE, TQL_STRING},
    [TQL_INTRINSIC_EVENT_NAME] = {BLOCK_EVENT_NAME, TQL_STRING},
};

/* Random ids have neither bounds nor filters; other intrinsics are computed. */
static err
intrinsic_may_hold(struct group_scan *s, uint8_t intrinsic, const struct tql_cond *c, struct fault *f,
                   bool *ret)
{
    if (intrinsic == TQL_INTRINSIC_DURATION) {
        *ret = duration_may_hold(s, c);
        return OK;
    }
    if (intrinsic == TQL_INTRINSIC_TRACE_DURATION) {
        *ret = trace_duration_may_hold(s, c);
        return OK;
    }
    if (intrinsic == TQL_INTRINSIC_TRACE_ID) {
        return trace_id_may_hold(s, c, f, ret);
    }
    if (intrinsic < sizeof plain_columns / sizeof *plain_columns && plain_columns[intrinsic].type) {
        const int32_t leaf = s->priv->schema->column[plain_columns[intrinsic].column];
        return column_may_hold(s, leaf, plain_columns[intrinsic].type, c, f, ret);
    }
    return OK;
}

err
group_cond_never(struct group_scan *s, const struct tql_cond *c, struct fault *f, bool *ret)
{
    const struct tql_slot *slot = &s->plan->compiler.slots.slots[c->slot];
    const int32_t *leaf = s->priv->schema->column;
    const struct tql_static nil = TQL_STATIC_NIL;
    bool maybe = true;
    err rc = OK;
    *ret = false;
    if (tql_cond_eval(c, &nil)) {
        return OK; /* what is not there satisfies it */
    }
    if (slot_is_part(slot)) { /* every event and link has this column */
        maybe =
            !raw_is_empty(s, leaf[slot->level == TQL_LEVEL_EVENT ? BLOCK_EVENT_DROPPED : BLOCK_LINK_DROPPED]);
    }
    if (maybe && slot->attr.intrinsic == TQL_INTRINSIC_NONE) {
        TRY(attribute_may_hold(s, &slot->attr, c, f, &maybe));
    } else if (maybe) {
        TRY(intrinsic_may_hold(s, slot->attr.intrinsic, c, f, &maybe));
    }
    *ret = !maybe;
out:
    return rc;
}

/* --- a program --------------------------------------------------------------------------------------------
 */

static enum group_answer
opposite(enum group_answer a)
{
    return a == GROUP_NO ? GROUP_YES : a == GROUP_YES ? GROUP_NO : GROUP_MAYBE;
}

static enum group_answer
both(uint8_t op, enum group_answer a, enum group_answer b)
{
    const enum group_answer decides = op == TQL_OP_AND ? GROUP_NO : GROUP_YES;
    return a == decides || b == decides ? decides : a == b ? a : GROUP_MAYBE;
}

/* As a row would run it, conditions that no value satisfies being false. Whatever may fail at run time, or is
 * neither a condition nor a boolean, ends it: nothing is known then. */
err
group_program_known(struct group_scan *s, const struct tql_program *p, uint8_t *never, struct fault *f,
                    enum group_answer *ret)
{
    enum group_answer stack[GROUP_MASKS_MAX + 1] = {GROUP_MAYBE};
    size_t depth = 0;
    bool is_never = false;
    err rc = OK;
    *ret = GROUP_MAYBE;
    for (uint32_t i = 0; i < p->insn_count; i++) {
        const struct tql_insn *x = &p->insns[i];
        if (x->code == TQL_CODE_COND && depth < GROUP_MASKS_MAX) {
            TRY(group_cond_never(s, &p->conds[x->arg], f, &is_never));
            stack[depth++] = is_never ? GROUP_NO : GROUP_MAYBE;
            if (never) {
                never[x->arg] = is_never;
            }
        } else if (x->code == TQL_CODE_CONST && depth < GROUP_MASKS_MAX &&
                   p->consts[x->arg].type == TQL_BOOL) {
            stack[depth++] = p->consts[x->arg].b ? GROUP_YES : GROUP_NO;
        } else if (x->code == TQL_CODE_UNARY && x->op == TQL_OP_NOT && depth) {
            stack[depth - 1] = opposite(stack[depth - 1]);
        } else if (x->code == TQL_CODE_BINARY && (x->op == TQL_OP_AND || x->op == TQL_OP_OR) && depth > 1) {
            depth--;
            stack[depth - 1] = both(x->op, stack[depth - 1], stack[depth]);
        } else if ((x->code == TQL_CODE_JUMP_FALSE || x->code == TQL_CODE_JUMP_TRUE) && depth) {
            if (stack[depth - 1] == (x->code == TQL_CODE_JUMP_FALSE ? GROUP_NO : GROUP_YES)) {
                i = x->arg - 1;
            }
        } else {
            return OK;
        }
    }
    *ret = stack[0];
out:
    return rc;
}
