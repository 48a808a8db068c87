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

struct eval_private {
    struct trace_facts facts;
    struct shape shape;
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
err eval_no_memory(const struct eval *e, struct fault *f);
/* aggregate.c: the aggregate of a spanset; nil when it has no value. */
CHECKED err aggregate_of(struct eval *e, const struct tql_step *step, const struct slot_use *use,
                         const struct spanset *set, struct fault *f, struct tql_static *ret);
bool value_is_there(const struct tql_static *v);
