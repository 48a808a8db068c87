/* A segment keeps what was appended, and tells it from anything else that may stand in its file. */
#include "wal_data.h"

#include "vivace/base/mem.h"
#include "vivace/wal/index.h"
#include "vivace/wal/wal.h"

#include <errno.h>
#include <pthread.h>

#define HEADER       64
#define SEGMENT_NAME "0000000000000001.wal"
#define INDEX_NAME   "0000000000000001.idx"

static char dir[64];

static int
setup(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR + 1);
    temp_dir(dir);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    file_set_hook(NULL, NULL);
    remove_dir(dir);
    return 0;
}

static char *
in_dir(const char *name)
{
    static char path[4][256];
    static int at;
    at = (at + 1) % 4;
    snprintf(path[at], sizeof path[at], "%s/%s", dir, name);
    return path[at];
}

/* Three records of one, two and three traces; returns the file and where the records stand. */
struct three {
    uint8_t *file;
    size_t n;
    struct wal_ref at[3];
};

static void
write_three(struct three *t)
{
    struct fault f = {0};
    struct wal *w = NULL;
    struct wal_segment *s = NULL;
    assert_ok(wal_open(dir, WAL_SYNC_INTERVAL, &f, &w), &f);
    assert_ok(wal_segment_create(w, &f, &s), &f);
    for (uint32_t i = 0; i < 3; i++) {
        struct made m;
        made_init(&m, 10 * i, i + 1, 1, i);
        const struct wal_record r = {
            .tenant = SL("team-a"), .payload = buf_slice(&m.wire), .span_count = i + 1};
        assert_ok(wal_append(s, &r, &f, &t->at[i]), &f);
        made_fini(&m);
    }
    wal_segment_close(s);
    wal_close(w);
    assert_ok(file_read_all(in_dir(SEGMENT_NAME), 1u << 20, &f, &t->file, &t->n), &f);
    assert_int_equal(t->at[2].offset + t->at[2].bytes, t->n);
}

struct seen { /* what a start found */
    err rc;
    size_t records, traces, damages, torn, corrupt;
    bool has[3]; /* the three records' first traces */
    struct wal_damage last;
    size_t file_bytes;
};

static void
note_damage(void *ctx, const struct wal_damage *d)
{
    struct seen *seen = ctx;
    seen->damages++;
    *(d->kind == WAL_DAMAGE_TORN ? &seen->torn : &seen->corrupt) += 1;
    seen->last = *d;
}

static struct seen
start(void)
{
    struct seen seen = {0};
    struct fault f = {0};
    struct wal *w = NULL;
    struct wal_segment *s = NULL;
    struct wal_recovered read = {0};
    const struct wal_recovery how = {.damaged = note_damage, .ctx = &seen};
    assert_ok(wal_open(dir, WAL_SYNC_INTERVAL, &f, &w), &f);
    seen.rc = wal_segment_recover(w, 1, &how, &f, &s, &read);
    if (seen.rc == OK && read.mem) {
        seen.traces = wal_memindex_trace_count(read.mem);
        for (size_t i = 0; i < wal_memindex_tenant_count(read.mem); i++) {
            seen.records += wal_memindex_tenant(read.mem, i).records;
        }
        for (uint64_t i = 0; i < 3; i++) {
            trace_id id = trace_number(10 * i);
            seen.has[i] = wal_memindex_position(read.mem, SL("team-a"), &id) != SIZE_MAX;
        }
    }
    struct stat st;
    seen.file_bytes = stat(in_dir(SEGMENT_NAME), &st) == 0 ? (size_t)st.st_size : 0;
    wal_memindex_destroy(read.mem);
    wal_index_close(read.disk);
    wal_segment_close(s);
    wal_close(w);
    return seen;
}

static void
what_was_appended_is_read_back(void **state)
{
    (void)state;
    struct three t;
    write_three(&t);
    struct seen seen = start();
    assert_int_equal(seen.records, 3);
    assert_int_equal(seen.traces, 6);
    assert_int_equal(seen.damages, 0);
    mem_free(t.file);
}

