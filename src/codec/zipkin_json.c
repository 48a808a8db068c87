#include "zipkin_priv.h"

err
zipkin_json_fail(struct zipkin_decoder *d, const char *text)
{
    err rc = d->r.error == json_text_memory ? ERR_LIMIT : ERR_INVALID;
    return FAULT(d->f, rc, "%s at offset %zu", d->r.error != NULL ? d->r.error : text, d->r.at);
}

err
zipkin_json_member(struct zipkin_decoder *d, struct zipkin_names names, size_t *ret)
{
    for (;;) {
        enum json_event e = json_next(&d->r);
        if (e == JSON_OBJECT_END) {
            *ret = names.n;
            return OK;
        }
        if (e != JSON_KEY) {
            return zipkin_json_fail(d, "an object wants names");
        }
        for (size_t i = 0; i < names.n; i++) { /* as everybody writes them */
            if (slice_eq(names.v[i], d->r.text)) {
                *ret = i;
                return OK;
            }
        }
        for (size_t i = 0; i < names.n; i++) {
            if (slice_ieq(names.v[i], d->r.text)) {
                *ret = i;
                return OK;
            }
        }
        if (!json_skip(&d->r)) {
            return zipkin_json_fail(d, "unexpected end of JSON input");
        }
    }
}

err
zipkin_json_object(struct zipkin_decoder *d, bool *ret_present)
{
    enum json_event e = json_next(&d->r);
    *ret_present = e == JSON_OBJECT_BEGIN;
    return *ret_present || e == JSON_NULL ? OK : zipkin_json_fail(d, "an object is wanted");
}

err
zipkin_json_array(struct zipkin_decoder *d, bool *ret_present)
{
    enum json_event e = json_next(&d->r);
    *ret_present = e == JSON_ARRAY_BEGIN;
    return *ret_present || e == JSON_NULL ? OK : zipkin_json_fail(d, "an array is wanted");
}

err
zipkin_json_element(struct zipkin_decoder *d, bool *ret_end, bool *ret_present)
{
    enum json_event e = json_next(&d->r);
    *ret_end = e == JSON_ARRAY_END;
    *ret_present = e == JSON_OBJECT_BEGIN;
    return *ret_end || *ret_present || e == JSON_NULL ? OK
                                                      : zipkin_json_fail(d, "an array of objects is wanted");
}

err
zipkin_json_string(struct zipkin_decoder *d, slice *ret)
{
    enum json_event e = json_next(&d->r);
    if (e != JSON_STRING && e != JSON_NULL) {
        return zipkin_json_fail(d, "a string is wanted");
    }
    if (e == JSON_STRING) {
        *ret = d->r.text;
    }
    return OK;
}

err
zipkin_json_u64(struct zipkin_decoder *d, uint64_t *ret)
{
    enum json_event e = json_next(&d->r);
    bool ok = e == JSON_NULL || (e == JSON_NUMBER && slice_to_u64(d->r.text, ret));
    return ok ? OK : zipkin_json_fail(d, "an unsigned integer is wanted");
}

err
zipkin_json_i64(struct zipkin_decoder *d, int64_t *ret)
{
    enum json_event e = json_next(&d->r);
    bool ok = e == JSON_NULL || (e == JSON_NUMBER && slice_to_i64(d->r.text, ret));
    return ok ? OK : zipkin_json_fail(d, "an integer is wanted");
}

err
zipkin_json_bool(struct zipkin_decoder *d, bool *ret)
{
    enum json_event e = json_next(&d->r);
    if (e != JSON_TRUE && e != JSON_FALSE && e != JSON_NULL) {
        return zipkin_json_fail(d, "true or false is wanted");
    }
    *ret = e == JSON_TRUE || (e == JSON_NULL && *ret);
    return OK;
}

err
zipkin_json_elements(struct zipkin_decoder *d,
                     err (*take)(struct zipkin_decoder *d, bool present, struct zipkin_span *z),
                     struct zipkin_span *z)
{
    bool list, end, present;
    err rc = OK;
    TRY(zipkin_json_array(d, &list));
    while (list) {
        TRY(zipkin_json_element(d, &end, &present));
        if (end) {
            break;
        }
        TRY(take(d, present, z));
    }
out:
    return rc;
}

err
zipkin_json_endpoint(struct zipkin_decoder *d, err (*address)(struct zipkin_decoder *d, slice *ret),
                     err (*port)(struct zipkin_decoder *d, int32_t *ret), struct zipkin_endpoint *to)
{
    static const slice names[] = {SL("serviceName"), SL("ipv4"), SL("ipv6"), SL("port")};
    bool present;
    size_t i = 0;
    err rc = OK;
    TRY(zipkin_json_object(d, &present));
    while (present && i != 4) {
        TRY(zipkin_json_member(d, (struct zipkin_names){names, 4}, &i));
        switch (i) {
        case 0:
            TRY(zipkin_json_string(d, &to->service));
            break;
        case 1:
            TRY(address(d, &to->ipv4));
            break;
        case 2:
            TRY(address(d, &to->ipv6));
            break;
        case 3:
            TRY(port(d, &to->port));
            break;
        default:
            break;
        }
    }
out:
    return rc;
}

err
zipkin_json_spans(struct zipkin_decoder *d, slice body, err (*take)(struct zipkin_decoder *d))
{
    bool present, end = false;
    err rc = OK;
    json_reader_init(&d->r, body, &d->b->arena);
    TRY(zipkin_json_array(d, &present));
    while (present && !end) {
        bool has_span;
        TRY(zipkin_json_element(d, &end, &has_span));
        if (has_span) {
            TRY(take(d));
        }
    }
    if (!json_is_at_end(&d->r)) {
        return zipkin_json_fail(d, "invalid character after top-level value");
    }
out:
    return rc;
}
