/* Attributes as vectors: an attribute may stand in a column for each of its types and in the generic list of
 * its owner; the first of its owner counts. */
#include "columns_priv.h"

#include "vivace/codec/wire.h"

static const enum block_column generic_first[] = {BLOCK_SPAN_GENERIC, BLOCK_EVENT_GENERIC,
                                                  BLOCK_LINK_GENERIC};
static const enum block_column order_of[] = {BLOCK_ORDER, BLOCK_EVENT_ORDER, BLOCK_LINK_ORDER};

/* --- one column -------------------------------------------------------------------------------------------
 */

struct tql_static
value_static(const struct raw_column *raw, size_t i, uint8_t type)
{
    switch (raw->type) {
    case PARQUET_INT32:
        return (struct tql_static){.i = raw->values.i32[i], .type = type};
    case PARQUET_INT64:
        return (struct tql_static){.i = raw->values.i64[i], .type = type};
    case PARQUET_DOUBLE:
        return tql_static_float(raw->values.f64[i]);
    case PARQUET_BOOLEAN:
        return tql_static_bool(raw->values.bools[i] != 0);
    case PARQUET_BYTE_ARRAY:
        return tql_static_string(raw->values.bytes[i]);
    default:
        return TQL_STATIC_NIL;
    }
}

/* Is there an entry for each row and nothing else, so that entry i is row i? */
static bool
is_flat(const struct raw_column *raw, enum owner owner, size_t owners)
{
    return owner == OWNER_ROW && raw->max_rep == 0 && raw->level_count == owners;
}

void
codes_plus_one(const uint32_t *codes, size_t n, uint32_t *restrict ret)
{
    for (size_t i = 0; i < n; i++) {
        ret[i] = codes[i] + 1;
    }
}

/* Codes of rows that have a value. */
static void
flat_codes(const struct raw_column *raw, size_t words, uint32_t *codes)
{
    const uint32_t *from = raw->codes;
    uint32_t value = 0;
    for (size_t w = 0; w < words; w++) {
        for (uint64_t bits = raw->present[w]; bits; bits &= bits - 1) {
            codes[w * 64 + (size_t)__builtin_ctzll(bits)] = (from ? from[value] : value) + 1;
            value++;
        }
    }
}

/* Codes by owner: the code of its value + 1, 0 when it has none. */
static err
place_codes(struct group_scan *s, const struct raw_column *raw, enum owner owner, size_t owners,
            struct fault *f, const uint32_t **ret)
{
    uint32_t *codes = scan_alloc(s, owners + 1, sizeof *codes);
    const uint32_t *of = NULL;
    err rc = OK;
    if (codes == NULL) {
        return scan_no_memory(f);
    }
    *ret = codes;
    if (is_flat(raw, owner, owners) && raw->present) {
        memset(codes, 0, owners * sizeof *codes);
        flat_codes(raw, s->words, codes);
        return OK;
    }
    if (is_flat(raw, owner, owners) && raw->value_count == owners) {
        if (raw->codes) {
            codes_plus_one(raw->codes, owners, codes);
        }
        for (size_t i = 0; i < owners && !raw->codes; i++) {
            codes[i] = (uint32_t)i + 1;
        }
        return OK;
    }
    TRY(raw_values_of(s, raw, owner_def(owner), owners, f, &of));
    for (size_t i = 0; i < owners; i++) {
        codes[i] = of[i] == UINT32_MAX ? 0 : (raw->codes ? raw->codes[of[i]] : of[i]) + 1;
    }
out:
    return rc;
}

/* Whole numbers by owner; `of` NULL: owner i's is value i. */
static void
place_ints(const struct raw_column *raw, size_t owners, const uint32_t *of, int64_t *ints, uint64_t *present)
{
    const bool wide = raw->type == PARQUET_INT64;
    for (size_t i = 0; of && i < owners; i++) {
        ints[i] = of[i] == UINT32_MAX ? 0 : wide ? raw->values.i64[of[i]] : raw->values.i32[of[i]];
        present[i / 64] |= (uint64_t)(of[i] != UINT32_MAX) << i % 64;
    }
    for (size_t i = 0; !of && !wide && i < owners; i++) {
        ints[i] = raw->values.i32[i];
    }
}

