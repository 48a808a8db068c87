#include "cond.h"

#include "vivace/base/mem.h"
#include "vivace/base/table.h"

#define INDEX_FIRST 32 /* power of two */

static err
no_memory(struct fault *f)
{
    return FAULT(f, ERR_LIMIT, "the query needs too much memory");
}

void
tql_compiler_init(struct tql_compiler *c, struct arena *a)
{
    *c = (struct tql_compiler){.arena = a};
}

void
tql_compiler_fini(struct tql_compiler *c)
{
    for (size_t i = 0; i < c->regex_count; i++) {
        tql_regex_destroy(c->regexes[i]);
    }
    c->regex_count = 0;
}

/* --- slots ----------------------------------------------------------------------------------------- */

static uint64_t
attr_hash(const struct tql_attr *a)
{
    return hash_bytes(a->name.p, a->name.n,
                      (uint64_t)a->scope << 16 | (uint64_t)a->intrinsic << 8 | a->parent);
}

/* The place of the attribute in the index: its own, or the free one it would take. */
static uint32_t *
index_find(const struct tql_slots *s, const struct tql_attr *a)
{
    size_t mask = s->index_cap - 1, at = attr_hash(a) & mask;
    while (s->index[at] != 0 && !tql_attr_same(&s->slots[s->index[at] - 1].attr, a)) {
        at = (at + 1) & mask;
    }
    return &s->index[at];
}

static bool
index_grow(struct tql_slots *s, struct arena *a)
{
    if (s->count * 2 < s->index_cap) {
        return true;
    }
    size_t cap = s->index_cap ? s->index_cap * 2 : INDEX_FIRST;
    uint32_t *index = arena_new_array(a, uint32_t, cap);
    if (!index) {
        return false;
    }
    s->index = index;
    s->index_cap = cap;
    for (size_t i = 0; i < s->count; i++) {
        *index_find(s, &s->slots[i].attr) = (uint32_t)i + 1;
    }
    return true;
}

err
tql_compiler_slot(struct tql_compiler *c, const struct tql_attr *attr, uint8_t use, struct fault *f,
                  uint32_t *ret)
{
    struct tql_slots *s = &c->slots;
    if (!index_grow(s, c->arena)) {
        return no_memory(f);
    }
    uint32_t *place = index_find(s, attr);
    if (*place == 0) {
        if (s->count == s->cap) {
            void *grown = arena_grow(c->arena, s->slots, s->count, &s->cap, s->count + 1, sizeof *s->slots);
            if (!grown) {
                return no_memory(f);
            }
            s->slots = grown;
        }
        s->slots[s->count] = (struct tql_slot){.attr = *attr, .level = (uint8_t)tql_attr_level(attr)};
        *place = (uint32_t)++s->count;
    }
    s->slots[*place - 1].uses |= use;
    *ret = *place - 1;
    return OK;
}

/* --- regular expressions --------------------------------------------------------------------------- */

static err
compiler_regex(struct tql_compiler *c, slice pattern, struct fault *f, struct tql_regex **ret)
{
    struct tql_regex *re = NULL;
    for (size_t i = 0; i < c->regex_count; i++) {
        if (slice_eq(c->patterns[i], pattern)) {
            *ret = c->regexes[i];
            return OK;
        }
    }
    if (c->regex_count == TQL_REGEX_COUNT_MAX) {
        return FAULT(f, ERR_LIMIT, "too many regular expressions in the query (limit: %u)",
                     TQL_REGEX_COUNT_MAX);
    }
    void *regexes =
        arena_grow(c->arena, c->regexes, c->regex_count, &c->regex_cap, c->regex_count + 1, sizeof(void *));
    void *patterns = arena_grow(c->arena, c->patterns, c->regex_count, &c->pattern_cap, c->regex_count + 1,
                                sizeof *c->patterns);
    if (!regexes || !patterns) {
        return no_memory(f);
    }
    c->regexes = regexes;
    c->patterns = patterns;
    size_t bytes_max = c->regex_count < TQL_REGEX_LARGE_MAX ? TQL_REGEX_BYTES_MAX : TQL_REGEX_SMALL_BYTES;
    if (tql_regex_create_sized(pattern, bytes_max, NULL, &re) != OK) { /* it did compile in the checker */
        return FAULT(f, ERR_LIMIT, "the regular expressions of the query need too much memory");
    }
    if (c->regex_bytes + tql_regex_bytes(re) > TQL_REGEX_TOTAL_BYTES_MAX) {
        tql_regex_destroy(re);
        return FAULT(f, ERR_LIMIT, "the regular expressions of the query need more than %u bytes",
                     TQL_REGEX_TOTAL_BYTES_MAX);
    }
    c->regex_bytes += tql_regex_bytes(re);
    c->regexes[c->regex_count] = re;
    c->patterns[c->regex_count++] = pattern;
    *ret = re;
    return OK;
}