static void
a_tail_torn_at_any_byte_is_cut_and_the_rest_kept(void **state)
{
    (void)state;
    struct three t;
    write_three(&t);
    for (size_t cut = t.at[2].offset; cut < t.n; cut++) {
        write_file(in_dir(SEGMENT_NAME), t.file, cut);
        struct seen seen = start();
        assert_int_equal(seen.records, 2);
        assert_int_equal(seen.torn, cut > t.at[2].offset);
        assert_int_equal(seen.corrupt, 0);
        assert_int_equal(seen.file_bytes, t.at[2].offset);
        if (seen.torn) {
            assert_int_equal(seen.last.offset, t.at[2].offset);
            assert_int_equal(seen.last.bytes, cut - t.at[2].offset);
        }
    }
    mem_free(t.file);
}

static void
a_tail_of_zeros_is_cut(void **state)
{
    (void)state;
    struct three t;
    write_three(&t);
    memset(t.file + t.at[2].offset, 0, t.at[2].bytes);
    write_file(in_dir(SEGMENT_NAME), t.file, t.n);
    struct seen seen = start();
    assert_int_equal(seen.records, 2);
    assert_int_equal(seen.torn, 1);
    assert_int_equal(seen.file_bytes, t.at[2].offset);
    mem_free(t.file);
}

static void
a_flipped_bit_in_any_byte_of_a_record_loses_that_record_only(void **state)
{
    (void)state;
    struct three t;
    write_three(&t);
    for (size_t i = 0; i < t.at[1].bytes; i++) {
        size_t at = t.at[1].offset + i;
        t.file[at] ^= (uint8_t)(1u << (i % 8));
        write_file(in_dir(SEGMENT_NAME), t.file, t.n);
        t.file[at] ^= (uint8_t)(1u << (i % 8));
        struct seen seen = start();
        assert_int_equal(seen.corrupt, 1);
        assert_int_equal(seen.damages, 1);
        assert_true(seen.has[0] && !seen.has[1] && seen.has[2]);
        assert_int_equal(seen.last.offset, t.at[1].offset);
        assert_int_equal(seen.last.bytes, t.at[1].bytes);
        assert_int_equal(seen.file_bytes, t.n);
    }
    /* the damaged bytes were set aside */
    char name[128];
    snprintf(name, sizeof name, "quarantine/%s.%llu-%u", SEGMENT_NAME, (unsigned long long)t.at[1].offset,
             t.at[1].bytes);
    struct stat st;
    assert_int_equal(stat(in_dir(name), &st), 0);
    assert_int_equal(st.st_size, t.at[1].bytes);
    mem_free(t.file);
}

static void
a_flipped_bit_in_the_last_record_is_set_aside_not_served(void **state)
{
    (void)state;
    struct three t;
    write_three(&t);
    for (size_t i = 0; i < t.at[2].bytes; i++) {
        size_t at = t.at[2].offset + i;
        t.file[at] ^= 0x10;
        write_file(in_dir(SEGMENT_NAME), t.file, t.n);
        t.file[at] ^= 0x10;
        struct seen seen = start();
        assert_int_equal(seen.records, 2);
        assert_int_equal(seen.damages, 1);
        assert_false(seen.has[2]);
    }
    mem_free(t.file);
}

static void
bytes_of_a_client_never_pass_for_a_record(void **state)
{
    (void)state;
    struct three t;
    write_three(&t);
    /* A record whose payload carries a copy of the first record, as a client that read the file could send
     * it. */
    struct fault f = {0};
    struct wal *w = NULL;
    struct wal_segment *s = NULL;
    struct wal_ref at[2];
    uint8_t *file = NULL;
    size_t n = 0;
    assert_int_equal(unlink(in_dir(SEGMENT_NAME)), 0);
    assert_ok(wal_open(dir, WAL_SYNC_NONE, &f, &w), &f);
    assert_ok(wal_segment_create(w, &f, &s), &f);
    struct wal_record r = {.tenant = SL("evil"), .payload = slice_of(t.file + t.at[0].offset, t.at[0].bytes)};
    assert_ok(wal_append(s, &r, &f, &at[0]), &f);
    struct made m;
    made_init(&m, 20, 1, 1, 9);
    r = (struct wal_record){.tenant = SL("team-a"), .payload = buf_slice(&m.wire), .span_count = 1};
    assert_ok(wal_append(s, &r, &f, &at[1]), &f);
    wal_segment_close(s);
    wal_close(w);
    assert_ok(file_read_all(in_dir(SEGMENT_NAME), 1u << 20, &f, &file, &n), &f);
    file[at[0].offset + 9] ^= 1; /* its length: the scan must look for the next record */
    write_file(in_dir(SEGMENT_NAME), file, n);
    struct seen seen = start();
    assert_int_equal(seen.records, 1);
    assert_true(!seen.has[0] && seen.has[2]);
    assert_int_equal(seen.last.bytes, at[0].bytes);
    made_fini(&m);
    mem_free(file);
    mem_free(t.file);
}