static err
ints_vector(struct group_scan *s, const struct raw_column *raw, enum owner owner, size_t owners, uint8_t type,
            struct fault *f, struct slot_vector *ret)
{
    const bool all = raw->def == NULL && raw->value_count == owners;
    const uint32_t *of = NULL;
    uint64_t *present = NULL;
    err rc = OK;
    *ret = (struct slot_vector){.form = VECTOR_INTS, .type = type, .count = owners};
    if (all && raw->type == PARQUET_INT64) {
        ret->ints = raw->values.i64;
        return OK;
    }
    int64_t *ints = scan_alloc(s, owners + 1, sizeof *ints);
    if (ints == NULL) {
        return scan_no_memory(f);
    }
    if (!all || !is_flat(raw, owner, owners)) {
        present = scan_alloc(s, owners / 64 + 1, sizeof *present);
        if (present == NULL) {
            return scan_no_memory(f);
        }
        memset(present, 0, (owners / 64 + 1) * sizeof *present);
        TRY(raw_values_of(s, raw, owner_def(owner), owners, f, &of));
    }
    place_ints(raw, owners, of, ints, present);
    ret->ints = ints;
    ret->present = raw->value_count == owners ? NULL : present;
out:
    return rc;
}

err
raw_vector(struct group_scan *s, const struct raw_column *raw, enum owner owner, size_t owners, uint8_t type,
           struct fault *f, struct slot_vector *ret)
{
    err rc = OK;
    if (raw->codes == NULL && (raw->type == PARQUET_INT32 || raw->type == PARQUET_INT64)) {
        return ints_vector(s, raw, owner, owners, type, f, ret);
    }
    /* a required column's codes are the vector's */
    const bool bare = raw->codes && raw->max_def == 0 && is_flat(raw, owner, owners);
    const uint32_t nils = bare ? 0 : 1;
    struct tql_static *dict = scan_alloc(s, raw->values.count + 1, sizeof *dict);
    if (dict == NULL) {
        return scan_no_memory(f);
    }
    dict[0] = TQL_STATIC_NIL;
    for (size_t i = 0; i < raw->values.count; i++) {
        dict[i + nils] = value_static(raw, i, type);
    }
    *ret = (struct slot_vector){.form = VECTOR_CODED,
                                .type = type,
                                .count = owners,
                                .codes = raw->codes,
                                .dict = dict,
                                .dict_count = (uint32_t)raw->values.count + nils};
    if (!bare) {
        TRY(place_codes(s, raw, owner, owners, f, &ret->codes));
    }
out:
    return rc;
}

/* --- several into one -------------------------------------------------------------------------------------
 */

static err
to_coded(struct group_scan *s, const struct slot_vector *v, struct fault *f, struct slot_vector *ret)
{
    if (v->form == VECTOR_CODED) {
        *ret = *v;
        return OK;
    }
    struct tql_static *dict = scan_alloc(s, v->count + 1, sizeof *dict);
    uint32_t *codes = scan_alloc(s, v->count + 1, sizeof *codes);
    uint32_t n = 1;
    if (!dict || !codes) {
        return scan_no_memory(f);
    }
    dict[0] = TQL_STATIC_NIL;
    for (size_t i = 0; i < v->count; i++) {
        dict[n] = vector_at(v, i);
        codes[i] = dict[n].type == TQL_NIL ? 0 : n;
        n += dict[n].type != TQL_NIL;
    }
    *ret = (struct slot_vector){.form = VECTOR_CODED,
                                .type = v->type,
                                .count = v->count,
                                .codes = codes,
                                .dict = dict,
                                .dict_count = n};
    return OK;
}

/* Where an attribute stands. */
struct place {
    struct slot_vector v; /* coded */
    uint8_t kind;         /* enum value_kind of a column; VALUE_NONE: the generic list */
};

struct places {
    struct place v[VALUE_BYTES + 1];
    size_t count;
    enum owner owner;
    slice key;
    const struct raw_column *order; /* NULL until asked for */
};

