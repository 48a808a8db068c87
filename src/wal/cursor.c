/* A walk over a segment that tells records from damage: docs/wal-format.md 4. */
#include "wal_priv.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"

#define HEADER_SPAN_MAX (RECORD_HEADER_BYTES + WAL_TENANT_MAX)

void
wal_cursor_init(struct wal_cursor *c, struct wal_segment *s, struct budget *budget)
{
    *c = (struct wal_cursor){
        .segment = s, .budget = budget, .at = SEGMENT_HEADER_BYTES, .end = wal_segment_end(s)};
}

void
wal_cursor_fini(struct wal_cursor *c)
{
    mem_free(c->window);
    if (c->budget && c->window_cap) {
        budget_release(c->budget, c->window_cap);
    }
    c->window = NULL;
    c->window_cap = 0;
}

static err
grow_window(struct wal_cursor *c, size_t want, struct fault *f)
{
    size_t cap = want > WAL_WINDOW ? want : WAL_WINDOW;
    if (c->budget && budget_reserve(c->budget, cap) != OK) {
        return FAULT(f, ERR_LIMIT, "no memory in the budget to read a record of %zu bytes from %s", want,
                     c->segment->path);
    }
    uint8_t *window = mem_try_alloc(cap);
    if (window == NULL) {
        if (c->budget) {
            budget_release(c->budget, cap);
        }
        return FAULT(f, ERR_LIMIT, "no memory to read a record of %zu bytes from %s", want, c->segment->path);
    }
    wal_cursor_fini(c);
    c->window = window;
    c->window_cap = cap;
    c->have = 0;
    return OK;
}

/* Bytes [off, off+n), which lie before `end`, in memory: at `*ret`. */
static err
window_get(struct wal_cursor *c, uint64_t off, size_t n, struct fault *f, const uint8_t **ret)
{
    if (off < c->base || off + n > c->base + c->have) {
        if (n > c->window_cap) {
            err rc = grow_window(c, n, f);
            if (rc != OK) {
                return rc;
            }
        }
        size_t want = c->window_cap;
        if (want > c->end - off) {
            want = (size_t)(c->end - off);
        }
        c->have = 0;
        err rc = file_read_at(c->segment->fd, c->segment->path, c->window, want, (off_t)off, f);
        if (rc != OK) {
            return rc;
        }
        c->base = off;
        c->have = want;
    }
    *ret = c->window + (off - c->base);
    return OK;
}

/* Read what a header and its tenant take at `off`. OK and `*ret_good` false: no header stands there. */
static err
header_at(struct wal_cursor *c, uint64_t off, struct fault *f, bool *ret_good, struct record_header *ret)
{
    const uint8_t *p = NULL;
    size_t n = c->end - off < HEADER_SPAN_MAX ? (size_t)(c->end - off) : HEADER_SPAN_MAX;
    err rc = window_get(c, off, n, f, &p);
    if (rc == OK) {
        *ret_good = record_header_decode(p, n, c->segment->salt ^ off, ret);
    }
    return rc;
}

/* A header cut by the end of the file: its magic and tenant length are there, its tenant is not. */
static err
header_is_cut(struct wal_cursor *c, uint64_t off, struct fault *f, bool *ret)
{
    const uint8_t *p = NULL;
    uint64_t left = c->end - off;
    if (left < RECORD_HEADER_BYTES) {
        *ret = true;
        return OK;
    }
    err rc = window_get(c, off, RECORD_HEADER_BYTES, f, &p);
    if (rc == OK) {
        *ret = memcmp(p, RECORD_MAGIC, 4) == 0 && left < RECORD_HEADER_BYTES + (uint64_t)p[5];
    }
    return rc;
}

/* The next offset behind `from` where a whole record's header checks, or `end`; `*ret_zero`: all bytes from
 * `from` to there are zero. */
