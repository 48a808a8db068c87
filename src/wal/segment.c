/* One segment: made, appended to, synced, read, removed. docs/wal-format.md 2, 3, 6, 7. */
#include "wal_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/file.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/base/rng.h"

#include <fcntl.h>
#include <unistd.h>

static struct wal_segment *
segment_new(struct wal *w, uint64_t seq)
{
    char path[WAL_PATH_MAX];
    struct wal_segment *s = mem_new(struct wal_segment);
    MUST(wal_path(w, seq, ".wal", path)); /* wal_open checked the room */
    s->wal = w;
    s->fd = -1;
    s->path = mem_strdup(path);
    s->sequence = seq;
    s->end = SEGMENT_HEADER_BYTES;
    mutex_init(&s->mu, LOCK_SEGMENT);
    cond_init(&s->synced_cond);
    if (w->segments) {
        series_gauge_add(w->segments, 1);
    }
    return s;
}

void
wal_segment_close(struct wal_segment *s)
{
    if (s == NULL) {
        return;
    }
    if (s->wal->segments) {
        series_gauge_add(s->wal->segments, -1);
    }
    file_close(s->fd);
    mutex_fini(&s->mu);
    MUST(pthread_cond_destroy(&s->synced_cond) == 0);
    mem_free(s->path);
    mem_free(s);
}

static void
header_encode(uint8_t p[SEGMENT_HEADER_BYTES], const struct wal_segment *s)
{
    put_magic(p, SL(SEGMENT_MAGIC));
    put32(p + 8, WAL_VERSION);
    put32(p + 12, SEGMENT_HEADER_BYTES);
    put64(p + 16, s->sequence);
    put64(p + 24, (uint64_t)s->created_ns);
    memcpy(p + 32, s->uuid, sizeof s->uuid);
    put64(p + 48, s->salt);
    put64(p + 56, wal_hash(p, 56, 0));
}

/* "the write-ahead log cannot be written: <cause>": the one answer a client gets for a refusing disk. */
static err
unavailable(struct fault *f, const struct fault *cause)
{
    err rc = FAULT(f, ERR_UNAVAILABLE, "the write-ahead log cannot be written: %s", cause->msg);
    if (f && f->os_errno == 0) {
        f->os_errno = cause->os_errno;
    }
    return rc;
}

err
wal_segment_create(struct wal *w, struct fault *f, struct wal_segment **ret)
{
    err rc = OK;
    struct fault cause = {0};
    uint8_t header[SEGMENT_HEADER_BYTES];
    struct wal_segment *s =
        segment_new(w, atomic_fetch_add_explicit(&w->next_sequence, 1, memory_order_relaxed));
    s->created_ns = clock_wall_ns();
    rng_os(s->uuid, sizeof s->uuid);
    s->uuid[6] = (uint8_t)((s->uuid[6] & 0x0f) | 0x40); /* version 4 */
    s->uuid[8] = (uint8_t)((s->uuid[8] & 0x3f) | 0x80); /* RFC 4122 */
    rng_os(&s->salt, sizeof s->salt);
    header_encode(header, s);
    TRY(file_open(s->path, O_RDWR | O_CREAT | O_EXCL | O_APPEND, &cause, &s->fd));
    TRY(file_write(s->fd, s->path, &(struct iovec){header, sizeof header}, 1, &cause));
    if (w->sync != WAL_SYNC_NONE) {
        TRY(file_fsync_dir(w->dir, &cause));
    }
    *ret = s;
    s = NULL;
out:
    if (rc != OK) {
        series_add(w->append_errors, 1);
        if (s->fd >= 0 && file_unlink(s->path, NULL) != OK) {
            /* a header without records: the next start reads it as an empty segment or sets it aside */
            LOG_LIMITED(LOG_WARN, 1, "cannot remove an unused segment; it is ignored",
                        LOG_CSTR("path", s->path));
        }
        rc = unavailable(f, &cause);
    }
    wal_segment_close(s);
    return rc;
}

