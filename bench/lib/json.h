/* JSON as answers hold it: a value is a stretch of text, looked into without a tree. Lenient: what is read
 * must be well-formed as far as it was read. Source: RFC 8259. Threads: plain values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct json {
    const char *p; /* the first byte of the value, blanks skipped */
    size_t n;
};

/* The whole text as one value; n == 0 when it is none (cut off, or something stands behind it). */
struct json json_of(const void *text, size_t n);
/* A member of an object; false when it has none of that name. Keys are compared as written. */
bool json_get(struct json object, const char *key, struct json *ret);
/* The elements of an array, one after another: `rest` begins as the array and is moved on. False at the end.
 */
bool json_next(struct json *rest, struct json *ret);
size_t json_count(struct json array);
/* A number, also one in quotes as protobuf's JSON has 64-bit ones; 0 when it is none. */
double json_number(struct json v);
/* A number in quotes or not, exactly. */
unsigned long long json_u64(struct json v);
