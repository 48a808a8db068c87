/* Scalars as Tempo reads them: yaml.v2's numbers and booleans, Go's and Prometheus's durations. And their way
 * back. */
#include "loading.h"

#include "vivace/base/clock.h"
#include "vivace/base/must.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_BYTES_MAX 64

/* --- reading --- */

bool
value_parse_bool(slice s, bool *ret)
{
    static const char *const yes[] = {"true", "yes", "on", "y", "1"};
    static const char *const no[] = {"false", "no", "off", "n", "0"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (slice_ieq(s, slice_cstr(yes[i]))) {
            *ret = true;
            return true;
        }
        if (slice_ieq(s, slice_cstr(no[i]))) {
            *ret = false;
            return true;
        }
    }
    return false;
}

/* Without underscores, NUL-terminated. */
static bool
number_text(slice s, char out[NUMBER_BYTES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '_') {
            continue;
        }
        if (n + 1 >= NUMBER_BYTES_MAX || s.p[i] == 0 || s.p[i] <= ' ') {
            return false;
        }
        out[n++] = (char)s.p[i];
    }
    out[n] = '\0';
    return n > 0;
}

/* 0x1F, 0o17, 017, 0b11, 42 */
static bool
parse_integer(const char *t, uint64_t *ret, const char **ret_end)
{
    int base = 10;
    const char *digits = t;
    if (t[0] == '0' && (t[1] == 'x' || t[1] == 'X')) {
        base = 16;
        digits = t + 2;
    } else if (t[0] == '0' && (t[1] == 'b' || t[1] == 'B')) {
        base = 2;
        digits = t + 2;
    } else if (t[0] == '0' && (t[1] == 'o' || t[1] == 'O')) {
        base = 8;
        digits = t + 2;
    } else if (t[0] == '0' && t[1] >= '0' && t[1] <= '9') {
        base = 8;
        digits = t + 1;
    }
    if (!((*digits >= '0' && *digits <= '9') || (base == 16 && strchr("abcdefABCDEF", *digits) && *digits))) {
        return false;
    }
    errno = 0;
    char *end = NULL;
    unsigned long long v = strtoull(digits, &end, base);
    if (errno != 0 || end == digits) {
        return false;
    }
    *ret = v;
    *ret_end = end;
    return true;
}