err
wal_segment_open(struct wal *w, uint64_t seq, struct fault *f, struct wal_segment **ret)
{
    err rc = OK;
    uint8_t p[SEGMENT_HEADER_BYTES] = {0};
    size_t size = 0;
    struct wal_segment *s = segment_new(w, seq);
    TRY(file_open(s->path, w->segments ? O_RDWR : O_RDONLY, f, &s->fd)); /* a view never writes */
    TRY(file_size(s->fd, s->path, f, &size));
    if (size >= sizeof p) {
        TRY(file_read_at(s->fd, s->path, p, sizeof p, 0, f));
    }
    if (size < sizeof p || memcmp(p, SEGMENT_MAGIC, 8) != 0 || get32(p + 8) != WAL_VERSION ||
        get32(p + 12) != SEGMENT_HEADER_BYTES || get64(p + 16) != seq ||
        get64(p + 56) != wal_hash(p, 56, 0)) {
        rc = FAULT(f, ERR_CORRUPT, "%s is not a segment of this write-ahead log", s->path);
        goto out;
    }
    s->created_ns = (int64_t)get64(p + 24);
    memcpy(s->uuid, p + 32, sizeof s->uuid);
    s->salt = get64(p + 48);
    s->end = size;
    s->sealed = true;
    *ret = s;
    s = NULL;
out:
    wal_segment_close(s);
    return rc;
}

/* The record is not there: cut what was written of it. Called with mu held. */
static void
undo_append(struct wal_segment *s)
{
    struct fault f = {0};
    if (file_truncate(s->fd, s->path, (off_t)s->end, &f) != OK) {
        s->sealed = true;
        LOG_E("a segment cannot be cut back after a failed write; it is closed at its last good byte",
              LOG_CSTR("path", s->path), LOG_UINT("offset", s->end), LOG_FAULT(&f));
    }
}

err
wal_append(struct wal_segment *s, const struct wal_record *r, struct fault *f, struct wal_ref *ret)
{
    err rc = OK;
    struct fault cause = {0};
    uint8_t header[RECORD_HEADER_BYTES];
    MUST(r->tenant.n > 0 && r->tenant.n <= WAL_TENANT_MAX);
    if (r->payload.n > WAL_RECORD_MAX) {
        return FAULT(f, ERR_INVALID, "a batch of %zu bytes is larger than the write-ahead log takes (%u)",
                     r->payload.n, WAL_RECORD_MAX);
    }
    struct record_header h = {
        .type = RECORD_TYPE_SPANS,
        .tenant_n = (uint8_t)r->tenant.n,
        .payload_n = (uint32_t)r->payload.n,
        .span_count = r->span_count,
        .received_ns = r->received_ns,
        .payload_hash = wal_hash(r->payload.p, r->payload.n, 0), /* before the lock: the costly part */
    };
    const uint32_t bytes = (uint32_t)record_bytes(&h);
    struct iovec parts[3] = {
        {header, sizeof header},
        {(void *)(uintptr_t)r->tenant.p, r->tenant.n},
        {(void *)(uintptr_t)r->payload.p, r->payload.n},
    };
    mutex_lock(&s->mu);
    if (s->sealed) {
        rc = ERR_AGAIN;
    } else {
        record_header_encode(header, &h, r->tenant, s->salt ^ s->end);
        if (file_write(s->fd, s->path, parts, r->payload.n ? 3 : 2, &cause) == OK) {
            *ret = (struct wal_ref){.offset = s->end, .bytes = bytes};
            s->end += bytes;
        } else {
            undo_append(s);
            rc = ERR_UNAVAILABLE;
        }
    }
    mutex_unlock(&s->mu);
    if (rc == OK) {
        series_add(s->wal->appended_bytes, bytes);
        series_add(s->wal->records, 1);
    } else if (rc == ERR_UNAVAILABLE) {
        series_add(s->wal->append_errors, 1);
        rc = unavailable(f, &cause);
    }
    return rc;
}

/* fdatasync failed. Called with mu held. */
static void
note_failed_sync(struct wal_segment *s, bool cut)
{
    struct fault f = {0};
    s->failed = true;
    s->sealed = true;
    if (!cut || s->end == s->synced) {
        return;
    }
    if (file_truncate(s->fd, s->path, (off_t)s->synced, &f) != OK) {
        LOG_E("refused records cannot be cut from a segment; they may be there after a restart",
              LOG_CSTR("path", s->path), LOG_UINT("offset", s->synced), LOG_UINT("bytes", s->end - s->synced),
              LOG_FAULT(&f));
    }
    s->end = s->synced;
}

/* One fdatasync for everything appended so far. mu is held at entry and exit, not in between. */
static void
sync_as_leader(struct wal_segment *s, bool cut)
{
    struct fault f = {0};
    uint64_t target = s->end;
    s->syncing = true;
    mutex_unlock(&s->mu);
    int64_t t0 = clock_mono_ns();
    err rc = file_fsync(s->fd, s->path, &f);
    series_observe(s->wal->sync_seconds, (double)(clock_mono_ns() - t0) / 1e9);
    mutex_lock(&s->mu);
    s->syncing = false;
    if (rc == OK) {
        s->synced = target;
    } else {
        series_add(s->wal->sync_errors, 1);
        LOG_E("the write-ahead log could not be synced; the segment is closed and stays readable, a new one "
              "follows",
              LOG_CSTR("path", s->path), LOG_UINT("unsynced_bytes", s->end - s->synced), LOG_FAULT(&f));
        note_failed_sync(s, cut);
    }
    MUST(pthread_cond_broadcast(&s->synced_cond) == 0);
}

