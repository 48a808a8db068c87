/* A segment found at start: indexed again if it must be, its damage set aside. docs/wal-format.md 4. */
#include "wal_priv.h"

#include "vivace/base/file.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"

/* Name, count and set aside one damaged range. False when its copy could not be made: then it stays. */
static bool
handle_damage(struct wal_segment *s, const struct wal_damage *d, const struct wal_recovery *how)
{
    struct fault f = {0};
    if (how->damaged) {
        how->damaged(how->ctx, d);
    }
    if (d->kind == WAL_DAMAGE_TORN) {
        LOG_W("the write-ahead log ends in a record that was not written whole; it is cut off",
              LOG_CSTR("path", s->path), LOG_UINT("offset", d->offset), LOG_UINT("bytes", d->bytes));
        return true;
    }
    if (wal_quarantine_range(s, d->offset, d->bytes, &f) != OK) {
        LOG_E("a damaged record of the write-ahead log is skipped; it could not be copied aside and stays in "
              "place",
              LOG_CSTR("path", s->path), LOG_UINT("offset", d->offset), LOG_UINT("bytes", d->bytes),
              LOG_FAULT(&f));
        return false;
    }
    LOG_E("a damaged record of the write-ahead log is skipped and set aside in quarantine",
          LOG_CSTR("path", s->path), LOG_UINT("offset", d->offset), LOG_UINT("bytes", d->bytes));
    return true;
}

/* The segment ends at `offset` from now on, on disk if that can be. */
static void
cut_tail(struct wal_segment *s, uint64_t offset, bool on_disk)
{
    struct fault f = {0};
    if (on_disk && file_truncate(s->fd, s->path, (off_t)offset, &f) != OK) {
        LOG_W("the torn tail of a segment cannot be cut; it is ignored", LOG_CSTR("path", s->path),
              LOG_UINT("offset", offset), LOG_FAULT(&f));
    }
    mutex_lock(&s->mu);
    s->end = offset;
    mutex_unlock(&s->mu);
}

static err
index_record(struct wal_memindex *ix, struct wal_summary *sum, const struct wal_record *r, struct wal_ref at,
             struct fault *f)
{
    wal_summary_reset(sum);
    if (!wal_summary_of_payload(sum, r->payload)) {
        return ERR_CORRUPT;
    }
    if (wal_memindex_reserve(ix, sum->count) != OK) {
        return FAULT(f, ERR_LIMIT, "no memory in the budget to index the write-ahead log");
    }
    wal_memindex_commit(ix, r->tenant, at, (uint32_t)r->payload.n, sum);
    return OK;
}

static err
scan(struct wal_segment *s, const struct wal_recovery *how, struct wal_memindex *ix, struct fault *f)
{
    err rc = OK;
    struct wal_cursor c;
    struct wal_summary sum;
    wal_cursor_init(&c, s, how->budget);
    wal_summary_init(&sum);
    for (;;) {
        struct wal_record r;
        struct wal_ref at;
        struct fault damage = {0};
        rc = wal_cursor_next(&c, &damage, &r, &at);
        if (rc == OK) {
            rc = index_record(ix, &sum, &r, at, f);
            if (rc == ERR_CORRUPT) {
                c.damage = (struct wal_damage){.kind = WAL_DAMAGE_CORRUPT,
                                               .offset = at.offset,
                                               .bytes = at.bytes,
                                               .tenant = r.tenant,
                                               .path = s->path};
            }
        }
        if (rc == ERR_CORRUPT) {
            bool aside = handle_damage(s, &c.damage, how);
            if (c.damage.tail) {
                cut_tail(s, c.damage.offset, aside);
            }
        } else if (rc != OK) {
            rc = rc == ERR_NOT_FOUND ? OK : FAULT(f, rc, "%s", damage.msg);
            break;
        }
    }
    wal_summary_fini(&sum);
    wal_cursor_fini(&c);
    return rc;
}

/* A segment with a good index is not scanned. What stands behind the index's end was refused or torn.
 * NULL when there is none to use. */
static struct wal_index *
open_good_index(struct wal_segment *s, const struct wal_recovery *how)
{
    struct wal_index *x = NULL;
    struct fault f = {0};
    err rc = wal_index_open(s, how->budget, &f, &x);
    if (rc == OK && wal_index_segment_end(x) < s->end) {
        cut_tail(s, wal_index_segment_end(x), true);
    }
    if (rc == ERR_CORRUPT) {
        LOG_W("the index of a segment is damaged; it is made anew", LOG_CSTR("path", s->path), LOG_FAULT(&f));
    }
    return x;
}

err
wal_segment_recover(struct wal *w, uint64_t seq, const struct wal_recovery *how, struct fault *f,
                    struct wal_segment **ret, struct wal_recovered *ret_how)
{
    err rc = OK;
    struct wal_segment *s = NULL;
    struct wal_recovered read = {0};
    struct fault foreign = {0};
    rc = wal_segment_open(w, seq, &foreign, &s);
    if (rc == ERR_CORRUPT) {
        LOG_E("a file in the write-ahead log is set aside in quarantine", LOG_FAULT(&foreign));
        TRY(wal_quarantine_file(w, seq, f));
        rc = ERR_NOT_FOUND;
        goto out;
    }
    if (rc != OK) {
        rc = FAULT(f, rc == ERR_NOT_FOUND ? ERR_IO : rc, "%s", foreign.msg);
        goto out;
    }
    read.disk = open_good_index(s, how);
    if (read.disk == NULL) {
        read.mem = wal_memindex_create(how->budget);
        TRY(scan(s, how, read.mem, f));
    }
    *ret = s;
    *ret_how = read;
    s = NULL;
    read.mem = NULL;
out:
    wal_memindex_destroy(read.mem);
    wal_segment_close(s);
    return rc;
}
