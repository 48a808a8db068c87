#include "vivace/model/tenant.h"

static bool
is_allowed(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!-_.*'()", c) != NULL);
}

static err
tenant_check(slice id, struct fault *f)
{
    for (size_t i = 0; i < id.n; i++) {
        if (!is_allowed(id.p[i])) {
            return FAULT(f, ERR_INVALID, "tenant ID '%.*s' contains unsupported character '%c'", SL_FMT(id),
                         id.p[i]);
        }
    }
    if (id.n > TENANT_ID_MAX) {
        return FAULT(f, ERR_INVALID, "tenant ID is too long: max %d characters", TENANT_ID_MAX);
    }
    if (slice_eq(id, SL(".")) || slice_eq(id, SL(".."))) {
        return FAULT(f, ERR_INVALID, "tenant ID is '.' or '..'");
    }
    return OK;
}

err
tenant_for_write(bool multitenancy, slice header, size_t count, slice *ret, struct fault *f)
{
    if (!multitenancy) {
        *ret = SL(TENANT_SINGLE);
        return OK;
    }
    if (count != 1 || header.n == 0) {
        return FAULT(f, ERR_DENIED, "no org id");
    }
    if (slice_find_byte(header, '|') < header.n) {
        return FAULT(f, ERR_INVALID, "multiple org IDs present");
    }
    err rc = tenant_check(header, f);
    if (rc == OK) {
        *ret = header;
    }
    return rc;
}

err
tenants_for_query(bool multitenancy, bool allow_many, slice header, slice ret[TENANTS_PER_QUERY_MAX],
                  size_t *ret_count, struct fault *f)
{
    size_t count = 0;
    if (!multitenancy) {
        ret[0] = SL(TENANT_SINGLE);
        *ret_count = 1;
        return OK;
    }
    if (header.n == 0) {
        return FAULT(f, ERR_DENIED, "no org id");
    }
    for (slice rest = header; rest.p;) {
        slice id = slice_cut(&rest, '|');
        err rc = tenant_check(id, f);
        if (rc != OK) {
            return rc;
        }
        size_t seen = 0;
        while (seen < count && !slice_eq(ret[seen], id)) {
            seen++;
        }
        if (seen < count || id.n == 0) {
            continue;
        }
        if (count == TENANTS_PER_QUERY_MAX || (count > 0 && !allow_many)) {
            return FAULT(f, ERR_INVALID,
                         allow_many ? "too many org IDs in one query" : "multiple org IDs present");
        }
        ret[count++] = id;
    }
    if (count == 0) {
        return FAULT(f, ERR_DENIED, "no org id");
    }
    *ret_count = count;
    return OK;
}
