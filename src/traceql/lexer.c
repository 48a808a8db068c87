#include "lexer.h"

#include "number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <wctype.h>

#define LEX_EOF   (-1)
#define LEX_START (-2)
#define LEX_BAD   0xfffd /* a byte that is no UTF-8 */

/* --- runes ----------------------------------------------------------------------------------------- */

/* The rune at `p` and its length; LEX_BAD with length 1 when the bytes are no UTF-8 (Go's utf8.DecodeRune).
 */
static int32_t
decode_rune(const uint8_t *p, size_t n, uint32_t *ret_bytes)
{
    static const uint8_t first_min[] = {0, 0, 0xc2, 0xe0, 0xf0};
    *ret_bytes = 1;
    if (p[0] < 0x80) {
        return p[0];
    }
    uint32_t need = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < first_min[need] || p[0] > 0xf4 || n < need) {
        return LEX_BAD;
    }
    int32_t rune = p[0] & (0x7f >> need);
    for (uint32_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return LEX_BAD;
        }
        rune = (rune << 6) | (p[i] & 0x3f);
    }
    static const int32_t rune_min[] = {0, 0, 0x80, 0x800, 0x10000};
    if (rune < rune_min[need] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff)) {
        return LEX_BAD;
    }
    *ret_bytes = need;
    return rune;
}

static bool
is_space(int32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

static bool
is_decimal(int32_t c)
{
    return c >= '0' && c <= '9';
}

/* Letters outside ASCII count as such: they only ever make an identifier that is unknown. */
static bool
is_ident(int32_t c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && is_decimal(c)) ||
           (c >= 0x80 && !is_space(c));
}

static bool
is_attribute_rune(int32_t c)
{
    if (c == LEX_EOF || is_space(c)) {
        return false;
    }
    return c >= 0x80 || c == 0 || strchr("{}()=~!<>&|^,", c) == NULL;
}

