/* vivace block verify: is every block below a path what it says it is? */
#include "cli_priv.h"
#include "text.h"
#include "verify.h"

#include "vivace/base/mem.h"
#include "vivace/codec/json.h"

#include <stdarg.h>
#include <unistd.h>

#define PROBLEMS_BYTES_MAX ((size_t)1 << 20)

void
verify_problem(struct verify *v, const char *place, const char *fmt, ...)
{
    char text[512];
    va_list args;
    if (v->problem_count++ >= VERIFY_PROBLEMS_MAX) {
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    buf_append(&v->problems, place, strlen(place) + 1);
    buf_append(&v->problems, text, strlen(text) + 1);
}

/* The next problem; false behind the last. */
static bool
next_problem(slice *rest, slice *ret_place, slice *ret_text)
{
    if (rest->n == 0) {
        return false;
    }
    *ret_place = slice_cut(rest, 0);
    *ret_text = slice_cut(rest, 0);
    return true;
}

static void
print_text(const struct found *b, const struct verify *v, struct buf *out)
{
    slice rest = buf_slice(&v->problems), place, text;
    while (next_problem(&rest, &place, &text)) {
        (void)text_put(out, slice_cstr(b->path), TEXT_ALL);
        buf_append_cstr(out, ": ");
        (void)text_put(out, place, TEXT_ALL);
        buf_append_cstr(out, ": ");
        (void)text_put(out, text, TEXT_ALL);
        buf_append_byte(out, '\n');
    }
    (void)text_put(out, slice_cstr(b->path), TEXT_ALL);
    if (v->problem_count) {
        buf_printf(out, ": %llu problem%s\n", (unsigned long long)v->problem_count,
                   v->problem_count == 1 ? "" : "s");
    } else {
        buf_printf(out, ": good: %llu spans in %llu traces, %llu pages, %llu values\n",
                   (unsigned long long)v->spans, (unsigned long long)v->traces, (unsigned long long)v->pages,
                   (unsigned long long)v->values);
    }
}

static void
print_json(const struct found *b, const struct verify *v, struct buf *out)
{
    slice rest = buf_slice(&v->problems), place, text;
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SL("path"));
    json_string(&w, slice_cstr(b->path));
    json_key(&w, SL("state"));
    json_string(&w, slice_cstr(found_state_name(b->state)));
    json_key(&w, SL("good"));
    json_bool(&w, v->problem_count == 0);
    json_key(&w, SL("problemCount"));
    json_u64(&w, v->problem_count);
    json_key(&w, SL("problems"));
    json_array_begin(&w);
    while (next_problem(&rest, &place, &text)) {
        json_object_begin(&w);
        json_key(&w, SL("place"));
        json_string(&w, place);
        json_key(&w, SL("problem"));
        json_string(&w, text);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_key(&w, SL("spans"));
    json_u64(&w, v->spans);
    json_key(&w, SL("traces"));
    json_u64(&w, v->traces);
    json_key(&w, SL("pages"));
    json_u64(&w, v->pages);
    json_key(&w, SL("values"));
    json_u64(&w, v->values);
    json_object_end(&w);
    buf_append_byte(out, '\n');
}

bool
verify_spend(struct verify *v, uint64_t work)
{
    const bool had = v->work <= v->work_max;
    v->work = work > UINT64_MAX - v->work ? UINT64_MAX : v->work + work;
    if (had && v->work > v->work_max) {
        verify_problem(v, "file", "it unpacks to far more than a block does: nothing more of it is read");
    }
    return v->work <= v->work_max;
}

void
verify_run(struct verify *v)
{
    v->file = block_reader_file(v->reader);
    v->schema = block_reader_schema(v->reader);
    v->unfit = mem_new_array(bool, v->file->meta->row_group_count + (size_t)1);
    v->work_max = v->work_max ? v->work_max : VERIFY_WORK_BASE + v->file->source.size * VERIFY_WORK_PER_BYTE;
    verify_file(v);
    verify_columns(v);
    verify_rows(v);
    mem_free(v->unfit);
}

static void
verify_open(struct verify *v)
{
    struct fault f = {0};
    err rc = block_reader_open(v->path, &f, &v->reader);
    if (rc == OK) {
        verify_run(v);
        block_reader_close(v->reader);
    } else if (rc == ERR_NOT_FOUND && access(v->path, F_OK) != 0) {
        v->gone = true;
    } else {
        verify_problem(v, "footer", "%s", f.msg);
    }
}

/* False when something is wrong; `*ret_printed`: whether anybody could read it. */
static bool
verify_one(const struct found *b, bool json, bool *ret_printed)
{
    struct verify v = {.path = b->path, .meta = &b->meta};
    struct buf out;
    buf_init(&out, CLI_TEXT_MAX);
    buf_init(&v.problems, PROBLEMS_BYTES_MAX);
    if (b->reason) {
        verify_problem(&v, found_state_name(b->state), "%s", b->reason);
    } else {
        verify_open(&v);
    }
    if (v.gone) {
        buf_clear(&out);
    } else if (json) {
        print_json(b, &v, &out);
    } else {
        print_text(b, &v, &out);
    }
    *ret_printed = print_buf(&out) && *ret_printed;
    buf_fini(&out);
    buf_fini(&v.problems);
    return v.problem_count == 0;
}

int
block_verify_command(int argc, char *const *argv)
{
    bool json = false, good = true, printed = true;
    struct found_list l;
    const int status = blocks_asked("verify", argc, argv, &json, &l);
    if (status != CLI_OK) {
        return status;
    }
    for (size_t i = 0; i < l.count && printed; i++) {
        if (l.v[i].state != FOUND_TEMPORARY) { /* being written is no fault */
            good = verify_one(&l.v[i], json, &printed) && good;
        }
    }
    found_list_fini(&l);
    return good && printed ? CLI_OK : CLI_FAILED;
}