static void
a_foreign_file_is_set_aside_and_never_deleted(void **state)
{
    (void)state;
    struct three t;
    write_three(&t);
    for (size_t i = 0; i < HEADER; i++) {
        t.file[i] ^= 1;
        write_file(in_dir(SEGMENT_NAME), t.file, t.n);
        t.file[i] ^= 1;
        assert_int_equal(start().rc, ERR_NOT_FOUND);
        assert_int_equal(access(in_dir(SEGMENT_NAME), F_OK), -1);
    }
    char path[512];
    snprintf(path, sizeof path, "%s/quarantine", dir);
    assert_int_equal(count_files(path, "", NULL), HEADER); /* all of them, under names of their own */
    mem_free(t.file);
}

static void
left_overs_of_a_crash_are_removed(void **state)
{
    (void)state;
    struct fault f = {0};
    struct wal *w = NULL;
    struct wal_segment *s = NULL;
    uint64_t *seqs = NULL;
    size_t n = 0;
    write_file(in_dir(SEGMENT_NAME), NULL, 0);
    write_file(in_dir("0000000000000007.idx"), (const uint8_t *)"x", 1);
    write_file(in_dir("0000000000000008.idx.tmp"), (const uint8_t *)"x", 1);
    write_file(in_dir("notes.txt"), (const uint8_t *)"x", 1);
    assert_ok(wal_open(dir, WAL_SYNC_NONE, &f, &w), &f);
    assert_ok(wal_list(w, &f, &seqs, &n), &f);
    assert_int_equal(n, 0);
    assert_int_equal(count_files(dir, "", NULL), 2); /* LOCK, notes.txt */
    assert_ok(wal_segment_create(w, &f, &s), &f);
    assert_int_equal(wal_segment_sequence(s), 9); /* a number is never used twice */
    wal_segment_close(s);
    wal_close(w);
    mem_free(seqs);
}

static void
two_processes_never_share_a_directory(void **state)
{
    (void)state;
    struct fault f = {0};
    struct wal *w = NULL;
    struct wal *second = NULL;
    assert_ok(wal_open(dir, WAL_SYNC_NONE, &f, &w), &f);
    assert_int_equal(wal_open(dir, WAL_SYNC_NONE, &f, &second), ERR_EXISTS);
    assert_non_null(strstr(f.msg, "in use by another process"));
    wal_close(w);
    f = (struct fault){0};
    assert_ok(wal_open(dir, WAL_SYNC_NONE, &f, &second), &f);
    wal_close(second);
}

/* --- the index --- */

enum { TENANTS = 3, TRACES = 700, RECORDS = 40 };

static struct wal_segment *
write_many(struct wal *w, struct wal_memindex *ix)
{
    static const char *const names[TENANTS] = {"a", "ab", "b"};
    struct fault f = {0};
    struct wal_segment *s = NULL;
    struct wal_summary sum;
    assert_ok(wal_segment_create(w, &f, &s), &f);
    wal_summary_init(&sum);
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct made m;
        struct wal_ref at;
        made_init(&m, (i * 37) % TRACES, 50, 2, i);
        const struct wal_record r = {
            .tenant = slice_cstr(names[i % TENANTS]), .payload = buf_slice(&m.wire), .span_count = 100};
        assert_ok(wal_append(s, &r, &f, &at), &f);
        wal_summary_reset(&sum);
        wal_summary_of_batch(&sum, &m.batch);
        assert_int_equal(sum.count, 50);
        assert_int_equal(wal_memindex_reserve(ix, sum.count), OK);
        wal_memindex_commit(ix, r.tenant, at, (uint32_t)r.payload.n, &sum);
        made_fini(&m);
    }
    wal_summary_fini(&sum);
    wal_segment_seal(s);
    assert_ok(wal_segment_sync(s, wal_segment_end(s), false, &f), &f);
    return s;
}

