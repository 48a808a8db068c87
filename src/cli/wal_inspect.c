/* vivace wal inspect: what a write-ahead log holds, read without touching it. */
#include "cli_priv.h"
#include "table.h"

#include "vivace/base/mem.h"
#include "vivace/codec/json.h"
#include "vivace/wal/index.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSPECT_BYTES_MAX ((size_t)1 << 30) /* memory for traces and records of one segment */
#define DAMAGES_MAX       64                /* told one by one of one segment; the rest is counted */

struct damage {
    enum wal_damage_kind kind;
    bool payload; /* the record is whole, its payload is not OTLP */
    uint64_t offset, bytes;
};

struct segment_view {
    uint64_t sequence, size, records, spans, end;
    struct wal_segment *segment;
    struct wal_memindex *index; /* of what was scanned */
    struct wal_index *disk;
    err index_state; /* OK, ERR_NOT_FOUND, or why it cannot be used */
    bool index_differs;
    struct damage damages[DAMAGES_MAX];
    size_t damage_count;
    uint64_t corrupt, torn;
    bool head; /* the owner may be writing it */
    struct fault index_fault;
};

/* --- reading ----------------------------------------------------------------------------------------------
 */

static void
note_damage(struct segment_view *v, struct damage d)
{
    if (v->damage_count < DAMAGES_MAX) {
        v->damages[v->damage_count++] = d;
    }
    if (d.kind == WAL_DAMAGE_TORN) {
        v->torn++;
    } else {
        v->corrupt++;
    }
}

static err
note_record(struct segment_view *v, const struct wal_record *r, struct wal_ref at, struct wal_summary *sum,
            struct fault *f)
{
    wal_summary_reset(sum);
    if (!wal_summary_of_payload(sum, r->payload)) {
        note_damage(v, (struct damage){WAL_DAMAGE_CORRUPT, true, at.offset, at.bytes});
        return OK;
    }
    if (wal_memindex_reserve(v->index, sum->count) != OK) {
        return FAULT(f, ERR_LIMIT, "%s has more traces and records than fit into %zu MiB",
                     wal_segment_path(v->segment), INSPECT_BYTES_MAX >> 20);
    }
    wal_memindex_commit(v->index, r->tenant, at, (uint32_t)r->payload.n, sum);
    v->records++;
    v->spans += sum->span_count;
    v->end = at.offset + at.bytes;
    return OK;
}

static err
scan(struct segment_view *v, struct budget *budget, struct fault *f)
{
    struct wal_cursor c;
    struct wal_summary sum;
    err rc = OK;
    v->index = wal_memindex_create(budget);
    wal_cursor_init(&c, v->segment, budget);
    wal_summary_init(&sum);
    while (rc == OK) {
        struct wal_record r;
        struct wal_ref at;
        struct fault damage = {0};
        rc = wal_cursor_next(&c, &damage, &r, &at);
        if (rc == OK) {
            rc = note_record(v, &r, at, &sum, f);
        } else if (rc == ERR_CORRUPT) {
            note_damage(v, (struct damage){c.damage.kind, false, c.damage.offset, c.damage.bytes});
            rc = OK;
        } else if (rc != ERR_NOT_FOUND) {
            rc = FAULT(f, rc, "%s", damage.msg);
        }
    }
    wal_summary_fini(&sum);
    wal_cursor_fini(&c);
    return rc == ERR_NOT_FOUND ? OK : rc;
}

static bool
same_stats(struct wal_tenant_stats a, struct wal_tenant_stats b)
{
    return slice_eq(a.name, b.name) && a.traces == b.traces && a.spans == b.spans && a.records == b.records &&
           a.bytes == b.bytes && a.min_start_ns == b.min_start_ns && a.max_end_ns == b.max_end_ns;
}

/* The index file says of each tenant what the records say. */
static bool
index_fits(const struct segment_view *v)
{
    size_t n = wal_index_tenant_count(v->disk);
    bool fits = n == wal_memindex_tenant_count(v->index);
    for (size_t i = 0; i < n && fits; i++) {
        struct wal_tenant_stats s = wal_index_tenant(v->disk, i);
        size_t at = wal_memindex_tenant_position(v->index, s.name);
        fits = at != SIZE_MAX && same_stats(s, wal_memindex_tenant(v->index, at));
    }
    return fits;
}

static err
view(struct wal *w, struct segment_view *v, struct budget *budget, struct fault *f)
{
    err rc = wal_view_segment(w, v->sequence, f, &v->segment);
    if (rc != OK) {
        return rc;
    }
    v->size = wal_segment_end(v->segment);
    rc = scan(v, budget, f);
    if (rc != OK) {
        return rc;
    }
    v->index_state = wal_index_open(v->segment, budget, &v->index_fault, &v->disk);
    v->index_differs = v->index_state == OK && !index_fits(v);
    return OK;
}