/* Which place holds the first attribute of the key: attribute_order tells. */
static err
first_place(struct group_scan *s, struct places *p, size_t owner, struct fault *f, size_t *ret)
{
    err rc = OK;
    if (p->order == NULL) {
        TRY(raw_fixed(s, order_of[p->owner], f, &p->order));
    }
    if (owner >= p->order->value_count) {
        return scan_corrupt(s, "attribute_order ends early", f);
    }
    struct wire_reader in =
        wire_reader_of(p->order->values.bytes[p->order->codes ? p->order->codes[owner] : owner]);
    while (in.p < in.end) {
        const uint8_t kind = *in.p++;
        uint64_t n = 0;
        if (!wire_varint(&in, &n) || n > (uint64_t)(in.end - in.p)) {
            break;
        }
        bool found = slice_eq(slice_of(in.p, (size_t)n), p->key);
        in.p += n;
        for (size_t i = 0; found && i < p->count; i++) {
            if ((p->v[i].kind == kind || p->v[i].kind == VALUE_NONE) && p->v[i].v.codes[owner]) {
                *ret = i; /* columns come before the generic list */
                return OK;
            }
        }
    }
    rc = scan_corrupt(s, "attribute_order does not fit the attributes", f);
out:
    return rc;
}

static err
join_places(struct group_scan *s, struct places *p, struct fault *f, struct slot_vector *ret)
{
    const size_t owners = p->v[0].v.count;
    uint32_t base[VALUE_BYTES + 1];
    uint64_t entries = 1;
    err rc = OK;
    for (size_t i = 0; i < p->count; i++) {
        base[i] = (uint32_t)entries - 1; /* code c of it becomes base + c */
        entries += p->v[i].v.dict_count - 1;
    }
    if (entries >= UINT32_MAX) {
        return scan_no_memory(f);
    }
    struct tql_static *dict = scan_alloc(s, entries, sizeof *dict);
    uint32_t *codes = scan_alloc(s, owners + 1, sizeof *codes);
    if (!dict || !codes) {
        return scan_no_memory(f);
    }
    dict[0] = TQL_STATIC_NIL;
    for (size_t i = 0; i < p->count; i++) {
        memcpy(dict + base[i] + 1, p->v[i].v.dict + 1, (p->v[i].v.dict_count - 1) * sizeof *dict);
    }
    for (size_t k = 0; k < owners; k++) {
        size_t at = 0;
        size_t have = 0;
        for (size_t i = 0; i < p->count; i++) {
            if (p->v[i].v.codes[k]) {
                at = have++ ? at : i;
            }
        }
        if (have > 1 && p->key.p) {
            TRY(first_place(s, p, k, f, &at));
        }
        codes[k] = have ? base[at] + p->v[at].v.codes[k] : 0;
    }
    *ret = (struct slot_vector){
        .form = VECTOR_CODED, .count = owners, .codes = codes, .dict = dict, .dict_count = (uint32_t)entries};
out:
    return rc;
}

err
vector_either(struct group_scan *s, const struct slot_vector *first, const struct slot_vector *second,
              struct fault *f, struct slot_vector *ret)
{
    struct places p = {.count = 2}; /* without a key: the first place wins */
    err rc = OK;
    if (second->form == VECTOR_CODED && second->dict_count == 1) {
        *ret = *first;
        return OK;
    }
    TRY(to_coded(s, first, f, &p.v[0].v));
    TRY(to_coded(s, second, f, &p.v[1].v));
    rc = join_places(s, &p, f, ret);
out:
    return rc;
}

/* --- the generic list -------------------------------------------------------------------------------------
 */

struct generic {
    enum owner owner;
    const struct raw_column *key, *type, *leaf[BLOCK_GENERIC_COUNT];
    const uint32_t *type_of, *value_of[BLOCK_GENERIC_COUNT]; /* by item */
    const uint32_t *owner_of;
    size_t items;
    bool scalars; /* a list of one is its element, any other nil */
};

static err
generic_open(struct group_scan *s, enum owner owner, size_t owners, struct fault *f, struct generic *g)
{
    const enum block_column first = generic_first[owner];
    err rc = OK;
    *g = (struct generic){.owner = owner};
    TRY(raw_fixed(s, first + BLOCK_GENERIC_KEY, f, &g->key));
    TRY(raw_fixed(s, first + BLOCK_GENERIC_TYPE, f, &g->type));
    TRY(raw_items(s, g->key, owner, owners, f, &g->owner_of, &g->items));
    if (g->items != g->key->value_count || g->type->value_count != g->items) {
        rc = scan_corrupt(s, "a list of attributes lacks keys or types", f);
    }
out:
    return rc;
}

