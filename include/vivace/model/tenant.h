/* Tenant ids: who owns a span, as X-Scope-OrgID says it. Threads: pure functions.
 * Source: receivers.md section 8, api.md 1.0 rule 7 (dskit's tenant rules and texts). */
#pragma once

#include "vivace/base/err.h"
#include "vivace/base/slice.h"

#define TENANT_ID_MAX         150 /* bytes */
#define TENANT_SINGLE         "single-tenant"
#define TENANTS_PER_QUERY_MAX 64 /* names in one X-Scope-OrgID: a|b|c */

/* The tenant of a write. `header` is the value of X-Scope-OrgID and `count` how often it was sent. Without
 * multitenancy it is TENANT_SINGLE, whatever was sent. ERR_DENIED "no org id" when missing or repeated;
 * ERR_INVALID with the text for a bad one. The result points into `header` or static memory. */
CHECKED err tenant_for_write(bool multitenancy, slice header, size_t count, slice *ret, struct fault *f);

/* The tenants of a query: one, or several joined with '|' when `allow_many`. Sorted as sent, without repeats.
 */
CHECKED err tenants_for_query(bool multitenancy, bool allow_many, slice header,
                              slice ret[TENANTS_PER_QUERY_MAX], size_t *ret_count, struct fault *f);
