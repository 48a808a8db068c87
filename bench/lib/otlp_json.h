/* A corpus body as OTLP/JSON, the way SDKs write it: hex ids, 64-bit numbers as strings, enums as numbers.
 * Only what a corpus holds: no nesting beyond arrays of scalars. Threads: no shared state. */
#pragma once

#include "blob.h"

void otlp_json_from(struct blob *out, const uint8_t *body, size_t n);
