#include "schema_priv.h"

#include "vivace/base/mem.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define KEY_MAX     256  /* bytes of a key that has a column of its own */
#define COLUMNS_MAX 4096 /* attribute columns a reader takes from a file */

/* clang-format off */
#define FORM_INT(NAME, POLICY)  {NAME, PARQUET_INT32, PARQUET_LOGICAL_NONE, POLICY, 0, false, false}
#define FORM_LONG(NAME, POLICY) {NAME, PARQUET_INT64, PARQUET_LOGICAL_NONE, POLICY, 0, false, false}
#define FORM_UINT(NAME)         {NAME, PARQUET_INT32, PARQUET_INTEGER, POLICY_NUMBER, 0, false, false}
#define FORM_TEXT(NAME)         {NAME, PARQUET_BYTE_ARRAY, PARQUET_STRING, POLICY_STRING, 0, false, false}
#define FORM_BYTES(NAME)        {NAME, PARQUET_BYTE_ARRAY, PARQUET_LOGICAL_NONE, POLICY_STRING, 0, false, true}
#define FORM_TIME(NAME, POLICY) {NAME, PARQUET_INT64, PARQUET_TIMESTAMP, POLICY, 0, false, false}
#define FORM_GENERIC(AT)                                                                                      \
    [AT + BLOCK_GENERIC_KEY] = FORM_TEXT("key"),                                                              \
    [AT + BLOCK_GENERIC_TYPE] = FORM_INT("type", POLICY_NUMBER),                                              \
    [AT + BLOCK_GENERIC_STRING] = {"string", PARQUET_BYTE_ARRAY, PARQUET_STRING, POLICY_STRING, 0, true, false},     \
    [AT + BLOCK_GENERIC_INT] = {"int", PARQUET_INT64, PARQUET_LOGICAL_NONE, POLICY_NUMBER, 0, true, false},   \
    [AT + BLOCK_GENERIC_DOUBLE] = {"double", PARQUET_DOUBLE, PARQUET_LOGICAL_NONE, POLICY_DOUBLE, 0, true, false},   \
    [AT + BLOCK_GENERIC_BOOL] = {"bool", PARQUET_BOOLEAN, PARQUET_LOGICAL_NONE, POLICY_BOOL, 0, true, false}, \
    [AT + BLOCK_GENERIC_BYTES] = {"bytes", PARQUET_BYTE_ARRAY, PARQUET_LOGICAL_NONE, POLICY_STRING, 0, true, true}
/* clang-format on */

