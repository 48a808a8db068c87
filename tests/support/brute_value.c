/* Values of the second evaluator. */
#include "support/brute.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <locale.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

static struct brute_value
fail(struct brute_error *e, const char *text)
{
    if (!e->failed) {
        e->failed = true;
        (void)snprintf(e->text, sizeof e->text, "%s", text);
    }
    return (struct brute_value){0};
}

const char *
brute_type_name(const struct brute_value *v)
{
    static const char *const names[] = {"TypeNil",    "TypeInt",     "TypeFloat",
                                        "TypeString", "TypeBoolean", "TypeDuration",
                                        "TypeStatus", "TypeKind",    "TypeArray"};
    return names[v->type];
}

static struct brute_value
scalar_of_static(const struct tql_static *v)
{
    switch (v->type) {
    case TQL_INT:
        return (struct brute_value){.type = BRUTE_INT, .i = v->i};
    case TQL_FLOAT:
        return (struct brute_value){.type = BRUTE_FLOAT, .f = v->f};
    case TQL_STRING:
        return (struct brute_value){.type = BRUTE_STRING, .s = slice_of(v->s, v->n)};
    case TQL_BOOL:
        return (struct brute_value){.type = BRUTE_BOOL, .b = v->b};
    case TQL_DURATION:
        return (struct brute_value){.type = BRUTE_DURATION, .i = v->i};
    case TQL_STATUS:
        return (struct brute_value){.type = BRUTE_STATUS, .i = v->i};
    case TQL_KIND:
        return (struct brute_value){.type = BRUTE_KIND, .i = v->i};
    default:
        return (struct brute_value){0};
    }
}

struct brute_value
brute_of_static(const struct tql_static *v, struct arena *a)
{
    static const enum brute_type of[] = {[TQL_INT_ARRAY] = BRUTE_INT,
                                         [TQL_FLOAT_ARRAY] = BRUTE_FLOAT,
                                         [TQL_STRING_ARRAY] = BRUTE_STRING,
                                         [TQL_BOOL_ARRAY] = BRUTE_BOOL};
    if (v->type < TQL_INT_ARRAY || v->type > TQL_BOOL_ARRAY) {
        return scalar_of_static(v);
    }
    struct brute_value *items = arena_new_array(a, struct brute_value, v->n);
    for (uint32_t i = 0; i < v->n; i++) {
        items[i].type = of[v->type];
        switch (v->type) {
        case TQL_INT_ARRAY:
            items[i].i = v->ints[i];
            break;
        case TQL_FLOAT_ARRAY:
            items[i].f = v->floats[i];
            break;
        case TQL_STRING_ARRAY:
            items[i].s = v->strings[i];
            break;
        default:
            items[i].b = v->bools[i];
        }
    }
    return (struct brute_value){.type = BRUTE_ARRAY, .of = of[v->type], .items = items, .n = v->n};
}

static uint64_t
varint(slice *s)
{
    uint64_t v = 0;
    for (int shift = 0; s->n && shift < 64; shift += 7) {
        uint8_t byte = *s->p;
        *s = slice_sub(*s, 1, SIZE_MAX);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            break;
        }
    }
    return v;
}

/* One AnyValue of an ArrayValue; nil for what cannot be queried. */
static struct brute_value
any_value(slice s)
{
    struct brute_value v = {0};
    while (s.n) {
        uint64_t tag = varint(&s);
        if ((tag & 7) == 0) {
            uint64_t n = varint(&s);
            v = tag >> 3 == 2 ? (struct brute_value){.type = BRUTE_BOOL, .b = n != 0}
                              : (struct brute_value){.type = BRUTE_INT, .i = (int64_t)n};
        } else if ((tag & 7) == 1) {
            v = (struct brute_value){.type = BRUTE_FLOAT};
            memcpy(&v.f, s.p, 8);
            s = slice_sub(s, 8, SIZE_MAX);
        } else {
            uint64_t n = varint(&s);
            v = (struct brute_value){.type = tag >> 3 == 1 ? BRUTE_STRING : BRUTE_NIL,
                                     .s = slice_sub(s, 0, n)};
            s = slice_sub(s, n, SIZE_MAX);
        }
    }
    return v;
}

