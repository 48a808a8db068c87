#include "build.h"

#include "vivace/base/mem.h"

#define STACK_FIRST      64
#define FOLD_REGEXES_MAX 16 /* `"a" =~ "b"` is compiled while parsing: bound the work */

/* The parser's stack: state and value of each symbol, on the heap. Its depth is at most the number of tokens.
 */
struct stack {
    uint16_t *states;
    union symbol *values;
    size_t n, cap;
};

static void
stack_push(struct stack *s, int state, const union symbol *value)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : STACK_FIRST;
        s->states = mem_realloc(s->states, s->cap, sizeof *s->states);
        s->values = mem_realloc(s->values, s->cap, sizeof *s->values);
    }
    s->states[s->n] = (uint16_t)state;
    s->values[s->n] = *value;
    s->n++;
}

static int
pair_find(const struct grammar_pair *pairs, size_t n, unsigned symbol)
{
    for (size_t i = 0; i < n; i++) {
        if (pairs[i].symbol == symbol) {
            return pairs[i].to;
        }
    }
    return 0;
}

/* "syntax error: unexpected T", and what could stand there when that is at most four tokens. */
static void
syntax_error(struct lexer *l, int state, uint8_t token)
{
    char expecting[128] = "";
    size_t used = 0, count = grammar_action_n[state];
    const struct grammar_pair *pairs = grammar_actions + grammar_action_at[state];
    for (size_t i = 0; count <= 4 && i < count; i++) {
        const char *words[] = {i ? " or " : ", expecting ", grammar_token_text[pairs[i].symbol]};
        for (size_t k = 0; k < 2; k++) {
            size_t n = strlen(words[k]);
            if (used + n < sizeof expecting) {
                memcpy(expecting + used, words[k], n + 1);
                used += n;
            }
        }
    }
    lexer_fail(l, "syntax error: unexpected %s%s", grammar_token_text[token], expecting);
}

static void
reduce(struct builder *b, struct stack *s, int rule)
{
    const struct grammar_rule *r = &grammar_rules[rule];
    union symbol value = s->values[s->n - r->length];
    build_action(b, r->action, s->values + s->n - r->length, &value);
    s->n -= r->length;
    int state = s->states[s->n - 1];
    int to = pair_find(grammar_gotos + grammar_goto_at[state], grammar_goto_n[state], r->left);
    stack_push(s, to, &value);
}

/* Shift and reduce until the query is accepted or an error is noted. */
static void
run(struct builder *b, struct stack *s)
{
    union symbol symbol = {.token = {0}};
    bool have = false;
    stack_push(s, 0, &symbol);
    while (b->lexer.rc == OK) {
        int state = s->states[s->n - 1], action = 0;
        if (grammar_action_n[state] > 0 || grammar_default[state] == 0) {
            if (!have) {
                lexer_next(&b->lexer, &symbol.token);
                have = true;
                continue; /* look whether that failed */
            }
            action = pair_find(grammar_actions + grammar_action_at[state], grammar_action_n[state],
                               symbol.token.id);
        }
        if (action > 0) {
            stack_push(s, action - 1, &symbol);
            have = false;
        } else if (action < 0) {
            reduce(b, s, -action);
        } else if (grammar_default[state] > 0) {
            reduce(b, s, grammar_default[state]);
        } else if (state == GRAMMAR_ACCEPT_STATE && symbol.token.id == TOK_END) {
            return;
        } else {
            syntax_error(&b->lexer, state, symbol.token.id);
        }
    }
}

err
traceql_check_size(slice q, size_t max, struct fault *f)
{
    if (q.n > max) {
        return FAULT(f, ERR_LIMIT,
                     "TraceQL expression exceeds the configured maximum size of %zu bytes, reduce the query "
                     "expression size or contact your system administrator",
                     max);
    }
    return OK;
}

err
traceql_parse(slice q, struct arena *a, struct fault *f, struct tql_query **ret)
{
    struct fault ignored = {0};
    struct builder b = {.arena = a, .regexes_left = FOLD_REGEXES_MAX};
    struct stack s = {0};
    err rc = traceql_check_size(q, TQL_TEXT_BYTES_HARD_MAX, f);
    if (rc != OK) {
        return rc;
    }
    lexer_init(&b.lexer, q, a, f ? f : &ignored);
    b.query = arena_new(a, struct tql_query);
    if (b.query) {
        run(&b, &s);
    } else {
        lexer_no_memory(&b.lexer);
    }
    mem_free(s.states);
    mem_free(s.values);
    if (b.lexer.rc == OK) {
        *ret = b.query;
    }
    return b.lexer.rc;
}

static const char *
go_type(const struct tql_query *q)
{
    const struct tql_expr *e = q->pipeline->expr;
    switch (e->kind) {
    case TQL_EXPR_STATIC:
        return "traceql.Static";
    case TQL_EXPR_UNARY:
        return "traceql.UnaryOperation";
    default:
        return "*traceql.BinaryOperation";
    }
}

err
traceql_parse_identifier(slice text, struct arena *a, struct fault *f, struct tql_attr *ret)
{
    struct tql_query *q = NULL;
    uint8_t *braced = arena_alloc(a, text.n + 2);
    if (!braced) {
        return FAULT(f, ERR_LIMIT, "the identifier needs too much memory");
    }
    braced[0] = '{';
    if (text.n) {
        memcpy(braced + 1, text.p, text.n);
    }
    braced[text.n + 1] = '}';
    err rc = traceql_parse(slice_of(braced, text.n + 2), a, f, &q);
    if (rc != OK) {
        fault_prefix(f, "failed to parse identifier %.*s", SL_FMT(text));
        return rc;
    }
    const struct tql_stage *s = q->pipeline;
    if (s->kind != TQL_STAGE_FILTER || s->next || q->metric) {
        return FAULT(f, ERR_INVALID, "failed to parse identifier %.*s: expected one attribute", SL_FMT(text));
    }
    if (s->expr->kind != TQL_EXPR_ATTR) {
        return FAULT(f, ERR_INVALID, "failed to parse identifier %.*s: expected Attribute but got %s",
                     SL_FMT(text), go_type(q));
    }
    *ret = s->expr->attr;
    return OK;
}