const struct column_form column_forms[BLOCK_COLUMN_COUNT] = {
    [BLOCK_TRACE_ID] = {"trace_id", PARQUET_BYTE_ARRAY, PARQUET_STRING, POLICY_TRACE_ID, 0, false, false},
    [BLOCK_SPAN_ID] = {"span_id", PARQUET_FIXED, PARQUET_LOGICAL_NONE, POLICY_RANDOM, 8, false, true},
    [BLOCK_PARENT_SPAN_ID] = {"parent_span_id", PARQUET_FIXED, PARQUET_LOGICAL_NONE, POLICY_ID, 8, true,
                              true},
    [BLOCK_START] = FORM_TIME("start_time", POLICY_DELTA),
    [BLOCK_DURATION] = FORM_LONG("duration_nano", POLICY_DELTA),
    [BLOCK_NAME] = FORM_TEXT("name"),
    [BLOCK_KIND] = FORM_INT("kind", POLICY_NUMBER),
    [BLOCK_STATUS_CODE] = FORM_INT("status_code", POLICY_NUMBER),
    [BLOCK_STATUS_MESSAGE] = FORM_TEXT("status_message"),
    [BLOCK_TRACE_STATE] = FORM_TEXT("trace_state"),
    [BLOCK_FLAGS] = FORM_UINT("flags"),
    [BLOCK_DROPPED_ATTRS] = FORM_UINT("dropped_attributes_count"),
    [BLOCK_DROPPED_EVENTS] = FORM_UINT("dropped_events_count"),
    [BLOCK_DROPPED_LINKS] = FORM_UINT("dropped_links_count"),
    [BLOCK_ORDER] = FORM_BYTES("attribute_order"),
    [BLOCK_NESTED_LEFT] = FORM_INT("nested_set_left", POLICY_DELTA),
    [BLOCK_NESTED_RIGHT] = FORM_INT("nested_set_right", POLICY_DELTA),
    [BLOCK_NESTED_PARENT] = FORM_INT("nested_set_parent", POLICY_DELTA),
    [BLOCK_CHILD_COUNT] = FORM_INT("child_count", POLICY_NUMBER),
    [BLOCK_BATCH_START] = FORM_INT("batch_start", POLICY_NUMBER),
    [BLOCK_RESOURCE_JSON] = FORM_TEXT("resource"),
    [BLOCK_RESOURCE_RAW] = FORM_BYTES("resource_raw"),
    [BLOCK_SCOPE_RAW] = FORM_BYTES("scope_raw"),
    [BLOCK_SCOPE_NAME] = FORM_TEXT("scope_name"),
    [BLOCK_SCOPE_VERSION] = FORM_TEXT("scope_version"),
    [BLOCK_TRACE_START] = FORM_TIME("trace_start_time", POLICY_NUMBER),
    [BLOCK_TRACE_DURATION] = FORM_LONG("trace_duration_nano", POLICY_NUMBER),
    [BLOCK_ROOT_SERVICE] = FORM_TEXT("root_service_name"),
    [BLOCK_ROOT_NAME] = FORM_TEXT("root_span_name"),
    [BLOCK_SERVICE_NAME] = FORM_TEXT("service"),
    [BLOCK_SERVICE_SPANS] = FORM_INT("spans", POLICY_NUMBER),
    [BLOCK_SERVICE_ERRORS] = FORM_INT("errors", POLICY_NUMBER),
    FORM_GENERIC(BLOCK_SPAN_GENERIC),
    [BLOCK_EVENT_TIME] = FORM_TIME("time", POLICY_DELTA),
    [BLOCK_EVENT_NAME] = FORM_TEXT("name"),
    [BLOCK_EVENT_DROPPED] = FORM_UINT("dropped_attributes_count"),
    [BLOCK_EVENT_ORDER] = FORM_BYTES("attribute_order"),
    FORM_GENERIC(BLOCK_EVENT_GENERIC),
    [BLOCK_LINK_TRACE] = {"trace_id", PARQUET_FIXED, PARQUET_LOGICAL_NONE, POLICY_ID, 16, false, true},
    [BLOCK_LINK_SPAN] = {"span_id", PARQUET_FIXED, PARQUET_LOGICAL_NONE, POLICY_RANDOM, 8, false, true},
    [BLOCK_LINK_STATE] = FORM_TEXT("trace_state"),
    [BLOCK_LINK_FLAGS] = FORM_UINT("flags"),
    [BLOCK_LINK_DROPPED] = FORM_UINT("dropped_attributes_count"),
    [BLOCK_LINK_ORDER] = FORM_BYTES("attribute_order"),
    FORM_GENERIC(BLOCK_LINK_GENERIC),
};

static const struct {
    slice suffix;
    enum parquet_type type;
    enum column_policy policy;
} attr_forms[] = {
    [VALUE_STRING] = {{(const uint8_t *)":string", 7}, PARQUET_BYTE_ARRAY, POLICY_STRING},
    [VALUE_BOOL] = {{(const uint8_t *)":bool", 5}, PARQUET_BOOLEAN, POLICY_BOOL},
    [VALUE_INT] = {{(const uint8_t *)":int", 4}, PARQUET_INT64, POLICY_NUMBER},
    [VALUE_DOUBLE] = {{(const uint8_t *)":double", 7}, PARQUET_DOUBLE, POLICY_DOUBLE},
};

const char *
block_scope_name(enum block_scope s)
{
    static const char *const names[] = {"span", "event", "link", "resource", "instrumentation"};
    return names[s];
}

bool
schema_key_fits(slice key)
{
    for (int k = VALUE_STRING; k <= VALUE_DOUBLE; k++) {
        if (slice_ends_with(key, attr_forms[k].suffix)) {
            return false;
        }
    }
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] < 0x20 || key.p[i] == 0x7f) {
            return false;
        }
    }
    return key.n > 0 && key.n <= KEY_MAX;
}

enum column_policy
schema_attr_policy(enum value_kind kind)
{
    return attr_forms[kind].policy;
}

/* --- building ----------------------------------------------------------------------------------------- */