static enum block_generic
leaf_of(uint8_t kind)
{
    switch (kind) {
    case VALUE_STRING:
        return BLOCK_GENERIC_STRING;
    case VALUE_INT:
        return BLOCK_GENERIC_INT;
    case VALUE_DOUBLE:
        return BLOCK_GENERIC_DOUBLE;
    case VALUE_BOOL:
        return BLOCK_GENERIC_BOOL;
    default:
        return BLOCK_GENERIC_BYTES;
    }
}

/* The value of an item. */
static err
generic_value(struct group_scan *s, struct generic *g, size_t item, struct fault *f, struct tql_static *ret)
{
    const size_t type_at = g->type->codes ? g->type->codes[item] : item;
    const int32_t kind = g->type->values.i32[type_at];
    struct value_source values = {.arena = &s->priv->arena};
    struct attr a = {.kind = (uint8_t)kind};
    err rc = OK;
    *ret = TQL_STATIC_NIL;
    if (kind <= VALUE_NONE || kind >= VALUE_BYTES || kind == VALUE_KVLIST) {
        return OK; /* nothing the language can look at */
    }
    enum block_generic which = leaf_of(a.kind);
    if (g->leaf[which] == NULL) {
        TRY(raw_fixed(s, (enum block_column)((unsigned)generic_first[g->owner] + which), f, &g->leaf[which]));
        TRY(raw_values_of(s, g->leaf[which], item_def(g->owner), g->items, f, &g->value_of[which]));
    }
    const struct raw_column *leaf = g->leaf[which];
    uint32_t at = g->value_of[which][item];
    if (at == UINT32_MAX) {
        return scan_corrupt(s, "an attribute has no value of its type", f);
    }
    struct tql_static v = value_static(leaf, leaf->codes ? leaf->codes[at] : at, TQL_INT);
    if (kind != VALUE_ARRAY) {
        *ret = v;
        return OK;
    }
    if (g->scalars) {
        *ret = value_of_one(tql_static_slice(&v), &v) ? v : TQL_STATIC_NIL;
        return OK;
    }
    a.p = v.s;
    a.n = v.n;
    value_of_attr(&values, &a, ret);
    rc = values.failed ? scan_no_memory(f) : OK;
out:
    return rc;
}

err
attr_scalars_each(struct group_scan *s, enum owner owner, bool (*wants)(void *ctx, uint32_t owner),
                  err (*fn)(void *ctx, uint32_t owner, slice key, const struct tql_static *v), void *ctx,
                  struct fault *f)
{
    const int32_t keys = s->priv->schema->column[generic_first[owner] + BLOCK_GENERIC_KEY];
    struct generic g;
    size_t owners = 0;
    err rc = OK;
    if (keys < 0 || raw_is_empty(s, keys)) {
        return OK;
    }
    TRY(owner_count(s, owner, f, &owners));
    TRY(generic_open(s, owner, owners, f, &g));
    g.scalars = true;
    for (size_t i = 0; i < g.items; i++) {
        struct tql_static v;
        if (!wants(ctx, g.owner_of[i])) {
            continue;
        }
        TRY(generic_value(s, &g, i, f, &v));
        TRY(fn(ctx, g.owner_of[i], g.key->values.bytes[g.key->codes ? g.key->codes[i] : i], &v));
        TRY(scan_tick(s, f));
    }
out:
    return rc;
}

/* Which keys of the dictionary (or of the items) are the one looked for. */
static err
matching_keys(struct group_scan *s, const struct raw_column *key, slice want, struct fault *f,
              const uint8_t **ret)
{
    uint8_t *is = scan_alloc(s, key->values.count + 1, 1);
    if (is == NULL) {
        return scan_no_memory(f);
    }
    for (size_t i = 0; i < key->values.count; i++) {
        is[i] = slice_eq(key->values.bytes[i], want);
    }
    *ret = is;
    return OK;
}

