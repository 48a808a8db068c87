#include "metrics_request.h"

#include "vivace/base/clock.h"
#include "vivace/codec/wire.h"

#include <math.h>
#include <stdlib.h>

#define DEFAULT_SINCE_NS (3600 * NS_PER_S)
#define TEXT_SHOWN       100 /* bytes of a bad parameter in an error */
#define PREFIX           "rpc error: code = Code(400) desc = "

/* --- times ---------------------------------------------------------------------------------------------- */

/* strtod over a slice: digits, a point, an exponent; nothing else. */
static bool
parse_double(slice text, double *ret)
{
    char copy[64];
    char *end = NULL;
    if (text.n == 0 || text.n >= sizeof copy) {
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        const uint8_t c = text.p[i];
        if (!((c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E')) {
            return false;
        }
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    *ret = strtod(copy, &end);
    return end == copy + text.n && isfinite(*ret);
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* `n` digits at `*at`, within [low, high]. */
static bool
digits(slice s, size_t *at, size_t n, int64_t low, int64_t high, int64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < n; i++, (*at)++) {
        if (*at >= s.n || s.p[*at] < '0' || s.p[*at] > '9') {
            return false;
        }
        *ret = *ret * 10 + (s.p[*at] - '0');
    }
    return *ret >= low && *ret <= high;
}

static bool
byte_at(slice s, size_t *at, char a, char b)
{
    bool is = *at < s.n && (s.p[*at] == (uint8_t)a || s.p[*at] == (uint8_t)b);
    *at += is;
    return is;
}

/* `Z`, `+01:00` */
static bool
parse_zone(slice s, size_t *at, int64_t *ret_s)
{
    int64_t hours = 0;
    int64_t minutes = 0;
    *ret_s = 0;
    if (byte_at(s, at, 'Z', 'z')) {
        return true;
    }
    const int sign = *at < s.n && s.p[*at] == '-' ? -1 : 1;
    if (!byte_at(s, at, '+', '-') || !digits(s, at, 2, 0, 23, &hours) || !byte_at(s, at, ':', ':') ||
        !digits(s, at, 2, 0, 59, &minutes)) {
        return false;
    }
    *ret_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool
parse_rfc3339(slice s, uint64_t *ret_ns)
{
    int64_t v[6];
    int64_t zone = 0;
    int64_t fraction = 0;
    size_t at = 0;
    bool good =
        digits(s, &at, 4, 1970, 2261, &v[0]) && byte_at(s, &at, '-', '-') &&
        digits(s, &at, 2, 1, 12, &v[1]) && byte_at(s, &at, '-', '-') && digits(s, &at, 2, 1, 31, &v[2]) &&
        byte_at(s, &at, 'T', 't') && digits(s, &at, 2, 0, 23, &v[3]) && byte_at(s, &at, ':', ':') &&
        digits(s, &at, 2, 0, 59, &v[4]) && byte_at(s, &at, ':', ':') && digits(s, &at, 2, 0, 59, &v[5]);
    if (good && byte_at(s, &at, '.', ',')) {
        const size_t from = at;
        for (int64_t scale = NS_PER_S / 10; at < s.n && s.p[at] >= '0' && s.p[at] <= '9'; at++, scale /= 10) {
            fraction += (s.p[at] - '0') * scale;
        }
        good = at > from;
    }
    if (!good || !parse_zone(s, &at, &zone) || at != s.n) {
        return false;
    }
    int64_t seconds = days_of(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5] - zone;
    if (seconds < 0) {
        return false;
    }
    *ret_ns = (uint64_t)(seconds * NS_PER_S + fraction);
    return true;
}

bool
metrics_parse_time(slice text, uint64_t *ret_ns)
{
    double seconds = 0;
    uint64_t v = 0;
    if (slice_to_u64(text, &v)) {
        if (text.n > 10 || v > UINT64_MAX / (uint64_t)NS_PER_S) {
            *ret_ns = v;
            return v <= INT64_MAX;
        }
        *ret_ns = v * (uint64_t)NS_PER_S;
        return *ret_ns <= INT64_MAX;
    }
    if (slice_find_byte(text, '.') < text.n && parse_double(text, &seconds) && seconds >= 0 &&
        seconds < 9e9) {
        *ret_ns = (uint64_t)llround(seconds * 1e3) * (uint64_t)NS_PER_MS; /* to the millisecond */
        return true;
    }
    return parse_rfc3339(text, ret_ns);
}

/* --- from a URL ----------------------------------------------------------------------------------------- */

static err
time_param(struct api_request *q, const char *name, uint64_t *ret, struct fault *f)
{
    slice text;
    if (!api_param(q, slice_cstr(name), &text) || text.n == 0 || metrics_parse_time(text, ret)) {
        return OK;
    }
    return FAULT(f, ERR_INVALID,
                 PREFIX "could not parse '%s' parameter: strconv.ParseInt: parsing \"%.*s\": invalid syntax",
                 name, SL_FMT(slice_sub(text, 0, TEXT_SHOWN)));
}

static err
step_param(struct api_request *q, struct metrics_request *r, struct fault *f)
{
    slice text;
    double seconds = 0;
    int64_t ns = 0;
    if (!api_param(q, SL("step"), &text) || text.n == 0) {
        return OK;
    }
    if (parse_double(text, &seconds) && seconds >= 0 && seconds < 9e9) {
        ns = llround(seconds * (double)NS_PER_S);
    } else if (!duration_parse(text, true, &ns) || ns < 0) {
        return FAULT(f, ERR_INVALID, PREFIX "cannot parse \"%.*s\" to a valid duration",
                     SL_FMT(slice_sub(text, 0, TEXT_SHOWN)));
    }
    r->has_step = true;
    r->step_ns = (uint64_t)ns;
    return OK;
}

/* Like Tempo, which takes what it can read. */
static void
number_param(struct api_request *q, slice name, uint64_t *ret)
{
    slice text;
    uint64_t v = 0;
    if (api_param(q, name, &text) && slice_to_u64(text, &v)) {
        *ret = v > UINT32_MAX ? UINT32_MAX : v;
    }
}

err
metrics_request_from_url(struct api_request *q, bool instant, struct metrics_request *ret, struct fault *f)
{
    const uint64_t now = (uint64_t)clock_wall_ns();
    int64_t since = DEFAULT_SINCE_NS;
    slice text;
    bool has_since = false;
    err rc = OK;
    *ret = (struct metrics_request){.instant = instant, .end_ns = now, .start_ns = UINT64_MAX};
    if (!api_param(q, SL("q"), &ret->q) || ret->q.n == 0) {
        (void)api_param(q, SL("query"), &ret->q);
    }
    if (api_param(q, SL("since"), &text) && text.n) {
        has_since = true;
        if (!duration_parse(text, true, &since) || since < 0) {
            return FAULT(f, ERR_INVALID,
                         PREFIX "could not parse 'since' parameter: not a valid duration string: \"%.*s\"",
                         SL_FMT(slice_sub(text, 0, TEXT_SHOWN)));
        }
    }
    TRY(time_param(q, "end", &ret->end_ns, f));
    TRY(time_param(q, "start", &ret->start_ns, f));
    TRY(step_param(q, ret, f));
    if (has_since && instant) {
        ret->end_ns = now;
        ret->start_ns = UINT64_MAX;
    }
    if (ret->start_ns == UINT64_MAX) {
        uint64_t from = ret->end_ns < now ? ret->end_ns : now;
        ret->start_ns = from > (uint64_t)since ? from - (uint64_t)since : 0;
    }
    number_param(q, SL("exemplars"), &ret->exemplars);
    number_param(q, SL("maxSeries"), &ret->max_series);
out:
    return rc;
}

/* --- from protobuf -------------------------------------------------------------------------------------- */

err
metrics_request_from_pb(slice message, bool instant, struct metrics_request *ret, struct fault *f)
{
    struct wire_reader in = wire_reader_of(message);
    uint32_t field = 0;
    uint32_t type = 0;
    *ret = (struct metrics_request){.instant = instant};
    while (in.p < in.end) {
        uint64_t v = 0;
        slice s = SL_EMPTY;
        bool good = wire_tag(&in, &field, &type);
        if (good && type == WIRE_VARINT) {
            good = wire_varint(&in, &v);
        } else if (good) {
            good = type == WIRE_LEN ? wire_len(&in, &s) : wire_skip(&in, field, type);
        }
        if (!good) {
            return FAULT(f, ERR_INTERNAL, "grpc: error unmarshalling request: proto: malformed message");
        }
        switch (field) {
        case 1:
            ret->q = s;
            break;
        case 2:
            ret->start_ns = v;
            break;
        case 3:
            ret->end_ns = v;
            break;
        case 4:
            ret->step_ns = instant ? 0 : v;
            ret->has_step = ret->step_ns > 0;
            break;
        case 16:
            ret->exemplars = v & UINT32_MAX;
            break;
        case 17:
            ret->max_series = v & UINT32_MAX;
            break;
        default:
            break;
        }
    }
    const uint64_t now = (uint64_t)clock_wall_ns();
    if (ret->start_ns == 0 && ret->end_ns == 0) {
        ret->end_ns = now;
        ret->start_ns = now - (uint64_t)DEFAULT_SINCE_NS;
    }
    return OK;
}

/* --- bounds --------------------------------------------------------------------------------------------- */

uint64_t
metrics_default_step(uint64_t range_ns)
{
    static const uint64_t seconds[] = {3600, 300, 60, 15, 5, 1};
    const uint64_t second = (uint64_t)NS_PER_S;
    const uint64_t share = range_ns / 240;
    if (range_ns < 60 * second) {
        const uint64_t least = 50 * (uint64_t)NS_PER_MS;
        return share < least ? least : share / least * least;
    }
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        if (share > seconds[i] * second) {
            return share / (seconds[i] * second) * seconds[i] * second;
        }
    }
    return second;
}

/* The shortest range any of the tenants may ask for; 0 = none. */
static int64_t
max_range_ns(const struct query_owner *o)
{
    int64_t max = o->fe->o.config->query_frontend.metrics.max_duration_ns;
    for (size_t i = 0; i < o->tenant_count; i++) {
        const struct tenant_limits *l = overrides_get(o->fe->o.overrides, o->tenants[i]);
        int64_t own = l->read.max_metrics_duration_ns;
        max = own && (max == 0 || own < max) ? own : max;
        overrides_release(l);
    }
    return max;
}

void
metrics_align(struct metrics_request *r, uint64_t cutoff_ns)
{
    const uint64_t step = r->step_ns;
    uint64_t first = r->start_ns / step * step;
    uint64_t last = r->end_ns % step ? (r->end_ns / step + 1) * step : r->end_ns;
    if (cutoff_ns && last > cutoff_ns) {
        last = cutoff_ns / step * step;
    }
    /* A point more comes before, unless that would be before 1970. */
    r->from_ns = first >= step ? first - step : first;
    r->steps = last > r->from_ns ? (uint32_t)((last - r->from_ns) / step) : 0;
}

static err
check_step(const struct query_owner *o, const struct metrics_request *r, struct fault *f)
{
    const uint64_t max = o->fe->o.config->query_frontend.metrics.max_intervals;
    const uint64_t range = r->end_ns - r->start_ns;
    const uint64_t most = max && max < METRICS_STEPS_MAX ? max : METRICS_STEPS_MAX;
    if (r->step_ns > 0 && range / r->step_ns <= most) {
        return OK;
    }
    struct buf text;
    buf_init(&text, 128);
    duration_format(&text, (int64_t)r->step_ns);
    buf_append_cstr(&text, " is too small, minimum step for given range is ");
    duration_format(&text, (int64_t)(range / most));
    err rc = FAULT(f, ERR_INVALID, "step of %.*s", SL_FMT(buf_slice(&text)));
    buf_fini(&text);
    return rc;
}

static err
check_range(const struct query_owner *o, struct metrics_request *r, struct fault *f)
{
    const int64_t max = max_range_ns(o);
    if (max <= 0 || r->end_ns - r->start_ns <= (uint64_t)max) {
        return OK;
    }
    struct buf text;
    buf_init(&text, 64);
    duration_format(&text, max);
    r->range_refused = true;
    err rc = FAULT(f, ERR_INVALID, "metrics query time range exceeds the maximum allowed duration of %.*s",
                   SL_FMT(buf_slice(&text)));
    buf_fini(&text);
    return rc;
}

err
metrics_request_check(const struct query_owner *o, struct metrics_request *r, struct fault *f)
{
    const struct config_query_frontend *c = &o->fe->o.config->query_frontend;
    const int64_t now = clock_wall_ns();
    const uint64_t cutoff = c->query_end_cutoff_ns > 0 ? (uint64_t)(now - c->query_end_cutoff_ns) : 0;
    err rc = OK;
    if (r->end_ns <= r->start_ns || r->end_ns > INT64_MAX) {
        return FAULT(f, ERR_INVALID, "end must be greater than start");
    }
    if (!r->has_step) {
        r->step_ns = r->instant ? r->end_ns - r->start_ns : metrics_default_step(r->end_ns - r->start_ns);
    }
    TRY(check_step(o, r, f));
    TRY(check_range(o, r, f));
    if (r->instant) {
        r->from_ns = r->start_ns;
        r->step_ns = r->end_ns - r->start_ns;
        r->steps = 1;
    } else {
        metrics_align(r, cutoff);
    }
out:
    return rc;
}
