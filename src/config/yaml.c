/* libyaml's events to nodes. */
#include "loading.h"

#include "vivace/base/must.h"

#include <stdlib.h>
#include <yaml.h>

#define ANCHORS_MAX 1000 /* looked up by linear search */

struct anchor {
    slice name;
    struct yaml_node *node;
    struct anchor *next;
};

struct builder {
    struct loading *l;
    struct yaml_node *stack[CONFIG_DEPTH_MAX];
    struct yaml_node *keys[CONFIG_DEPTH_MAX]; /* map: the key whose value comes next */
    int depth;
    struct yaml_node *root;
    struct anchor *anchors;
    size_t anchor_count;
    size_t nodes; /* so far, aliases counted as copies */
    bool failed;
};

static void
fail(struct builder *b, int line, int column, const char *text)
{
    struct yaml_node at = {.line = line, .column = column};
    report_add(b->l->report, CONFIG_ERROR, b->l->name, &at, "%s", text);
    b->failed = true;
}

static bool
count_nodes(struct builder *b, const yaml_event_t *e, size_t n)
{
    b->nodes += n;
    if (b->nodes > CONFIG_NODES_MAX) {
        fail(b, (int)e->start_mark.line + 1, (int)e->start_mark.column + 1,
             "too many nodes (or aliases that multiply them)");
        return false;
    }
    return true;
}

static struct yaml_node *
node_new(struct builder *b, const yaml_event_t *e, enum yaml_kind kind)
{
    if (!count_nodes(b, e, 1)) {
        return NULL;
    }
    struct yaml_node *n = arena_new(b->l->nodes, struct yaml_node);
    if (!n) {
        fail(b, (int)e->start_mark.line + 1, (int)e->start_mark.column + 1, "file too large");
        return NULL;
    }
    n->kind = kind;
    n->line = (int)e->start_mark.line + 1;
    n->column = (int)e->start_mark.column + 1;
    n->weight = 1;
    return n;
}

static void
anchor_set(struct builder *b, const yaml_char_t *name, struct yaml_node *n)
{
    if (!name) {
        return;
    }
    if (++b->anchor_count > ANCHORS_MAX) {
        fail(b, n->line, n->column, "too many anchors (over 1000)");
        return;
    }
    struct anchor *a = arena_new(b->l->nodes, struct anchor);
    slice copy = arena_copy(b->l->nodes, slice_cstr((const char *)name));
    if (!a || !copy.p) {
        fail(b, n->line, n->column, "file too large");
        return;
    }
    *a = (struct anchor){.name = copy, .node = n, .next = b->anchors};
    b->anchors = a;
}

static void
append(struct builder *b, struct yaml_node *parent, struct yaml_node *key, struct yaml_node *n)
{
    void *grown = NULL;
    if (parent->kind == YAML_MAP) {
        grown = arena_grow(b->l->nodes, parent->pairs, parent->count, &parent->cap, parent->count + 1,
                           sizeof *parent->pairs);
        parent->pairs = grown ? grown : parent->pairs;
    } else {
        grown = arena_grow(b->l->nodes, parent->items, parent->count, &parent->cap, parent->count + 1,
                           sizeof(void *));
        parent->items = grown ? grown : parent->items;
    }
    if (!grown) {
        fail(b, n->line, n->column, "file too large");
        return;
    }
    if (parent->kind == YAML_MAP) {
        parent->pairs[parent->count++] = (struct yaml_pair){.key = key, .value = n};
    } else {
        parent->items[parent->count++] = n;
    }
    parent->weight += n->weight;
}

/* A finished node takes its place: root, list item, key or value. */
static void
place(struct builder *b, struct yaml_node *n)
{
    if (b->depth == 0) {
        b->root = n;
        return;
    }
    struct yaml_node *parent = b->stack[b->depth - 1];
    if (parent->kind == YAML_LIST) {
        append(b, parent, NULL, n);
        return;
    }
    struct yaml_node **key = &b->keys[b->depth - 1];
    if (!*key) {
        if (n->kind != YAML_SCALAR) {
            fail(b, n->line, n->column, "a key must be text, not a map or a list");
            return;
        }
        *key = n;
        return;
    }
    append(b, parent, *key, n);
    *key = NULL;
}

/* --- merge keys and duplicates --- */

static int
pair_cmp(const void *a, const void *b)
{
    const struct yaml_pair *x = *(const struct yaml_pair *const *)a, *y = *(const struct yaml_pair *const *)b;
    int c = slice_cmp(x->key->text, y->key->text);
    if (c != 0) {
        return c;
    }
    return x < y ? -1 : x > y; /* file order among equals */
}

static bool
is_merge(const struct yaml_pair *p)
{
    return p->key->plain && slice_eq(p->key->text, SL("<<"));
}

/* Append the pairs of `from` to `map`, marked as merged. */
static void
merge_from(struct builder *b, struct yaml_node *map, const struct yaml_node *from, const struct yaml_node *at)
{
    if (from->kind != YAML_MAP) {
        fail(b, at->line, at->column, "<< wants a map or a list of maps");
        return;
    }
    b->nodes += from->weight;
    if (b->nodes > CONFIG_NODES_MAX) {
        fail(b, at->line, at->column, "too many nodes (or aliases that multiply them)");
        return;
    }
    for (size_t i = 0; i < from->count && !b->failed; i++) {
        append(b, map, from->pairs[i].key, from->pairs[i].value);
        map->pairs[map->count - 1].merged = true;
    }
}

