/* Attributes: values of columns and items of generic lists into their owners' cells. */
#include "load.h"

#include "vivace/base/mem.h"

/* Memory for `want` elements; what is new is zero. */
static void *
grow_zeroed(void *array, size_t *cap, size_t want, size_t size)
{
    if (want > *cap) {
        size_t now = want + want / 2;
        array = mem_realloc(array, now, size);
        memset((uint8_t *)array + *cap * size, 0, (now - *cap) * size);
        *cap = now;
    }
    return array;
}

static uint8_t
owner_def(enum block_scope scope)
{
    return scope == BLOCK_SPAN ? 0 : 1;
}

/* --- where values go --------------------------------------------------------------------------------------
 */

static const struct block_attr_column *
column_of(const struct loader *l, enum block_scope scope, const struct shape_attr *a)
{
    enum value_kind kind = (enum value_kind)a->kind;
    return a->repeated ? NULL
                       : block_schema_attr(l->schema, scope, kind,
                                           intern_get(&l->b->strings, l->b->fields[a->field].key));
}

static void
aim_shape(struct loader *l, enum block_scope scope, uint32_t shape)
{
    const struct shape *s = &l->b->shapes[shape];
    for (uint32_t i = 0; i < s->attr_count; i++) {
        const struct block_attr_column *c = column_of(l, scope, &s->attrs[i]);
        if (c == NULL) {
            l->shape_lists[shape] = true;
            continue;
        }
        if (l->aim_count == l->aim_cap) {
            l->aim_cap = l->aim_cap ? l->aim_cap * 2 : 256;
            l->aims = mem_realloc(l->aims, l->aim_cap, sizeof *l->aims);
        }
        int32_t *first = &l->aimed[c - l->schema->attrs];
        l->aims[l->aim_count] = (struct load_aim){shape, s->attrs[i].cell, *first};
        *first = (int32_t)l->aim_count++;
    }
}

/* For each column the shapes that have a value in it. */
static void
aim(struct loader *l, enum block_scope scope)
{
    const struct load_owners *o = &l->owners[scope];
    l->aim_count = 0;
    l->aimed = grow_zeroed(l->aimed, &l->aimed_cap, l->schema->attr_count + 1, sizeof *l->aimed);
    memset(l->aimed, 0xff, l->schema->attr_count * sizeof *l->aimed);
    l->cell_at = grow_zeroed(l->cell_at, &l->cell_cap, l->b->shape_count + 1, sizeof *l->cell_at);
    l->shape_owners = grow_zeroed(l->shape_owners, &l->seen_cap, l->b->shape_count + 1, sizeof(uint32_t));
    memset(l->shape_owners, 0, l->b->shape_count * sizeof(uint32_t));
    l->shape_lists = grow_zeroed(l->shape_lists, &l->lists_cap, l->b->shape_count + 1, sizeof(bool));
    memset(l->shape_lists, 0, l->b->shape_count * sizeof(bool));
    for (size_t i = 0; i < o->count; i++) {
        uint32_t shape = o->at[i].shape;
        if (l->shape_owners[shape]++ == 0) {
            aim_shape(l, scope, shape);
        }
    }
}

/* --- columns ----------------------------------------------------------------------------------------------
 */

/* The k-th value of the page into the cell. */
static err
put_value(struct loader *l, const struct parquet_vector *v, size_t k, enum value_kind kind, uint32_t *cell,
          uint32_t row)
{
    err rc = OK;
    switch (kind) {
    case VALUE_NONE:
        break;
    case VALUE_BOOL:
        *cell = v->values.bools[k] != 0;
        break;
    case VALUE_INT:
    case VALUE_DOUBLE:
        memcpy(cell, &v->values.i64[k], sizeof(int64_t));
        break;
    case VALUE_STRING:
    case VALUE_ARRAY:
    case VALUE_KVLIST:
    case VALUE_BYTES:
        rc = load_id(l, v, k, cell);
        if (rc == OK) {
            load_count_bytes(l, row, l->b->strings.strings[*cell].n);
        }
    }
    return rc;
}