static bool
parse_float(const char *t, double *ret)
{
    const char *p = t + (*t == '+' || *t == '-');
    if (strcmp(p, ".inf") == 0) {
        *ret = *t == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (!((*p >= '0' && *p <= '9') || *p == '.')) {
        return false; /* no "nan", no "infinity", no hexadecimal by surprise */
    }
    char *end = NULL;
    double v = strtod(t, &end);
    if (*end != '\0' || !isfinite(v)) {
        return false;
    }
    *ret = v;
    return true;
}

/* "", "KiB", "MB", "G": bytes per unit, 0 = unknown. */
static uint64_t
unit_bytes(const char *u)
{
    static const char letters[] = "KMGT";
    if (*u == '\0' || strcmp(u, "B") == 0) {
        return 1;
    }
    const char *l = strchr(letters, *u == 'k' ? 'K' : *u);
    if (!l || !*l) {
        return 0;
    }
    bool binary = strcmp(u + 1, "iB") == 0 || strcmp(u + 1, "i") == 0;
    if (!binary && strcmp(u + 1, "B") != 0 && u[1] != '\0') {
        return 0;
    }
    uint64_t unit = 1;
    for (const char *k = letters; k <= l; k++) {
        unit *= binary ? 1024 : 1000;
    }
    return unit;
}

bool
value_parse_uint(slice text, uint64_t *ret)
{
    char t[NUMBER_BYTES_MAX];
    if (!number_text(text, t)) {
        return false;
    }
    const char *p = t[0] == '+' ? t + 1 : t;
    const char *end = p;
    uint64_t v = 0;
    if (parse_integer(p, &v, &end)) {
        uint64_t unit = unit_bytes(end);
        if (unit > 0) {
            return !__builtin_mul_overflow(v, unit, ret);
        }
    }
    double d = 0;
    if (!parse_float(p, &d) || d < 0 || d >= 18446744073709551616.0 || d != floor(d)) {
        return false;
    }
    *ret = (uint64_t)d; /* 5e9, 1.0: yaml.v2 takes whole floats as integers */
    return true;
}

static bool
parse_duration(slice s, int64_t *ret)
{
    if (duration_parse(s, true, ret)) {
        return *ret >= 0;
    }
    uint64_t ns = 0; /* a bare number is nanoseconds, as in Go */
    if (s.n > 0 && value_parse_uint(s, &ns) && ns <= INT64_MAX && s.p[s.n - 1] >= '0' &&
        s.p[s.n - 1] <= '9') {
        *ret = (int64_t)ns;
        return true;
    }
    return false;
}

/* Index of `s` in "a|b|c", or -1. */
static int
choice_index(const char *choices, slice s)
{
    slice rest = slice_cstr(choices);
    for (int i = 0; rest.p; i++) {
        slice one = slice_cut(&rest, '|');
        if (slice_ieq(one, s)) {
            return i;
        }
    }
    return -1;
}

void
value_set_scalar(struct config_scalar *ret, slice text, bool plain, struct arena *a)
{
    const char *copy = arena_cstr(a, text);
    *ret = (struct config_scalar){.kind = CONFIG_SCALAR_STRING, .text = copy ? copy : ""};
    if (!plain) {
        return;
    }
    char t[NUMBER_BYTES_MAX];
    bool number = number_text(text, t);
    int64_t i = 0;
    double d = 0;
    if (slice_eq(text, SL("true")) || slice_eq(text, SL("false"))) {
        ret->kind = CONFIG_SCALAR_BOOL;
        ret->b = text.n == 4;
    } else if (number && slice_to_i64(slice_cstr(t), &i)) {
        ret->kind = CONFIG_SCALAR_INT;
        ret->i = i;
    } else if (number && parse_float(t, &d)) {
        ret->kind = CONFIG_SCALAR_FLOAT;
        ret->d = d;
    }
}

static bool
set_string(void *at, slice text, struct arena *a)
{
    const char *copy = arena_cstr(a, text);
    if (copy) {
        memcpy(at, &copy, sizeof copy);
    }
    return copy != NULL;
}

/* "a,b" into a list; also one value. */
static bool
set_list(const struct field *f, void *at, slice text, struct arena *a)
{
    slice rest = text;
    size_t n = 0;
    for (slice r = text; r.p && text.n > 0; n++) {
        (void)slice_cut(&r, ',');
    }
    if (f->type == FIELD_STRINGS) {
        struct config_strings l = {.v = n ? arena_new_array(a, const char *, n) : NULL};
        while (l.v && l.n < n) {
            const char *c = arena_cstr(a, slice_trim(slice_cut(&rest, ',')));
            l.v[l.n++] = c ? c : "";
        }
        memcpy(at, &l, sizeof l);
        return l.n == n;
    }
    struct config_floats l = {.v = n ? arena_new_array(a, double, n) : NULL};
    while (l.v && l.n < n) {
        char t[NUMBER_BYTES_MAX];
        if (!number_text(slice_trim(slice_cut(&rest, ',')), t) || !parse_float(t, &l.v[l.n])) {
            return false;
        }
        l.n++;
    }
    memcpy(at, &l, sizeof l);
    return l.n == n;
}

static bool
set_number(const struct field *f, void *at, slice text)
{
    uint64_t u = 0;
    double d = 0;
    char t[NUMBER_BYTES_MAX];
    switch (f->type) {
    case FIELD_UINT:
        if (!value_parse_uint(text, &u)) {
            return false;
        }
        *(uint64_t *)at = u;
        return true;
    case FIELD_PORT:
        if (!value_parse_uint(text, &u) || u > UINT16_MAX) {
            return false;
        }
        *(uint16_t *)at = (uint16_t)u;
        return true;
    default:
        if (!number_text(text, t) || !parse_float(t, &d)) {
            return false;
        }
        *(double *)at = d;
        return true;
    }
}

bool
value_set(const struct field *f, void *at, slice text, struct arena *a, const char **why)
{
    static const char *const wants[FIELD_TYPE_COUNT] = {
        [FIELD_BOOL] = "true or false",
        [FIELD_TRI] = "true or false",
        [FIELD_UINT] = "a whole number >= 0",
        [FIELD_PORT] = "a port (0 to 65535)",
        [FIELD_FLOAT] = "a number",
        [FIELD_DURATION] = "a duration such as 30s or 1h30m",
        [FIELD_FLOATS] = "a list of numbers",
        [FIELD_STRINGS] = "a list of texts",
        [FIELD_STRING] = "text",
        [FIELD_SECRET] = "text",
        [FIELD_URL] = "text",
    };
    *why = f->type == FIELD_ENUM ? f->choices : wants[f->type];
    bool b = false;
    int choice = -1;
    int64_t ns = 0;
    switch (f->type) {
    case FIELD_BOOL:
    case FIELD_TRI:
        if (!value_parse_bool(text, &b)) {
            return false;
        }
        if (f->type == FIELD_BOOL) {
            *(bool *)at = b;
        } else {
            *(int *)at = b ? CONFIG_TRUE : CONFIG_FALSE;
        }
        return true;
    case FIELD_UINT:
    case FIELD_PORT:
    case FIELD_FLOAT:
        return set_number(f, at, text);
    case FIELD_DURATION:
        if (!parse_duration(text, &ns)) {
            return false;
        }
        *(int64_t *)at = ns;
        return true;
    case FIELD_ENUM:
        choice = text.n == 0 ? 0 : choice_index(f->choices, text);
        if (choice < 0) {
            return false;
        }
        *(int *)at = choice;
        return true;
    case FIELD_STRINGS:
    case FIELD_FLOATS:
        return set_list(f, at, text, a);
    default:
        return set_string(at, text, a);
    }
}

/* --- writing --- */

static bool
is_safe_plain(slice s)
{
    bool b = false;
    char t[NUMBER_BYTES_MAX];
    double d = 0;
    if (s.n == 0 || value_parse_bool(s, &b) || slice_eq(s, SL("null")) || slice_eq(s, SL("~")) ||
        slice_eq(s, SL("<<")) || (number_text(s, t) && parse_float(t, &d))) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                    c == '/';
        bool inner = i > 0 && (c == '.' || c == '-' || c == '+');
        if (!word && !inner) {
            return false;
        }
    }
    return true;
}

