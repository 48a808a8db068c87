#include "otlp_schema.h"

#define FIELD(number, type, name)                                                                            \
    {                                                                                                        \
        number, WIRE_##type, name, sizeof(name) - 1                                                          \
    }
#define FIELDS(message_name, array)                                                                          \
    {                                                                                                        \
        message_name, array, sizeof(array) / sizeof((array)[0])                                              \
    }

static const struct pb_field_info request_fields[] = {FIELD(1, LEN, "ResourceSpans")};
static const struct pb_field_info resource_spans_fields[] = {
    FIELD(1, LEN, "Resource"),
    FIELD(2, LEN, "ScopeSpans"),
    FIELD(3, LEN, "SchemaUrl"),
    FIELD(OTLP_DEPRECATED_SCOPE_SPANS, LEN, "DeprecatedScopeSpans"),
};
static const struct pb_field_info scope_spans_fields[] = {
    FIELD(1, LEN, "Scope"),
    FIELD(2, LEN, "Spans"),
    FIELD(3, LEN, "SchemaUrl"),
};
static const struct pb_field_info resource_fields[] = {
    FIELD(1, LEN, "Attributes"),
    FIELD(2, VARINT, "DroppedAttributesCount"),
    FIELD(3, LEN, "EntityRefs"),
};
static const struct pb_field_info scope_fields[] = {
    FIELD(1, LEN, "Name"),
    FIELD(2, LEN, "Version"),
    FIELD(3, LEN, "Attributes"),
    FIELD(4, VARINT, "DroppedAttributesCount"),
};
static const struct pb_field_info span_fields[] = {
    FIELD(1, LEN, "TraceId"),
    FIELD(2, LEN, "SpanId"),
    FIELD(3, LEN, "TraceState"),
    FIELD(4, LEN, "ParentSpanId"),
    FIELD(5, LEN, "Name"),
    FIELD(6, VARINT, "Kind"),
    FIELD(7, FIXED64, "StartTimeUnixNano"),
    FIELD(8, FIXED64, "EndTimeUnixNano"),
    FIELD(9, LEN, "Attributes"),
    FIELD(10, VARINT, "DroppedAttributesCount"),
    FIELD(11, LEN, "Events"),
    FIELD(12, VARINT, "DroppedEventsCount"),
    FIELD(13, LEN, "Links"),
    FIELD(14, VARINT, "DroppedLinksCount"),
    FIELD(15, LEN, "Status"),
    FIELD(16, FIXED32, "Flags"),
};
static const struct pb_field_info event_fields[] = {
    FIELD(1, FIXED64, "TimeUnixNano"),
    FIELD(2, LEN, "Name"),
    FIELD(3, LEN, "Attributes"),
    FIELD(4, VARINT, "DroppedAttributesCount"),
};
static const struct pb_field_info link_fields[] = {
    FIELD(1, LEN, "TraceId"),
    FIELD(2, LEN, "SpanId"),
    FIELD(3, LEN, "TraceState"),
    FIELD(4, LEN, "Attributes"),
    FIELD(5, VARINT, "DroppedAttributesCount"),
    FIELD(6, FIXED32, "Flags"),
};
static const struct pb_field_info status_fields[] = {FIELD(2, LEN, "Message"), FIELD(3, VARINT, "Code")};
static const struct pb_field_info key_value_fields[] = {FIELD(1, LEN, "Key"), FIELD(2, LEN, "Value")};
static const struct pb_field_info any_value_fields[] = {
    FIELD(1, LEN, "StringValue"),     FIELD(2, VARINT, "BoolValue"), FIELD(3, VARINT, "IntValue"),
    FIELD(4, FIXED64, "DoubleValue"), FIELD(5, LEN, "ArrayValue"),   FIELD(6, LEN, "KvlistValue"),
    FIELD(7, LEN, "BytesValue"),
};
static const struct pb_field_info entity_ref_fields[] = {
    FIELD(1, LEN, "SchemaUrl"),
    FIELD(2, LEN, "Type"),
    FIELD(3, LEN, "IdKeys"),
    FIELD(4, LEN, "DescriptionKeys"),
};
static const struct pb_field_info values_fields[] = {FIELD(1, LEN, "Values")};

const struct pb_message otlp_messages[OTLP_MESSAGE_COUNT] = {
    [OTLP_REQUEST] = FIELDS("ExportTraceServiceRequest", request_fields),
    [OTLP_RESOURCE_SPANS] = FIELDS("ResourceSpans", resource_spans_fields),
    [OTLP_SCOPE_SPANS] = FIELDS("ScopeSpans", scope_spans_fields),
    [OTLP_RESOURCE] = FIELDS("Resource", resource_fields),
    [OTLP_SCOPE] = FIELDS("InstrumentationScope", scope_fields),
    [OTLP_SPAN] = FIELDS("Span", span_fields),
    [OTLP_EVENT] = FIELDS("Span_Event", event_fields),
    [OTLP_LINK] = FIELDS("Span_Link", link_fields),
    [OTLP_STATUS] = FIELDS("Status", status_fields),
    [OTLP_KEY_VALUE] = FIELDS("KeyValue", key_value_fields),
    [OTLP_ANY_VALUE] = FIELDS("AnyValue", any_value_fields),
    [OTLP_ARRAY_VALUE] = FIELDS("ArrayValue", values_fields),
    [OTLP_KEY_VALUE_LIST] = FIELDS("KeyValueList", values_fields),
    [OTLP_ENTITY_REF] = FIELDS("EntityRef", entity_ref_fields),
};