struct schema_build {
    struct parquet_schema *schema;
    const struct schema_plan *plan;
    int32_t *fixed, *columns;
    struct fault *f;
};

static int32_t
leaf_of(const struct schema_build *b, int32_t node)
{
    return b->schema->nodes[node].column;
}

static err
add_fixed(struct schema_build *b, int32_t parent, size_t from, size_t to)
{
    err rc = OK;
    for (size_t i = from; i < to && rc == OK; i++) {
        const struct column_form *c = &column_forms[i];
        struct parquet_field field = {
            .name = slice_cstr(c->name),
            .repetition = c->optional ? PARQUET_OPTIONAL : PARQUET_REQUIRED,
            .type = c->type,
            .type_length = c->length,
            .logical = {.kind = c->logical},
        };
        if (c->logical == PARQUET_TIMESTAMP) {
            field.logical.unit = PARQUET_NANOS;
            field.logical.utc = true;
        } else if (c->logical == PARQUET_INTEGER) {
            field.logical.bits = 32;
        } else if (c->logical == PARQUET_STRING && b->plan->bad_text && i != BLOCK_TRACE_ID) {
            field.logical.kind = PARQUET_LOGICAL_NONE;
        }
        int32_t node = 0;
        rc = parquet_schema_add(b->schema, parent, &field, b->f, &node);
        if (rc == OK) {
            b->fixed[i] = leaf_of(b, node);
        }
    }
    return rc;
}

static err
add_attrs(struct schema_build *b, int32_t parent, enum block_scope scope)
{
    char name[KEY_MAX + 32];
    err rc = OK;
    for (size_t i = 0; i < b->plan->count && rc == OK; i++) {
        const struct schema_attr *a = &b->plan->attrs[i];
        if (a->scope != scope) {
            continue;
        }
        size_t n = strlen(block_scope_name(scope));
        memcpy(name, block_scope_name(scope), n);
        name[n++] = '.';
        memcpy(name + n, a->key.p, a->key.n);
        n += a->key.n;
        if (a->suffixed) {
            slice suffix = attr_forms[a->kind].suffix;
            memcpy(name + n, suffix.p, suffix.n);
            n += suffix.n;
        }
        struct parquet_field field = {
            .name = slice_of(name, n), .repetition = PARQUET_OPTIONAL, .type = attr_forms[a->kind].type};
        if (a->kind == VALUE_STRING && !a->bad) {
            field.logical.kind = PARQUET_STRING;
        }
        int32_t node = 0;
        rc = parquet_schema_add(b->schema, parent, &field, b->f, &node);
        if (rc == OK) {
            b->columns[i] = leaf_of(b, node);
        }
    }
    return rc;
}

static err
add_list(struct schema_build *b, int32_t parent, slice name, int32_t *ret_element)
{
    int32_t list = 0;
    struct parquet_field element = {.name = SL("element"), .group = true};
    err rc = parquet_schema_add_list(b->schema, parent, name, false, &list);
    return rc == OK ? parquet_schema_add(b->schema, list, &element, b->f, ret_element) : rc;
}

static err
add_generic(struct schema_build *b, int32_t parent, slice name, size_t at)
{
    int32_t element = 0;
    err rc = add_list(b, parent, name, &element);
    return rc == OK ? add_fixed(b, element, at, at + BLOCK_GENERIC_COUNT) : rc;
}

