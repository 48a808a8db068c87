#include "number.h"

#include "vivace/traceql/static.h"

/* Printable inside backticks: no backtick, no CR (Go drops it there), nothing the lexer refuses. */
static bool
fits_backticks(slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '`' || c == '\r' || c == 0) {
            return false;
        }
        if (c >= 0x80) { /* valid UTF-8 only */
            size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
            if (c < 0xc2 || c > 0xf4 || i + n > s.n) {
                return false;
            }
            uint8_t d = s.p[i + 1];
            if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) ||
                (c == 0xf4 && d > 0x8f)) {
                return false;
            }
            for (size_t k = 1; k < n; k++) {
                if ((s.p[i + k] & 0xc0) != 0x80) {
                    return false;
                }
            }
            i += n - 1;
        }
    }
    return true;
}

static void
print_quoted(slice s, struct buf *out)
{
    (void)buf_append_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '"' || c == '\\') {
            (void)buf_append_byte(out, '\\');
            (void)buf_append_byte(out, c);
        } else if (c == '\n') {
            (void)buf_append_cstr(out, "\\n");
        } else if (c == '\r') {
            (void)buf_append_cstr(out, "\\r");
        } else if (c < 0x20 || c >= 0x7f) {
            (void)buf_printf(out, "\\x%02x", c);
        } else {
            (void)buf_append_byte(out, c);
        }
    }
    (void)buf_append_byte(out, '"');
}

static void
print_enum(int64_t v, const char *const *names, size_t count, struct buf *out)
{
    if (v >= 0 && v < (int64_t)count) {
        (void)buf_append_cstr(out, names[v]);
    } else {
        (void)buf_append_i64(out, v);
    }
}

static void
print_number(const struct tql_static *v, struct buf *out)
{
    char text[FLOAT_TEXT_MAX > DURATION_TEXT_MAX ? FLOAT_TEXT_MAX : DURATION_TEXT_MAX];
    if (v->type == TQL_FLOAT) {
        (void)buf_append(out, text, tql_float_print(v->f, text));
    } else if (v->type == TQL_DURATION) {
        (void)buf_append(out, text, tql_duration_print(v->i, text));
    } else {
        (void)buf_append_i64(out, v->i);
    }
}

static void
print_single(const struct tql_static *v, struct buf *out)
{
    static const char *const statuses[] = {"unset", "ok", "error"};
    static const char *const kinds[] = {"unspecified", "internal", "server",
                                        "client",      "producer", "consumer"};
    switch (v->type) {
    case TQL_INT:
    case TQL_FLOAT:
    case TQL_DURATION:
        print_number(v, out);
        break;
    case TQL_STRING:
        (void)buf_append_slice(out, tql_static_slice(v));
        break;
    case TQL_BOOL:
        (void)buf_append_cstr(out, v->b ? "true" : "false");
        break;
    case TQL_STATUS:
        print_enum(v->i, statuses, sizeof statuses / sizeof *statuses, out);
        break;
    case TQL_KIND:
        print_enum(v->i, kinds, sizeof kinds / sizeof *kinds, out);
        break;
    default:
        (void)buf_append_cstr(out, "nil");
    }
}

void
tql_static_print_plain(const struct tql_static *v, struct buf *out)
{
    if (!tql_type_is_array(v->type)) {
        print_single(v, out);
        return;
    }
    (void)buf_append_byte(out, '[');
    for (uint32_t i = 0; i < v->n; i++) {
        struct tql_static e = tql_static_element(v, i);
        (void)buf_append_cstr(out, i ? ", " : "");
        print_single(&e, out);
    }
    (void)buf_append_byte(out, ']');
}

void
tql_static_print(const struct tql_static *v, struct buf *out)
{
    slice s = tql_static_slice(v);
    if (v->type == TQL_INT && v->i == INT64_MIN) {
        (void)buf_append_cstr(out, "minInt"); /* the digits would overflow before the sign comes */
    } else if (v->type != TQL_STRING) {
        tql_static_print_plain(v, out);
    } else if (fits_backticks(s)) {
        (void)buf_append_byte(out, '`');
        (void)buf_append_slice(out, s);
        (void)buf_append_byte(out, '`');
    } else {
        print_quoted(s, out);
    }
}
