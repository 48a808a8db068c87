/* Tag names with a meaning of their own in Zipkin v2. Threads: constants. */
#pragma once

#include "vivace/base/slice.h"

enum zipkin_role {
    ZIPKIN_ROLE_NONE,
    ZIPKIN_ROLE_RESOURCE, /* an attribute of the resource, never of the span */
    ZIPKIN_ROLE_NAME_KEY, /* the key the service's name goes under */
    ZIPKIN_ROLE_LIBRARY_NAME,
    ZIPKIN_ROLE_LIBRARY_VERSION,
    ZIPKIN_ROLE_KIND,
    ZIPKIN_ROLE_TRACE_STATE,
    ZIPKIN_ROLE_STATUS_CODE,
    ZIPKIN_ROLE_STATUS_TEXT,
    ZIPKIN_ROLE_ERROR,
};

/* An empty key has no role. */
enum zipkin_role zipkin_role_of(slice key);
