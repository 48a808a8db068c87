/* What the two halves of the OTLP/JSON decoder share: messages (otlp_json_decode.c), values
 * (otlp_json_value.c). */
#pragma once

#include "otlp_schema.h"

#include "vivace/codec/json.h"
#include "vivace/model/span_batch.h"

struct json_decoder {
    struct json_reader r;
    struct span_batch *b;
    struct fault *f;
    uint8_t next_field[OTLP_MESSAGE_COUNT]; /* place of the field behind the last one found */
    struct buf scratch, heads; /* nested values (otlp_json_value.c) or entities' keys being built */
};

enum element { ELEMENT_END, ELEMENT_OBJECT, ELEMENT_NULL };

/* Member numbers are the protobuf field's; 0 ends the object. Unknown members are skipped. */
CHECKED err otlp_json_member(struct json_decoder *d, enum otlp_message kind, uint32_t *ret_number);
/* False: it was null. */
CHECKED err otlp_json_object(struct json_decoder *d, bool *ret_present);
CHECKED err otlp_json_array(struct json_decoder *d, bool *ret_present);
CHECKED err otlp_json_element(struct json_decoder *d, enum element *ret);
CHECKED err otlp_json_string(struct json_decoder *d, slice *ret);
CHECKED err otlp_json_bool(struct json_decoder *d, bool *ret);
CHECKED err otlp_json_i64(struct json_decoder *d, int64_t *ret);
CHECKED err otlp_json_double(struct json_decoder *d, double *ret);
err otlp_json_fail(struct json_decoder *d, const char *text);

/* Resource.entityRefs, from the value on: as Resource's field 3 stands on the wire. Null is none. */
CHECKED err otlp_json_entity_refs(struct json_decoder *d, slice *ret);
/* An AnyValue, from the value of a member on: `ret` gets kind and value, not the key. */
CHECKED err otlp_json_value(struct json_decoder *d, struct attr *ret);