/* Spans: every level is an owner, and nulls are passed over by the eight. */
static err
take_span_attr(struct loader *l, const struct parquet_vector *v)
{
    const struct load_owners *owners = &l->owners[BLOCK_SPAN];
    size_t value = 0, n = v->page.level_count;
    err rc = OK;
    if (n > owners->count - l->owner) {
        return load_corrupt(l, "a column has more values than there are owners");
    }
    const struct load_owner *at = &owners->at[l->owner];
    for (size_t i = 0; i < n; i++) {
        uint64_t eight = 1;
        if (v->def && i + sizeof eight <= n) {
            memcpy(&eight, v->def + i, sizeof eight);
        }
        if (eight == 0) {
            i += sizeof eight - 1;
            continue;
        }
        if (v->def && v->def[i] == 0) {
            continue;
        }
        uint32_t cell = l->cell_at[at[i].shape];
        l->taken += cell > 0;
        if (cell && at[i].held) {
            TRY(put_value(l, v, value, l->attr->kind, &at[i].cells[cell - 1], at[i].row));
        }
        value++;
    }
    l->owner += n;
out:
    return rc;
}

static err
take_attr(struct loader *l, const struct parquet_vector *v)
{
    const struct load_owners *owners = &l->owners[l->scope];
    uint8_t there = owner_def(l->scope);
    size_t value = 0;
    err rc = OK;
    for (size_t i = 0; i < v->page.level_count; i++) {
        uint8_t def = v->def ? v->def[i] : there + 1;
        if (def < there) {
            continue;
        }
        if (l->owner == owners->count) {
            return load_corrupt(l, "a column has more values than there are owners");
        }
        const struct load_owner *o = &owners->at[l->owner++];
        uint32_t cell = l->cell_at[o->shape];
        bool present = def > there;
        l->taken += cell && present;
        if (cell && present && o->held) {
            TRY(put_value(l, v, value, l->attr->kind, &o->cells[cell - 1], o->row));
        }
        value += present;
    }
out:
    return rc;
}

static err
load_column(struct loader *l, const struct block_attr_column *c)
{
    int32_t first = l->aimed[c - l->schema->attrs];
    size_t due = 0; /* owners whose shape has the attribute: each must have a value */
    for (int32_t i = first; i >= 0; i = l->aims[i].next) {
        l->cell_at[l->aims[i].shape] = l->aims[i].cell + 1;
        due += l->shape_owners[l->aims[i].shape];
    }
    l->taken = 0;
    l->attr = c;
    l->use = LOAD_RAW; /* what is malformed is known by the file's schema */
    err rc = load_pages(l, c->column, c->kind == VALUE_STRING ? PARQUET_DECODE_CODES : PARQUET_DECODE_VALUES,
                        c->scope == BLOCK_SPAN ? take_span_attr : take_attr);
    if (rc == OK && l->taken != due) {
        rc = load_corrupt(l, "an attribute's column has no value");
    }
    if (rc == OK && l->owner != l->owners[c->scope].count) {
        rc = load_corrupt(l, "an attribute's column ends early");
    }
    for (int32_t i = first; i >= 0; i = l->aims[i].next) {
        l->cell_at[l->aims[i].shape] = 0;
    }
    return rc;
}

/* --- generic lists ----------------------------------------------------------------------------------------
 */

/* What the lists must hold, item by item. */
static void
expect_items(struct loader *l, enum block_scope scope)
{
    const struct load_owners *owners = &l->owners[scope];
    l->item_count = 0;
    for (size_t i = 0; i < owners->count; i++) {
        const struct load_owner *o = &owners->at[i];
        const struct shape *s = &l->b->shapes[o->shape];
        uint32_t attrs = l->shape_lists[o->shape] ? s->attr_count : 0; /* of most shapes all are columns */
        for (uint32_t k = 0; k < attrs; k++) {
            const struct shape_attr *a = &s->attrs[k];
            if (column_of(l, scope, a)) {
                continue;
            }
            if (l->item_count == l->item_cap) {
                l->item_cap = l->item_cap ? l->item_cap * 2 : 1024;
                l->items = mem_realloc(l->items, l->item_cap, sizeof *l->items);
            }
            bool has_cell = o->held && kind_cells((enum value_kind)a->kind) > 0;
            l->items[l->item_count++] = (struct load_item){
                .cell = has_cell ? &o->cells[a->cell] : NULL, .field = a->field, .owner = (uint32_t)i};
        }
    }
}

