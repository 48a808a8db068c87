/* The C face of RE2. Only regex.c uses it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NULL when the pattern is not RE2's, or its program would pass `max_bytes`; `*ret_bytes`: about what it
 * holds. */
void *re2_shim_create(const char *p, size_t n, size_t max_bytes, size_t *ret_bytes);
void re2_shim_destroy(void *re);
/* The whole of the text. Linear in n. Any thread. */
bool re2_shim_match(const void *re, const char *p, size_t n);

#ifdef __cplusplus
}
#endif
