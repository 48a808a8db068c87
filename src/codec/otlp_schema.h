/* Field numbers and names of the OTLP trace messages, for decoders and encoders.
 * Source: opentelemetry-proto v1 (trace, resource, common). */
#pragma once

#include "pb_field.h"

#include "vivace/codec/otlp.h"

enum otlp_message {
    OTLP_REQUEST,
    OTLP_RESOURCE_SPANS,
    OTLP_SCOPE_SPANS,
    OTLP_RESOURCE,
    OTLP_SCOPE,
    OTLP_SPAN,
    OTLP_EVENT,
    OTLP_LINK,
    OTLP_STATUS,
    OTLP_KEY_VALUE,
    OTLP_ANY_VALUE,
    OTLP_ARRAY_VALUE,
    OTLP_KEY_VALUE_LIST,
    OTLP_ENTITY_REF,
    OTLP_MESSAGE_COUNT
};

extern const struct pb_message otlp_messages[OTLP_MESSAGE_COUNT];

/* ResourceSpans.1000: scope spans under the name they had before 2022. */
#define OTLP_DEPRECATED_SCOPE_SPANS 1000

struct attr;
struct span;
struct span_batch;

/* Check the body of an ArrayValue or KeyValueList: form and nesting up to ANY_VALUE_DEPTH_MAX. */
CHECKED err otlp_nested_check(slice body, enum otlp_message kind, struct fault *f);
/* Decode an AnyValue; nested bodies are checked and kept as they are. */
CHECKED err otlp_any_value_decode(slice body, struct attr *ret, struct fault *f);
/* Decode a KeyValue. */
CHECKED err otlp_key_value_decode(slice body, struct attr *ret, struct fault *f);
/* The same for bytes that were checked before; nested bodies are not looked into. */
void otlp_any_value_peek(slice body, struct attr *ret);
void otlp_key_value_peek(slice body, struct attr *ret);
/* A value's member as it stands in an AnyValue: its size, and its bytes; `w` has room. */
size_t otlp_value_size(const struct attr *a);
uint8_t *otlp_value_write(uint8_t *w, const struct attr *a);