static err
find_next(struct wal_cursor *c, uint64_t from, struct fault *f, uint64_t *ret, bool *ret_zero)
{
    bool zero = true;
    uint64_t off = from;
    for (; off < c->end; off++) {
        const uint8_t *p = NULL;
        size_t n = c->end - off < 4096 ? (size_t)(c->end - off) : 4096;
        err rc = window_get(c, off, n, f, &p);
        if (rc != OK) {
            return rc;
        }
        for (size_t i = 0; zero && i < n; i++) {
            zero = p[i] == 0;
        }
        const uint8_t *hit = memmem(p, n, RECORD_MAGIC, 4);
        if (hit == NULL) {
            off += n > 3 ? n - 4 : n - 1; /* a magic may straddle the step */
            continue;
        }
        off += (uint64_t)(hit - p);
        struct record_header h;
        bool good = false;
        rc = off == from ? OK : header_at(c, off, f, &good, &h);
        if (rc != OK) {
            return rc;
        }
        if (good && record_bytes(&h) <= c->end - off) {
            break;
        }
    }
    *ret = off < c->end ? off : c->end;
    *ret_zero = zero;
    return OK;
}

/* No whole record stands at `at`: name the damage and step behind it. */
static err
skip_damage(struct wal_cursor *c, bool header_good, struct fault *f)
{
    uint64_t next = c->end;
    bool zero = false;
    bool cut = header_good;
    err rc = OK;
    if (!header_good) {
        rc = header_is_cut(c, c->at, f, &cut);
    }
    if (rc == OK && !cut) {
        rc = find_next(c, c->at, f, &next, &zero);
    }
    if (rc != OK) {
        return rc;
    }
    c->damage = (struct wal_damage){
        .kind = cut || (zero && next == c->end) ? WAL_DAMAGE_TORN : WAL_DAMAGE_CORRUPT,
        .tail = next == c->end,
        .offset = c->at,
        .bytes = next - c->at,
        .path = c->segment->path,
    };
    c->at = next;
    return FAULT(f, ERR_CORRUPT, "%s is damaged at offset %llu", c->segment->path,
                 (unsigned long long)c->damage.offset);
}

static err
cursor_step(struct wal_cursor *c, struct fault *f, struct wal_record *ret, struct wal_ref *ret_at)
{
    struct record_header h;
    bool good = false;
    const uint8_t *p = NULL;
    err rc = header_at(c, c->at, f, &good, &h);
    if (rc != OK) {
        return rc;
    }
    if (!good || record_bytes(&h) > c->end - c->at) {
        return skip_damage(c, good, f);
    }
    const struct wal_ref at = {.offset = c->at, .bytes = (uint32_t)record_bytes(&h)};
    rc = window_get(c, c->at, at.bytes, f, &p);
    if (rc != OK) {
        return rc;
    }
    slice tenant = slice_of(p + RECORD_HEADER_BYTES, h.tenant_n);
    slice payload = slice_of(tenant.p + tenant.n, h.payload_n);
    c->at += at.bytes;
    if (wal_hash(payload.p, payload.n, 0) != h.payload_hash) {
        c->damage = (struct wal_damage){
            .kind = WAL_DAMAGE_CORRUPT,
            .tail = false, /* its end is known: nothing has to be cut */
            .offset = at.offset,
            .bytes = at.bytes,
            .tenant = tenant,
            .path = c->segment->path,
        };
        return FAULT(f, ERR_CORRUPT, "%s: the record at offset %llu fails its checksum", c->segment->path,
                     (unsigned long long)at.offset);
    }
    *ret = (struct wal_record){
        .tenant = tenant, .payload = payload, .span_count = h.span_count, .received_ns = h.received_ns};
    *ret_at = at;
    return OK;
}

err
wal_cursor_next(struct wal_cursor *c, struct fault *f, struct wal_record *ret, struct wal_ref *ret_at)
{
    if (c->failed || c->at >= c->end) {
        return ERR_NOT_FOUND;
    }
    err rc = cursor_step(c, f, ret, ret_at);
    c->failed = rc != OK && rc != ERR_CORRUPT;
    return rc;
}
