#include "cond.h"
#include "lexer.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/traceql/traceql.h"

/* --- mending --------------------------------------------------------------------------------------- */

/* Tokens that stay, on the heap; text is written from their places in the query. */
struct mender {
    struct token *tokens;
    size_t n, cap;
    size_t parens; /* open ones */
    bool brace;
};

static bool
is_compare(uint8_t id)
{
    return id == TOK_EQ || id == TOK_NEQ || id == TOK_LT || id == TOK_LTE || id == TOK_GT || id == TOK_GTE ||
           id == TOK_RE || id == TOK_NRE;
}

static bool
is_logic(uint8_t id)
{
    return id == TOK_AND || id == TOK_OR;
}

static uint8_t
last_id(const struct mender *m)
{
    return m->n ? m->tokens[m->n - 1].id : TOK_OPEN_BRACE;
}

/* Take back operators that have nothing on their right. */
static void
drop_dangling(struct mender *m)
{
    while (m->n > 0 && (is_compare(last_id(m)) || is_logic(last_id(m)))) {
        m->n--;
    }
}

/* False when the token is not to be kept. */
static bool
fits(struct mender *m, uint8_t id)
{
    if (is_logic(id)) {
        if (is_compare(last_id(m))) {
            m->n--;
        }
        return !is_logic(last_id(m)) && last_id(m) != TOK_OPEN_BRACE && last_id(m) != TOK_OPEN_PARENS;
    }
    if (id == TOK_CLOSE_BRACE || id == TOK_CLOSE_PARENS) {
        drop_dangling(m);
    }
    if (id == TOK_CLOSE_PARENS) {
        bool empty = last_id(m) == TOK_OPEN_PARENS && m->n > 0;
        m->n -= empty;
        m->parens -= m->parens > 0;
        return !empty;
    }
    return true;
}

static void
keep(struct mender *m, const struct token *t)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->tokens = mem_realloc(m->tokens, m->cap, sizeof *m->tokens);
    }
    m->tokens[m->n++] = *t;
    m->parens += t->id == TOK_OPEN_PARENS;
    if (t->id == TOK_OPEN_BRACE || t->id == TOK_CLOSE_BRACE) {
        m->brace = t->id == TOK_OPEN_BRACE;
    }
}

/* The tokens before the first pipe, or before what is no token. */
static void
mend_tokens(struct mender *m, slice q, struct arena *a)
{
    struct fault ignored = {0};
    struct lexer l;
    struct token t;
    lexer_init(&l, q, a, &ignored);
    for (;;) {
        lexer_next(&l, &t);
        if (t.id == TOK_END || t.id == TOK_PIPE) {
            break;
        }
        if (fits(m, t.id)) {
            keep(m, &t);
        }
    }
    struct token close = {.id = TOK_CLOSE_PARENS};
    for (size_t left = m->parens; left > 0; left--) {
        if (fits(m, TOK_CLOSE_PARENS)) {
            keep(m, &close);
        }
    }
    close.id = TOK_CLOSE_BRACE;
    if (m->brace) {
        drop_dangling(m);
        keep(m, &close);
    }
}

static err
mend(slice q, struct arena *a, struct fault *f, struct tql_query **ret)
{
    struct mender m = {0};
    struct buf b;
    buf_init(&b, q.n * 3 + 16);
    mend_tokens(&m, q, a);
    for (size_t i = 0; i < m.n; i++) {
        const struct token *t = &m.tokens[i];
        if (i > 0 && (t->to == 0 || t->from != m.tokens[i - 1].to)) {
            (void)buf_append_byte(&b, ' ');
        }
        if (t->to == 0) { /* a closing one that was added */
            (void)buf_append_cstr(&b, grammar_token_text[t->id]);
        } else {
            (void)buf_append_slice(&b, slice_sub(q, t->from, t->to - t->from));
        }
    }
    err rc = traceql_parse(buf_slice(&b), a, f, ret);
    buf_fini(&b);
    mem_free(m.tokens);
    return rc;
}

/* --- OR of ANDs ------------------------------------------------------------------------------------ */

/* Groups share their tails, so that a chain of ANDs costs one cell for each operand. */
struct cell {
    struct tql_tag_cond cond;
    const struct cell *next;
};

struct group {
    const struct cell *cells;
    size_t n;
};

struct groups {
    struct group *list;
    size_t n;
};

struct expander {
    struct arena *arena;
    struct fault *fault;
    struct groups *stack;
    size_t n, cap;
};

static err
no_memory(struct expander *x)
{
    return FAULT(x->fault, ERR_LIMIT, "the query needs too much memory");
}

static err
push(struct expander *x, struct groups g)
{
    void *stack = arena_grow(x->arena, x->stack, x->n, &x->cap, x->n + 1, sizeof g);
    if (!stack) {
        return no_memory(x);
    }
    x->stack = stack;
    x->stack[x->n++] = g;
    return OK;
}

static err
make_groups(struct expander *x, size_t n, struct groups *ret)
{
    if (n > TQL_TAG_GROUPS_MAX) {
        return FAULT(
            x->fault, ERR_LIMIT,
            "maximum condition groups reached (limit: %u). Reduce the number of OR conditions in the query",
            TQL_TAG_GROUPS_MAX);
    }
    ret->n = n;
    ret->list = arena_new_array(x->arena, struct group, n);
    return ret->list ? OK : no_memory(x);
}