static void
the_index_on_disk_answers_as_the_one_in_memory(void **state)
{
    (void)state;
    struct fault f = {0};
    struct budget budget;
    struct wal *w = NULL;
    struct wal_index *x = NULL;
    budget_init(&budget, "test", NULL, 10u << 20);
    struct wal_memindex *ix = wal_memindex_create(&budget);
    assert_ok(wal_open(dir, WAL_SYNC_NONE, &f, &w), &f);
    struct wal_segment *s = write_many(w, ix);
    assert_ok(wal_index_write(s, ix, &budget, &f), &f);
    assert_ok(wal_index_open(s, &budget, &f, &x), &f);
    size_t present = 0;
    for (int t = 0; t < 4; t++) {
        slice tenant = t == 0 ? SL("a") : t == 1 ? SL("ab") : t == 2 ? SL("b") : SL("c");
        for (uint64_t i = 0; i < TRACES + 100; i++) {
            struct wal_ref want[RECORDS];
            struct wal_ref got[RECORDS];
            struct wal_index_hit hit = {0};
            trace_id id = trace_number(i);
            size_t n = wal_memindex_find(ix, tenant, &id, want, RECORDS);
            err rc = wal_index_find(x, tenant, &id, &f, &hit);
            assert_int_equal(rc, n ? OK : ERR_NOT_FOUND);
            assert_int_equal(hit.postings, n);
            if (n) {
                uint64_t bytes = 0;
                present++;
                assert_ok(wal_index_postings(x, &hit, &f, got), &f);
                for (size_t k = 0; k < n; k++) {
                    assert_int_equal(got[k].offset, want[k].offset);
                    assert_int_equal(got[k].bytes, want[k].bytes);
                }
                assert_true(wal_memindex_get(ix, wal_memindex_tenant_position(ix, tenant), &id, &bytes));
                assert_int_equal(bytes, hit.bytes);
            }
        }
    }
    assert_int_equal(present, wal_memindex_trace_count(ix));
    assert_int_equal(wal_index_tenant_count(x), TENANTS);
    assert_slice_equal(wal_index_tenant(x, 1).name, "ab");
    assert_true(wal_index_bytes(x) * 5 < wal_memindex_bytes(ix));
    wal_index_close(x);
    wal_memindex_destroy(ix);
    assert_int_equal(budget_used(&budget), 0);
    wal_segment_close(s);
    wal_close(w);
}

static void
a_segment_with_a_damaged_index_is_read_whole(void **state)
{
    (void)state;
    struct fault f = {0};
    struct wal *w = NULL;
    uint8_t *file = NULL;
    size_t n = 0;
    struct wal_memindex *ix = wal_memindex_create(NULL);
    assert_ok(wal_open(dir, WAL_SYNC_NONE, &f, &w), &f);
    struct wal_segment *s = write_many(w, ix);
    assert_ok(wal_index_write(s, ix, NULL, &f), &f);
    wal_segment_close(s);
    wal_close(w);
    assert_int_equal(start().records, 0); /* a good index: nothing is scanned */
    assert_ok(file_read_all(in_dir(INDEX_NAME), 1u << 24, &f, &file, &n), &f);
    for (size_t i = 0; i < n; i += i < 1000 ? 1 : 997) {
        file[i] ^= 0x40;
        write_file(in_dir(INDEX_NAME), file, n);
        file[i] ^= 0x40;
        if (i % 41 == 0 || i > 1000) {
            struct seen seen = start();
            assert_int_equal(seen.records, RECORDS);
            assert_int_equal(seen.traces, wal_memindex_trace_count(ix));
        }
    }
    write_file(in_dir(INDEX_NAME), file, n / 2);
    assert_int_equal(start().records, RECORDS);
    wal_memindex_destroy(ix);
    mem_free(file);
}