static void
merge_all(struct builder *b, struct yaml_node *map)
{
    size_t own = map->count;
    for (size_t i = 0; i < own && !b->failed; i++) {
        if (!is_merge(&map->pairs[i])) {
            continue;
        }
        const struct yaml_node *v = map->pairs[i].value;
        if (v->kind != YAML_LIST) {
            merge_from(b, map, v, map->pairs[i].key);
            continue;
        }
        for (size_t k = 0; k < v->count && !b->failed; k++) {
            merge_from(b, map, v->items[k], map->pairs[i].key);
        }
    }
}

/* Own keys beat merged ones, earlier merges later ones; an own key given twice is an error. O(n log n). */
static void
map_finish(struct builder *b, struct yaml_node *map)
{
    merge_all(b, map);
    if (b->failed || map->count < 2) {
        return;
    }
    const struct yaml_pair **order = arena_new_array(b->l->nodes, const struct yaml_pair *, map->count);
    bool *drop = arena_new_array(b->l->nodes, bool, map->count);
    if (!order || !drop) {
        fail(b, map->line, map->column, "file too large");
        return;
    }
    for (size_t i = 0; i < map->count; i++) {
        order[i] = &map->pairs[i];
        drop[i] = is_merge(&map->pairs[i]);
    }
    qsort(order, map->count, sizeof(void *), pair_cmp);
    for (size_t i = 1; i < map->count; i++) {
        if (!slice_eq(order[i]->key->text, order[i - 1]->key->text) || is_merge(order[i])) {
            continue;
        }
        drop[order[i] - map->pairs] = true;
        if (!order[i]->merged) {
            report_add(b->l->report, CONFIG_ERROR, b->l->name, order[i]->key,
                       "key \"%.*s\" is given twice (first in line %d)",
                       SL_FMT(slice_sub(order[i]->key->text, 0, 80)), order[i - 1]->key->line);
        }
    }
    size_t n = 0;
    for (size_t i = 0; i < map->count; i++) {
        if (!drop[i]) {
            map->pairs[n++] = map->pairs[i];
        }
    }
    map->count = n;
}

/* --- events --- */

static void
on_scalar(struct builder *b, const yaml_event_t *e)
{
    struct yaml_node *n = node_new(b, e, YAML_SCALAR);
    if (!n) {
        return;
    }
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->text = arena_copy(b->l->nodes, slice_of(e->data.scalar.value, e->data.scalar.length));
    if (memchr(e->data.scalar.value, 0, e->data.scalar.length)) {
        fail(b, n->line, n->column, "text must not hold a NUL byte");
        return;
    }
    if (e->data.scalar.length > 0 && !n->text.p) {
        fail(b, n->line, n->column, "file too large");
        return;
    }
    anchor_set(b, e->data.scalar.anchor, n);
    place(b, n);
}

static void
on_alias(struct builder *b, const yaml_event_t *e)
{
    slice name = slice_cstr((const char *)e->data.alias.anchor);
    int line = (int)e->start_mark.line + 1, column = (int)e->start_mark.column + 1;
    for (struct anchor *a = b->anchors; a; a = a->next) {
        if (!slice_eq(a->name, name)) {
            continue;
        }
        if (a->node->open) {
            fail(b, line, column, "an alias inside what it names");
        } else if (count_nodes(b, e, a->node->weight)) {
            place(b, a->node);
        }
        return;
    }
    fail(b, line, column, "an alias without its anchor");
}

static void
on_start(struct builder *b, const yaml_event_t *e)
{
    bool map = e->type == YAML_MAPPING_START_EVENT;
    struct yaml_node *n = node_new(b, e, map ? YAML_MAP : YAML_LIST);
    if (!n) {
        return;
    }
    if (b->depth == CONFIG_DEPTH_MAX) {
        fail(b, n->line, n->column, "nested too deeply");
        return;
    }
    n->open = true;
    anchor_set(b, map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor, n);
    b->stack[b->depth] = n;
    b->keys[b->depth] = NULL;
    b->depth++;
}

static void
on_end(struct builder *b)
{
    MUST(b->depth > 0);
    struct yaml_node *n = b->stack[--b->depth];
    n->open = false;
    if (n->kind == YAML_MAP) {
        map_finish(b, n);
    }
    if (!b->failed) {
        place(b, n);
    }
}

/* False at the end of the first document. */
static bool
on_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        on_scalar(b, e);
        return true;
    case YAML_ALIAS_EVENT:
        on_alias(b, e);
        return true;
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        on_start(b, e);
        return true;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        on_end(b);
        return true;
    case YAML_DOCUMENT_END_EVENT:
    case YAML_STREAM_END_EVENT:
        return false;
    default:
        return true;
    }
}

bool
yaml_is_null(const struct yaml_node *n)
{
    return !n || (n->kind == YAML_SCALAR && n->plain &&
                  (n->text.n == 0 || slice_eq(n->text, SL("~")) || slice_eq(n->text, SL("null")) ||
                   slice_eq(n->text, SL("Null")) || slice_eq(n->text, SL("NULL"))));
}

struct yaml_node *
yaml_parse(struct loading *l, slice text)
{
    struct builder b = {.l = l};
    if (text.n > CONFIG_FILE_MAX) {
        fail(&b, 0, 0, "file too large (over 4 MiB)");
        return NULL;
    }
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        fail(&b, 0, 0, "out of memory");
        return NULL;
    }
    yaml_parser_set_input_string(&parser, text.p ? text.p : (const uint8_t *)"", text.n);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    bool more = true;
    while (more && !b.failed) {
        yaml_event_t e;
        if (!yaml_parser_parse(&parser, &e)) {
            int line = (int)parser.problem_mark.line + 1, column = (int)parser.problem_mark.column + 1;
            fail(&b, line, column, parser.problem ? parser.problem : "not YAML");
            break;
        }
        more = on_event(&b, &e);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    return b.failed ? NULL : b.root;
}