void
value_write_string(const char *s, struct buf *out)
{
    slice t = slice_cstr(s);
    if (is_safe_plain(t) || slice_eq(t, SL("<secret>"))) {
        (void)buf_append_slice(out, t);
        return;
    }
    (void)buf_append_byte(out, '"');
    for (size_t i = 0; i < t.n; i++) {
        if (t.p[i] == '"' || t.p[i] == '\\') {
            (void)buf_append_byte(out, '\\');
            (void)buf_append_byte(out, t.p[i]);
        } else if (t.p[i] == '\n') {
            (void)buf_append_cstr(out, "\\n");
        } else if (t.p[i] < 0x20 || t.p[i] == 0x7f) {
            (void)buf_printf(out, "\\x%02x", t.p[i]);
        } else {
            (void)buf_append_byte(out, t.p[i]);
        }
    }
    (void)buf_append_byte(out, '"');
}

/* http://user:password@host -> http://user:<secret>@host */
static void
write_url(const char *url, bool mask, struct buf *out)
{
    const char *start = strstr(url, "://");
    const char *user = start ? start + 3 : url;
    size_t authority = strcspn(user, "/?#");
    const char *at = memrchr(user, '@', authority);
    const char *colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;
    if (!mask || !colon) {
        value_write_string(url, out);
        return;
    }
    (void)buf_append_byte(out, '"');
    (void)buf_append(out, url, (size_t)(colon + 1 - url));
    (void)buf_append_cstr(out, "<secret>");
    (void)buf_append_cstr(out, at);
    (void)buf_append_byte(out, '"');
}

