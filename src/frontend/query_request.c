#include "query_request.h"

#include "vivace/base/clock.h"
#include "vivace/codec/wire.h"

/* --- from a URL ----------------------------------------------------------------------------------------- */

/* Go's strconv.ParseUint(text, 10, 32). */
static err
parse_u32(const char *name, slice text, uint64_t *ret, struct fault *f)
{
    bool digits = text.n > 0;
    for (size_t i = 0; i < text.n; i++) {
        digits = digits && text.p[i] >= '0' && text.p[i] <= '9';
    }
    if (!digits || !slice_to_u64(text, ret) || *ret > UINT32_MAX) {
        return FAULT(f, ERR_INVALID, "invalid %s: strconv.ParseUint: parsing \"%.*s\": %s", name,
                     SL_FMT(slice_sub(text, 0, 100)), digits ? "value out of range" : "invalid syntax");
    }
    return OK;
}

static err
u32_param(struct api_request *q, const char *name, uint64_t *ret, bool *ret_has, struct fault *f)
{
    slice text;
    if (!api_param(q, slice_cstr(name), &text) || text.n == 0) {
        return OK;
    }
    *ret_has = true;
    return parse_u32(name, text, ret, f);
}

static err
duration_param(struct api_request *q, const char *name, int64_t *ret, struct fault *f)
{
    slice text;
    if (!api_param(q, slice_cstr(name), &text) || text.n == 0 || duration_parse(text, false, ret)) {
        return OK;
    }
    bool bare = true;
    for (size_t i = 0; i < text.n; i++) {
        bare = bare && ((text.p[i] >= '0' && text.p[i] <= '9') || text.p[i] == '.' || text.p[i] == '-');
    }
    return FAULT(f, ERR_INVALID, "invalid %s: time: %s duration \"%.*s\"", name,
                 bare ? "missing unit in" : "invalid", SL_FMT(slice_sub(text, 0, 100)));
}

static err
since_param(struct api_request *q, int64_t *ret, struct fault *f)
{
    slice text;
    if (api_param(q, SL("since"), &text) && text.n && !duration_parse(text, true, ret)) {
        return FAULT(f, ERR_INVALID,
                     "could not parse 'since' parameter: not a valid duration string: \"%.*s\"",
                     SL_FMT(slice_sub(text, 0, 100)));
    }
    return OK;
}

static err
limit_params(struct api_request *q, struct query_request *r, struct fault *f)
{
    uint64_t limit = 0;
    uint64_t spss = 0;
    err rc = u32_param(q, "limit", &limit, &r->has_limit, f);
    if (rc == OK && r->has_limit && limit == 0) {
        rc = FAULT(f, ERR_INVALID, "invalid limit: must be a positive number");
    }
    if (rc == OK) {
        rc = u32_param(q, "spss", &spss, &r->has_spss, f);
    }
    r->limit = (uint32_t)limit;
    r->spss = (uint32_t)spss;
    r->has_spss = r->has_spss && spss; /* 0 behaves like none */
    return rc;
}

err
search_request_from_url(struct api_request *q, struct query_request *ret, struct fault *f)
{
    bool given = false;
    slice tags = SL_EMPTY;
    err rc = OK;
    *ret = (struct query_request){0};
    TRY(u32_param(q, "start", &ret->start_s, &given, f));
    TRY(u32_param(q, "end", &ret->end_s, &given, f));
    ret->has_q = api_param(q, SL("q"), &ret->q) && ret->q.n;
    ret->has_tags = api_param(q, SL("tags"), &tags) && tags.n;
    if (ret->has_q && ret->has_tags) {
        return FAULT(f, ERR_INVALID, "invalid request: can't specify tags and q in the same query");
    }
    TRY(search_request_tags(ret, tags, &q->arena, f));
    TRY(duration_param(q, "minDuration", &ret->min_duration_ns, f));
    TRY(duration_param(q, "maxDuration", &ret->max_duration_ns, f));
    if (ret->max_duration_ns && ret->max_duration_ns <= ret->min_duration_ns) {
        return FAULT(f, ERR_INVALID, "invalid maxDuration: must be greater than minDuration");
    }
    TRY(limit_params(q, ret, f));
    TRY(since_param(q, &ret->since_ns, f));
    if ((ret->start_s || ret->end_s) && ret->end_s <= ret->start_s && ret->since_ns == 0) {
        return FAULT(f, ERR_INVALID, "http parameter start must be before end. received start=%llu end=%llu",
                     (unsigned long long)ret->start_s, (unsigned long long)ret->end_s);
    }
out:
    return rc;
}