static void
view_fini(struct segment_view *v)
{
    wal_index_close(v->disk);
    wal_memindex_destroy(v->index);
    wal_segment_close(v->segment);
}

static bool
is_bad(const struct segment_view *v)
{
    return v->corrupt || v->index_differs || (v->index_state != OK && v->index_state != ERR_NOT_FOUND);
}

/* --- printing ---------------------------------------------------------------------------------------------
 */

static void
time_range(const struct segment_view *v, uint64_t *ret_min, uint64_t *ret_max)
{
    *ret_min = UINT64_MAX;
    *ret_max = 0;
    for (size_t i = 0; i < wal_memindex_tenant_count(v->index); i++) {
        struct wal_tenant_stats s = wal_memindex_tenant(v->index, i);
        *ret_min = s.min_start_ns < *ret_min ? s.min_start_ns : *ret_min;
        *ret_max = s.max_end_ns > *ret_max ? s.max_end_ns : *ret_max;
    }
}

static const char *
index_name(const struct segment_view *v)
{
    return v->index_state == ERR_NOT_FOUND ? (v->head ? "open" : "none")
           : v->index_state != OK          ? "damaged"
           : v->index_differs              ? "differs"
                                           : "good";
}

static void
tenant_rows(struct table *t, const struct segment_view *v)
{
    size_t n = wal_memindex_tenant_count(v->index);
    for (size_t i = 0; i < n; i++) {
        struct wal_tenant_stats s = wal_memindex_tenant(v->index, i);
        table_printf(t, "%016llx", (unsigned long long)v->sequence);
        table_name(t, s.name, 40);
        table_printf(t, "%llu", (unsigned long long)s.records);
        table_printf(t, "%llu", (unsigned long long)s.spans);
        table_printf(t, "%llu", (unsigned long long)s.traces);
        table_bytes(t, s.bytes);
        table_time(t, s.min_start_ns);
        table_duration(t, s.spans && s.max_end_ns > s.min_start_ns ? s.max_end_ns - s.min_start_ns : 0);
    }
}

static void
segment_row(struct table *t, const struct segment_view *v)
{
    uint64_t min = 0, max = 0;
    time_range(v, &min, &max);
    table_printf(t, "%016llx", (unsigned long long)v->sequence);
    table_time(t, (uint64_t)wal_segment_created_ns(v->segment));
    table_bytes(t, v->size);
    table_printf(t, "%llu", (unsigned long long)v->records);
    table_printf(t, "%llu", (unsigned long long)v->spans);
    table_printf(t, "%zu", wal_memindex_trace_count(v->index));
    table_printf(t, "%zu", wal_memindex_tenant_count(v->index));
    table_time(t, min);
    table_duration(t, max > min ? max - min : 0);
    table_printf(t, "%s", index_name(v));
    table_printf(t, "%s", v->corrupt ? "corrupt" : v->torn ? (v->head ? "being written" : "torn tail") : "");
}

static const char *
damage_text(const struct segment_view *v, const struct damage *d)
{
    if (d->payload) {
        return "a record whose payload is not spans";
    }
    return d->kind == WAL_DAMAGE_CORRUPT ? "corrupt"
           : v->head                     ? "a record being written"
                                         : "a torn tail: it was not acknowledged";
}

static void
damage_lines(struct buf *out, const struct segment_view *v)
{
    for (size_t i = 0; i < v->damage_count; i++) {
        const struct damage *d = &v->damages[i];
        buf_printf(out, "%016llx.wal, byte %llu, %llu bytes: %s\n", (unsigned long long)v->sequence,
                   (unsigned long long)d->offset, (unsigned long long)d->bytes, damage_text(v, d));
    }
    if (v->corrupt + v->torn > v->damage_count) {
        buf_printf(out, "%016llx.wal: %llu more\n", (unsigned long long)v->sequence,
                   (unsigned long long)(v->corrupt + v->torn - v->damage_count));
    }
    if (v->index_state != OK && v->index_state != ERR_NOT_FOUND) {
        buf_printf(out, "%016llx.idx: ", (unsigned long long)v->sequence);
        (void)text_put(out, slice_cstr(v->index_fault.msg), TEXT_ALL);
        buf_append_byte(out, '\n');
    } else if (v->index_differs) {
        buf_printf(out, "%016llx.idx: it says something else than the records\n",
                   (unsigned long long)v->sequence);
    }
}

