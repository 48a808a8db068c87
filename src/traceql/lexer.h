/* Tokens of a query, with the positions and errors clients know.
 *
 * The scanner below follows Go's text/scanner rune by rune, because what it does shows: a token's column is
 * the one of its first rune; its line reads 0 once more runes were taken by hand (operators of two runes,
 * prefixes such as `span.`, durations, attribute names). An error is kept, the first only, and ends the token
 * stream. */
#pragma once

#include "grammar_tables.h"

#include "vivace/base/arena.h"
#include "vivace/base/err.h"
#include "vivace/traceql/static.h"

struct token {
    uint8_t id;              /* enum tql_token */
    uint32_t from, to;       /* bytes in the text; END_ATTRIBUTE is empty */
    struct tql_static value; /* INTEGER, FLOAT, DURATION; STRING and IDENTIFIER as TQL_STRING */
};

struct lexer {
    slice text;
    size_t at;  /* of the rune after `ch` */
    int32_t ch; /* look-ahead rune, LEX_EOF at the end, LEX_START before the first */
    uint32_t ch_bytes;
    uint32_t line, column, last_line_runes; /* of `ch` */
    uint32_t token_line, token_column;
    bool in_attribute;
    int scope;           /* token that began the attribute */
    err rc;              /* of the first error */
    struct arena *arena; /* of strings */
    struct fault *fault;
};

void lexer_init(struct lexer *l, slice text, struct arena *arena, struct fault *f);
/* After an error every token is TOK_END and l->rc is set, the fault filled. */
void lexer_next(struct lexer *l, struct token *ret);
/* "parse error at line L, col C: …" with the position of the last token; the first error stays. */
void lexer_fail(struct lexer *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The arena refused: ERR_LIMIT. */
void lexer_no_memory(struct lexer *l);