/* --- conditions ------------------------------------------------------------------------------------ */

static bool
is_regex_op(uint8_t op)
{
    return op == TQL_OP_RE || op == TQL_OP_NRE;
}

const struct tql_attr *
tql_expr_cond(const struct tql_expr *e, struct tql_cond *ret)
{
    const struct tql_expr *a = tql_expr_a(e), *b = tql_expr_b(e);
    *ret = (struct tql_cond){.op = e->op};
    switch ((enum tql_expr_kind)e->kind) {
    case TQL_EXPR_ATTR:
        ret->op = TQL_OP_EQ;
        ret->value = tql_static_bool(true);
        return &e->attr;
    case TQL_EXPR_UNARY:
        return (e->op == TQL_OP_EXISTS || e->op == TQL_OP_NOT_EXISTS) && a->kind == TQL_EXPR_ATTR ? &a->attr
                                                                                                  : NULL;
    case TQL_EXPR_BINARY:
        break;
    case TQL_EXPR_STATIC:
        return NULL;
    }
    if (!tql_op_is_compare((enum tql_op)e->op) && !is_regex_op(e->op)) {
        return NULL;
    }
    if (a->kind == TQL_EXPR_ATTR && b->kind == TQL_EXPR_STATIC) {
        ret->value = b->value;
        return &a->attr;
    }
    if (a->kind == TQL_EXPR_STATIC && b->kind == TQL_EXPR_ATTR && !is_regex_op(e->op)) {
        ret->value = a->value;
        ret->op = (uint8_t)tql_op_mirror((enum tql_op)e->op);
        return &b->attr;
    }
    return NULL;
}

err
tql_compiler_cond(struct tql_compiler *c, const struct tql_expr *e, uint8_t use, struct fault *f,
                  bool *ret_is, struct tql_cond *ret)
{
    struct tql_cond cond;
    const struct tql_attr *attr = tql_expr_cond(e, &cond);
    err rc = OK;
    if (attr && is_regex_op(cond.op)) {
        struct tql_regex *re = NULL;
        rc = compiler_regex(c, tql_static_slice(&cond.value), f, &re);
        cond.regex = re;
    }
    if (attr && rc == OK) {
        rc = tql_compiler_slot(c, attr, use, f, &cond.slot);
    }
    if (rc == OK) {
        *ret_is = attr != NULL;
        *ret = cond;
    }
    return rc;
}

/* --- programs -------------------------------------------------------------------------------------- */

struct emitter {
    struct tql_compiler *c;
    struct fault *f;
    uint8_t use;
    struct tql_insn *insns;
    struct tql_cond *conds;
    struct tql_static *consts;
    const struct tql_regex **regexes;
    uint32_t *jumps; /* open ones, innermost last */
    size_t insn_count, cond_count, const_count, regex_count, jump_count;
    size_t insn_cap, cond_cap, const_cap, regex_cap, jump_cap;
    uint32_t depth, depth_max;
    uint8_t levels;
    bool only_conds;
};

/* Room for one more in an array of the emitter. */
#define MORE(e, array, count, cap)                                                                           \
    ((void *)((array) = arena_more((e), (array), (count), &(cap), sizeof *(array))) != NULL)