err
schema_build(const struct schema_plan *plan, struct fault *f, struct parquet_schema **ret,
             int32_t ret_fixed[BLOCK_COLUMN_COUNT], int32_t ret_columns[SCHEMA_ATTRS_MAX])
{
    struct schema_build b = {
        .schema = parquet_schema_create(SL("span")),
        .plan = plan,
        .fixed = ret_fixed,
        .columns = ret_columns,
        .f = f,
    };
    err rc = OK;
    int32_t element = 0;
    for (size_t i = 0; i < BLOCK_COLUMN_COUNT; i++) {
        ret_fixed[i] = -1;
    }
    TRY(add_fixed(&b, 0, BLOCK_TRACE_ID, BLOCK_SERVICE_NAME));
    TRY(add_attrs(&b, 0, BLOCK_RESOURCE));
    TRY(add_attrs(&b, 0, BLOCK_INSTRUMENTATION));
    TRY(add_attrs(&b, 0, BLOCK_SPAN));
    TRY(add_list(&b, 0, SL("trace_services"), &element));
    TRY(add_fixed(&b, element, BLOCK_SERVICE_NAME, BLOCK_SPAN_GENERIC));
    TRY(add_generic(&b, 0, SL("attributes"), BLOCK_SPAN_GENERIC));
    TRY(add_list(&b, 0, SL("events"), &element));
    TRY(add_fixed(&b, element, BLOCK_EVENT_TIME, BLOCK_EVENT_GENERIC));
    TRY(add_attrs(&b, element, BLOCK_EVENT));
    if (plan->events_have_generic) {
        TRY(add_generic(&b, element, SL("attributes"), BLOCK_EVENT_GENERIC));
    }
    TRY(add_list(&b, 0, SL("links"), &element));
    TRY(add_fixed(&b, element, BLOCK_LINK_TRACE, BLOCK_LINK_GENERIC));
    TRY(add_attrs(&b, element, BLOCK_LINK));
    if (plan->links_have_generic) {
        TRY(add_generic(&b, element, SL("attributes"), BLOCK_LINK_GENERIC));
    }
    *ret = b.schema;
    b.schema = NULL;
out:
    if (b.schema) {
        parquet_schema_destroy(b.schema);
    }
    return rc;
}

/* --- mapping a file's ----------------------------------------------------------------------------------- */

/* Node of a column below `parent`, of the right type and levels, or ERR_CORRUPT. */
static err
find_fixed(const struct parquet_schema *p, int32_t parent, size_t i, struct fault *f, int32_t *ret)
{
    const struct column_form *c = &column_forms[i];
    int32_t n = parent < 0 ? -1 : parquet_schema_child(p, parent, slice_cstr(c->name));
    const struct parquet_node *node = n < 0 ? NULL : &p->nodes[n];
    if (node == NULL || node->field.group || node->field.type != c->type ||
        (c->type == PARQUET_FIXED && node->field.type_length != c->length) ||
        node->field.repetition != (c->optional ? PARQUET_OPTIONAL : PARQUET_REQUIRED)) {
        return FAULT(f, ERR_CORRUPT, "column %s is missing or of another form", c->name);
    }
    *ret = node->column;
    return OK;
}

/* The element group of a required list of required elements, or -1. */
static int32_t
find_list(const struct parquet_schema *p, int32_t parent, slice name)
{
    int32_t n = parent < 0 ? -1 : parquet_schema_child(p, parent, name);
    if (n < 0 || p->nodes[n].field.repetition != PARQUET_REQUIRED) {
        return -1;
    }
    n = parquet_schema_child(p, n, SL("list"));
    if (n < 0 || p->nodes[n].field.repetition != PARQUET_REPEATED) {
        return -1;
    }
    n = parquet_schema_child(p, n, SL("element"));
    return n >= 0 && p->nodes[n].field.repetition == PARQUET_REQUIRED ? n : -1;
}

static err
find_range(const struct parquet_schema *p, int32_t parent, size_t from, size_t to, struct fault *f,
           struct block_schema *s)
{
    err rc = OK;
    for (size_t i = from; i < to && rc == OK; i++) {
        rc = find_fixed(p, parent, i, f, &s->column[i]);
    }
    return rc;
}

/* The generic list of events or links, which a block without such attributes does not have. */
static err
find_generic(const struct parquet_schema *p, int32_t parent, size_t from, struct fault *f,
             struct block_schema *s)
{
    if (parent >= 0 && parquet_schema_child(p, parent, SL("attributes")) >= 0) {
        return find_range(p, find_list(p, parent, SL("attributes")), from, from + BLOCK_GENERIC_COUNT, f, s);
    }
    for (size_t i = from; i < from + BLOCK_GENERIC_COUNT; i++) {
        s->column[i] = -1;
    }
    return OK;
}