static void
write_double(double d, struct buf *out)
{
    char t[40];
    for (int precision = 1; precision <= 17; precision++) {
        (void)snprintf(t, sizeof t, "%.*g", precision, d);
        if (strtod(t, NULL) == d) {
            break;
        }
    }
    (void)buf_append_cstr(out, t);
}

static void
write_enum(const struct field *f, int i, struct buf *out)
{
    slice rest = slice_cstr(f->choices), one = SL_EMPTY;
    for (int k = 0; k <= i && rest.p; k++) {
        one = slice_cut(&rest, '|');
    }
    if (one.n == 0) {
        (void)buf_append_cstr(out, "\"\"");
    } else {
        (void)buf_append_slice(out, one);
    }
}

static void
write_many(const struct field *f, const void *at, bool mask, struct buf *out)
{
    if (f->type == FIELD_STRINGS) {
        const struct config_strings *l = at;
        for (size_t i = 0; i < l->n; i++) {
            (void)buf_append_cstr(out, i ? ", " : "[");
            value_write_string(l->v[i], out);
        }
        (void)buf_append_cstr(out, l->n ? "]" : "[]");
    } else if (f->type == FIELD_FLOATS) {
        const struct config_floats *l = at;
        for (size_t i = 0; i < l->n; i++) {
            (void)buf_append_cstr(out, i ? ", " : "[");
            write_double(l->v[i], out);
        }
        (void)buf_append_cstr(out, l->n ? "]" : "[]");
    } else {
        const struct config_map *m = at;
        for (size_t i = 0; i < m->n; i++) {
            (void)buf_append_cstr(out, i ? ", " : "{");
            value_write_string(m->v[i].key, out);
            (void)buf_append_cstr(out, ": ");
            value_write_string(mask && f->type == FIELD_SECRETS ? "<secret>" : m->v[i].value, out);
        }
        (void)buf_append_cstr(out, m->n ? "}" : "{}");
    }
}

void
value_write(const struct field *f, const void *at, bool mask, struct buf *out)
{
    switch (f->type) {
    case FIELD_BOOL:
        (void)buf_append_cstr(out, *(const bool *)at ? "true" : "false");
        return;
    case FIELD_TRI:
        (void)buf_append_cstr(out, *(const int *)at == CONFIG_TRUE    ? "true"
                                   : *(const int *)at == CONFIG_FALSE ? "false"
                                                                      : "null");
        return;
    case FIELD_UINT:
        (void)buf_append_u64(out, *(const uint64_t *)at);
        return;
    case FIELD_PORT:
        (void)buf_append_u64(out, *(const uint16_t *)at);
        return;
    case FIELD_FLOAT:
        write_double(*(const double *)at, out);
        return;
    case FIELD_DURATION:
        duration_format(out, *(const int64_t *)at);
        return;
    case FIELD_ENUM:
        write_enum(f, *(const int *)at, out);
        return;
    case FIELD_STRING:
        value_write_string(*(const char *const *)at, out);
        return;
    case FIELD_SECRET:
        value_write_string(mask && **(const char *const *)at ? "<secret>" : *(const char *const *)at, out);
        return;
    case FIELD_URL:
        write_url(*(const char *const *)at, mask, out);
        return;
    case FIELD_SCALAR:
        if (((const struct config_scalar *)at)->kind == CONFIG_SCALAR_STRING) {
            value_write_string(((const struct config_scalar *)at)->text, out);
        } else {
            (void)buf_append_cstr(out, ((const struct config_scalar *)at)->text);
        }
        return;
    case FIELD_STRINGS:
    case FIELD_FLOATS:
    case FIELD_MAP:
    case FIELD_SECRETS:
        write_many(f, at, mask, out);
        return;
    default:
        (void)buf_append_cstr(out, "[]"); /* an empty list */
        return;
    }
}

bool
value_eq(const struct field *f, const void *a, const void *b)
{
    struct buf x, y;
    buf_init(&x, CONFIG_FILE_MAX);
    buf_init(&y, CONFIG_FILE_MAX);
    value_write(f, a, false, &x);
    value_write(f, b, false, &y);
    bool eq = slice_eq(buf_slice(&x), buf_slice(&y));
    buf_fini(&x);
    buf_fini(&y);
    return eq;
}
