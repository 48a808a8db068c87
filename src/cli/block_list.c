/* vivace block list: what stands below a path. */
#include "blocks.h"
#include "cli_priv.h"
#include "table.h"

#include "vivace/base/clock.h"
#include "vivace/codec/json.h"

#define FLUSH_BYTES ((size_t)64 << 10)

static void
row(struct table *t, const struct found *b, uint64_t now_ns)
{
    const struct block_meta *m = &b->meta;
    char id[BLOCK_UUID_TEXT + 1];
    block_uuid_format(&m->id, id);
    table_printf(t, "%s", id);
    table_name(t, slice_cstr(m->tenant), 40);
    table_printf(t, "%llu", (unsigned long long)m->spans);
    table_printf(t, "%llu", (unsigned long long)m->traces);
    table_time(t, m->min_start_ns);
    table_duration(t, m->max_end_ns - m->min_start_ns);
    table_bytes(t, m->bytes);
    table_printf(t, "%.1f", m->spans ? (double)m->bytes / (double)m->spans : 0.0);
    table_printf(t, "%u", m->level);
    table_duration(t, m->created_ns > 0 && (uint64_t)m->created_ns < now_ns ? now_ns - (uint64_t)m->created_ns
                                                                            : 0);
    table_printf(t, "%s", b->state == FOUND_COMPACTED ? "compacted" : "");
}

static bool
print_table(const struct found_list *l)
{
    const uint64_t now_ns = (uint64_t)clock_wall_ns();
    uint64_t blocks = 0, spans = 0, traces = 0, bytes = 0;
    struct table t;
    struct buf out;
    table_init(&t, "ID|TENANT|>SPANS|>TRACES|START|>RANGE|>SIZE|>B/SPAN|>LEVEL|>AGE|");
    buf_init(&out, CLI_TEXT_MAX);
    for (size_t i = 0; i < l->count; i++) {
        const struct found *b = &l->v[i];
        if (b->state == FOUND_BLOCK || b->state == FOUND_COMPACTED) {
            row(&t, b, now_ns);
        }
        if (b->state == FOUND_BLOCK) {
            blocks++;
            spans += b->meta.spans;
            traces += b->meta.traces;
            bytes += b->meta.bytes;
        }
    }
    if (table_rows(&t)) {
        table_write(&t, &out);
    }
    buf_printf(&out, "%llu block%s, %llu spans, %llu traces, ", (unsigned long long)blocks,
               blocks == 1 ? "" : "s", (unsigned long long)spans, (unsigned long long)traces);
    text_bytes(&out, bytes);
    if (spans) {
        buf_printf(&out, ", %.1f B a span", (double)bytes / (double)spans);
    }
    buf_append_byte(&out, '\n');
    for (size_t i = 0; i < l->count; i++) {
        if (l->v[i].reason) {
            buf_printf(&out, "%s: ", found_state_name(l->v[i].state));
            (void)text_put(&out, slice_cstr(l->v[i].path), TEXT_ALL);
            buf_append_cstr(&out, ": ");
            (void)text_put(&out, slice_cstr(l->v[i].reason), TEXT_ALL);
            buf_append_byte(&out, '\n');
        }
    }
    bool good = print_buf(&out);
    table_fini(&t);
    buf_fini(&out);
    return good;
}

static void
json_line(struct json_writer *w, const struct found *b)
{
    const struct block_meta *m = &b->meta;
    char id[BLOCK_UUID_TEXT + 1];
    json_object_begin(w);
    json_key(w, SL("state"));
    json_string(w, slice_cstr(found_state_name(b->state)));
    json_key(w, SL("path"));
    json_string(w, slice_cstr(b->path));
    if (b->reason) {
        json_key(w, SL("reason"));
        json_string(w, slice_cstr(b->reason));
    } else {
        block_uuid_format(&m->id, id);
        json_key(w, SL("blockID"));
        json_string(w, slice_cstr(id));
        json_key(w, SL("tenantID"));
        json_string(w, slice_cstr(m->tenant));
        json_key(w, SL("spans"));
        json_u64(w, m->spans);
        json_key(w, SL("traces"));
        json_u64(w, m->traces);
        json_key(w, SL("startTimeUnixNano"));
        json_u64_string(w, m->min_start_ns);
        json_key(w, SL("endTimeUnixNano"));
        json_u64_string(w, m->max_end_ns);
        json_key(w, SL("size"));
        json_u64(w, m->bytes);
        json_key(w, SL("level"));
        json_u64(w, m->level);
        json_key(w, SL("createdUnixNano"));
        json_i64_string(w, m->created_ns);
    }
    json_object_end(w);
}

static bool
print_json(const struct found_list *l)
{
    struct buf out;
    bool good = true;
    buf_init(&out, CLI_TEXT_MAX);
    for (size_t i = 0; i < l->count && good; i++) {
        struct json_writer w;
        json_writer_init(&w, &out);
        json_line(&w, &l->v[i]);
        buf_append_byte(&out, '\n');
        good = out.n < FLUSH_BYTES || print_buf(&out);
    }
    good = good && print_buf(&out);
    buf_fini(&out);
    return good;
}

int
block_list_command(int argc, char *const *argv)
{
    bool json = false;
    struct found_list l;
    const int status = blocks_asked("list", argc, argv, &json, &l);
    if (status != CLI_OK) {
        return status;
    }
    bool good = json ? print_json(&l) : print_table(&l);
    found_list_fini(&l);
    return good ? CLI_OK : CLI_FAILED;
}
