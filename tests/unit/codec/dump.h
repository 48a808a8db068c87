/* A batch as lines a person can check: goldens of the decoders that translate to OTLP. */
#pragma once

#include "test.h"

#include "vivace/codec/otlp.h"

static void
dump_hex(struct buf *out, const uint8_t *p, size_t n)
{
    while (n > 1 && *p == 0) {
        p++;
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%02x", p[i]);
    }
}

static void
dump_attrs(struct buf *out, const struct span_batch *b, struct run r)
{
    buf_append_cstr(out, "{");
    for (uint32_t i = 0; i < r.n; i++) {
        const struct attr *a = &b->attrs[r.at + i];
        buf_printf(out, "%s%.*s=", i ? " " : "", SL_FMT(attr_key(a)));
        if (a->kind == VALUE_STRING) {
            buf_printf(out, "'%.*s'", SL_FMT(attr_bytes(a)));
        } else if (a->kind == VALUE_BYTES) {
            buf_append_cstr(out, "x");
            for (uint32_t k = 0; k < a->n; k++) {
                buf_printf(out, "%02x", a->p[k]);
            }
        } else if (a->kind == VALUE_INT) {
            buf_printf(out, "%lld", (long long)a->i);
        } else if (a->kind == VALUE_DOUBLE) {
            buf_printf(out, "%gd", a->d);
        } else if (a->kind == VALUE_BOOL) {
            buf_append_cstr(out, a->b ? "true" : "false");
        } else {
            buf_printf(out, "kind%d", a->kind);
        }
    }
    buf_append_cstr(out, "}");
}

static void
dump_span(struct buf *out, const struct span_batch *b, const struct span *s)
{
    buf_append_cstr(out, "span ");
    dump_hex(out, s->trace.b, 16);
    buf_append_cstr(out, "/");
    dump_hex(out, s->id.b, 8);
    buf_append_cstr(out, "<");
    dump_hex(out, s->parent.b, 8);
    buf_printf(out, " '%.*s' kind=%d [%llu,%llu] status=%d'%.*s' state='%.*s' ", SL_FMT(s->name), s->kind,
               (unsigned long long)s->start_ns, (unsigned long long)s->end_ns, s->status_code,
               SL_FMT(s->status_message), SL_FMT(s->trace_state));
    dump_attrs(out, b, s->attrs);
    buf_append_cstr(out, "\n");
    for (uint32_t i = 0; i < s->events.n; i++) {
        const struct span_event *e = &b->events[s->events.at + i];
        buf_printf(out, "  event %llu '%.*s' ", (unsigned long long)e->time_ns, SL_FMT(e->name));
        dump_attrs(out, b, e->attrs);
        buf_printf(out, " dropped=%u\n", e->dropped_attrs);
    }
    for (uint32_t i = 0; i < s->links.n; i++) {
        const struct span_link *l = &b->links[s->links.at + i];
        buf_append_cstr(out, "  link ");
        dump_hex(out, l->trace.b, 16);
        buf_append_cstr(out, "/");
        dump_hex(out, l->span.b, 8);
        buf_printf(out, " state='%.*s' ", SL_FMT(l->trace_state));
        dump_attrs(out, b, l->attrs);
        buf_printf(out, " dropped=%u\n", l->dropped_attrs);
    }
}

/* NUL-terminated. Also checks what every batch promises: order, and sizes as OTLP. */
static inline void
dump_batch(struct buf *out, const struct span_batch *b)
{
    struct buf wire;
    struct span_batch again;
    buf_init(&wire, 1 << 24);
    span_batch_init(&again, 0);
    for (size_t i = 0; i < b->span_count; i++) {
        const struct span *s = &b->spans[i];
        bool new_scope = i == 0 || s->scope != s[-1].scope;
        assert_true(i == 0 || s->scope >= s[-1].scope);
        const struct scope *sc = &b->scopes[s->scope];
        if (new_scope) {
            assert_true(s->scope == 0 || sc->resource >= sc[-1].resource);
            buf_append_cstr(out, "resource ");
            dump_attrs(out, b, b->resources[sc->resource].attrs);
            buf_printf(out, " scope '%.*s' '%.*s'\n", SL_FMT(sc->name), SL_FMT(sc->version));
        }
        dump_span(out, b, s);
    }
    assert_int_equal(otlp_encode(b, &wire), OK);
    assert_int_equal(otlp_decode(buf_slice(&wire), &again, NULL), OK);
    assert_int_equal(again.span_count, b->span_count);
    for (size_t i = 0; i < b->span_count; i++) {
        assert_int_equal(again.spans[i].wire_bytes, b->spans[i].wire_bytes);
    }
    span_batch_fini(&again);
    buf_fini(&wire);
    buf_append_byte(out, 0);
}