static void *
arena_more(struct emitter *e, void *array, size_t count, size_t *cap, size_t size)
{
    return count < *cap ? array : arena_grow(e->c->arena, array, count, cap, count + 1, size);
}

static err
emit(struct emitter *e, enum tql_code code, uint8_t op, uint32_t arg)
{
    if (!MORE(e, e->insns, e->insn_count, e->insn_cap)) {
        return no_memory(e->f);
    }
    e->insns[e->insn_count++] = (struct tql_insn){.code = (uint8_t)code, .op = op, .arg = arg};
    if (code <= TQL_CODE_COND) {
        e->depth++;
        if (e->depth > e->depth_max) {
            e->depth_max = e->depth;
        }
    } else if (code == TQL_CODE_BINARY) {
        e->depth--;
    }
    bool logic = code == TQL_CODE_BINARY && (op == TQL_OP_AND || op == TQL_OP_OR);
    e->only_conds = e->only_conds && (logic || code == TQL_CODE_COND || code == TQL_CODE_CONST ||
                                      code == TQL_CODE_JUMP_FALSE || code == TQL_CODE_JUMP_TRUE);
    return e->depth_max > TQL_STACK_MAX ? FAULT(e->f, ERR_LIMIT, "the query is nested too deeply") : OK;
}

static err
emit_leaf(struct emitter *e, const struct tql_expr *x)
{
    uint32_t slot = 0;
    if (x->kind == TQL_EXPR_STATIC) {
        if (!MORE(e, e->consts, e->const_count, e->const_cap)) {
            return no_memory(e->f);
        }
        e->consts[e->const_count] = x->value;
        return emit(e, TQL_CODE_CONST, 0, (uint32_t)e->const_count++);
    }
    err rc = tql_compiler_slot(e->c, &x->attr, e->use, e->f, &slot);
    if (rc != OK) {
        return rc;
    }
    e->levels |= (uint8_t)(1u << e->c->slots.slots[slot].level);
    return emit(e, TQL_CODE_SLOT, 0, slot);
}

/* A bare attribute counts as a condition (`= true`, of an array any element) only where "not a boolean" and
 * "false" end the same: alone in a filter, and beside `&&`. */
static bool
may_be_cond(const struct emitter *e, const struct tql_expr *x, const struct tql_expr *root)
{
    const struct tql_expr *up = (const struct tql_expr *)x->tree.up;
    if (x->kind != TQL_EXPR_ATTR) {
        return true;
    }
    return x == root ? (e->use & (TQL_USE_FILTER | TQL_USE_COMPARE)) != 0
                     : up->kind == TQL_EXPR_BINARY && up->op == TQL_OP_AND;
}

static err
emit_cond(struct emitter *e, const struct tql_expr *x, bool *ret_done)
{
    struct tql_cond cond;
    err rc = tql_compiler_cond(e->c, x, e->use, e->f, ret_done, &cond);
    if (rc != OK || !*ret_done) {
        return rc;
    }
    if (!MORE(e, e->conds, e->cond_count, e->cond_cap)) {
        return no_memory(e->f);
    }
    e->conds[e->cond_count] = cond;
    e->levels |= (uint8_t)(1u << e->c->slots.slots[cond.slot].level);
    return emit(e, TQL_CODE_COND, 0, (uint32_t)e->cond_count++);
}

static err
emit_jump(struct emitter *e, const struct tql_expr *x)
{
    if (x->op != TQL_OP_AND && x->op != TQL_OP_OR) {
        return OK;
    }
    if (!MORE(e, e->jumps, e->jump_count, e->jump_cap)) {
        return no_memory(e->f);
    }
    e->jumps[e->jump_count++] = (uint32_t)e->insn_count;
    return emit(e, x->op == TQL_OP_AND ? TQL_CODE_JUMP_FALSE : TQL_CODE_JUMP_TRUE, 0, 0);
}