static bool
is_value_of(enum value_kind kind, enum block_generic leaf)
{
    static const uint8_t leaves[] = {
        [VALUE_NONE] = BLOCK_GENERIC_COUNT,    [VALUE_STRING] = BLOCK_GENERIC_STRING,
        [VALUE_BOOL] = BLOCK_GENERIC_BOOL,     [VALUE_INT] = BLOCK_GENERIC_INT,
        [VALUE_DOUBLE] = BLOCK_GENERIC_DOUBLE, [VALUE_ARRAY] = BLOCK_GENERIC_BYTES,
        [VALUE_KVLIST] = BLOCK_GENERIC_BYTES,  [VALUE_BYTES] = BLOCK_GENERIC_BYTES,
    };
    return leaves[kind] == leaf;
}

/* One entry of a generic leaf that is an item. */
static err
take_item(struct loader *l, const struct parquet_vector *v, size_t k, bool present, enum block_generic leaf)
{
    const struct load_item *x = &l->items[l->item++];
    const struct field *field = &l->b->fields[x->field];
    uint32_t key = 0;
    err rc = OK;
    switch (leaf) {
    case BLOCK_GENERIC_KEY:
        TRY(load_id(l, v, k, &key));
        return key == field->key ? OK : load_corrupt(l, "a list of attributes has another key");
    case BLOCK_GENERIC_TYPE:
        return v->values.i32[k] == (int32_t)field->kind
                   ? OK
                   : load_corrupt(l, "a list of attributes has another type");
    default:
        break;
    }
    bool mine = is_value_of(field->kind, leaf);
    if (mine && !present) {
        return load_corrupt(l, "an attribute has no value of its type");
    }
    if (mine && x->cell) {
        TRY(put_value(l, v, k, field->kind, x->cell, l->owners[l->scope].at[x->owner].row));
    }
out:
    return rc;
}

/* Items stand by owner: a new owner begins where the list's own repetition ends. */
static err
take_generic(struct loader *l, const struct parquet_vector *v)
{
    uint8_t there = owner_def(l->scope), is_item = (uint8_t)(there + 1), goes_on = (uint8_t)(there + 1);
    enum block_generic leaf = (enum block_generic)l->fixed;
    uint8_t full = leaf == BLOCK_GENERIC_KEY || leaf == BLOCK_GENERIC_TYPE ? is_item : (uint8_t)(is_item + 1);
    size_t value = 0;
    err rc = OK;
    for (size_t i = 0; i < v->page.level_count; i++) {
        uint8_t def = v->def ? v->def[i] : full;
        bool begins = v->rep == NULL || v->rep[i] < goes_on;
        l->owner += begins && def >= there; /* number of owners so far */
        if (def >= is_item) {
            if (l->item == l->item_count || l->items[l->item].owner + 1 != l->owner) {
                return load_corrupt(l, "a list of attributes does not fit attribute_order");
            }
            TRY(take_item(l, v, value, def == full, leaf));
        }
        value += def == full;
    }
out:
    return rc;
}

static err
load_generic(struct loader *l, enum block_scope scope, size_t first)
{
    err rc = OK;
    expect_items(l, scope);
    if (l->item_count == 0) {
        return OK;
    }
    for (int leaf = BLOCK_GENERIC_KEY; leaf < BLOCK_GENERIC_COUNT; leaf++) {
        int32_t column = l->schema->column[first + (size_t)leaf];
        bool text = leaf == BLOCK_GENERIC_KEY || leaf == BLOCK_GENERIC_STRING || leaf == BLOCK_GENERIC_BYTES;
        if (column < 0) {
            return load_corrupt(l, "a list of attributes is missing");
        }
        l->fixed = (enum block_column)leaf;
        l->use = LOAD_RAW;
        TRY(load_pages(l, column, text ? PARQUET_DECODE_CODES : PARQUET_DECODE_VALUES, take_generic));
        if (l->item != l->item_count) {
            return load_corrupt(l, "a list of attributes ends early");
        }
    }
out:
    return rc;
}

err
load_attrs(struct loader *l, enum block_scope scope)
{
    static const size_t generic[3] = {BLOCK_SPAN_GENERIC, BLOCK_EVENT_GENERIC, BLOCK_LINK_GENERIC};
    err rc = OK;
    l->scope = scope;
    aim(l, scope);
    for (size_t i = 0; i < l->schema->attr_count; i++) {
        if (l->schema->attrs[i].scope == scope && l->aimed[i] >= 0) {
            TRY(load_column(l, &l->schema->attrs[i]));
        }
    }
    TRY(load_generic(l, scope, generic[scope]));
out:
    return rc;
}
