/* config-private: a YAML file as a tree of nodes with places, and what every part of loading shares.
 *
 * libyaml gives events; yaml.c makes nodes of them in an arena: bounded in count and depth, aliases are
 * references counted as copies, merge keys (<<) are resolved, duplicate keys are errors. Scalars stay text:
 * the tables type them.
 */
#pragma once

#include "field.h"

enum yaml_kind { YAML_SCALAR, YAML_MAP, YAML_LIST };

struct yaml_pair {
    struct yaml_node *key, *value; /* keys are scalars */
    bool merged;                   /* came with << */
};

struct yaml_node {
    enum yaml_kind kind;
    int line, column; /* from 1 */
    size_t weight;    /* nodes below and itself, aliases counted as copies */
    bool plain;       /* scalar without quotes: may be null, bool or number */
    bool open;        /* still being read: an alias to it would be a loop */
    slice text;       /* scalar */
    struct yaml_pair *pairs;
    struct yaml_node **items;
    size_t count, cap;
};

/* What FIELD_LIST and the list types look like. */
struct yaml_list {
    void *v;
    size_t n;
};

/* What one load works with. */
struct loading {
    const char *name;     /* of the file, for messages */
    struct arena *values; /* what the configuration keeps */
    struct arena *nodes;  /* what goes after loading */
    struct config_report *report;
    /* distributor.receivers as met by apply_map: applied after it by receivers_apply (it uses apply_map
     * itself). */
    const struct yaml_node *receivers;
};

/* Null is what YAML 1.1 calls so: empty, ~, null; plain only. A NULL node is null too. */
bool yaml_is_null(const struct yaml_node *n);
/* The tree of the first document; NULL for an empty file or when the report got errors. */
struct yaml_node *yaml_parse(struct loading *l, slice text);

/* --- messages --- */
void report_add(struct config_report *r, enum config_severity s, const char *name, const struct yaml_node *at,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Once for a path. */
void report_ignored(struct loading *l, const struct yaml_node *at, const char *path);

/* --- values --- */
/* Read a scalar as the row's type into `at`. On refusal `why` says what was expected, and `at` is untouched.
 */
bool value_set(const struct field *f, void *at, slice text, struct arena *a, const char **why);
void value_set_scalar(struct config_scalar *ret, slice text, bool plain, struct arena *a);
bool value_parse_uint(slice text, uint64_t *ret);
bool value_parse_bool(slice text, bool *ret);
/* One line of YAML ("[a, b]", "{k: v}", "30s"). `mask`: hide secrets. */
void value_write(const struct field *f, const void *at, bool mask, struct buf *out);
void value_write_string(const char *s, struct buf *out);
bool value_eq(const struct field *f, const void *a, const void *b);

/* --- applying --- */
/* Put a map into the struct that the table describes. `path` is the dotted name of the map ("" at the top).
 */
void apply_map(struct loading *l, const struct table *t, void *base, const struct yaml_node *map,
               const char *path);
/* What the file said under distributor.receivers (l->receivers), or what runs when it said nothing. */
void receivers_apply(struct loading *l, struct config_receivers *r);

/* Checks that need more than one key: buckets rise, ports are ports. */
void limits_check(struct loading *l, const struct tenant_limits *t, const struct yaml_node *at,
                  const char *path);
void config_check(struct loading *l, struct config *c);

/* ${VAR}, ${VAR:default}, ${VAR:-default} in `text`; the result is in `out`. */
CHECKED err expand_env(slice text, const char *name, struct buf *out, struct fault *f);

/* The row a flag sets and where, or NULL. `base` is a config. */
const struct field *flag_find(slice name, struct config *base, void **ret_at);