static void
the_skim_sees_what_the_decoder_sees(void **state)
{
    (void)state;
    struct made m;
    struct wal_summary a;
    struct wal_summary b;
    made_init(&m, 5, 40, 3, 1);
    wal_summary_init(&a);
    wal_summary_init(&b);
    wal_summary_of_batch(&a, &m.batch);
    assert_true(wal_summary_of_payload(&b, buf_slice(&m.wire)));
    assert_int_equal(a.count, 40);
    assert_int_equal(b.count, 40);
    assert_int_equal(a.span_count, b.span_count);
    assert_int_equal(a.min_start_ns, b.min_start_ns);
    assert_int_equal(a.max_end_ns, b.max_end_ns);
    for (size_t i = 0; i < a.count; i++) {
        assert_true(trace_id_eq(&a.traces[i].id, &b.traces[i].id));
        assert_int_equal(a.traces[i].bytes, b.traces[i].bytes);
        assert_int_equal(wal_summary_find(&b, &a.traces[i].id), i);
    }
    assert_false(wal_summary_of_payload(&b, slice_sub(buf_slice(&m.wire), 0, m.wire.n - 1)));
    wal_summary_fini(&a);
    wal_summary_fini(&b);
    made_fini(&m);
}

/* --- durability --- */

/* The disk after a power loss keeps what was synced, and of the rest any prefix, with zeros or noise behind
 * it. */
static void
power_loss_keeps_what_was_synced(void **state)
{
    (void)state;
    struct three t;
    write_three(&t);
    const size_t synced = t.at[1].offset; /* as if the first record had been synced */
    uint8_t *disk = mem_alloc(t.n);
    for (size_t kept = synced; kept <= t.n; kept += 3) {
        for (int fill = 0; fill < 3; fill++) {
            memcpy(disk, t.file, t.n);
            memset(disk + kept, fill == 1 ? 0 : 0xa5, t.n - kept);
            write_file(in_dir(SEGMENT_NAME), disk, fill == 0 ? kept : t.n);
            struct seen seen = start();
            assert_int_equal(seen.rc, OK);
            assert_true(seen.has[0]);
            assert_int_equal(seen.has[1], kept >= t.at[2].offset);
            assert_int_equal(seen.has[2], kept >= t.n);
        }
    }
    mem_free(disk);
    mem_free(t.file);
}

static _Atomic int fsyncs;

static int
slow_fsync(void *ctx, enum file_op op, const char *path, size_t bytes)
{
    (void)ctx;
    (void)path;
    (void)bytes;
    if (op == FILE_FSYNC) {
        atomic_fetch_add(&fsyncs, 1);
        usleep(2000);
    }
    return 0;
}

static void *
append_and_sync(void *arg)
{
    struct wal_segment *s = arg;
    for (int i = 0; i < 20; i++) {
        struct fault f = {0};
        struct wal_ref at;
        const struct wal_record r = {.tenant = SL("t"), .payload = SL("")};
        if (wal_append(s, &r, &f, &at) != OK || wal_segment_sync(s, at.offset + at.bytes, true, &f) != OK) {
            return "failed";
        }
    }
    return NULL;
}

static void
writers_that_wait_for_the_disk_share_one_sync(void **state)
{
    (void)state;
    struct fault f = {0};
    struct wal *w = NULL;
    struct wal_segment *s = NULL;
    pthread_t threads[4];
    assert_ok(wal_open(dir, WAL_SYNC_ALWAYS, &f, &w), &f);
    assert_ok(wal_segment_create(w, &f, &s), &f);
    fsyncs = 0;
    file_set_hook(slow_fsync, NULL);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, append_and_sync, s), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    file_set_hook(NULL, NULL);
    assert_int_equal(wal_segment_end(s), HEADER + 80 * 41);
    assert_in_range(fsyncs, 20, 60); /* 80 if each had its own */
    wal_segment_close(s);
    wal_close(w);
}

struct failing {
    enum file_op op;
    int verdict;
    int seen;
};

static int
fail_op(void *ctx, enum file_op op, const char *path, size_t bytes)
{
    struct failing *x = ctx;
    (void)path;
    (void)bytes;
    if (op != x->op) {
        return 0;
    }
    x->seen++;
    return x->verdict;
}

