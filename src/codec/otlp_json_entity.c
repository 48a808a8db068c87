/* Resource.entityRefs of OTLP/JSON. Nobody here looks into them, so they become wire bytes, fields by number,
 * as an OTLP encoder writes them. */
#include "otlp_json_priv.h"

#define RESOURCE_ENTITY_REFS 3 /* field numbers: opentelemetry-proto v1, resource and common */
#define REF_SCHEMA_URL       1
#define REF_TYPE             2
#define REF_ID_KEYS          3
#define REF_DESCRIPTION_KEYS 4

/* An array of strings as a repeated field. A member sent twice counts as sent last. */
static err
keys_take(struct json_decoder *d, uint32_t field, struct buf *to)
{
    bool present;
    err rc = otlp_json_array(d, &present);
    buf_clear(to);
    while (rc == OK && present) {
        enum json_event e = json_next(&d->r);
        if (e == JSON_ARRAY_END) {
            break;
        }
        if (e != JSON_STRING) {
            return otlp_json_fail(d, "an array of strings is wanted");
        }
        wire_put_bytes(to, field, d->r.text);
    }
    return rc;
}

/* Behind the opening brace; null is an entity without members. */
static err
ref_take(struct json_decoder *d, enum element e, struct buf *refs)
{
    uint32_t number = e == ELEMENT_OBJECT;
    slice schema_url = SL_EMPTY, type = SL_EMPTY;
    struct buf *id_keys = &d->scratch, *description_keys = &d->heads;
    err rc = OK;
    buf_clear(id_keys);
    buf_clear(description_keys);
    while (number != 0) {
        TRY(otlp_json_member(d, OTLP_ENTITY_REF, &number));
        if (number == REF_SCHEMA_URL) {
            TRY(otlp_json_string(d, &schema_url));
        } else if (number == REF_TYPE) {
            TRY(otlp_json_string(d, &type));
        } else if (number == REF_ID_KEYS) {
            TRY(keys_take(d, number, id_keys));
        } else if (number == REF_DESCRIPTION_KEYS) {
            TRY(keys_take(d, number, description_keys));
        }
    }
    size_t head = 0;
    head += schema_url.n != 0 ? 1 + wire_size_varint(schema_url.n) + schema_url.n : 0;
    head += type.n != 0 ? 1 + wire_size_varint(type.n) + type.n : 0;
    wire_put_header(refs, RESOURCE_ENTITY_REFS, head + id_keys->n + description_keys->n);
    wire_put_bytes_nz(refs, REF_SCHEMA_URL, schema_url);
    wire_put_bytes_nz(refs, REF_TYPE, type);
    (void)buf_append_slice(refs, buf_slice(id_keys));
    (void)buf_append_slice(refs, buf_slice(description_keys));
    refs->failed = refs->failed || id_keys->failed || description_keys->failed;
out:
    return rc;
}

err
otlp_json_entity_refs(struct json_decoder *d, slice *ret)
{
    bool present;
    enum element e = ELEMENT_NULL;
    struct buf refs;
    err rc = OK;
    buf_init(&refs, d->scratch.max);
    TRY(otlp_json_array(d, &present));
    while (present) {
        TRY(otlp_json_element(d, &e));
        if (e == ELEMENT_END) {
            break;
        }
        TRY(ref_take(d, e, &refs));
    }
    *ret = arena_copy(&d->b->arena, buf_slice(&refs));
    if (refs.failed || (ret->p == NULL && refs.n != 0)) {
        *ret = SL_EMPTY;
        rc = FAULT(d->f, ERR_LIMIT, "the decoded spans take more memory than the limit of %zu bytes",
                   d->b->arena.max);
    }
out:
    buf_fini(&refs);
    return rc;
}
