/* config-private: rows and tables, the one description of every key.
 *
 * A row says where a YAML key is stored, how its value is read, which flag sets it, what it defaults to and
 * what it means. Loading, flags, /status/config, docs/config.md and the comments of config/vivace.yaml all
 * walk these tables. Tables nest as YAML does: a section row holds a table, whose offsets count from the
 * section's own offset, so that a table may serve several places (server and internal_server, defaults and
 * tenants).
 */
#pragma once

#include "vivace/config/config.h"

enum field_type {
    FIELD_BOOL,      /* bool */
    FIELD_TRI,       /* int, enum config_tri */
    FIELD_UINT,      /* uint64_t, also with units: 1_000_000, 0x10, 5e9, 64MiB */
    FIELD_PORT,      /* uint16_t */
    FIELD_FLOAT,     /* double */
    FIELD_DURATION,  /* int64_t ns */
    FIELD_STRING,    /* const char * */
    FIELD_SECRET,    /* const char *, masked when written */
    FIELD_URL,       /* const char *, its password masked when written */
    FIELD_ENUM,      /* int, index in `choices` */
    FIELD_SCALAR,    /* struct config_scalar */
    FIELD_STRINGS,   /* struct config_strings */
    FIELD_FLOATS,    /* struct config_floats */
    FIELD_MAP,       /* struct config_map */
    FIELD_SECRETS,   /* struct config_map, values masked when written */
    FIELD_LIST,      /* {T *v; size_t n;}, T described by `sub` */
    FIELD_SECTION,   /* nested table `sub` */
    FIELD_INCLUDE,   /* keys of `sub` are also accepted here (legacy spellings) */
    FIELD_RECEIVERS, /* struct config_receivers */
    FIELD_IGNORED,   /* any value; nothing is stored */
    FIELD_TYPE_COUNT
};

enum field_class {
    FIELD_USED,
    FIELD_ALIAS, /* another name of a used row: accepted, not written, no default of its own */
};

struct table;

struct field {
    const char *key;
    const char *flag; /* appended to the prefix of the sections around unless it starts with '/'; a section's
                         is such a prefix; NULL = none */
    const char *def;  /* as in YAML; lists comma-separated; NULL = zero */
    const char *doc;  /* one line */
    const char *choices; /* FIELD_ENUM: "a|b|c" */
    const struct table *sub;
    uint32_t offset;
    uint8_t type; /* enum field_type */
    uint8_t cls;  /* enum field_class */
    bool open;    /* section: its rows' defaults do not apply here, unset stays zero (overrides) */
};

struct table {
    const struct field *rows;
    size_t count;
    size_t size; /* of the struct the rows describe */
};

#define TABLE(name_, rows_, struct_)                                                                         \
    const struct table name_ = {                                                                             \
        .rows = (rows_), .count = sizeof(rows_) / sizeof((rows_)[0]), .size = sizeof(struct_)}

/* The member's type must be the row's: a mismatch does not compile. `S` is the struct of the table at hand.
 */
#define FIELD_AT(T, m)   (uint32_t)(offsetof(S, m) + 0 * _Generic(&((S *)0)->m, T * : 1))
#define FIELD_C_BOOL     bool
#define FIELD_C_TRI      int
#define FIELD_C_UINT     uint64_t
#define FIELD_C_PORT     uint16_t
#define FIELD_C_FLOAT    double
#define FIELD_C_DURATION int64_t
#define FIELD_C_STRING   const char *
#define FIELD_C_SECRET   const char *
#define FIELD_C_URL      const char *
#define FIELD_C_SCALAR   struct config_scalar
#define FIELD_C_STRINGS  struct config_strings
#define FIELD_C_FLOATS   struct config_floats
#define FIELD_C_MAP      struct config_map
#define FIELD_C_SECRETS  struct config_map

#define ROW(t, key_, m, flag_, def_, doc_)                                                                   \
    {                                                                                                        \
        .key = (key_), .type = FIELD_##t, .offset = FIELD_AT(FIELD_C_##t, m), .flag = (flag_),               \
        .def = (def_), .doc = (doc_)                                                                         \
    }
#define ROW_ENUM(key_, m, choices_, flag_, def_, doc_)                                                       \
    {                                                                                                        \
        .key = (key_), .type = FIELD_ENUM, .offset = FIELD_AT(int, m), .choices = (choices_),                \
        .flag = (flag_), .def = (def_), .doc = (doc_)                                                        \
    }