/* One group with the condition of `e`, or without any. */
static err
push_leaf(struct expander *x, const struct tql_expr *e)
{
    struct tql_cond cond;
    const struct tql_attr *attr = tql_expr_cond(e, &cond);
    struct groups g = {0};
    err rc = make_groups(x, 1, &g);
    if (rc == OK && attr && e->kind != TQL_EXPR_ATTR) {
        struct cell *cell = arena_new(x->arena, struct cell);
        if (!cell) {
            return no_memory(x);
        }
        cell->cond = (struct tql_tag_cond){.attr = *attr, .op = cond.op, .value = cond.value};
        g.list[0] = (struct group){.cells = cell, .n = 1};
    }
    return rc == OK ? push(x, g) : rc;
}

static err
join(struct expander *x, struct group a, struct group b, struct group *ret)
{
    if (a.n < b.n) {
        struct group t = a;
        a = b;
        b = t;
    }
    for (const struct cell *c = b.cells; c; c = c->next) {
        struct cell *copy = arena_new(x->arena, struct cell);
        if (!copy) {
            return no_memory(x);
        }
        copy->cond = c->cond;
        copy->next = a.cells;
        a.cells = copy;
        a.n++;
    }
    *ret = a;
    return OK;
}

static err
combine(struct expander *x, uint8_t op)
{
    MUST(x->stack && x->n >= 2);
    struct groups b = x->stack[x->n - 1], a = x->stack[x->n - 2], g = {0};
    MUST(a.n > 0 && a.list);
    MUST(b.n > 0 && b.list);
    err rc = make_groups(x, op == TQL_OP_OR ? a.n + b.n : a.n * b.n, &g);
    x->n -= 2;
    if (rc != OK) {
        return rc;
    }
    MUST(g.list);
    if (op == TQL_OP_OR) {
        memcpy(g.list, a.list, a.n * sizeof *a.list);
        memcpy(g.list + a.n, b.list, b.n * sizeof *b.list);
        return push(x, g);
    }
    for (size_t i = 0; i < g.n && rc == OK; i++) {
        rc = join(x, a.list[i / b.n], b.list[i % b.n], &g.list[i]);
    }
    return rc == OK ? push(x, g) : rc;
}

static err
expand(struct expander *x, const struct tql_expr *root)
{
    struct tql_walk w;
    err rc = OK;
    tql_walk_start(&w, &root->tree);
    while (rc == OK && tql_walk_next(&w)) {
        const struct tql_expr *e = (const struct tql_expr *)w.at;
        bool logic = e->kind == TQL_EXPR_BINARY && (e->op == TQL_OP_AND || e->op == TQL_OP_OR);
        if (logic && w.phase == TQL_VISIT_POST) {
            rc = combine(x, e->op);
        } else if (!logic && w.phase == TQL_VISIT_PRE) {
            rc = push_leaf(x, e);
            w.phase = TQL_VISIT_POST;
        }
    }
    return rc;
}

static bool
has_unscoped(const struct tql_expr *root)
{
    struct tql_walk w;
    tql_walk_start(&w, &root->tree);
    while (tql_walk_next(&w)) {
        const struct tql_expr *e = (const struct tql_expr *)w.at;
        if (e->kind == TQL_EXPR_ATTR && tql_attr_level(&e->attr) == TQL_LEVEL_UNSCOPED) {
            return true;
        }
    }
    return false;
}

/* The cells as arrays, in the order of the query; nothing when a group has none. */
static err
finish(struct expander *x, struct tql_tag_filter *ret)
{
    MUST(x->stack && x->n == 1);
    struct groups g = x->stack[0];
    struct tql_tag_group *out = arena_new_array(x->arena, struct tql_tag_group, g.n);
    if (!out) {
        return no_memory(x);
    }
    for (size_t i = 0; i < g.n; i++) {
        if (g.list[i].n == 0) {
            return OK;
        }
        struct tql_tag_cond *conds = arena_new_array(x->arena, struct tql_tag_cond, g.list[i].n);
        if (!conds) {
            return no_memory(x);
        }
        size_t at = g.list[i].n;
        for (const struct cell *c = g.list[i].cells; c; c = c->next) {
            conds[--at] = c->cond;
        }
        out[i] = (struct tql_tag_group){.conds = conds, .cond_count = g.list[i].n};
    }
    *ret = (struct tql_tag_filter){.groups = out, .group_count = g.n};
    return OK;
}

err
traceql_parse_tag_filter(slice q, struct arena *a, struct fault *f, struct tql_tag_filter *ret)
{
    struct expander x = {.arena = a, .fault = f};
    struct tql_query *query = NULL;
    struct fault ignored = {0};
    struct tql_tag_filter filter = {0};
    err rc = traceql_parse(q, a, &ignored, &query);
    if (rc == ERR_INVALID) {
        ignored = (struct fault){0};
        rc = mend(q, a, &ignored, &query);
    }
    if (rc == ERR_LIMIT) {
        return FAULT(f, rc, "%s", ignored.msg);
    }
    bool usable = rc == OK && query->pipeline->kind == TQL_STAGE_FILTER && traceql_check(query, NULL) == OK;
    rc = OK;
    if (usable && !has_unscoped(query->pipeline->expr)) {
        rc = expand(&x, query->pipeline->expr);
        if (rc == OK) {
            rc = finish(&x, &filter);
        }
    }
    if (rc == OK) {
        *ret = filter;
    }
    return rc;
}
