#include "attr_set.h"
#include "otlp_schema.h"
#include "zipkin_priv.h"

#include <arpa/inet.h>

err
zipkin_full(struct zipkin_decoder *d)
{
    return FAULT(d->f, ERR_LIMIT, "the decoded spans take more memory than the limit of %zu bytes",
                 d->b->arena.max);
}

err
zipkin_decode(slice body, enum zipkin_format format, const struct zipkin_options *o, struct span_batch *out,
              struct fault *f)
{
    static err (*const decoders[ZIPKIN_FORMAT_COUNT])(struct zipkin_decoder *, slice) = {
        [ZIPKIN_V2_JSON] = zipkin_v2_json,
        [ZIPKIN_V2_PROTO] = zipkin_v2_proto,
        [ZIPKIN_V1_JSON] = zipkin_v1_json,
        [ZIPKIN_V1_THRIFT] = zipkin_v1_thrift,
    };
    struct zipkin_decoder d = {.o = o, .b = out, .f = f, .spans_at = out->span_count};
    if (body.n > UINT32_MAX) {
        return FAULT(f, ERR_LIMIT, "a body of %zu bytes is over the limit of 4 GiB", body.n);
    }
    return decoders[format](&d, body);
}

void
zipkin_span_begin(struct zipkin_decoder *d, struct zipkin_span *z)
{
    *z = (struct zipkin_span){.tags = {(uint32_t)d->b->attr_count, 0}};
    d->note_count = 0;
}

err
zipkin_note_add(struct zipkin_decoder *d, struct zipkin_note **ret)
{
    if (d->note_count == d->note_cap) {
        struct zipkin_note *grown =
            arena_grow(&d->b->arena, d->notes, d->note_count, &d->note_cap, d->note_count + 1, sizeof *grown);
        if (grown == NULL) {
            return zipkin_full(d);
        }
        d->notes = grown;
    }
    *ret = &d->notes[d->note_count++];
    **ret = (struct zipkin_note){0};
    return OK;
}

err
zipkin_tag_add(struct zipkin_decoder *d, struct zipkin_span *z, slice key, struct attr **ret)
{
    struct attr *a = span_batch_add_attr(d->b);
    if (a == NULL) {
        return zipkin_full(d);
    }
    a->key = key.p;
    a->key_n = (uint32_t)key.n;
    z->tags.n++;
    *ret = a;
    return OK;
}

err
zipkin_span_add(struct zipkin_decoder *d, struct span *s, const struct span_home *home,
                const struct zipkin_lead *lead)
{
    size_t n = d->b->span_count - d->spans_at;
    if (n == d->home_cap) {
        struct span_home *grown = arena_grow(&d->b->arena, d->homes, n, &d->home_cap, n + 1, sizeof *grown);
        if (grown == NULL) {
            return zipkin_full(d);
        }
        d->homes = grown;
    }
    if (n == d->lead_cap) {
        struct zipkin_lead *grown = arena_grow(&d->b->arena, d->leads, n, &d->lead_cap, n + 1, sizeof *grown);
        if (grown == NULL) {
            return zipkin_full(d);
        }
        d->leads = grown;
    }
    struct span *to = span_batch_add_span(d->b);
    if (to == NULL) {
        return zipkin_full(d);
    }
    s->wire_bytes = (uint32_t)otlp_span_size(d->b, s);
    *to = *s;
    d->homes[n] = *home;
    d->homes[n].mark = (uint32_t)n;
    d->leads[n] = *lead;
    return OK;
}

err
zipkin_text_put(struct zipkin_decoder *d, struct run *attrs, slice key, slice value)
{
    struct attr *a = attr_set_put(d->b, attrs, key);
    if (a == NULL) {
        return zipkin_full(d);
    }
    attr_set_string(a, value);
    return OK;
}

err
zipkin_start_absent_put(struct zipkin_decoder *d, struct run *attrs)
{
    struct attr *a = attr_set_put(d->b, attrs, SL("otel.zipkin.absentField.startTime"));
    if (a == NULL) {
        return zipkin_full(d);
    }
    a->kind = VALUE_BOOL;
    a->n = 0;
    a->b = true;
    return OK;
}

err
zipkin_scope_add(struct zipkin_decoder *d, slice name, slice version)
{
    struct scope *s = span_batch_add_scope(d->b);
    if (s == NULL) {
        return zipkin_full(d);
    }
    *s = (struct scope){
        .resource = (uint32_t)d->b->resource_count - 1, .name = name, .version = version, .has_scope = true};
    return OK;
}

/* --- values in strings ------------------------------------------------------------------------------------
 */

