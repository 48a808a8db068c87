/* Compiled regular expressions of `=~` and `!~`: RE2's dialect (Go's), anchored at both ends, `.` matches
 * newline.
 *
 * What most patterns are (a literal, `a|b|c`, `lit.*`, `.*lit`, `.*lit.*`) is matched in C; the rest by RE2,
 * which is linear in the text and holds at most TQL_REGEX_BYTES_MAX. A byte of the text that is no UTF-8
 * counts as U+FFFD, as in Go. Threads: create and destroy anywhere; matching from any number of threads at
 * once.
 */
#pragma once

#include "vivace/traceql/static.h"

/* Program and lazily built automaton of one pattern: some 80,000 characters. */
#define TQL_REGEX_BYTES_MAX (2u << 20)

enum tql_regex_kind {
    TQL_REGEX_LITERALS, /* equals one of `literals` */
    TQL_REGEX_PREFIX,   /* begins with literals[0] */
    TQL_REGEX_SUFFIX,
    TQL_REGEX_CONTAINS,
    TQL_REGEX_ANY, /* `.*` */
    TQL_REGEX_RE2,
};

struct tql_regex;

/* `pattern` is copied. ERR_INVALID "invalid regex: `[`" for what RE2 refuses. */
CHECKED err tql_regex_create(slice pattern, struct fault *f, struct tql_regex **ret);
/* The same with a cap of its own on what RE2 may hold: one of many. */
CHECKED err tql_regex_create_sized(slice pattern, size_t bytes_max, struct fault *f, struct tql_regex **ret);
/* Accepts NULL; returns NULL. */
struct tql_regex *tql_regex_destroy(struct tql_regex *re);
bool tql_regex_match(const struct tql_regex *re, slice text);
/* How it matches, for who wants to look in a dictionary instead: LITERALS to CONTAINS give their literals. */
enum tql_regex_kind tql_regex_kind(const struct tql_regex *re, const slice **ret_literals, size_t *ret_count);
/* Bytes it holds. */
size_t tql_regex_bytes(const struct tql_regex *re);

/* `v =~ re`, or with `negate` `v !~ re`: true for a string, or an array with any (negated: without any)
 * element, that matches; false for every other type, negated too. */
bool tql_static_match(const struct tql_static *v, const struct tql_regex *re, bool negate);
