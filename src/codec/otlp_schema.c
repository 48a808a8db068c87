#include "otlp_schema.h"

static const struct pb_field_info request_fields[] = {PB_FIELD(1, LEN, "ResourceSpans")};
static const struct pb_field_info resource_spans_fields[] = {
    PB_FIELD(1, LEN, "Resource"),
    PB_FIELD(2, LEN, "ScopeSpans"),
    PB_FIELD(3, LEN, "SchemaUrl"),
    PB_FIELD(OTLP_DEPRECATED_SCOPE_SPANS, LEN, "DeprecatedScopeSpans"),
};
static const struct pb_field_info scope_spans_fields[] = {
    PB_FIELD(1, LEN, "Scope"),
    PB_FIELD(2, LEN, "Spans"),
    PB_FIELD(3, LEN, "SchemaUrl"),
};
static const struct pb_field_info resource_fields[] = {
    PB_FIELD(1, LEN, "Attributes"),
    PB_FIELD(2, VARINT, "DroppedAttributesCount"),
    PB_FIELD(3, LEN, "EntityRefs"),
};
static const struct pb_field_info scope_fields[] = {
    PB_FIELD(1, LEN, "Name"),
    PB_FIELD(2, LEN, "Version"),
    PB_FIELD(3, LEN, "Attributes"),
    PB_FIELD(4, VARINT, "DroppedAttributesCount"),
};
static const struct pb_field_info span_fields[] = {
    PB_FIELD(1, LEN, "TraceId"),
    PB_FIELD(2, LEN, "SpanId"),
    PB_FIELD(3, LEN, "TraceState"),
    PB_FIELD(4, LEN, "ParentSpanId"),
    PB_FIELD(5, LEN, "Name"),
    PB_FIELD(6, VARINT, "Kind"),
    PB_FIELD(7, FIXED64, "StartTimeUnixNano"),
    PB_FIELD(8, FIXED64, "EndTimeUnixNano"),
    PB_FIELD(9, LEN, "Attributes"),
    PB_FIELD(10, VARINT, "DroppedAttributesCount"),
    PB_FIELD(11, LEN, "Events"),
    PB_FIELD(12, VARINT, "DroppedEventsCount"),
    PB_FIELD(13, LEN, "Links"),
    PB_FIELD(14, VARINT, "DroppedLinksCount"),
    PB_FIELD(15, LEN, "Status"),
    PB_FIELD(16, FIXED32, "Flags"),
};
static const struct pb_field_info event_fields[] = {
    PB_FIELD(1, FIXED64, "TimeUnixNano"),
    PB_FIELD(2, LEN, "Name"),
    PB_FIELD(3, LEN, "Attributes"),
    PB_FIELD(4, VARINT, "DroppedAttributesCount"),
};
static const struct pb_field_info link_fields[] = {
    PB_FIELD(1, LEN, "TraceId"),
    PB_FIELD(2, LEN, "SpanId"),
    PB_FIELD(3, LEN, "TraceState"),
    PB_FIELD(4, LEN, "Attributes"),
    PB_FIELD(5, VARINT, "DroppedAttributesCount"),
    PB_FIELD(6, FIXED32, "Flags"),
};
static const struct pb_field_info status_fields[] = {PB_FIELD(2, LEN, "Message"),
                                                     PB_FIELD(3, VARINT, "Code")};
static const struct pb_field_info key_value_fields[] = {PB_FIELD(1, LEN, "Key"), PB_FIELD(2, LEN, "Value")};
static const struct pb_field_info any_value_fields[] = {
    PB_FIELD(1, LEN, "StringValue"),     PB_FIELD(2, VARINT, "BoolValue"), PB_FIELD(3, VARINT, "IntValue"),
    PB_FIELD(4, FIXED64, "DoubleValue"), PB_FIELD(5, LEN, "ArrayValue"),   PB_FIELD(6, LEN, "KvlistValue"),
    PB_FIELD(7, LEN, "BytesValue"),
};
static const struct pb_field_info entity_ref_fields[] = {
    PB_FIELD(1, LEN, "SchemaUrl"),
    PB_FIELD(2, LEN, "Type"),
    PB_FIELD(3, LEN, "IdKeys"),
    PB_FIELD(4, LEN, "DescriptionKeys"),
};
static const struct pb_field_info values_fields[] = {PB_FIELD(1, LEN, "Values")};

const struct pb_message otlp_messages[OTLP_MESSAGE_COUNT] = {
    [OTLP_REQUEST] = PB_FIELDS("ExportTraceServiceRequest", request_fields),
    [OTLP_RESOURCE_SPANS] = PB_FIELDS("ResourceSpans", resource_spans_fields),
    [OTLP_SCOPE_SPANS] = PB_FIELDS("ScopeSpans", scope_spans_fields),
    [OTLP_RESOURCE] = PB_FIELDS("Resource", resource_fields),
    [OTLP_SCOPE] = PB_FIELDS("InstrumentationScope", scope_fields),
    [OTLP_SPAN] = PB_FIELDS("Span", span_fields),
    [OTLP_EVENT] = PB_FIELDS("Span_Event", event_fields),
    [OTLP_LINK] = PB_FIELDS("Span_Link", link_fields),
    [OTLP_STATUS] = PB_FIELDS("Status", status_fields),
    [OTLP_KEY_VALUE] = PB_FIELDS("KeyValue", key_value_fields),
    [OTLP_ANY_VALUE] = PB_FIELDS("AnyValue", any_value_fields),
    [OTLP_ARRAY_VALUE] = PB_FIELDS("ArrayValue", values_fields),
    [OTLP_KEY_VALUE_LIST] = PB_FIELDS("KeyValueList", values_fields),
    [OTLP_ENTITY_REF] = PB_FIELDS("EntityRef", entity_ref_fields),
};
