#include "vivace/traceql/ast.h"

struct intrinsic_info {
    const char *name;
    uint8_t type, level;
};

static const struct intrinsic_info intrinsics[TQL_INTRINSIC_COUNT] = {
#define X(id, text, static_type, where)                                                                      \
    [TQL_INTRINSIC_##id] = {.name = text, .type = static_type, .level = TQL_LEVEL_##where},
    TQL_INTRINSICS(X)
#undef X
};

static const char *const scope_prefix[TQL_SCOPE_COUNT] = {
    [TQL_SCOPE_NONE] = ".",
    [TQL_SCOPE_SPAN] = "span.",
    [TQL_SCOPE_RESOURCE] = "resource.",
    [TQL_SCOPE_EVENT] = "event.",
    [TQL_SCOPE_LINK] = "link.",
    [TQL_SCOPE_INSTRUMENTATION] = "instrumentation.",
};

bool
tql_attr_same(const struct tql_attr *a, const struct tql_attr *b)
{
    return a->scope == b->scope && a->intrinsic == b->intrinsic && a->parent == b->parent &&
           slice_eq(a->name, b->name);
}

enum tql_level
tql_attr_level(const struct tql_attr *a)
{
    static const uint8_t levels[TQL_SCOPE_COUNT] = {
        [TQL_SCOPE_NONE] = TQL_LEVEL_UNSCOPED,     [TQL_SCOPE_SPAN] = TQL_LEVEL_SPAN,
        [TQL_SCOPE_RESOURCE] = TQL_LEVEL_RESOURCE, [TQL_SCOPE_EVENT] = TQL_LEVEL_EVENT,
        [TQL_SCOPE_LINK] = TQL_LEVEL_LINK,         [TQL_SCOPE_INSTRUMENTATION] = TQL_LEVEL_INSTRUMENTATION,
    };
    return (enum tql_level)(a->intrinsic ? intrinsics[a->intrinsic].level : levels[a->scope]);
}

uint8_t
tql_attr_type(const struct tql_attr *a)
{
    return a->intrinsic ? intrinsics[a->intrinsic].type : TQL_DYNAMIC;
}

const char *
tql_intrinsic_name(enum tql_intrinsic i)
{
    return intrinsics[i].name ? intrinsics[i].name : "";
}

/* Whether the lexer would read the name back without quotes. */
static bool
name_is_plain(slice name, bool unscoped)
{
    if (name.n == 0 || (unscoped && name.p[0] >= '0' && name.p[0] <= '9')) {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("{}()=~!<>&|^,\"\\", c)) {
            return false;
        }
    }
    return true;
}

void
tql_attr_print(const struct tql_attr *a, struct buf *out)
{
    if (a->intrinsic) {
        (void)buf_append_cstr(out, tql_intrinsic_name((enum tql_intrinsic)a->intrinsic));
        return;
    }
    if (a->parent) {
        (void)buf_append_cstr(out, a->scope == TQL_SCOPE_NONE ? "parent" : "parent.");
    }
    (void)buf_append_cstr(out, scope_prefix[a->scope]);
    bool scoped_again =
        a->parent && a->scope == TQL_SCOPE_NONE &&
        (slice_starts_with(a->name, SL("span.")) || slice_starts_with(a->name, SL("resource.")));
    if (!scoped_again && name_is_plain(a->name, a->scope == TQL_SCOPE_NONE && !a->parent)) {
        (void)buf_append_slice(out, a->name);
        return;
    }
    (void)buf_append_byte(out, '"');
    for (size_t i = 0; i < a->name.n; i++) {
        if (a->name.p[i] == '"' || a->name.p[i] == '\\') {
            (void)buf_append_byte(out, '\\');
        }
        (void)buf_append_byte(out, a->name.p[i]);
    }
    (void)buf_append_byte(out, '"');
}

slice
tql_attr_key(const struct tql_attr *a)
{
    return a->intrinsic ? slice_cstr(tql_intrinsic_name((enum tql_intrinsic)a->intrinsic)) : a->name;
}

bool
tql_attr_is_listed(const struct tql_attr *a)
{
    switch ((enum tql_intrinsic)a->intrinsic) {
    case TQL_INTRINSIC_NAME:
    case TQL_INTRINSIC_DURATION:
    case TQL_INTRINSIC_TRACE_DURATION:
    case TQL_INTRINSIC_TRACE_ROOT_NAME:
    case TQL_INTRINSIC_TRACE_ROOT_SERVICE:
    case TQL_INTRINSIC_TRACE_ID:
    case TQL_INTRINSIC_SPAN_ID:
        return false;
    default:
        return true;
    }
}