static void
json_tenants(struct json_writer *w, const struct segment_view *v)
{
    json_key(w, SL("tenants"));
    json_array_begin(w);
    for (size_t i = 0; i < wal_memindex_tenant_count(v->index); i++) {
        struct wal_tenant_stats s = wal_memindex_tenant(v->index, i);
        json_object_begin(w);
        json_key(w, SL("tenantID"));
        json_string(w, s.name);
        json_key(w, SL("records"));
        json_u64(w, s.records);
        json_key(w, SL("spans"));
        json_u64(w, s.spans);
        json_key(w, SL("traces"));
        json_u64(w, s.traces);
        json_key(w, SL("bytes"));
        json_u64(w, s.bytes);
        if (s.spans) {
            json_key(w, SL("startTimeUnixNano"));
            json_u64_string(w, s.min_start_ns);
            json_key(w, SL("endTimeUnixNano"));
            json_u64_string(w, s.max_end_ns);
        }
        json_object_end(w);
    }
    json_array_end(w);
}

static void
json_damages(struct json_writer *w, const struct segment_view *v)
{
    json_key(w, SL("damages"));
    json_array_begin(w);
    for (size_t i = 0; i < v->damage_count; i++) {
        const struct damage *d = &v->damages[i];
        json_object_begin(w);
        json_key(w, SL("kind"));
        json_string(w, d->kind == WAL_DAMAGE_TORN ? SL("torn") : SL("corrupt"));
        json_key(w, SL("offset"));
        json_u64(w, d->offset);
        json_key(w, SL("bytes"));
        json_u64(w, d->bytes);
        json_object_end(w);
    }
    json_array_end(w);
}

static void
json_line(struct buf *out, const struct segment_view *v)
{
    const uint8_t *u = wal_segment_uuid(v->segment);
    char uuid[33] = {0};
    char name[32];
    struct json_writer w;
    (void)snprintf(name, sizeof name, "%016llx", (unsigned long long)v->sequence);
    hex_encode(u, 16, uuid);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SL("segment"));
    json_string(&w, slice_cstr(name));
    json_key(&w, SL("uuid"));
    json_string(&w, slice_of(uuid, 32));
    json_key(&w, SL("createdUnixNano"));
    json_i64_string(&w, wal_segment_created_ns(v->segment));
    json_key(&w, SL("bytes"));
    json_u64(&w, v->size);
    json_key(&w, SL("records"));
    json_u64(&w, v->records);
    json_key(&w, SL("spans"));
    json_u64(&w, v->spans);
    json_key(&w, SL("traces"));
    json_u64(&w, wal_memindex_trace_count(v->index));
    json_key(&w, SL("index"));
    json_string(&w, slice_cstr(index_name(v)));
    json_key(&w, SL("corrupt"));
    json_u64(&w, v->corrupt);
    json_key(&w, SL("torn"));
    json_u64(&w, v->torn);
    json_tenants(&w, v);
    json_damages(&w, v);
    json_object_end(&w);
    buf_append_byte(out, '\n');
}

/* --- the command ------------------------------------------------------------------------------------------
 */

struct inspect {
    struct wal *wal;
    const char *dir;
    struct wal_view_names names;
    bool json, only_one, bad, closed;
    uint64_t only;
    struct table segments, tenants;
    struct buf out, lines; /* lines: what comes behind the tables */
    uint64_t records, spans, bytes;
};

static void
foreign(struct inspect *x, uint64_t seq, const struct fault *f)
{
    struct buf *out = x->json ? &x->out : &x->lines;
    x->bad = true;
    if (x->json) {
        struct json_writer w;
        json_writer_init(&w, out);
        json_object_begin(&w);
        json_key(&w, SL("segment"));
        buf_printf(out, "\"%016llx\"", (unsigned long long)seq);
        w.need_comma = true;
        json_key(&w, SL("error"));
        json_string(&w, slice_cstr(f->msg));
        json_object_end(&w);
    } else {
        (void)text_put(out, slice_cstr(f->msg), TEXT_ALL);
    }
    buf_append_byte(out, '\n');
}

/* Made, and nothing written yet: by the owner just now, or by one that crashed then. */
static bool
is_empty(const struct inspect *x, uint64_t seq)
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%016llx.wal", x->dir, (unsigned long long)seq);
    return n < (int)sizeof path && stat(path, &st) == 0 && st.st_size == 0;
}

static void
empty(struct inspect *x, uint64_t seq)
{
    if (!x->json) {
        buf_printf(&x->lines, "%016llx.wal: empty\n", (unsigned long long)seq);
    }
}

