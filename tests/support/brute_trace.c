/* The tree of a trace's spans and the values of one span, for the second evaluator. */
#include "support/brute.h"

#define KIND_SERVER 2
#define KIND_CLIENT 3

static const struct span *
span_at(const struct brute_trace *t, size_t row)
{
    return &t->b->spans[row];
}

/* A link to the same trace that says "child of" makes a span without parent id no root: the span it links. */
static const span_id *
parent_by_link(const struct brute_trace *t, const struct span *s)
{
    for (uint32_t i = 0; i < s->links.n; i++) {
        const struct span_link *l = &t->b->links[s->links.at + i];
        const struct attr *a = attrs_find(t->b, l->attrs, SL("opentracing.ref_type"));
        if (trace_id_eq(&l->trace, &s->trace) && a && a->kind == VALUE_STRING &&
            slice_eq(attr_bytes(a), SL("child_of"))) {
            return &l->span;
        }
    }
    return NULL;
}

/* The row of the span with this id; of the first two that share it the one of `kind`, else the first. */
static int
row_of(const struct brute_trace *t, const span_id *id, int32_t kind)
{
    int found[2] = {-2, -2}, n = 0;
    for (size_t i = 0; i < t->b->span_count && n < 2; i++) {
        if (span_id_eq(&span_at(t, i)->id, id)) {
            found[n++] = (int)i;
        }
    }
    return n == 2 && span_at(t, (size_t)found[0])->kind != kind && span_at(t, (size_t)found[1])->kind == kind
               ? found[1]
               : found[0];
}

/* Of two spans that share an id (Zipkin) the server's hangs under the client's; what names that id as its
 * parent hangs under the client's when it is a server's, else under the server's. */
static int
parent_of(const struct brute_trace *t, size_t row)
{
    const struct span *s = span_at(t, row);
    const span_id *parent = &s->parent;
    int client = row_of(t, &s->id, KIND_CLIENT);
    if (s->kind == KIND_SERVER && client != (int)row && span_at(t, (size_t)client)->kind == KIND_CLIENT) {
        return client;
    }
    if (span_id_is_zero(parent)) {
        parent = parent_by_link(t, s);
    }
    if (!parent) {
        return -1;
    }
    int found = row_of(t, parent, s->kind == KIND_SERVER ? KIND_CLIENT : KIND_SERVER);
    return found == (int)row ? -2 : found;
}

static bool
has_thrice(const struct brute_trace *t)
{
    for (size_t i = 0; i < t->b->span_count; i++) {
        int same = 0;
        for (size_t k = 0; k < t->b->span_count; k++) {
            same += span_id_eq(&span_at(t, i)->id, &span_at(t, k)->id);
        }
        if (same > 2) {
            return true;
        }
    }
    return false;
}

static void
number(struct brute_trace *t, size_t row, int64_t up, int64_t *counter)
{
    struct brute_node *node = &t->nodes[row];
    node->reached = true;
    node->up = up;
    node->left = (*counter)++;
    for (size_t i = 0; i < t->b->span_count; i++) {
        if (t->nodes[i].parent == (int)row && !t->nodes[i].reached) {
            number(t, i, node->left, counter);
        }
    }
    node->right = (*counter)++;
}

void
brute_trace_make(struct brute_trace *t, const struct span_batch *b, struct arena *a)
{
    int64_t counter = 1;
    *t = (struct brute_trace){.b = b,
                              .nodes = arena_new_array(a, struct brute_node, b->span_count + 1),
                              .root = -1,
                              .start_ns = UINT64_MAX,
                              .arena = a};
    for (size_t i = 0; i < b->span_count; i++) {
        const struct span *s = span_at(t, i);
        t->start_ns = s->start_ns < t->start_ns ? s->start_ns : t->start_ns;
        t->end_ns = s->end_ns > t->end_ns ? s->end_ns : t->end_ns;
        t->nodes[i].parent = parent_of(t, i);
        if (span_id_is_zero(&s->parent) && !parent_by_link(t, s)) {
            t->root = (int)i;
        }
    }
    for (size_t i = 0; i < b->span_count; i++) {
        if (t->nodes[i].parent >= 0) {
            t->nodes[t->nodes[i].parent].children++;
        }
    }
    for (size_t i = 0; !has_thrice(t) && i < b->span_count; i++) {
        if (t->nodes[i].parent == -1) {
            number(t, i, -1, &counter);
        }
    }
}

