/* Expressions ready to run: attribute references resolved to slots, the tree laid out as a postfix program.
 *
 * A query's slots are its distinct attribute references. `{ span.a = 1 && duration > span.b * 2 }` has the
 * slots 0 span.a, 1 duration, 2 span.b, the condition `slot 0 = 1`, and the program
 *
 *   COND 0         push: slot 0 = 1          (bool)
 *   JUMP_FALSE 6   top is false: leave it and go to 6; a vectorised reader may ignore jumps
 *   SLOT 1         push duration
 *   SLOT 2 ; CONST 2 ; BINARY * ; BINARY >
 *   BINARY &&      pop two, push one
 *   6:
 *
 * Per span: fill slots[] (TQL_NIL where the span has no such attribute), tql_program_eval. Per vector:
 * evaluate each COND over a column (or its dictionary) into a bit mask, combine masks at BINARY && / || and
 * UNARY !, and fall back to tql_program_eval on the rows that matter for a program that is not `only_conds`.
 *
 * What one span gives several values for (events, links): run the program once for each event (each pair of
 * event and link) with that one's values in the event slots, once with TQL_NIL there when it has none; the
 * span matches when any run does. That is "one and the same event satisfies all", and "some event" for OR.
 *
 * Limits: TQL_STACK_MAX values while running; TQL_REGEX_TOTAL_BYTES_MAX for the programs of all regular
 * expressions of a query. Threads: immutable once compiled; eval from any number of threads, each with its
 * own stack.
 */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/traceql/ast.h"
#include "vivace/traceql/regex.h"

/* Values while running: operands nested to the right, far above what people write. */
#define TQL_STACK_MAX 65536u
/* Distinct regular expressions of a query, and the bytes of their programs. The first TQL_REGEX_LARGE_MAX may
 * hold TQL_REGEX_BYTES_MAX each, automaton included, the others TQL_REGEX_SMALL_BYTES: 92 MiB at worst. */
#define TQL_REGEX_COUNT_MAX       256u
#define TQL_REGEX_TOTAL_BYTES_MAX (32u << 20)
#define TQL_REGEX_LARGE_MAX       16u
#define TQL_REGEX_SMALL_BYTES     (256u << 10)

/* Where a slot is used: what to fetch before the filters, what only for spans that stay. */
enum {
    TQL_USE_FILTER = 1,  /* in a spanset filter */
    TQL_USE_GROUP = 2,   /* in by() */
    TQL_USE_SCALAR = 4,  /* in an aggregate */
    TQL_USE_SELECT = 8,  /* in select() */
    TQL_USE_METRIC = 16, /* measured by a metrics function */
    TQL_USE_LABEL = 32,  /* label of a metrics series */
    TQL_USE_COMPARE = 64 /* in compare()'s filter */
};

struct tql_slot {
    struct tql_attr attr;
    uint8_t level; /* enum tql_level */
    uint8_t uses;  /* TQL_USE_… */
};

/* Distinct references in order of first appearance: also the order a search result lists attributes in. */
struct tql_slots {
    struct tql_slot *slots;
    uint32_t *index; /* hash table over `slots`: number + 1, 0 = free */
    size_t count, cap, index_cap;
};

/* `slot op value`, the part of a filter columns can answer. The literal stands on the right, mirrored when
 * the query has it on the left; a bare boolean attribute is `= true`. */
struct tql_cond {
    uint32_t slot;
    uint8_t op;                    /* enum tql_op: EQ to NRE, EXISTS, NOT_EXISTS */
    struct tql_static value;       /* EQ to GTE, and the pattern of RE and NRE */
    const struct tql_regex *regex; /* RE, NRE */
};

enum tql_code {
    TQL_CODE_SLOT,       /* push slots[arg] */
    TQL_CODE_CONST,      /* push consts[arg] */
    TQL_CODE_COND,       /* push conds[arg] of its slot */
    TQL_CODE_UNARY,      /* op on the top */
    TQL_CODE_BINARY,     /* op on the two topmost */
    TQL_CODE_MATCH,      /* top =~ or !~ regexes[arg] */
    TQL_CODE_JUMP_FALSE, /* to arg when the top is the boolean false, which stays */
    TQL_CODE_JUMP_TRUE,
};

struct tql_insn {
    uint8_t code; /* enum tql_code */
    uint8_t op;   /* enum tql_op */
    uint32_t arg;
};

struct tql_program {
    const struct tql_insn *insns;
    const struct tql_cond *conds;
    const struct tql_static *consts;
    const struct tql_regex *const *regexes;
    uint32_t insn_count, cond_count, const_count, regex_count;
    uint32_t stack_max;          /* values tql_program_eval needs */
    uint8_t levels;              /* bit 1 << enum tql_level for each level it reads */
    bool only_conds;             /* conditions, constants, && and || and nothing else */
    const struct tql_expr *expr; /* what it was made of */
};

/* What compiling shares for one query: slots and regular expressions. The arena must outlive it. */
struct tql_compiler {
    struct arena *arena;
    struct tql_slots slots;
    struct tql_regex **regexes; /* owned, freed by fini */
    slice *patterns;
    size_t regex_count, regex_cap, pattern_cap, regex_bytes;
};

void tql_compiler_init(struct tql_compiler *c, struct arena *a);
/* Frees the regular expressions: no program may run after. */
void tql_compiler_fini(struct tql_compiler *c);
/* The number of the attribute's slot, made when it is new. ERR_LIMIT from the arena. */
CHECKED err tql_compiler_slot(struct tql_compiler *c, const struct tql_attr *attr, uint8_t use,
                              struct fault *f, uint32_t *ret);
/* `e` has passed traceql_check. ERR_LIMIT: arena, stack, regular expressions. */
CHECKED err tql_compiler_program(struct tql_compiler *c, const struct tql_expr *e, uint8_t use,
                                 struct fault *f, struct tql_program *ret);
/* The same for several operands joined by `&&` (n > 0), as the parts a planner leaves of a filter;
 * `ret->expr`, which error texts are taken from, is the caller's to set to the whole filter. */
CHECKED err tql_compiler_all(struct tql_compiler *c, const struct tql_expr *const *operands, size_t n,
                             uint8_t use, struct fault *f, struct tql_program *ret);
/* One boolean operand of a filter as a condition; false when it is none (arithmetic, two attributes, !x,
 * ...). */
CHECKED err tql_compiler_cond(struct tql_compiler *c, const struct tql_expr *e, uint8_t use, struct fault *f,
                              bool *ret_is, struct tql_cond *ret);

/* `stack` has room for program->stack_max values; `slots` is indexed by slot number. ERR_INVALID with the
 * text Tempo ends its HTTP 500 with: "division by zero", "expression (!.foo) expected a boolean, but got
 * TypeString", ... Time: O(instructions), strings apart. */
CHECKED err tql_program_eval(const struct tql_program *p, const struct tql_static *slots,
                             struct tql_static *stack, struct fault *f, struct tql_static *ret);
/* One condition on its slot's value. ERR_UNSUPPORTED never: a literal is no array. */
bool tql_cond_eval(const struct tql_cond *c, const struct tql_static *value);