static err
emit_match(struct emitter *e, const struct tql_expr *x)
{
    struct tql_regex *re = NULL;
    err rc = compiler_regex(e->c, tql_static_slice(&tql_expr_b(x)->value), e->f, &re);
    if (rc != OK) {
        return rc;
    }
    void *regexes = arena_more(e, e->regexes, e->regex_count, &e->regex_cap, sizeof(void *));
    if (!regexes) {
        return no_memory(e->f);
    }
    e->regexes = regexes;
    e->regexes[e->regex_count] = re;
    return emit(e, TQL_CODE_MATCH, x->op, (uint32_t)e->regex_count++);
}

/* After the operands. */
static err
emit_operation(struct emitter *e, const struct tql_expr *x)
{
    if (x->kind == TQL_EXPR_UNARY) {
        return emit(e, TQL_CODE_UNARY, x->op, 0);
    }
    err rc = emit(e, TQL_CODE_BINARY, x->op, 0);
    if (rc == OK && (x->op == TQL_OP_AND || x->op == TQL_OP_OR)) {
        e->insns[e->jumps[--e->jump_count]].arg = (uint32_t)e->insn_count;
    }
    return rc;
}

/* A condition is emitted whole when the walk comes to it, an operation after its operands. */
static err
emit_visit(struct emitter *e, struct tql_walk *w, const struct tql_expr *root)
{
    const struct tql_expr *x = (const struct tql_expr *)w->at;
    bool leaf = x->kind == TQL_EXPR_STATIC || x->kind == TQL_EXPR_ATTR, done = false;
    bool match = x->kind == TQL_EXPR_BINARY && is_regex_op(x->op);
    err rc = OK;
    switch (w->phase) {
    case TQL_VISIT_PRE:
        if (may_be_cond(e, x, root)) {
            rc = emit_cond(e, x, &done);
        }
        if (done) {
            w->phase = TQL_VISIT_POST;
        }
        return rc;
    case TQL_VISIT_IN:
        if (match) { /* the pattern is no operand */
            w->phase = TQL_VISIT_POST;
            return emit_match(e, x);
        }
        return emit_jump(e, x);
    case TQL_VISIT_POST:
        break;
    }
    return leaf ? emit_leaf(e, x) : emit_operation(e, x);
}

static err
emit_expr(struct emitter *e, const struct tql_expr *root)
{
    struct tql_walk w;
    err rc = OK;
    tql_walk_start(&w, &root->tree);
    while (rc == OK && tql_walk_next(&w)) {
        rc = emit_visit(e, &w, root);
    }
    return rc;
}

/* `operands` joined by &&. */
static err
emit_all(struct emitter *e, const struct tql_expr *const *operands, size_t n)
{
    err rc = emit_expr(e, operands[0]);
    for (size_t i = 1; rc == OK && i < n; i++) {
        size_t jump = e->insn_count;
        TRY(emit(e, TQL_CODE_JUMP_FALSE, 0, 0));
        TRY(emit_expr(e, operands[i]));
        TRY(emit(e, TQL_CODE_BINARY, TQL_OP_AND, 0));
        e->insns[jump].arg = (uint32_t)e->insn_count;
    }
out:
    return rc;
}

err
tql_compiler_all(struct tql_compiler *c, const struct tql_expr *const *operands, size_t n, uint8_t use,
                 struct fault *f, struct tql_program *ret)
{
    struct emitter e = {.c = c, .f = f, .use = use, .only_conds = true};
    err rc = emit_all(&e, operands, n);
    if (rc != OK) {
        return rc;
    }
    *ret = (struct tql_program){
        .insns = e.insns,
        .conds = e.conds,
        .consts = e.consts,
        .regexes = e.regexes,
        .insn_count = (uint32_t)e.insn_count,
        .cond_count = (uint32_t)e.cond_count,
        .const_count = (uint32_t)e.const_count,
        .regex_count = (uint32_t)e.regex_count,
        .stack_max = e.depth_max,
        .levels = e.levels,
        .only_conds = e.only_conds,
        .expr = operands[0],
    };
    return OK;
}

err
tql_compiler_program(struct tql_compiler *c, const struct tql_expr *expr, uint8_t use, struct fault *f,
                     struct tql_program *ret)
{
    return tql_compiler_all(c, &expr, 1, use, f, ret);
}