static struct brute_value
text_of(slice s)
{
    return (struct brute_value){.type = BRUTE_STRING, .s = s};
}

static struct brute_value
int_of(enum brute_type type, int64_t i)
{
    return (struct brute_value){.type = type, .i = i};
}

static struct brute_value
hex_of(struct arena *a, const uint8_t *p, size_t n, bool strip)
{
    char *text = arena_alloc(a, 2 * n);
    size_t at = 0;
    hex_encode(p, n, text);
    while (strip && at + 1 < 2 * n && text[at] == '0') {
        at++;
    }
    return text_of(slice_of(text + at, 2 * n - at));
}

static struct brute_value
in_run(const struct brute_trace *t, struct run r, slice key)
{
    const struct attr *a = attrs_find(t->b, r, key);
    return a ? brute_of_attr(a, t->arena) : (struct brute_value){0};
}

static struct brute_value
lookup_attribute(const struct brute_trace *t, const struct span *s, const struct tql_attr *at, int event,
                 int link)
{
    const struct scope *scope = &t->b->scopes[s->scope];
    const struct resource *resource = &t->b->resources[scope->resource];
    bool is_service = slice_eq(at->name, SL("service.name"));
    struct brute_value v;
    const struct attr *own = attrs_find(t->b, s->attrs, at->name);
    switch (at->scope) {
    case TQL_SCOPE_SPAN:
        return in_run(t, s->attrs, at->name);
    case TQL_SCOPE_RESOURCE:
        v = in_run(t, resource->attrs, at->name);
        return v.type == BRUTE_NIL && is_service ? text_of(SL("")) : v;
    case TQL_SCOPE_EVENT:
        return event < 0 ? (struct brute_value){0}
                         : in_run(t, t->b->events[s->events.at + (uint32_t)event].attrs, at->name);
    case TQL_SCOPE_LINK:
        return link < 0 ? (struct brute_value){0}
                        : in_run(t, t->b->links[s->links.at + (uint32_t)link].attrs, at->name);
    case TQL_SCOPE_INSTRUMENTATION:
        return in_run(t, scope->attrs, at->name);
    default: /* the span's, whatever it is; the resource's only when the span has none */
        return in_run(t, own ? s->attrs : resource->attrs, at->name);
    }
}

static struct brute_value
lookup_of_trace(const struct brute_trace *t, const struct span *s, uint8_t intrinsic)
{
    switch (intrinsic) {
    case TQL_INTRINSIC_TRACE_ID:
        return hex_of(t->arena, s->trace.b, TRACE_ID_BYTES, true);
    case TQL_INTRINSIC_TRACE_DURATION:
        return int_of(BRUTE_DURATION, t->end_ns < t->start_ns ? 0 : (int64_t)(t->end_ns - t->start_ns));
    case TQL_INTRINSIC_TRACE_ROOT_NAME:
        return text_of(t->root < 0 ? SL("") : span_at(t, (size_t)t->root)->name);
    default:
        return text_of(t->root < 0 ? SL("") : span_service_name(t->b, span_at(t, (size_t)t->root)));
    }
}

