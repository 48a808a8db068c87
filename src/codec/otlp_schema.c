#include "otlp_schema.h"

#define FIELDS(message_name, array)                                                                          \
    {                                                                                                        \
        message_name, array, sizeof(array) / sizeof((array)[0])                                              \
    }

static const struct pb_field_info request_fields[] = {{1, WIRE_LEN, "ResourceSpans"}};
static const struct pb_field_info resource_spans_fields[] = {
    {1, WIRE_LEN, "Resource"},
    {2, WIRE_LEN, "ScopeSpans"},
    {3, WIRE_LEN, "SchemaUrl"},
    {OTLP_DEPRECATED_SCOPE_SPANS, WIRE_LEN, "DeprecatedScopeSpans"},
};
static const struct pb_field_info scope_spans_fields[] = {
    {1, WIRE_LEN, "Scope"},
    {2, WIRE_LEN, "Spans"},
    {3, WIRE_LEN, "SchemaUrl"},
};
static const struct pb_field_info resource_fields[] = {
    {1, WIRE_LEN, "Attributes"},
    {2, WIRE_VARINT, "DroppedAttributesCount"},
    {3, WIRE_LEN, "EntityRefs"},
};
static const struct pb_field_info scope_fields[] = {
    {1, WIRE_LEN, "Name"},
    {2, WIRE_LEN, "Version"},
    {3, WIRE_LEN, "Attributes"},
    {4, WIRE_VARINT, "DroppedAttributesCount"},
};
static const struct pb_field_info span_fields[] = {
    {1, WIRE_LEN, "TraceId"},
    {2, WIRE_LEN, "SpanId"},
    {3, WIRE_LEN, "TraceState"},
    {4, WIRE_LEN, "ParentSpanId"},
    {5, WIRE_LEN, "Name"},
    {6, WIRE_VARINT, "Kind"},
    {7, WIRE_FIXED64, "StartTimeUnixNano"},
    {8, WIRE_FIXED64, "EndTimeUnixNano"},
    {9, WIRE_LEN, "Attributes"},
    {10, WIRE_VARINT, "DroppedAttributesCount"},
    {11, WIRE_LEN, "Events"},
    {12, WIRE_VARINT, "DroppedEventsCount"},
    {13, WIRE_LEN, "Links"},
    {14, WIRE_VARINT, "DroppedLinksCount"},
    {15, WIRE_LEN, "Status"},
    {16, WIRE_FIXED32, "Flags"},
};
static const struct pb_field_info event_fields[] = {
    {1, WIRE_FIXED64, "TimeUnixNano"},
    {2, WIRE_LEN, "Name"},
    {3, WIRE_LEN, "Attributes"},
    {4, WIRE_VARINT, "DroppedAttributesCount"},
};
static const struct pb_field_info link_fields[] = {
    {1, WIRE_LEN, "TraceId"},
    {2, WIRE_LEN, "SpanId"},
    {3, WIRE_LEN, "TraceState"},
    {4, WIRE_LEN, "Attributes"},
    {5, WIRE_VARINT, "DroppedAttributesCount"},
    {6, WIRE_FIXED32, "Flags"},
};
static const struct pb_field_info status_fields[] = {{2, WIRE_LEN, "Message"}, {3, WIRE_VARINT, "Code"}};
static const struct pb_field_info key_value_fields[] = {{1, WIRE_LEN, "Key"}, {2, WIRE_LEN, "Value"}};
static const struct pb_field_info any_value_fields[] = {
    {1, WIRE_LEN, "StringValue"},     {2, WIRE_VARINT, "BoolValue"}, {3, WIRE_VARINT, "IntValue"},
    {4, WIRE_FIXED64, "DoubleValue"}, {5, WIRE_LEN, "ArrayValue"},   {6, WIRE_LEN, "KvlistValue"},
    {7, WIRE_LEN, "BytesValue"},
};
static const struct pb_field_info entity_ref_fields[] = {
    {1, WIRE_LEN, "SchemaUrl"},
    {2, WIRE_LEN, "Type"},
    {3, WIRE_LEN, "IdKeys"},
    {4, WIRE_LEN, "DescriptionKeys"},
};
static const struct pb_field_info values_fields[] = {{1, WIRE_LEN, "Values"}};

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