/* Seconds, nanoseconds (more than 10 digits), seconds with a fraction; anything else is not given. */
static uint64_t
lenient_seconds(slice text)
{
    uint64_t v = 0;
    size_t dot = slice_find_byte(text, '.');
    if (!slice_to_u64(slice_sub(text, 0, dot), &v)) {
        return 0;
    }
    return dot > 10 ? v / (uint64_t)NS_PER_S : v;
}

err
tag_request_from_url(struct api_request *q, struct query_request *ret, struct fault *f)
{
    slice text = SL_EMPTY;
    uint64_t limit = 0;
    *ret = (struct query_request){0};
    ret->has_q = api_param(q, SL("q"), &ret->q) && ret->q.n;
    api_param(q, SL("scope"), &ret->scope);
    if (api_param(q, SL("start"), &text)) {
        ret->start_s = lenient_seconds(text);
    }
    if (api_param(q, SL("end"), &text)) {
        ret->end_s = lenient_seconds(text);
    }
    if (api_param(q, SL("limit"), &text) && slice_to_u64(text, &limit)) {
        ret->limit = limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit;
    }
    if (ret->start_s && ret->end_s && ret->end_s <= ret->start_s) {
        return FAULT(f, ERR_INVALID, "http parameter start must be before end. received start=%llu end=%llu",
                     (unsigned long long)ret->start_s, (unsigned long long)ret->end_s);
    }
    return since_param(q, &ret->since_ns, f);
}

/* --- from protobuf -------------------------------------------------------------------------------------- */

static err
bad_message(struct fault *f)
{
    return FAULT(f, ERR_INTERNAL, "grpc: error unmarshalling request: proto: malformed message");
}

/* One field: `*v` for a varint, `*s` for bytes. */
static bool
next_field(struct wire_reader *r, uint32_t *field, uint64_t *v, slice *s)
{
    uint32_t type = 0;
    *v = 0;
    *s = SL_EMPTY;
    if (!wire_tag(r, field, &type)) {
        return false;
    }
    if (type == WIRE_VARINT) {
        return wire_varint(r, v);
    }
    return type == WIRE_LEN ? wire_len(r, s) : wire_skip(r, *field, type);
}

static err
add_tag(struct query_request *r, struct arena *a, slice key, slice value, struct fault *f)
{
    struct query_tag *more =
        arena_grow(a, r->tags, r->tag_count, &r->tag_cap, r->tag_count + 1, sizeof *r->tags);
    if (more == NULL) {
        return FAULT(f, ERR_INVALID, "invalid tags: too many");
    }
    r->tags = more;
    r->tags[r->tag_count++] = (struct query_tag){key, value};
    return OK;
}

static err
tag_from_pb(struct query_request *r, slice entry, struct arena *a, struct fault *f)
{
    struct wire_reader in = wire_reader_of(entry);
    slice key = SL_EMPTY;
    slice value = SL_EMPTY;
    uint32_t field = 0;
    uint64_t v = 0;
    slice s;
    while (in.p < in.end) {
        if (!next_field(&in, &field, &v, &s)) {
            return bad_message(f);
        }
        key = field == 1 ? s : key;
        value = field == 2 ? s : value;
    }
    r->has_tags = true;
    return add_tag(r, a, key, value, f);
}

err
search_request_from_pb(slice message, struct arena *a, struct query_request *ret, struct fault *f)
{
    struct wire_reader in = wire_reader_of(message);
    uint32_t field = 0;
    uint64_t v = 0;
    slice s;
    err rc = OK;
    *ret = (struct query_request){.is_grpc = true, .has_spss = true};
    while (rc == OK && in.p < in.end) {
        if (!next_field(&in, &field, &v, &s)) {
            return bad_message(f);
        }
        switch (field) {
        case 1:
            rc = tag_from_pb(ret, s, a, f);
            break;
        case 2:
            ret->min_duration_ns = (int64_t)(v & UINT32_MAX) * NS_PER_MS;
            break;
        case 3:
            ret->max_duration_ns = (int64_t)(v & UINT32_MAX) * NS_PER_MS;
            break;
        case 4:
            ret->limit = (uint32_t)v;
            ret->has_limit = ret->limit > 0;
            break;
        case 5:
            ret->start_s = v & UINT32_MAX;
            break;
        case 6:
            ret->end_s = v & UINT32_MAX;
            break;
        case 8:
            ret->q = s;
            ret->has_q = s.n > 0;
            break;
        case 9:
            ret->spss = (uint32_t)v;
            break;
        default:
            break;
        }
    }
    return rc;
}