static void
a_full_disk_refuses_and_recovers_when_there_is_room(void **state)
{
    (void)state;
    struct fault f = {0};
    struct wal *w = NULL;
    struct wal_segment *s = NULL;
    struct wal_ref at;
    const struct wal_record r = {.tenant = SL("t"), .payload = SL("12345678901234567890")};
    assert_ok(wal_open(dir, WAL_SYNC_NONE, &f, &w), &f);
    assert_ok(wal_segment_create(w, &f, &s), &f);
    assert_ok(wal_append(s, &r, &f, &at), &f);
    uint64_t end = wal_segment_end(s);
    struct failing full = {.op = FILE_WRITE, .verdict = -30};
    file_set_hook(fail_op, &full);
    assert_int_equal(wal_append(s, &r, &f, &at), ERR_UNAVAILABLE);
    assert_int_equal(f.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(f.msg, "the write-ahead log cannot be written"));
    assert_int_equal(wal_segment_end(s), end);
    struct stat st;
    assert_int_equal(stat(wal_segment_path(s), &st), 0);
    assert_int_equal(st.st_size, end); /* nothing of it is left */
    file_set_hook(NULL, NULL);
    assert_ok(wal_append(s, &r, &f, &at), &f);
    assert_int_equal(at.offset, end);
    wal_segment_close(s);
    wal_close(w);
}

static void
a_failed_sync_is_never_tried_again_on_that_segment(void **state)
{
    (void)state;
    struct fault f = {0};
    struct wal *w = NULL;
    struct wal_segment *s = NULL;
    struct wal_ref at;
    uint8_t buf[256];
    const struct wal_record r = {.tenant = SL("t"), .payload = SL("x")};
    struct wal_record got;
    assert_ok(wal_open(dir, WAL_SYNC_ALWAYS, &f, &w), &f);
    assert_ok(wal_segment_create(w, &f, &s), &f);
    assert_ok(wal_append(s, &r, &f, &at), &f);
    assert_ok(wal_segment_sync(s, at.offset + at.bytes, true, &f), &f);
    const struct wal_ref first = at;
    assert_ok(wal_append(s, &r, &f, &at), &f);
    struct failing broken = {.op = FILE_FSYNC, .verdict = EIO};
    file_set_hook(fail_op, &broken);
    assert_int_equal(wal_segment_sync(s, at.offset + at.bytes, true, &f), ERR_UNAVAILABLE);
    file_set_hook(NULL, NULL);
    assert_int_equal(wal_segment_sync(s, at.offset + at.bytes, true, &f), ERR_UNAVAILABLE);
    assert_true(wal_segment_has_failed(s));
    assert_int_equal(wal_append(s, &r, &f, &at), ERR_AGAIN);
    assert_int_equal(wal_segment_end(s), first.offset + first.bytes); /* the refused record was cut off */
    f = (struct fault){0};
    assert_ok(wal_read(s, first, buf, &f, &got), &f); /* what was answered is served */
    assert_slice_equal(got.payload, "x");
    wal_segment_close(s);
    wal_close(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(what_was_appended_is_read_back),
        T(a_tail_torn_at_any_byte_is_cut_and_the_rest_kept),
        T(a_tail_of_zeros_is_cut),
        T(a_flipped_bit_in_any_byte_of_a_record_loses_that_record_only),
        T(a_flipped_bit_in_the_last_record_is_set_aside_not_served),
        T(bytes_of_a_client_never_pass_for_a_record),
        T(a_foreign_file_is_set_aside_and_never_deleted),
        T(left_overs_of_a_crash_are_removed),
        T(two_processes_never_share_a_directory),
        T(the_index_on_disk_answers_as_the_one_in_memory),
        T(a_segment_with_a_damaged_index_is_read_whole),
        T(the_skim_sees_what_the_decoder_sees),
        T(power_loss_keeps_what_was_synced),
        T(writers_that_wait_for_the_disk_share_one_sync),
        T(a_full_disk_refuses_and_recovers_when_there_is_room),
        T(a_failed_sync_is_never_tried_again_on_that_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