err
wal_segment_sync(struct wal_segment *s, uint64_t upto, bool cut, struct fault *f)
{
    mutex_lock(&s->mu);
    while (s->synced < upto && !s->failed) {
        if (s->syncing) {
            mutex_wait(&s->mu, &s->synced_cond, -1);
        } else {
            sync_as_leader(s, cut);
        }
    }
    err rc = s->synced >= upto ? OK : ERR_UNAVAILABLE;
    mutex_unlock(&s->mu);
    if (rc != OK) {
        return FAULT(f, rc, "the write-ahead log cannot be synced: %s", s->path);
    }
    return OK;
}

void
wal_segment_seal(struct wal_segment *s)
{
    mutex_lock(&s->mu);
    s->sealed = true;
    mutex_unlock(&s->mu);
}

bool
wal_segment_is_sealed(struct wal_segment *s)
{
    mutex_lock(&s->mu);
    bool sealed = s->sealed;
    mutex_unlock(&s->mu);
    return sealed;
}

bool
wal_segment_has_failed(struct wal_segment *s)
{
    mutex_lock(&s->mu);
    bool failed = s->failed;
    mutex_unlock(&s->mu);
    return failed;
}

uint64_t
wal_segment_end(struct wal_segment *s)
{
    mutex_lock(&s->mu);
    uint64_t end = s->end;
    mutex_unlock(&s->mu);
    return end;
}

bool
wal_segment_is_empty(struct wal_segment *s)
{
    size_t size = 0; /* of the file: bytes that are no longer counted in `end` may stand there still */
    return file_size(s->fd, s->path, NULL, &size) == OK && size == SEGMENT_HEADER_BYTES;
}

uint64_t
wal_segment_sequence(const struct wal_segment *s)
{
    return s->sequence;
}

int64_t
wal_segment_created_ns(const struct wal_segment *s)
{
    return s->created_ns;
}

const uint8_t *
wal_segment_uuid(const struct wal_segment *s)
{
    return s->uuid;
}

const char *
wal_segment_path(const struct wal_segment *s)
{
    return s->path;
}

err
wal_read(struct wal_segment *s, struct wal_ref at, uint8_t *buf, struct fault *f, struct wal_record *ret)
{
    struct record_header h;
    err rc = file_read_at(s->fd, s->path, buf, at.bytes, (off_t)at.offset, f);
    if (rc != OK) {
        return rc;
    }
    if (!record_header_decode(buf, at.bytes, s->salt ^ at.offset, &h) || record_bytes(&h) != at.bytes) {
        return FAULT(f, ERR_CORRUPT, "%s: the record at offset %llu has a damaged header", s->path,
                     (unsigned long long)at.offset);
    }
    const uint8_t *payload = buf + RECORD_HEADER_BYTES + h.tenant_n;
    if (wal_hash(payload, h.payload_n, 0) != h.payload_hash) {
        return FAULT(f, ERR_CORRUPT, "%s: the record at offset %llu fails its checksum", s->path,
                     (unsigned long long)at.offset);
    }
    *ret = (struct wal_record){
        .tenant = slice_of(buf + RECORD_HEADER_BYTES, h.tenant_n),
        .payload = slice_of(payload, h.payload_n),
        .span_count = h.span_count,
        .received_ns = h.received_ns,
    };
    return OK;
}

err
wal_segment_remove(struct wal_segment *s, struct fault *f)
{
    char index[WAL_PATH_MAX];
    err rc = file_unlink(s->path, f);
    if (rc != OK && rc != ERR_NOT_FOUND) {
        return rc;
    }
    /* What follows is tidying: an index without its segment is removed at start. */
    struct fault g = {0};
    MUST(wal_path(s->wal, s->sequence, ".idx", index));
    rc = file_unlink(index, &g);
    if (rc == OK || rc == ERR_NOT_FOUND) {
        g = (struct fault){0};
        rc = file_fsync_dir(s->wal->dir, &g);
    }
    if (rc != OK) {
        LOG_W("a removed segment left something behind; the next start removes it", LOG_CSTR("path", s->path),
              LOG_FAULT(&g));
    }
    return OK;
}