static size_t
digits(slice s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '9') {
        n++;
    }
    return n;
}

/* -?[0-9]+ or -?[0-9]+.[0-9]+ */
static bool
is_decimal(slice s, bool *ret_fraction)
{
    size_t at = s.n != 0 && s.p[0] == '-', n = digits(s, at);
    *ret_fraction = false;
    if (n == 0 || at + n == s.n) {
        return n != 0;
    }
    at += n;
    *ret_fraction = true;
    return s.p[at] == '.' && s.n > at + 1 && digits(s, at + 1) == s.n - at - 1;
}

void
zipkin_tag_parse(struct attr *a)
{
    slice text = attr_bytes(a);
    bool fraction;
    int64_t i;
    if (slice_eq(text, SL("true")) || slice_eq(text, SL("false"))) {
        a->kind = VALUE_BOOL;
        a->b = text.n == 4;
    } else if (!is_decimal(text, &fraction)) {
        return;
    } else if (fraction) {
        a->kind = VALUE_DOUBLE;
        a->d = json_number_value(text);
    } else {
        /* The nearest there is, when it has more digits than 64 bits hold. */
        a->kind = VALUE_INT;
        a->i = slice_to_i64(text, &i) ? i : text.p[0] == '-' ? INT64_MIN : INT64_MAX;
    }
    a->n = 0;
}

/* --- addresses --------------------------------------------------------------------------------------------
 */

#define IP_TEXT_MAX 40

static char *
dec_put(char *w, uint8_t v)
{
    if (v >= 100) {
        *w++ = (char)('0' + v / 100);
    }
    if (v >= 10) {
        *w++ = (char)('0' + v / 10 % 10);
    }
    *w++ = (char)('0' + v % 10);
    return w;
}

static char *
v4_put(char *w, const uint8_t *ip)
{
    for (int i = 0; i < 4; i++) {
        if (i > 0) {
            *w++ = '.';
        }
        w = dec_put(w, ip[i]);
    }
    return w;
}

/* Lower case, the first longest run of two or more zero groups as "::" (RFC 5952). */
static char *
v6_put(char *w, const uint8_t *ip)
{
    static const char hex[] = "0123456789abcdef";
    unsigned group[8];
    int best = -1, best_n = 1;
    for (int i = 0; i < 8; i++) {
        group[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
    }
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && group[i + n] == 0) {
            n++;
        }
        if (n > best_n) {
            best = i;
            best_n = n;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            *w++ = ':';
            *w++ = ':';
            i += best_n - 1;
            continue;
        }
        if (i > 0 && w[-1] != ':') {
            *w++ = ':';
        }
        bool started = false;
        for (int shift = 12; shift >= 0; shift -= 4) {
            unsigned digit = group[i] >> shift & 15;
            if (digit != 0 || started || shift == 0) {
                *w++ = hex[digit];
                started = true;
            }
        }
    }
    return w;
}

slice
zipkin_ip_text(struct arena *arena, slice bytes)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char text[IP_TEXT_MAX], *end;
    if (bytes.n == 4) {
        end = v4_put(text, bytes.p);
    } else if (bytes.n == 16 && memcmp(bytes.p, mapped, sizeof mapped) == 0) {
        end = v4_put(text, bytes.p + 12);
    } else if (bytes.n == 16) {
        end = v6_put(text, bytes.p);
    } else {
        char *odd = arena_alloc(arena, 1 + 2 * bytes.n);
        if (odd == NULL) {
            return SL_EMPTY;
        }
        odd[0] = '?';
        hex_encode(bytes.p, bytes.n, odd + 1);
        return slice_of(odd, 1 + 2 * bytes.n);
    }
    return arena_copy(arena, slice_of(text, (size_t)(end - text)));
}

err
zipkin_ip_parse(struct zipkin_decoder *d, slice text, slice *ret)
{
    char copy[INET6_ADDRSTRLEN + 1];
    uint8_t ip[16];
    if (text.n < sizeof copy && memchr(text.p, '\0', text.n) == NULL) {
        memcpy(copy, text.p, text.n);
        copy[text.n] = '\0';
        if (inet_pton(AF_INET, copy, ip) == 1) {
            *ret = text; /* the only way to write it */
            return OK;
        }
        if (inet_pton(AF_INET6, copy, ip) == 1) {
            *ret = zipkin_ip_text(&d->b->arena, slice_of(ip, sizeof ip));
            return ret->p != NULL ? OK : zipkin_full(d);
        }
    }
    return FAULT(d->f, ERR_INVALID, "invalid IP address: %.*s", (int)(text.n < 64 ? text.n : 64),
                 (const char *)text.p);
}
