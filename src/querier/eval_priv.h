/* What the files of an evaluation share. */
#pragma once

#include "values.h"

#include "vivace/querier/eval.h"

/* The slots a program reads. */
struct slot_use {
    uint32_t *slots;
    uint32_t count;
    bool parts; /* some are of events or links */
};

struct spanset_list {
    struct spanset *sets; /* by rising origin */
    uint32_t count;
    uint32_t generation; /* which input it was made of */
};

/* What a search result shows of a slot. */
struct slot_shown {
    const struct tql_cond **conds; /* of filters */
    uint32_t cond_count;
    bool always; /* used for more than conditions */
};

/* What a result shows of a span. */
struct row_facts {
    span_id id;
    slice name, service;
    uint64_t start_ns, duration_ns;
    bool error;
};

/* A trace that is not a batch: its rows, in order of trace_sort, without duplicates. */
struct eval_rows {
    size_t count;
    struct trace_facts facts;
    const struct shape *shape; /* when the plan needs structure */
    /* Does the plan's filter keep the row? *ret_known false: run its program. */
    bool (*keeps)(const struct eval_rows *r, uint32_t filter, size_t row, bool *ret_known);
    void (*value)(const struct eval_rows *r, uint32_t slot, size_t row, struct tql_static *ret);
    /* Events or links of a row, numbered through the trace or beyond. */
    struct run (*parts)(const struct eval_rows *r, bool links, size_t row);
    void (*part)(const struct eval_rows *r, uint32_t slot, struct value_at at, struct tql_static *ret);
    void (*facts_of)(const struct eval_rows *r, size_t row, struct row_facts *ret);
    uint64_t (*start_of)(const struct eval_rows *r, size_t row); /* of the facts, for who wants no more */
};

struct eval_private {
    const struct eval_rows *from; /* NULL: a batch */
    struct trace_facts facts;
    struct shape own_shape;
    const struct shape *shape;
    struct value_source values;
    struct tql_static *cells;   /* rows x slots; type CELL_UNREAD until asked for */
    struct tql_static *stack;   /* for programs */
    struct tql_static *line;    /* a row's slots with one event and link */
    struct slot_use *filters;   /* by filter */
    struct slot_use *steps;     /* by step, of its program */
    struct slot_shown *shown;   /* by slot */
    struct spanset_list *lists; /* the machine's stack */
    struct spanset_list input;
    uint32_t depth, generations;
    uint8_t *marks; /* one a row, zero between steps */
    uint32_t *work; /* rows + 1 */
    uint64_t ticks;
    struct arena plan_memory; /* what lives as long as the plan */
};

#define CELL_UNREAD 0xff

/* The slots `program` reads; lies in `a` (without a cap). */
void slot_use_of(struct arena *a, const struct tql_plan *plan, const struct tql_program *program,
                 struct slot_use *ret);
/* Every 1024th call looks at the guard. */
CHECKED err eval_tick(struct eval *e, struct fault *f);
/* A program's value for a row. With events or links: of the first for which `wanted` holds, else nil. */
CHECKED err eval_program(struct eval *e, const struct tql_program *p, const struct slot_use *use, size_t row,
                         bool (*wanted)(const struct tql_static *v), struct fault *f, struct tql_static *ret);
/* Run the plan's steps; the answer is on the stack. */
CHECKED err eval_steps(struct eval *e, struct fault *f);
/* As eval_run; `r` and what it points to must stay until the next run. */
CHECKED err eval_run_rows(struct eval *e, const struct eval_rows *r, struct fault *f);
void eval_row_facts(const struct eval *e, size_t row, struct row_facts *ret);
uint64_t eval_row_start(const struct eval *e, size_t row);
err eval_no_memory(const struct eval *e, struct fault *f);
/* aggregate.c: the aggregate of a spanset; nil when it has no value. */
CHECKED err aggregate_of(struct eval *e, const struct tql_step *step, const struct slot_use *use,
                         const struct spanset *set, struct fault *f, struct tql_static *ret);
bool value_is_there(const struct tql_static *v);