static err
generic_vector(struct group_scan *s, enum owner owner, size_t owners, slice key, struct fault *f,
               struct slot_vector *ret)
{
    struct generic g;
    const uint8_t *is = NULL;
    struct tql_static *dict = NULL;
    size_t cap = 0;
    uint32_t n = 1;
    err rc = OK;
    uint32_t *codes = scan_alloc(s, owners + 1, sizeof *codes);
    if (codes == NULL) {
        return scan_no_memory(f);
    }
    memset(codes, 0, owners * sizeof *codes);
    TRY(generic_open(s, owner, owners, f, &g));
    TRY(matching_keys(s, g.key, key, f, &is));
    size_t found = 0;
    for (size_t i = 0; i < g.items; i++) {
        found += is[g.key->codes ? g.key->codes[i] : i];
    }
    cap = found + 1;
    dict = scan_alloc(s, cap, sizeof *dict);
    if (dict == NULL) {
        return scan_no_memory(f);
    }
    dict[0] = TQL_STATIC_NIL;
    for (size_t i = 0; i < g.items; i++) {
        if (is[g.key->codes ? g.key->codes[i] : i] && codes[g.owner_of[i]] == 0) {
            TRY(generic_value(s, &g, i, f, &dict[n]));
            codes[g.owner_of[i]] = n++;
        }
    }
    *ret = (struct slot_vector){
        .form = VECTOR_CODED, .count = owners, .codes = codes, .dict = dict, .dict_count = n};
out:
    return rc;
}

/* --- an attribute -----------------------------------------------------------------------------------------
 */

err
owner_count(struct group_scan *s, enum owner owner, struct fault *f, size_t *ret)
{
    const struct group_parts *parts = NULL;
    err rc = OK;
    if (owner == OWNER_ROW) {
        *ret = s->rows;
        return OK;
    }
    rc = group_parts(s, owner == OWNER_EVENT ? TQL_LEVEL_EVENT : TQL_LEVEL_LINK, f, &parts);
    if (rc == OK) {
        *ret = parts->count;
    }
    return rc;
}

err
nil_vector(struct group_scan *s, size_t owners, struct fault *f, struct slot_vector *ret)
{
    static const struct tql_static nil;
    uint32_t *codes = scan_alloc(s, owners + 1, sizeof *codes);
    if (codes == NULL) {
        return scan_no_memory(f);
    }
    memset(codes, 0, owners * sizeof *codes);
    *ret = (struct slot_vector){
        .form = VECTOR_CODED, .count = owners, .codes = codes, .dict = &nil, .dict_count = 1};
    return OK;
}

err
attr_may_be_generic(struct group_scan *s, enum owner owner, slice key, struct fault *f, bool *ret)
{
    const int32_t keys = s->priv->schema->column[generic_first[owner] + BLOCK_GENERIC_KEY];
    *ret = false;
    return keys < 0 ? OK : raw_may_hold(s, keys, key, f, ret);
}

static err
join_all(struct group_scan *s, struct places *p, struct fault *f, struct slot_vector *ret)
{
    err rc = OK;
    for (size_t i = 0; i < p->count; i++) {
        struct slot_vector coded;
        TRY(to_coded(s, &p->v[i].v, f, &coded));
        p->v[i].v = coded;
    }
    rc = join_places(s, p, f, ret);
out:
    return rc;
}

err
attr_vector(struct group_scan *s, enum owner owner, slice key, struct fault *f, struct slot_vector *ret)
{
    static const uint8_t kinds[] = {VALUE_STRING, VALUE_INT, VALUE_DOUBLE, VALUE_BOOL};
    const struct block_schema *schema = s->priv->schema;
    struct places p = {.owner = owner, .key = key.n ? key : SL("")};
    size_t owners = 0;
    bool maybe = false;
    err rc = OK;
    TRY(owner_count(s, owner, f, &owners));
    for (size_t i = 0; i < sizeof kinds; i++) {
        const struct block_attr_column *c =
            block_schema_attr(schema, (enum block_scope)owner, (enum value_kind)kinds[i], key);
        struct raw_column raw;
        if (c && !raw_is_empty(s, c->column)) {
            TRY(raw_load(s, c->column, f, &raw));
            p.v[p.count].kind = kinds[i];
            TRY(raw_vector(s, &raw, owner, owners, TQL_INT, f, &p.v[p.count++].v));
        }
    }
    TRY(attr_may_be_generic(s, owner, key, f, &maybe));
    if (maybe) {
        p.v[p.count].kind = VALUE_NONE;
        TRY(generic_vector(s, owner, owners, key, f, &p.v[p.count++].v));
    }
    if (p.count == 0) {
        rc = nil_vector(s, owners, f, ret);
    } else if (p.count == 1) {
        *ret = p.v[0].v;
    } else {
        rc = join_all(s, &p, f, ret);
    }
out:
    return rc;
}