err
tag_request_from_pb(slice message, bool values, struct arena *a, struct query_request *ret, struct fault *f)
{
    struct wire_reader in = wire_reader_of(message);
    uint32_t field = 0;
    uint64_t v = 0;
    slice s;
    (void)a;
    *ret = (struct query_request){.is_grpc = true};
    while (in.p < in.end) {
        if (!next_field(&in, &field, &v, &s)) {
            return bad_message(f);
        }
        switch (values && field > 2 ? field - 1 : field) {
        case 1:
            *(values ? &ret->tag : &ret->scope) = s;
            break;
        case 2:
            ret->q = s;
            ret->has_q = s.n > 0;
            break;
        case 3:
            ret->start_s = v & UINT32_MAX;
            break;
        case 4:
            ret->end_s = v & UINT32_MAX;
            break;
        case 5:
            ret->limit = (uint32_t)v;
            break;
        default:
            break;
        }
    }
    return OK;
}

/* --- bounds --------------------------------------------------------------------------------------------- */

/* The shortest range any of the tenants may ask for; 0 = none. */
static int64_t
max_range_ns(const struct query_owner *o)
{
    int64_t max = o->fe->o.config->query_frontend.search.max_duration_ns;
    for (size_t i = 0; i < o->tenant_count; i++) {
        const struct tenant_limits *l = overrides_get(o->fe->o.overrides, o->tenants[i]);
        int64_t own = l->read.max_search_duration_ns;
        max = own && (max == 0 || own < max) ? own : max;
        overrides_release(l);
    }
    return max;
}

err
query_request_range(const struct query_owner *o, struct query_request *r, struct fault *f)
{
    const struct config_query_frontend *c = &o->fe->o.config->query_frontend;
    const int64_t now = clock_wall_ns();
    const uint64_t latest_s = (uint64_t)((now - c->query_end_cutoff_ns + NS_PER_S - 1) / NS_PER_S);
    const int64_t max = max_range_ns(o);
    uint64_t start = r->start_s;
    uint64_t end = r->end_s;
    if (r->since_ns > 0 || (start == 0 && end == 0)) {
        int64_t back = r->since_ns > 0 ? r->since_ns : c->search.query_backend_after_ns;
        end = latest_s;
        start = back < (int64_t)latest_s * NS_PER_S ? latest_s - (uint64_t)(back / NS_PER_S) : 0;
    } else if (start == 0 || end == 0) {
        return FAULT(
            f, ERR_INVALID,
            "error parsing date range: only one of start and end provided: must provide both or neither");
    } else if (c->query_end_cutoff_ns > 0 && end > latest_s) {
        end = latest_s;
    }
    if (max > 0 && end > start && end - start > (uint64_t)(max / NS_PER_S)) {
        struct buf text;
        buf_init(&text, 64);
        duration_format(&text, max);
        err rc = FAULT(f, ERR_INVALID,
                       "range specified by start and end exceeds %.*s. received start=%llu end=%llu",
                       SL_FMT(buf_slice(&text)), (unsigned long long)start, (unsigned long long)end);
        buf_fini(&text);
        return rc;
    }
    r->start_ns = start * (uint64_t)NS_PER_S;
    r->end_ns = end * (uint64_t)NS_PER_S;
    return OK;
}

err
search_request_check(const struct query_owner *o, struct query_request *r, struct fault *f)
{
    const struct config_query_frontend *c = &o->fe->o.config->query_frontend;
    uint64_t max_limit = c->search.max_result_limit;
    uint64_t max_spss = c->search.max_spans_per_span_set;
    if (r->is_grpc && (r->start_s || r->end_s) && r->end_s <= r->start_s) {
        return FAULT(f, ERR_INVALID, "http parameter start must be before end. received start=%llu end=%llu",
                     (unsigned long long)r->start_s, (unsigned long long)r->end_s);
    }
    if (!r->has_limit) {
        r->limit = (uint32_t)c->search.default_result_limit;
    }
    if (max_limit && r->limit > max_limit) {
        return FAULT(f, ERR_INVALID, "limit %u exceeds max limit %llu", r->limit,
                     (unsigned long long)max_limit);
    }
    if (!r->has_spss) {
        r->spss = (uint32_t)c->search.default_spans_per_span_set;
    }
    if (max_spss && r->spss > max_spss) {
        return FAULT(f, ERR_INVALID, "spans per span set exceeds %llu. received %u",
                     (unsigned long long)max_spss, r->spss);
    }
    return query_request_range(o, r, f);
}
