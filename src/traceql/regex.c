#include "vivace/traceql/regex.h"

#include "regex_re2.h"

#include "vivace/base/mem.h"
#include "vivace/base/utf8.h"

#define LITERALS_MAX 4096 /* alternatives tried one by one; more go to RE2, which is then faster */

struct tql_regex {
    enum tql_regex_kind kind;
    slice *literals; /* in `text` */
    size_t count;
    uint8_t *text;
    void *re2;
    size_t bytes;
};

/* One literal of the pattern from `*at` on: plain characters and escaped punctuation, to a `|`, to `.*` or to
 * the end. False when something else comes. */
static bool
read_literal(slice p, size_t *at, uint8_t *out, size_t *n)
{
    while (*at < p.n) {
        uint8_t c = p.p[*at];
        if (c == '|' || (c == '.' && *at + 1 < p.n && p.p[*at + 1] == '*')) {
            return true;
        }
        if (c == '\\') {
            if (++*at == p.n || !strchr(".*+?()|[]{}^$\\-/\"' ", p.p[*at]) || p.p[*at] == 0) {
                return false;
            }
            c = p.p[*at];
        } else if (c == 0 || c >= 0x80 || strchr(".*+?()[]{}^$", c)) {
            return false;
        }
        if (*at + 1 < p.n && strchr("*+?{", p.p[*at + 1])) {
            return false;
        }
        out[(*n)++] = c;
        (*at)++;
    }
    return true;
}

static bool
take_any(slice p, size_t *at)
{
    if (slice_starts_with(slice_sub(p, *at, p.n), SL(".*"))) {
        *at += 2;
        return *at == p.n || (p.p[*at] != '?' && p.p[*at] != '*' && p.p[*at] != '+');
    }
    return false;
}

/* The pattern as literals and `.*`; false when it needs RE2. Literals are written to re->text. */
static bool
parse_simple(struct tql_regex *re, slice p)
{
    size_t at = 0, used = 0;
    if (p.n > 2 && slice_ends_with(p, SL(")")) && (p.p[0] == '(') && slice_find_byte(p, '\\') == p.n) {
        size_t from = slice_starts_with(p, SL("(?:")) ? 3 : 1;
        p = slice_sub(p, from, p.n - from - 1);
    }
    bool before = take_any(p, &at);
    for (;;) {
        size_t from = used;
        if (!read_literal(p, &at, re->text, &used) || re->count == LITERALS_MAX) {
            return false;
        }
        re->literals[re->count++] = slice_of(re->text + from, used - from);
        if (at == p.n || p.p[at] != '|') {
            break;
        }
        at++;
    }
    bool after = take_any(p, &at);
    if (at != p.n || ((before || after) && re->count != 1)) {
        return false;
    }
    if (before && re->literals[0].n == 0) {
        re->kind = TQL_REGEX_ANY;
        return !after;
    }
    re->kind = before && after ? TQL_REGEX_CONTAINS
               : before        ? TQL_REGEX_SUFFIX
               : after         ? TQL_REGEX_PREFIX
                               : TQL_REGEX_LITERALS;
    return true;
}

err
tql_regex_create(slice pattern, struct fault *f, struct tql_regex **ret)
{
    return tql_regex_create_sized(pattern, TQL_REGEX_BYTES_MAX, f, ret);
}

err
tql_regex_create_sized(slice pattern, size_t bytes_max, struct fault *f, struct tql_regex **ret)
{
    struct tql_regex *re = mem_new(struct tql_regex);
    size_t pipes = 1;
    for (size_t i = 0; i < pattern.n && pipes < LITERALS_MAX; i++) {
        pipes += pattern.p[i] == '|';
    }
    re->text = mem_alloc(pattern.n + 1);
    re->literals = mem_new_array(slice, pipes);
    re->bytes = sizeof *re + pattern.n + pipes * sizeof(slice);
    if (!parse_simple(re, pattern)) {
        size_t bytes = 0;
        re->kind = TQL_REGEX_RE2;
        re->count = 0;
        re->re2 = re2_shim_create(pattern.n ? (const char *)pattern.p : "", pattern.n, bytes_max, &bytes);
        re->bytes += bytes;
        if (!re->re2) {
            tql_regex_destroy(re);
            return FAULT(f, ERR_INVALID, "invalid regex: `%.*s`", SL_FMT(pattern));
        }
    }
    *ret = re;
    return OK;
}

struct tql_regex *
tql_regex_destroy(struct tql_regex *re)
{
    if (re) {
        if (re->re2) {
            re2_shim_destroy(re->re2);
        }
        mem_free(re->literals);
        mem_free(re->text);
        mem_free(re);
    }
    return NULL;
}

static bool
match_re2(const struct tql_regex *re, slice text)
{
    size_t at = 0;
    while (at < text.n) {
        size_t n = utf8_char_bytes(text.p + at, text.n - at);
        if (n == 0) {
            break;
        }
        at += n;
    }
    if (at == text.n) {
        return re2_shim_match(re->re2, text.n ? (const char *)text.p : "", text.n);
    }
    char *copy = mem_alloc(text.n * 3);
    size_t used = 0;
    for (at = 0; at < text.n;) {
        size_t n = utf8_char_bytes(text.p + at, text.n - at);
        memcpy(copy + used, n ? (const char *)text.p + at : "\xef\xbf\xbd", n ? n : 3);
        used += n ? n : 3;
        at += n ? n : 1;
    }
    bool match = re2_shim_match(re->re2, copy, used);
    mem_free(copy);
    return match;
}

bool
tql_regex_match(const struct tql_regex *re, slice text)
{
    switch (re->kind) {
    case TQL_REGEX_ANY:
        return true;
    case TQL_REGEX_PREFIX:
        return slice_starts_with(text, re->literals[0]);
    case TQL_REGEX_SUFFIX:
        return slice_ends_with(text, re->literals[0]);
    case TQL_REGEX_CONTAINS:
        return slice_find(text, re->literals[0]) != SIZE_MAX;
    case TQL_REGEX_LITERALS:
        for (size_t i = 0; i < re->count; i++) {
            if (slice_eq(text, re->literals[i])) {
                return true;
            }
        }
        return false;
    case TQL_REGEX_RE2:
        break;
    }
    return match_re2(re, text);
}

enum tql_regex_kind
tql_regex_kind(const struct tql_regex *re, const slice **ret_literals, size_t *ret_count)
{
    *ret_literals = re->literals;
    *ret_count = re->count;
    return re->kind;
}

size_t
tql_regex_bytes(const struct tql_regex *re)
{
    return re->bytes;
}

bool
tql_static_match(const struct tql_static *v, const struct tql_regex *re, bool negate)
{
    if (v->type == TQL_STRING) {
        return tql_regex_match(re, tql_static_slice(v)) != negate;
    }
    if (v->type != TQL_STRING_ARRAY) {
        return false;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        if (tql_regex_match(re, v->strings[i])) {
            return !negate;
        }
    }
    return negate;
}
