#include "vivace/parquet/schema.h"

#include "vivace/base/mem.h"

struct parquet_schema *
parquet_schema_create(slice name)
{
    struct parquet_schema *s = mem_new(struct parquet_schema);
    s->node_cap = 16;
    s->nodes = mem_new_array(struct parquet_node, 16);
    s->node_count = 1;
    s->nodes[0] = (struct parquet_node){
        .field = {.name = slice_of(mem_strndup(name.p ? (const void *)name.p : "", name.n), name.n),
                  .group = true},
        .parent = -1,
        .next_sibling = -1,
        .column = -1,
    };
    return s;
}

void
parquet_schema_destroy(struct parquet_schema *s)
{
    if (!s) {
        return;
    }
    for (int32_t i = 0; i < s->node_count; i++) {
        mem_free((void *)(uintptr_t)s->nodes[i].field.name.p);
    }
    mem_free(s->nodes);
    mem_free(s->leaves);
    mem_free(s);
}

static err
check_field(const struct parquet_schema *s, int32_t parent, const struct parquet_field *field,
            struct fault *f)
{
    if (s->node_count == PARQUET_NODES_MAX) {
        return FAULT(f, ERR_LIMIT, "parquet schema: more than %d nodes", PARQUET_NODES_MAX);
    }
    if (parent < 0 || parent >= s->node_count || !s->nodes[parent].field.group) {
        return FAULT(f, ERR_INVALID, "parquet schema: %.*s has no group to be in", SL_FMT(field->name));
    }
    if (s->nodes[parent].depth + 1 > PARQUET_DEPTH_MAX) {
        return FAULT(f, ERR_LIMIT, "parquet schema: nested deeper than %d", PARQUET_DEPTH_MAX);
    }
    int32_t n = s->node_count - 1;
    while (n != parent && n >= 0) {
        n = s->nodes[n].parent;
    }
    if (n != parent) {
        return FAULT(f, ERR_INVALID, "parquet schema: %.*s is not added depth first", SL_FMT(field->name));
    }
    if (field->repetition > PARQUET_REPEATED ||
        (!field->group &&
         (field->type >= PARQUET_TYPE_COUNT || (field->type == PARQUET_FIXED && field->type_length <= 0)))) {
        return FAULT(f, ERR_INVALID, "parquet schema: %.*s has no valid type", SL_FMT(field->name));
    }
    return OK;
}

/* Hook node `n` behind its parent's last child. */
static void
link_node(struct parquet_schema *s, int32_t n)
{
    struct parquet_node *parent = &s->nodes[s->nodes[n].parent];
    if (parent->child_count++ > 0) {
        /* The last child is the ancestor of the node before that stands right below the parent. */
        int32_t c = n - 1;
        while (s->nodes[c].parent != s->nodes[n].parent) {
            c = s->nodes[c].parent;
        }
        s->nodes[c].next_sibling = n;
    }
}

static void
add_leaf(struct parquet_schema *s, int32_t n)
{
    if (s->column_count == s->column_cap) {
        s->column_cap = s->column_cap ? s->column_cap * 2 : 16;
        s->leaves = mem_realloc(s->leaves, (size_t)s->column_cap, sizeof *s->leaves);
    }
    s->nodes[n].column = s->column_count;
    s->leaves[s->column_count++] = n;
    for (int32_t up = n; up >= 0; up = s->nodes[up].parent) {
        s->nodes[up].column_count++;
    }
}

err
parquet_schema_add(struct parquet_schema *s, int32_t parent, const struct parquet_field *field,
                   struct fault *f, int32_t *ret_node)
{
    err rc = check_field(s, parent, field, f);
    if (rc != OK) {
        return rc;
    }
    if (s->node_count == s->node_cap) {
        s->node_cap *= 2;
        s->nodes = mem_realloc(s->nodes, (size_t)s->node_cap, sizeof *s->nodes);
    }
    int32_t n = s->node_count++;
    const struct parquet_node *up = &s->nodes[parent];
    s->nodes[n] = (struct parquet_node){
        .field = *field,
        .parent = parent,
        .next_sibling = -1,
        .column = -1,
        .first_column = s->column_count,
        .max_def = (uint8_t)(up->max_def + (field->repetition != PARQUET_REQUIRED)),
        .max_rep = (uint8_t)(up->max_rep + (field->repetition == PARQUET_REPEATED)),
        .depth = (uint8_t)(up->depth + 1),
    };
    const void *name = field->name.p ? (const void *)field->name.p : "";
    s->nodes[n].field.name = slice_of(mem_strndup(name, field->name.n), field->name.n);
    link_node(s, n);
    if (!field->group) {
        add_leaf(s, n);
    }
    if (ret_node) {
        *ret_node = n;
    }
    return OK;
}

static err
add_nested(struct parquet_schema *s, int32_t parent, const struct parquet_field *outer, slice inner,
           int32_t *ret)
{
    int32_t group = 0;
    err rc = parquet_schema_add(s, parent, outer, NULL, &group);
    if (rc == OK) {
        rc = parquet_schema_add(
            s, group, &(struct parquet_field){.name = inner, .repetition = PARQUET_REPEATED, .group = true},
            NULL, ret);
    }
    return rc;
}

err
parquet_schema_add_list(struct parquet_schema *s, int32_t parent, slice name, bool optional,
                        int32_t *ret_repeated)
{
    struct parquet_field outer = {.name = name,
                                  .repetition = optional ? PARQUET_OPTIONAL : PARQUET_REQUIRED,
                                  .group = true,
                                  .logical = {.kind = PARQUET_LIST}};
    return add_nested(s, parent, &outer, SL("list"), ret_repeated);
}

err
parquet_schema_add_map(struct parquet_schema *s, int32_t parent, slice name, bool optional,
                       int32_t *ret_repeated)
{
    struct parquet_field outer = {.name = name,
                                  .repetition = optional ? PARQUET_OPTIONAL : PARQUET_REQUIRED,
                                  .group = true,
                                  .logical = {.kind = PARQUET_MAP}};
    return add_nested(s, parent, &outer, SL("key_value"), ret_repeated);
}

const struct parquet_node *
parquet_schema_column(const struct parquet_schema *s, size_t column)
{
    return &s->nodes[s->leaves[column]];
}

int32_t
parquet_schema_child(const struct parquet_schema *s, int32_t node, slice name)
{
    if (s->nodes[node].child_count == 0) {
        return -1;
    }
    for (int32_t c = node + 1; c >= 0; c = s->nodes[c].next_sibling) {
        if (slice_eq(s->nodes[c].field.name, name)) {
            return c;
        }
    }
    return -1;
}

int32_t
parquet_schema_find(const struct parquet_schema *s, slice path)
{
    int32_t n = 0;
    while (path.p && n >= 0) {
        n = parquet_schema_child(s, n, slice_cut(&path, '.'));
    }
    return n >= 0 ? s->nodes[n].column : -1;
}

size_t
parquet_value_bytes(const struct parquet_node *leaf)
{
    switch (leaf->field.type) {
    case PARQUET_INT32:
    case PARQUET_FLOAT:
        return 4;
    case PARQUET_INT64:
    case PARQUET_DOUBLE:
        return 8;
    case PARQUET_INT96:
        return 12;
    case PARQUET_FIXED:
        return (size_t)leaf->field.type_length;
    default:
        return 0;
    }
}