/* Is the node an attribute column of this scope? */
static bool
attr_of(const struct parquet_node *node, enum block_scope scope, struct block_attr_column *ret)
{
    slice name = node->field.name, prefix = slice_cstr(block_scope_name(scope));
    if (node->field.group || node->field.repetition != PARQUET_OPTIONAL || name.n < prefix.n + 2 ||
        !slice_starts_with(name, prefix) || name.p[prefix.n] != '.') {
        return false;
    }
    for (int k = VALUE_STRING; k <= VALUE_DOUBLE; k++) {
        if (attr_forms[k].type == node->field.type) {
            slice key = slice_sub(name, prefix.n + 1, name.n);
            if (slice_ends_with(key, attr_forms[k].suffix)) {
                key.n -= attr_forms[k].suffix.n;
            }
            *ret = (struct block_attr_column){scope, (enum value_kind)k, key, node->column};
            return true;
        }
    }
    return false;
}

static size_t
attr_slot(const struct block_schema *s, enum block_scope scope, enum value_kind kind, slice key)
{
    return (size_t)XXH3_64bits_withSeed(key.p, key.n, (uint64_t)scope * 16 + kind) & (s->slot_count - 1);
}

const struct block_attr_column *
block_schema_attr(const struct block_schema *s, enum block_scope scope, enum value_kind kind, slice key)
{
    size_t at = s->slot_count ? attr_slot(s, scope, kind, key) : 0;
    for (; s->slot_count && s->slots[at]; at = (at + 1) & (s->slot_count - 1)) {
        const struct block_attr_column *c = &s->attrs[s->slots[at] - 1];
        if (c->scope == scope && c->kind == kind && slice_eq(c->key, key)) {
            return c;
        }
    }
    return NULL;
}

static void
gather_attrs(const struct parquet_schema *p, int32_t parent, enum block_scope scope, struct block_schema *s)
{
    const struct parquet_node *up = &p->nodes[parent];
    for (int32_t n = up->child_count ? parent + 1 : -1; n >= 0 && s->attr_count < COLUMNS_MAX;
         n = p->nodes[n].next_sibling) {
        struct block_attr_column c;
        if (!attr_of(&p->nodes[n], scope, &c) || block_schema_attr(s, scope, c.kind, c.key)) {
            continue;
        }
        s->attrs[s->attr_count++] = c;
        size_t at = attr_slot(s, scope, c.kind, c.key);
        while (s->slots[at]) {
            at = (at + 1) & (s->slot_count - 1);
        }
        s->slots[at] = (uint32_t)s->attr_count;
    }
}

err
block_schema_of(const struct parquet_schema *p, struct arena *a, struct fault *f, struct block_schema *ret)
{
    struct block_schema s = {.parquet = p, .slot_count = 16};
    err rc = OK;
    size_t most = p->column_count < COLUMNS_MAX ? (size_t)p->column_count : COLUMNS_MAX;
    while (s.slot_count < most * 2) {
        s.slot_count *= 2;
    }
    s.attrs = arena_new_array(a, struct block_attr_column, most + 1);
    s.slots = arena_new_array(a, uint32_t, s.slot_count);
    if (s.attrs == NULL || s.slots == NULL) {
        return FAULT(f, ERR_LIMIT, "no memory for %d columns", p->column_count);
    }
    int32_t services = find_list(p, 0, SL("trace_services"));
    int32_t events = find_list(p, 0, SL("events")), links = find_list(p, 0, SL("links"));
    TRY(find_range(p, 0, BLOCK_TRACE_ID, BLOCK_SERVICE_NAME, f, &s));
    TRY(find_range(p, services, BLOCK_SERVICE_NAME, BLOCK_SPAN_GENERIC, f, &s));
    TRY(find_range(p, find_list(p, 0, SL("attributes")), BLOCK_SPAN_GENERIC, BLOCK_EVENT_TIME, f, &s));
    TRY(find_range(p, events, BLOCK_EVENT_TIME, BLOCK_EVENT_GENERIC, f, &s));
    TRY(find_generic(p, events, BLOCK_EVENT_GENERIC, f, &s));
    TRY(find_range(p, links, BLOCK_LINK_TRACE, BLOCK_LINK_GENERIC, f, &s));
    TRY(find_generic(p, links, BLOCK_LINK_GENERIC, f, &s));
    gather_attrs(p, 0, BLOCK_RESOURCE, &s);
    gather_attrs(p, 0, BLOCK_INSTRUMENTATION, &s);
    gather_attrs(p, 0, BLOCK_SPAN, &s);
    gather_attrs(p, events, BLOCK_EVENT, &s);
    gather_attrs(p, links, BLOCK_LINK, &s);
    *ret = s;
out:
    return rc;
}