static struct brute_value
lookup_of_part(const struct brute_trace *t, const struct span *s, uint8_t intrinsic, int event, int link)
{
    const struct span_event *ev = event < 0 ? NULL : &t->b->events[s->events.at + (uint32_t)event];
    const struct span_link *ln = link < 0 ? NULL : &t->b->links[s->links.at + (uint32_t)link];
    switch (intrinsic) {
    case TQL_INTRINSIC_EVENT_NAME:
        return ev ? text_of(ev->name) : (struct brute_value){0};
    case TQL_INTRINSIC_EVENT_TIME_SINCE_START:
        return ev ? int_of(BRUTE_DURATION, (int64_t)(ev->time_ns - s->start_ns)) : (struct brute_value){0};
    case TQL_INTRINSIC_LINK_TRACE_ID:
        return ln ? hex_of(t->arena, ln->trace.b, TRACE_ID_BYTES, true) : (struct brute_value){0};
    case TQL_INTRINSIC_LINK_SPAN_ID:
        return ln ? hex_of(t->arena, ln->span.b, SPAN_ID_BYTES, false) : (struct brute_value){0};
    case TQL_INTRINSIC_INSTRUMENTATION_NAME:
        return text_of(t->b->scopes[s->scope].name);
    case TQL_INTRINSIC_INSTRUMENTATION_VERSION:
        return text_of(t->b->scopes[s->scope].version);
    default:
        return lookup_of_trace(t, s, intrinsic);
    }
}

struct brute_value
brute_lookup(const struct brute_trace *t, size_t row, const struct tql_attr *at, int event, int link)
{
    const struct span *s = span_at(t, row);
    const struct brute_node *node = &t->nodes[row];
    switch (at->intrinsic) {
    case TQL_INTRINSIC_NONE:
        return lookup_attribute(t, s, at, event, link);
    case TQL_INTRINSIC_DURATION:
        return int_of(BRUTE_DURATION, s->end_ns < s->start_ns ? 0 : (int64_t)(s->end_ns - s->start_ns));
    case TQL_INTRINSIC_NAME:
        return text_of(s->name);
    case TQL_INTRINSIC_STATUS:
        return int_of(BRUTE_STATUS, s->status_code);
    case TQL_INTRINSIC_STATUS_MESSAGE:
        return text_of(s->status_message);
    case TQL_INTRINSIC_KIND:
        return int_of(BRUTE_KIND, s->kind);
    case TQL_INTRINSIC_SPAN_ID:
        return hex_of(t->arena, s->id.b, SPAN_ID_BYTES, false);
    case TQL_INTRINSIC_SPAN_PARENT_ID:
        return hex_of(t->arena, s->parent.b, SPAN_ID_BYTES, false);
    case TQL_INTRINSIC_SPAN_CHILD_COUNT:
        return int_of(BRUTE_INT, node->children);
    case TQL_INTRINSIC_NESTED_SET_LEFT:
        return int_of(BRUTE_INT, node->left);
    case TQL_INTRINSIC_NESTED_SET_RIGHT:
        return int_of(BRUTE_INT, node->right);
    case TQL_INTRINSIC_NESTED_SET_PARENT:
        return int_of(BRUTE_INT, node->up);
    default:
        return lookup_of_part(t, s, at->intrinsic, event, link);
    }
}

static bool
is_under(const struct brute_trace *t, size_t row, size_t above)
{
    for (int at = t->nodes[row].parent; at >= 0; at = t->nodes[at].parent) {
        if ((size_t)at == above) {
            return true;
        }
    }
    return false;
}

/* Is `right` a child (descendant, ...) of `left`? Spans that no root leads to are related to nothing. */
bool
brute_related(const struct brute_trace *t, enum tql_op op, size_t left, size_t right)
{
    const struct brute_node *l = &t->nodes[left], *r = &t->nodes[right];
    if (!l->reached || !r->reached) {
        return false;
    }
    switch (op) {
    case TQL_OP_GT:
        return r->parent == (int)left;
    case TQL_OP_LT:
        return l->parent == (int)right;
    case TQL_OP_DESC:
        return is_under(t, right, left);
    case TQL_OP_ANCE:
        return is_under(t, left, right);
    default:
        return left != right && l->parent == r->parent;
    }
}