static void
inspect_one(struct inspect *x, uint64_t seq, bool last)
{
    struct segment_view v = {.sequence = seq, .head = last && x->names.owned};
    struct budget budget;
    struct fault f = {0};
    budget_init(&budget, "inspect", NULL, INSPECT_BYTES_MAX);
    err rc = view(x->wal, &v, &budget, &f);
    if (rc == ERR_NOT_FOUND && !x->only_one) {
        view_fini(&v); /* removed since it was listed */
        return;
    }
    if (rc == ERR_CORRUPT && is_empty(x, seq)) {
        empty(x, seq);
    } else if (rc != OK) {
        foreign(x, seq, &f);
    } else {
        x->bad = x->bad || is_bad(&v);
        x->records += v.records;
        x->spans += v.spans;
        x->bytes += v.size;
        if (x->json) {
            json_line(&x->out, &v);
        } else {
            segment_row(&x->segments, &v);
            tenant_rows(&x->tenants, &v);
            damage_lines(&x->lines, &v);
        }
    }
    view_fini(&v);
    x->closed = x->json && !print_buf(&x->out);
}

static void
print_tables(struct inspect *x)
{
    if (table_rows(&x->segments)) {
        table_write(&x->segments, &x->out);
        buf_append_byte(&x->out, '\n');
        table_write(&x->tenants, &x->out);
        buf_append_byte(&x->out, '\n');
    }
    buf_append_slice(&x->out, buf_slice(&x->lines));
    buf_printf(&x->out, "%zu segments, %llu records, %llu spans, ", table_rows(&x->segments),
               (unsigned long long)x->records, (unsigned long long)x->spans);
    text_bytes(&x->out, x->bytes);
    buf_append_cstr(&x->out, x->names.owned ? "; in use by a process\n" : "; not in use\n");
    if (x->names.quarantined) {
        buf_printf(&x->out, "%zu files in quarantine\n", x->names.quarantined);
    }
    x->closed = !print_buf(&x->out);
}

static void
inspect_all(struct inspect *x)
{
    table_init(&x->segments,
               "SEGMENT|CREATED|>SIZE|>RECORDS|>SPANS|>TRACES|>TENANTS|START|>RANGE|INDEX|STATE");
    table_init(&x->tenants, "SEGMENT|TENANT|>RECORDS|>SPANS|>TRACES|>BYTES|START|>RANGE");
    buf_init(&x->out, CLI_TEXT_MAX);
    buf_init(&x->lines, CLI_TEXT_MAX);
    for (size_t i = 0; i < x->names.segment_count && !x->closed; i++) {
        if (!x->only_one || x->names.segments[i] == x->only) {
            inspect_one(x, x->names.segments[i], i + 1 == x->names.segment_count);
        }
    }
    if (!x->json) {
        print_tables(x);
    }
    table_fini(&x->segments);
    table_fini(&x->tenants);
    buf_fini(&x->out);
    buf_fini(&x->lines);
}

/* "<dir>/<sequence>.wal": the directory, and which segment. */
static bool
split_segment(const char *path, char dir[PATH_MAX], uint64_t *ret_seq)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *end = NULL;
    if (strlen(name) != 20 || strcmp(name + 16, ".wal") != 0) {
        return false;
    }
    *ret_seq = strtoull(name, &end, 16);
    int n = slash ? (int)(slash - path) : 1;
    return end == name + 16 && snprintf(dir, PATH_MAX, "%.*s", n > 0 ? n : 1, slash ? path : ".") < PATH_MAX;
}

int
wal_inspect_command(int argc, char *const *argv)
{
    struct inspect x = {.wal = NULL};
    const struct option options[] = {{"json", OPTION_SWITCH, &x.json}};
    char dir[PATH_MAX];
    struct arguments args;
    struct fault f = {0};
    if (options_parse(argc, argv, options, 1, &args, &f) != OK) {
        return complain_usage(&f);
    }
    if (args.n != 1) {
        (void)FAULT(&f, ERR_INVALID, "wal inspect takes one path");
        return complain_usage(&f);
    }
    x.only_one = split_segment(args.v[0], dir, &x.only);
    x.dir = x.only_one ? dir : args.v[0];
    err rc = wal_view_open(x.dir, &f, &x.wal);
    rc = rc == OK ? wal_view_list(x.wal, &f, &x.names) : rc;
    if (rc == OK && x.only_one && access(args.v[0], R_OK) != 0) {
        rc = FAULT_OS(&f, ERR_NOT_FOUND, "%s", args.v[0]);
    }
    if (rc == OK) {
        inspect_all(&x);
    } else {
        (void)complain(&f);
    }
    mem_free(x.names.segments);
    wal_close(x.wal);
    return rc != OK || x.bad || x.closed ? CLI_FAILED : CLI_OK;
}