/* Arrays of one type of string, int, double, bool; one element is that element; all else is nil. */
static struct brute_value
array_value(slice s, struct arena *a)
{
    struct brute_value items[64];
    size_t n = 0;
    while (s.n) {
        (void)varint(&s);
        uint64_t len = varint(&s);
        MUST(n < 64);
        items[n++] = any_value(slice_sub(s, 0, len));
        s = slice_sub(s, len, SIZE_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        if (items[i].type == BRUTE_NIL || items[i].type != items[0].type) {
            return (struct brute_value){0};
        }
    }
    if (n < 2) {
        return n ? items[0] : (struct brute_value){0};
    }
    struct brute_value *kept = arena_new_array(a, struct brute_value, n);
    memcpy(kept, items, n * sizeof *kept);
    return (struct brute_value){.type = BRUTE_ARRAY, .of = items[0].type, .items = kept, .n = n};
}

struct brute_value
brute_of_attr(const struct attr *at, struct arena *a)
{
    switch (at->kind) {
    case VALUE_STRING:
        return (struct brute_value){.type = BRUTE_STRING, .s = attr_bytes(at)};
    case VALUE_BOOL:
        return (struct brute_value){.type = BRUTE_BOOL, .b = at->b};
    case VALUE_INT:
        return (struct brute_value){.type = BRUTE_INT, .i = at->i};
    case VALUE_DOUBLE:
        return (struct brute_value){.type = BRUTE_FLOAT, .f = at->d};
    case VALUE_ARRAY:
        return array_value(attr_bytes(at), a);
    default:
        return (struct brute_value){0};
    }
}

static bool
is_number(enum brute_type t)
{
    return t == BRUTE_INT || t == BRUTE_FLOAT || t == BRUTE_DURATION;
}

static long double
number(const struct brute_value *v)
{
    return v->type == BRUTE_FLOAT ? v->f : v->i; /* 64 bits of mantissa: every int64 is exact */
}

static bool
decide(enum tql_op op, bool less, bool equal, bool ordered)
{
    switch (op) {
    case TQL_OP_EQ:
        return equal;
    case TQL_OP_NEQ:
        return !equal;
    case TQL_OP_LT:
        return less;
    case TQL_OP_LTE:
        return less || equal;
    case TQL_OP_GT:
        return ordered && !less && !equal;
    default:
        return ordered && !less;
    }
}

static bool
compare_scalars(enum tql_op op, const struct brute_value *a, const struct brute_value *b)
{
    if (is_number(a->type) && is_number(b->type)) {
        long double x = number(a), y = number(b);
        return decide(op, x < y, x == y, !isnan(x) && !isnan(y));
    }
    if (a->type != b->type || a->type == BRUTE_NIL) {
        return false;
    }
    if (a->type == BRUTE_STRING) {
        int order = slice_cmp(a->s, b->s);
        return decide(op, order < 0, order == 0, true);
    }
    bool equal = a->type == BRUTE_BOOL ? a->b == b->b : a->i == b->i;
    return op == TQL_OP_EQ ? equal : op == TQL_OP_NEQ && !equal; /* these have no order */
}

/* Of an array with a scalar: any element; `!=` and `!~` say of no element that it equals or matches. */
static bool
none_or_any(bool negative, bool fits, bool any)
{
    return fits && (negative ? !any : any);
}

bool
brute_compare(enum tql_op op, const struct brute_value *a, const struct brute_value *b, struct brute_error *e)
{
    if (a->type == BRUTE_ARRAY && b->type == BRUTE_ARRAY) {
        (void)fail(e, "two arrays");
        return false;
    }
    if (a->type != BRUTE_ARRAY && b->type != BRUTE_ARRAY) {
        return compare_scalars(op, a, b);
    }
    const struct brute_value *array = a->type == BRUTE_ARRAY ? a : b, *one = array == a ? b : a;
    bool negative = op == TQL_OP_NEQ, any = false;
    bool fits = array->of == one->type || (is_number(array->of) && is_number(one->type));
    for (size_t i = 0; i < array->n; i++) {
        const struct brute_value *x = array == a ? &array->items[i] : one,
                                 *y = array == a ? one : &array->items[i];
        any = any || compare_scalars(negative ? TQL_OP_EQ : op, x, y);
    }
    return none_or_any(negative, fits, any);
}

/* The expressions of the tests mean the same to POSIX and to RE2. */
static bool
match_text(slice text, slice pattern)
{
    static struct {
        char text[128];
        regex_t regex;
    } known[64];
    static size_t count;
    static locale_t utf8;
    char want[128];
    bool fold = slice_starts_with(pattern, SL("(?i)"));
    slice plain = fold ? slice_sub(pattern, 4, SIZE_MAX) : pattern;
    (void)snprintf(want, sizeof want, "%c^(%.*s)$", fold ? 'i' : 'c', SL_FMT(plain));
    if (!utf8) {
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
        MUST(utf8);
    }
    locale_t before = uselocale(utf8);
    size_t at = 0;
    while (at < count && strcmp(known[at].text, want) != 0) {
        at++;
    }
    if (at == count) {
        MUST(count < 64);
        (void)snprintf(known[at].text, sizeof known[at].text, "%s", want);
        MUST(regcomp(&known[at].regex, want + 1, REG_EXTENDED | REG_NOSUB | (fold ? REG_ICASE : 0)) == 0);
        count++;
    }
    regmatch_t span = {0, (regoff_t)text.n};
    char *copy = mem_strndup(text.p, text.n); /* sanitizers look for the NUL */
    int rc = regexec(&known[at].regex, copy, 1, &span, REG_STARTEND);
    mem_free(copy);
    (void)uselocale(before);
    return rc == 0;
}

bool
brute_match(enum tql_op op, const struct brute_value *text, const struct brute_value *pattern)
{
    bool negative = op == TQL_OP_NRE;
    if (text->type == BRUTE_STRING) {
        return match_text(text->s, pattern->s) != negative;
    }
    bool any = false, fits = text->type == BRUTE_ARRAY && text->of == BRUTE_STRING;
    for (size_t i = 0; fits && i < text->n; i++) {
        any = any || match_text(text->items[i].s, pattern->s);
    }
    return none_or_any(negative, fits, any);
}

static int64_t
int_power(int64_t base, int64_t exponent)
{
    uint64_t v = 1;
    if (exponent < 0) { /* the fraction is cut off */
        return base == 1 || (base == -1 && exponent % 2 == 0) ? 1 : base == -1 ? -1 : 0;
    }
    for (uint64_t b = (uint64_t)base, n = (uint64_t)exponent; n; n >>= 1, b *= b) {
        v *= n & 1 ? b : 1;
    }
    return (int64_t)v;
}

static struct brute_value
int_arith(enum tql_op op, int64_t x, int64_t y, struct brute_error *e)
{
    struct brute_value v = {.type = BRUTE_INT};
    uint64_t a = (uint64_t)x, b = (uint64_t)y;
    switch (op) {
    case TQL_OP_ADD:
        v.i = (int64_t)(a + b);
        return v;
    case TQL_OP_SUB:
        v.i = (int64_t)(a - b);
        return v;
    case TQL_OP_MUL:
        v.i = (int64_t)(a * b);
        return v;
    case TQL_OP_DIV:
        if (y == 0) {
            return fail(e, "division by zero");
        }
        v.i = y == -1 ? (int64_t)(0 - a) : x / y;
        return v;
    case TQL_OP_MOD:
        if (y == 0) {
            return fail(e, "modulo by zero");
        }
        v.i = y == -1 ? 0 : x % y;
        return v;
    default:
        if (x == 0 && y < 0) {
            return fail(e, "division by zero");
        }
        v.i = int_power(x, y);
        return v;
    }
}

struct brute_value
brute_arith(enum tql_op op, const struct brute_value *a, const struct brute_value *b, struct brute_error *e)
{
    if (a->type == BRUTE_ARRAY || b->type == BRUTE_ARRAY) {
        return fail(e, "arithmetic on an array");
    }
    if (!is_number(a->type) || !is_number(b->type)) {
        return (struct brute_value){.type = BRUTE_BOOL, .b = false};
    }
    if (a->type == BRUTE_INT && b->type == BRUTE_INT) {
        return int_arith(op, a->i, b->i, e);
    }
    double x = (double)number(a), y = (double)number(b), z = 0;
    switch (op) {
    case TQL_OP_ADD:
        z = x + y;
        break;
    case TQL_OP_SUB:
        z = x - y;
        break;
    case TQL_OP_MUL:
        z = x * y;
        break;
    case TQL_OP_DIV:
        z = x / y;
        break;
    case TQL_OP_MOD:
        z = fmod(x, y);
        break;
    default:
        z = pow(x, y);
    }
    return (struct brute_value){.type = BRUTE_FLOAT, .f = z};
}

bool
brute_same(const struct brute_value *a, const struct brute_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    if (a->type == BRUTE_ARRAY) {
        bool same = a->of == b->of && a->n == b->n;
        for (size_t i = 0; same && i < a->n; i++) {
            same = brute_same(&a->items[i], &b->items[i]);
        }
        return same;
    }
    switch (a->type) {
    case BRUTE_NIL:
        return true;
    case BRUTE_FLOAT:
        return a->f == b->f || (isnan(a->f) && isnan(b->f));
    case BRUTE_STRING:
        return slice_eq(a->s, b->s);
    case BRUTE_BOOL:
        return a->b == b->b;
    default:
        return a->i == b->i;
    }
}

void
brute_print(const struct brute_value *v, struct buf *out)
{
    switch (v->type) {
    case BRUTE_NIL:
        (void)buf_append_cstr(out, "nil");
        break;
    case BRUTE_FLOAT:
        if (isnan(v->f)) {
            (void)buf_append_cstr(out, "NaN"); /* whatever its sign */
        } else {
            (void)buf_printf(out, "f:%.17g", v->f == 0 ? 0.0 : v->f);
        }
        break;
    case BRUTE_STRING:
        (void)buf_append_byte(out, '"');
        (void)buf_append_slice(out, v->s);
        (void)buf_append_byte(out, '"');
        break;
    case BRUTE_BOOL:
        (void)buf_append_cstr(out, v->b ? "true" : "false");
        break;
    case BRUTE_ARRAY:
        for (size_t i = 0; i < v->n; i++) {
            (void)buf_append_cstr(out, i ? ", " : "[");
            brute_print(&v->items[i], out);
        }
        (void)buf_append_byte(out, ']');
        break;
    default:
        (void)buf_printf(out, "%c:%lld", "?i???dsk"[v->type], (long long)v -> i);
    }
}