static int
digit_value(int32_t c)
{
    if (is_decimal(c)) {
        return c - '0';
    }
    int32_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

/* Read one rune into l->ch. */
static void
next(struct lexer *l)
{
    if (l->at >= l->text.n) {
        if (l->ch_bytes > 0) {
            l->column++;
        }
        l->ch = LEX_EOF;
        l->ch_bytes = 0;
        return;
    }
    l->ch = decode_rune(l->text.p + l->at, l->text.n - l->at, &l->ch_bytes);
    l->at += l->ch_bytes;
    l->column++;
    if (l->ch == LEX_BAD && l->ch_bytes == 1) {
        lexer_fail(l, "invalid UTF-8 encoding");
    } else if (l->ch == 0) {
        lexer_fail(l, "invalid character NUL");
    } else if (l->ch == '\n') {
        l->line++;
        l->last_line_runes = l->column;
        l->column = 0;
    }
}

static int32_t
peek(struct lexer *l)
{
    if (l->ch == LEX_START) {
        next(l);
        if (l->ch == 0xfeff) {
            next(l);
        }
    }
    return l->ch;
}

/* Take a rune outside of a scan: the token loses its line, as in Go. */
static void
take(struct lexer *l)
{
    l->token_line = 0;
    if (peek(l) != LEX_EOF) {
        next(l);
    }
}

/* Byte offset of l->ch. */
static size_t
offset(const struct lexer *l)
{
    return l->at - l->ch_bytes;
}

/* The text from a byte on to l->ch. */
static slice
text_from(const struct lexer *l, size_t from)
{
    return slice_of(l->text.p + from, offset(l) - from);
}

/* --- errors ---------------------------------------------------------------------------------------- */

void
lexer_fail(struct lexer *l, const char *fmt, ...)
{
    char msg[FAULT_MSG_MAX];
    va_list args;
    if (l->rc != OK) {
        return;
    }
    l->rc = ERR_INVALID;
    va_start(args, fmt);
    (void)vsnprintf(msg, sizeof msg, fmt, args);
    va_end(args);
    if (l->token_line == 0 && l->token_column == 0) {
        (void)FAULT(l->fault, ERR_INVALID, "parse error : %s", msg);
    } else {
        (void)FAULT(l->fault, ERR_INVALID, "parse error at line %u, col %u: %s", l->token_line,
                    l->token_column, msg);
    }
}

void
lexer_no_memory(struct lexer *l)
{
    if (l->rc == OK) {
        l->rc = FAULT(l->fault, ERR_LIMIT, "the query needs too much memory");
    }
}

/* --- literals -------------------------------------------------------------------------------------- */

static void
scan_digits(struct lexer *l, int base, int n)
{
    while (n > 0 && digit_value(l->ch) < base) {
        next(l);
        n--;
    }
    if (n > 0) {
        lexer_fail(l, "invalid char escape");
    }
}

static void
scan_escape(struct lexer *l, int32_t quote)
{
    next(l);
    switch (l->ch) {
    case 'x':
    case 'u':
    case 'U': {
        int n = l->ch == 'x' ? 2 : l->ch == 'u' ? 4 : 8;
        next(l);
        scan_digits(l, 16, n);
        break;
    }
    default:
        if (l->ch >= '0' && l->ch <= '7') {
            scan_digits(l, 8, 3);
        } else if (l->ch == quote || (l->ch > 0 && l->ch < 0x80 && strchr("abfnrtv\\", l->ch))) {
            next(l);
        } else {
            lexer_fail(l, "invalid char escape");
        }
    }
}

/* From the opening quote to the closing one, which stays in l->ch; returns the runes between. */
static size_t
scan_quoted(struct lexer *l, int32_t quote)
{
    size_t n = 0;
    next(l);
    while (l->ch != quote) {
        if (l->ch == '\n' || l->ch < 0) {
            lexer_fail(l, "literal not terminated");
            return n;
        }
        if (l->ch == '\\') {
            scan_escape(l, quote);
            if (l->rc != OK) {
                return n;
            }
        } else {
            next(l);
        }
        n++;
    }
    return n;
}

static void
scan_raw(struct lexer *l)
{
    do {
        next(l);
        if (l->ch < 0) {
            lexer_fail(l, "literal not terminated");
            return;
        }
    } while (l->ch != '`');
}

static size_t
put_utf8(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    out[0] = (uint8_t)(lead[n] | c);
    return n;
}

/* The escape behind a backslash at s.p[*at]; false when its number is out of range. Never longer than it was.
 */
static bool
unescape(slice s, size_t *at, uint8_t *out, size_t *n)
{
    static const char names[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
    uint8_t c = s.p[(*at)++];
    const char *simple = memchr(names, c, sizeof names - 1);
    if (simple) {
        out[(*n)++] = (uint8_t)values[simple - names];
        return true;
    }
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t v = 0;
    if (digits > 0) {
        for (int i = 0; i < digits; i++) {
            v = v * 16 + (uint32_t)digit_value(s.p[(*at)++]);
        }
    } else if (c >= '0' && c <= '7') {
        v = (uint32_t)(c - '0') * 64 + (uint32_t)(s.p[*at] - '0') * 8 + (uint32_t)(s.p[*at + 1] - '0');
        *at += 2;
    } else { /* the backslash or the quote itself */
        out[(*n)++] = c;
        return true;
    }
    if (digits <= 2) {
        out[(*n)++] = (uint8_t)v;
        return v <= 0xff;
    }
    if (v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) {
        return false;
    }
    *n += put_utf8(out + *n, v);
    return true;
}

/* The value of a string token's text, quotes included. */
static bool
unquote(struct lexer *l, slice text, struct tql_static *ret)
{
    slice body = slice_of(text.p + 1, text.n - 2);
    uint8_t *out = arena_alloc(l->arena, body.n + 1);
    size_t n = 0, at = 0;
    bool good = out != NULL;
    if (!out) {
        lexer_no_memory(l);
        return false;
    }
    while (good && at < body.n) {
        uint8_t c = body.p[at++];
        if (text.p[0] == '`') {
            if (c != '\r') {
                out[n++] = c;
            }
        } else if (c == '\\') {
            good = unescape(body, &at, out, &n);
        } else {
            out[n++] = c;
        }
    }
    if (!good) {
        lexer_fail(l, "invalid syntax");
    }
    *ret = tql_static_string(slice_of(out, n));
    return good;
}

/* --- numbers --------------------------------------------------------------------------------------- */

struct number {
    int base;
    int32_t prefix;  /* '0', 'x', 'o', 'b', or 0 for decimal */
    int32_t invalid; /* first digit too large for the base */
    bool digits, underscore, is_float;
};

static const char *
number_name(const struct number *n)
{
    switch (n->prefix) {
    case 'x':
        return "hexadecimal literal";
    case 'o':
    case '0':
        return "octal literal";
    case 'b':
        return "binary literal";
    default:
        return "decimal literal";
    }
}

static bool
number_digits(struct lexer *l, int base, struct number *n, bool check)
{
    bool any = false;
    while (l->ch == '_' || (base <= 10 ? is_decimal(l->ch) : digit_value(l->ch) < 16)) {
        if (l->ch == '_') {
            n->underscore = true;
        } else {
            any = true;
            if (check && base <= 10 && l->ch >= '0' + base && n->invalid == 0) {
                n->invalid = l->ch;
            }
        }
        next(l);
    }
    n->digits = n->digits || any;
    return any;
}

static void
number_prefix(struct lexer *l, struct number *n)
{
    next(l);
    int32_t c = l->ch < 0 ? 0 : (l->ch | 0x20);
    if (c == 'x' || c == 'o' || c == 'b') {
        n->base = c == 'x' ? 16 : c == 'o' ? 8 : 2;
        n->prefix = c;
        next(l);
    } else {
        n->base = 8;
        n->prefix = '0';
        n->digits = true;
    }
}

static void
number_exponent(struct lexer *l, struct number *n)
{
    int32_t e = l->ch < 0 ? 0 : (l->ch | 0x20);
    if (e != 'e' && e != 'p') {
        if (n->prefix == 'x' && n->is_float) {
            lexer_fail(l, "hexadecimal mantissa requires a 'p' exponent");
        }
        return;
    }
    if (e == 'e' && n->prefix != 0 && n->prefix != '0') {
        lexer_fail(l, "'%c' exponent requires decimal mantissa", (char)l->ch);
    } else if (e == 'p' && n->prefix != 'x') {
        lexer_fail(l, "'%c' exponent requires hexadecimal mantissa", (char)l->ch);
    }
    next(l);
    n->is_float = true;
    if (l->ch == '+' || l->ch == '-') {
        next(l);
    }
    if (!number_digits(l, 10, n, false)) {
        lexer_fail(l, "exponent has no digits");
    }
}

/* An underscore stands between digits, or between the base prefix and a digit. */
static bool
underscores_fit(slice text)
{
    uint8_t before = text.n > 1 && text.p[0] == '0' && text.p[1] > '9' ? '0' : '.';
    for (size_t i = before == '0' ? 2 : 0; i < text.n; i++) {
        uint8_t c = text.p[i], kind = c == '_' ? '_' : digit_value(c) < 16 ? '0' : '.';
        if ((kind == '_' && before != '0') || (kind == '.' && before == '_')) {
            return false;
        }
        before = kind;
    }
    return before != '_';
}

/* As Go's text/scanner; `from` is where the number began, `dot` whether a leading '.' was read. */
static bool
scan_number(struct lexer *l, size_t from, bool dot)
{
    struct number n = {.base = 10};
    if (!dot) {
        if (l->ch == '0') {
            number_prefix(l, &n);
        }
        (void)number_digits(l, n.base, &n, true);
        if (l->ch == '.') {
            next(l);
            dot = true;
        }
    }
    if (dot) {
        n.is_float = true;
        if (n.prefix == 'o' || n.prefix == 'b') {
            lexer_fail(l, "invalid radix point in %s", number_name(&n));
        }
        (void)number_digits(l, n.base, &n, true);
    }
    if (!n.digits) {
        lexer_fail(l, "%s has no digits", number_name(&n));
    }
    number_exponent(l, &n);
    if (!n.is_float && n.invalid) {
        lexer_fail(l, "invalid digit '%c' in %s", (char)n.invalid, number_name(&n));
    }
    if (n.underscore && !underscores_fit(text_from(l, from))) {
        lexer_fail(l, "'_' must separate successive digits");
    }
    return n.is_float;
}

/* A number with unit text right behind it; nothing is taken when it is no duration. */
static bool
try_duration(struct lexer *l, struct token *t)
{
    size_t end = offset(l);
    while (end < l->text.n) {
        uint8_t c = l->text.p[end];
        if (is_decimal(c) || (c && strchr("numshdwy.", c))) {
            end++;
        } else if (c == 0xc2 && end + 1 < l->text.n && l->text.p[end + 1] == 0xb5) {
            end += 2;
        } else {
            break;
        }
    }
    int64_t ns;
    if (end == offset(l) || !tql_duration_parse(slice_of(l->text.p + t->from, end - t->from), &ns)) {
        return false;
    }
    while (offset(l) < end) {
        take(l);
    }
    t->id = TOK_DURATION;
    t->value = tql_static_duration(ns);
    return true;
}

static void
number_token(struct lexer *l, struct token *t, bool is_float)
{
    slice text = text_from(l, t->from);
    if (try_duration(l, t)) {
        return;
    }
    if (is_float) {
        double d = 0;
        if (!tql_float_parse(text, &d)) {
            lexer_fail(l, "strconv.ParseFloat: parsing \"%.*s\": %s", SL_FMT(text),
                       slice_find_byte(text, '_') < text.n ? "invalid syntax" : "value out of range");
        }
        t->id = TOK_FLOAT;
        t->value = tql_static_float(d);
        return;
    }
    int64_t i = 0;
    if (!slice_to_i64(text, &i)) {
        bool digits = true;
        for (size_t k = 0; k < text.n; k++) {
            digits = digits && is_decimal(text.p[k]);
        }
        lexer_fail(l, "strconv.Atoi: parsing \"%.*s\": %s", SL_FMT(text),
                   digits ? "value out of range" : "invalid syntax");
    }
    t->id = TOK_INTEGER;
    t->value = tql_static_int(i);
}

/* --- attributes and operators ---------------------------------------------------------------------- */

static int
token_find(slice text)
{
    for (int id = TOK_DOT; text.n > 0 && id < TOK_LIMIT; id++) {
        if ((uint8_t)grammar_token_text[id][0] == text.p[0] && id != TOK_END_ATTRIBUTE &&
            slice_eq(text, slice_cstr(grammar_token_text[id]))) {
            return id;
        }
    }
    return 0;
}

static bool
starts_attribute(int id)
{
    return id == TOK_DOT || id == TOK_PARENT_DOT || id == TOK_RESOURCE_DOT || id == TOK_SPAN_DOT ||
           id == TOK_EVENT_DOT || id == TOK_LINK_DOT || id == TOK_INSTRUMENTATION_DOT;
}

/* Behind `parent.`: a scope of its own. */
static bool
scope_token(struct lexer *l, struct token *t)
{
    slice rest = slice_sub(l->text, offset(l), l->text.n);
    int id = slice_starts_with(rest, SL("span."))       ? TOK_SPAN_DOT
             : slice_starts_with(rest, SL("resource.")) ? TOK_RESOURCE_DOT
                                                        : 0;
    if (l->scope != TOK_PARENT_DOT || id == 0) {
        return false;
    }
    for (size_t n = strlen(grammar_token_text[id]); n > 0; n--) {
        take(l);
    }
    l->scope = id;
    t->id = (uint8_t)id;
    return true;
}

/* A quoted piece of a name; l->ch is the opening quote. */
static bool
name_quoted(struct lexer *l, uint8_t *out, size_t *n)
{
    take(l);
    while (l->rc == OK && peek(l) != '"') {
        if (l->ch == LEX_EOF) {
            lexer_fail(l, "unexpected EOF, expecting \"");
            return false;
        }
        if (l->ch == '\\') {
            take(l);
            if (l->ch != '"' && l->ch != '\\') {
                lexer_fail(l, "invalid escape sequence");
                return false;
            }
        }
        memcpy(out + *n, l->text.p + offset(l), l->ch_bytes);
        *n += l->ch_bytes;
        take(l);
    }
    take(l);
    return l->rc == OK;
}

static void
name_token(struct lexer *l, struct token *t)
{
    size_t n = 0, end = t->from;
    /* The name is no longer than what is left of its text: measure to the first terminator outside of quotes.
     */
    for (bool quoted = false;
         end < l->text.n && (quoted || l->text.p[end] >= 0x80 || is_attribute_rune(l->text.p[end])); end++) {
        quoted = quoted != (l->text.p[end] == '"');
        end += quoted && l->text.p[end] == '\\';
    }
    uint8_t *out = arena_alloc(l->arena, end - t->from + 8);
    if (!out) {
        lexer_no_memory(l);
        return;
    }
    while (l->rc == OK && is_attribute_rune(peek(l))) {
        if (l->ch == '"') {
            if (!name_quoted(l, out, &n)) {
                return;
            }
        } else {
            memcpy(out + n, l->text.p + offset(l), l->ch_bytes);
            n += l->ch_bytes;
            take(l);
        }
    }
    t->id = TOK_IDENTIFIER;
    t->value = tql_static_string(slice_of(out, n));
}

/* The text so far with the next rune, as long as that is an operator too. */
static void
operator_token(struct lexer *l, struct token *t)
{
    int id = token_find(text_from(l, t->from));
    while (peek(l) != LEX_EOF) {
        int longer = token_find(slice_of(l->text.p + t->from, l->at - t->from));
        if (longer == 0) {
            break;
        }
        id = longer;
        take(l);
    }
    if (id == 0) {
        t->id = TOK_IDENTIFIER;
        t->value = tql_static_string(text_from(l, t->from));
        return;
    }
    t->id = (uint8_t)id;
    l->in_attribute = starts_attribute(id);
    l->scope = id;
}

/* --- the scan -------------------------------------------------------------------------------------- */

/* From behind the first '/' (l->ch is the second rune) to behind the comment. */
static void
skip_comment(struct lexer *l)
{
    if (l->ch == '/') {
        while (l->ch != '\n' && l->ch >= 0) {
            next(l);
        }
        return;
    }
    next(l);
    for (;;) {
        if (l->ch < 0) {
            lexer_fail(l, "comment not terminated");
            return;
        }
        int32_t before = l->ch;
        next(l);
        if (before == '*' && l->ch == '/') {
            next(l);
            return;
        }
    }
}

static void
mark_token(struct lexer *l, struct token *t)
{
    t->from = (uint32_t)offset(l);
    if (l->column > 0) {
        l->token_line = l->line;
        l->token_column = l->column;
    } else {
        l->token_line = l->line - 1;
        l->token_column = l->last_line_runes;
    }
}

static void
string_token(struct lexer *l, struct token *t)
{
    if (l->ch == '`') {
        scan_raw(l);
    } else {
        (void)scan_quoted(l, '"');
    }
    if (l->rc != OK) {
        return;
    }
    next(l);
    t->id = TOK_STRING;
    (void)unquote(l, text_from(l, t->from), &t->value);
}

/* One rune of an operator, or a number that starts with a point. */
static void
other_token(struct lexer *l, struct token *t)
{
    if (l->ch == '\'') {
        if (scan_quoted(l, '\'') != 1) {
            lexer_fail(l, "invalid char literal");
        }
        next(l);
    } else if (l->ch == '.') {
        next(l);
        if (is_decimal(l->ch)) {
            number_token(l, t, scan_number(l, t->from, true));
            return;
        }
    } else {
        next(l);
    }
    operator_token(l, t);
}

static void
scan(struct lexer *l, struct token *t)
{
    (void)peek(l);
    l->token_line = 0;
    for (;;) {
        while (is_space(l->ch)) {
            next(l);
        }
        mark_token(l, t);
        if (l->ch != '/' || l->at >= l->text.n || (l->text.p[l->at] != '/' && l->text.p[l->at] != '*')) {
            break;
        }
        next(l);
        skip_comment(l);
        if (l->rc != OK) {
            return;
        }
    }
    if (l->ch == LEX_EOF) {
        t->id = TOK_END;
    } else if (is_ident(l->ch, true)) {
        do {
            next(l);
        } while (is_ident(l->ch, false));
        operator_token(l, t);
    } else if (is_decimal(l->ch)) {
        number_token(l, t, scan_number(l, t->from, false));
    } else if (l->ch == '"' || l->ch == '`') {
        string_token(l, t);
    } else {
        other_token(l, t);
    }
}

void
lexer_init(struct lexer *l, slice text, struct arena *arena, struct fault *f)
{
    text.p = text.n ? text.p : (const uint8_t *)"";
    *l = (struct lexer){.text = text, .ch = LEX_START, .line = 1, .arena = arena, .fault = f};
}

void
lexer_next(struct lexer *l, struct token *ret)
{
    struct token t = {.from = l->ch == LEX_START ? 0 : (uint32_t)offset(l)};
    if (l->rc == OK) {
        if (!l->in_attribute) {
            scan(l, &t);
        } else if (!is_attribute_rune(peek(l))) {
            t.id = TOK_END_ATTRIBUTE;
            l->in_attribute = false;
        } else if (!scope_token(l, &t)) {
            name_token(l, &t);
        }
    }
    if (l->rc != OK) {
        t.id = TOK_END;
    }
    t.to = l->ch == LEX_START ? 0 : (uint32_t)offset(l);
    *ret = t;
}