/* Another name of a row of the same struct. */
#define ALIAS(t, key_, m, flag_, doc_)                                                                       \
    {                                                                                                        \
        .key = (key_), .type = FIELD_##t, .offset = FIELD_AT(FIELD_C_##t, m), .flag = (flag_),               \
        .doc = (doc_), .cls = FIELD_ALIAS                                                                    \
    }
#define LIST(key_, m, sub_, doc_)                                                                            \
    {                                                                                                        \
        .key = (key_), .type = FIELD_LIST, .offset = (uint32_t)offsetof(S, m), .sub = &(sub_), .doc = (doc_) \
    }
/* A section whose table describes member `m`. */
#define SECTION(key_, m, prefix_, sub_, doc_)                                                                \
    {                                                                                                        \
        .key = (key_), .type = FIELD_SECTION, .offset = (uint32_t)offsetof(S, m), .flag = (prefix_),         \
        .sub = &(sub_), .doc = (doc_)                                                                        \
    }
/* A section whose table describes the same struct as this one. */
#define GROUP(key_, prefix_, sub_, doc_)                                                                     \
    {                                                                                                        \
        .key = (key_), .type = FIELD_SECTION, .flag = (prefix_), .sub = &(sub_), .doc = (doc_)               \
    }
#define SECTION_ALIAS(key_, m, prefix_, sub_, doc_)                                                          \
    {                                                                                                        \
        .key = (key_), .type = FIELD_SECTION, .offset = (uint32_t)offsetof(S, m), .flag = (prefix_),         \
        .sub = &(sub_), .doc = (doc_), .cls = FIELD_ALIAS                                                    \
    }
#define IGNORED(key_, flag_, doc_)                                                                           \
    {                                                                                                        \
        .key = (key_), .type = FIELD_IGNORED, .flag = (flag_), .doc = (doc_)                                 \
    }

extern const struct table table_root, table_server, table_internal_server, table_distributor, table_ingester,
    table_live_store, table_compactor, table_backend_worker, table_backend_scheduler, table_storage,
    table_query_frontend, table_querier, table_generator, table_overrides, table_limits, table_limits_legacy,
    table_tenant, table_processors, table_intrinsic_dimensions, table_filter_policy, table_dimension_mapping,
    table_vivace, table_tls_client, table_receiver_tls;
/* Keys of one receiver kind, in struct config_receiver. */
extern const struct table *const table_receivers[RECEIVER_KIND_COUNT];

/* --- walking
 * ------------------------------------------------------------------------------------------------ */

#define WALK_DEPTH_MAX 16 /* tables nest less than this: they are ours */
#define WALK_PATH_MAX  256

enum walk_event { WALK_FIELD, WALK_ENTER, WALK_LEAVE, WALK_ITEM, WALK_END };

struct walk {
    struct {
        const struct table *table;
        const struct field *section; /* the row that led here, or NULL */
        size_t i;
        char *base;   /* struct at hand, or NULL when only rows are wanted */
        size_t items; /* list: elements not begun yet */
        uint16_t path_len, flag_len;
        bool flags, open, alias;
    } stack[WALK_DEPTH_MAX];
    int depth;
    const struct field *field; /* of this event */
    void *at;                  /* where its value is, NULL without base */
    char path[WALK_PATH_MAX];  /* dotted, of this event's row */
    char flag[WALK_PATH_MAX];  /* flag name without dash, "" = none */
    bool alias;                /* the row or a section around is another name */
    bool open;                 /* defaults do not apply here */
    bool lists;                /* walk into lists too: their elements with a base, their rows once without */
    bool skip_alias;           /* leave out other names */
};

/* `base` may be NULL: rows only. */
void walk_init(struct walk *w, const struct table *t, void *base);
enum walk_event walk_next(struct walk *w);
/* After WALK_ENTER: leave out what is inside (no WALK_LEAVE comes). */
void walk_skip(struct walk *w);

/* Set every used row below to its default. Strings become "". */
void table_set_defaults(const struct table *t, void *base, struct arena *a);
/* Only make strings "" (overrides entries, list elements before their defaults). */
void table_set_empty(const struct table *t, void *base, struct arena *a);
