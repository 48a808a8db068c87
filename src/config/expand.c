/* Environment variables in the text of a file, before it is parsed (as Tempo does).
 *
 * ${VAR} is the value or nothing; ${VAR:default}, ${VAR:-default}, ${VAR-default}, ${VAR:=default} give the
 * default when VAR is unset (or empty, as in the shell's ":-"); $${ is a literal ${. A default may hold
 * further ${...}. A bare $VAR is left alone.
 */
#include "loading.h"

#include <ctype.h>
#include <stdlib.h>

#define EXPAND_DEPTH_MAX 8 /* defaults inside defaults */

static size_t
name_length(slice s)
{
    size_t n = 0;
    while (n < s.n && (isalnum(s.p[n]) || s.p[n] == '_')) {
        n++;
    }
    return n;
}

/* Offset of the } that closes the ${ before `s`, or s.n. */
static size_t
find_close(slice s)
{
    size_t open = 1;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '}' && --open == 0) {
            return i;
        }
        if (s.p[i] == '{' && i > 0 && s.p[i - 1] == '$') {
            open++;
        }
        if (s.p[i] == '\n') {
            break; /* one line: a stray ${ must not swallow the file */
        }
    }
    return s.n;
}

static slice
skip_operator(slice s)
{
    size_t n = s.n > 0 && s.p[0] == ':' ? 1 : 0;
    if (s.n > n && (s.p[n] == '-' || s.p[n] == '=')) {
        n++;
    }
    return slice_sub(s, n, s.n);
}

static int
line_of(slice text, const uint8_t *at)
{
    int line = 1;
    for (const uint8_t *p = text.p; p < at && p < text.p + text.n; p++) {
        line += *p == '\n';
    }
    return line;
}

/* What stands between ${ and }. Appends the value, or returns the default (p != NULL) to be expanded itself.
 */
static err
expand_one(slice inside, struct buf *out, slice *ret_default)
{
    size_t n = name_length(inside);
    slice rest = slice_sub(inside, n, inside.n);
    char name[256];
    if (n == 0 || n >= sizeof name ||
        (rest.n > 0 && rest.p[0] != ':' && rest.p[0] != '-' && rest.p[0] != '=')) {
        return ERR_INVALID;
    }
    memcpy(name, inside.p, n);
    name[n] = '\0';
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nothing sets the environment */
    *ret_default = SL_EMPTY;
    if (value && value[0]) {
        return buf_append_cstr(out, value);
    }
    if (rest.n > 0) {
        *ret_default = skip_operator(rest);
    }
    return OK;
}

err
expand_env(slice text, const char *name, struct buf *out, struct fault *f)
{
    slice stack[EXPAND_DEPTH_MAX] = {text};
    int depth = 1;
    const uint8_t *outer = text.p; /* where we are in the file */
    while (depth > 0) {
        slice *s = &stack[depth - 1];
        if (s->n == 0) {
            depth--;
            continue;
        }
        const uint8_t *dollar = memchr(s->p, '$', s->n);
        size_t plain = dollar ? (size_t)(dollar - s->p) : s->n;
        (void)buf_append(out, s->p, plain);
        *s = slice_sub(*s, plain, s->n);
        outer = depth == 1 ? s->p : outer;
        if (slice_starts_with(*s, SL("$${"))) {
            (void)buf_append(out, "${", 2);
            *s = slice_sub(*s, 3, s->n);
        } else if (slice_starts_with(*s, SL("${"))) {
            slice body = slice_sub(*s, 2, s->n);
            size_t end = find_close(body);
            slice inside = slice_sub(body, 0, end), def;
            if (end == body.n || expand_one(inside, out, &def) == ERR_INVALID) {
                slice shown = slice_sub(inside, 0, slice_find_byte(slice_sub(inside, 0, 40), '\n'));
                return FAULT(f, ERR_INVALID, "%s:%d: not a variable: ${%.*s", name, line_of(text, outer),
                             SL_FMT(shown));
            }
            *s = slice_sub(body, end + 1, body.n);
            if (def.n > 0 && depth == EXPAND_DEPTH_MAX) {
                return FAULT(f, ERR_LIMIT, "%s:%d: variables nested too deeply", name, line_of(text, outer));
            }
            if (def.n > 0) {
                stack[depth++] = def;
            }
        } else if (s->n > 0) {
            (void)buf_append_byte(out, s->p[0]);
            *s = slice_sub(*s, 1, s->n);
        }
        if (out->failed) {
            return FAULT(f, ERR_LIMIT, "%s: too large after expanding variables (over %zu bytes)", name,
                         out->max);
        }
    }
    return OK;
}
