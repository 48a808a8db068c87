/* What the files of ingester/ share.
 *
 * Lock: ingester.mu (LOCK_INGESTER) guards the segment list, each segment's state and memory index, and the
 * tenants. No I/O under it. A segment's `disk` index and file are immutable once set and read without it,
 * through a reference. `busy` is a baton for what must not run twice at once: maintain, flush, retire. */
#pragma once

#include "active_set.h"
#include "on_disk.h"

#include "vivace/base/metrics.h"
#include "vivace/base/must.h"
#include "vivace/base/mutex.h"
#include "vivace/base/table.h"
#include "vivace/ingester/ingester.h"

#include <stdatomic.h>

struct live_segment {
    _Atomic uint32_t refs; /* the list's, and one for each reader, push and hold */
    struct wal_segment *file;
    uint64_t sequence;
    struct budget *budget;
    struct wal_memindex
        *mem; /* guarded by mu: until the index is on disk; frozen when sealed and inflight == 0 */
    struct wal_index *disk; /* guarded by mu while NULL; then immutable */
    uint32_t inflight;      /* guarded by mu: pushes between admission and commit */
    bool sealed;            /* guarded by mu: no longer the head */
    bool retired;           /* guarded by mu: not in the list */
    int64_t opened_ns;      /* monotonic; guarded by mu */
};

struct tenant {
    uint64_t live_traces, live_bytes, live_spans; /* what the segments hold; guarded by mu */
    struct active_set active;                     /* live in Tempo's sense; guarded by mu */
    size_t active_shown;                          /* what the gauge says of it */
    struct series *traces_created, *live_traces_gauge, *live_bytes_gauge, *bytes_received;
};

struct ingester {
    struct ingester_options opt; /* wal_dir is not kept */
    struct wal *wal;
    struct mutex mu;
    pthread_cond_t changed;         /* opening, busy, inflight or stopping changed */
    struct live_segment **segments; /* oldest first; guarded by mu */
    size_t segment_count, segment_cap;
    struct live_segment *head; /* the last of segments, or NULL: made by the next push; guarded by mu */
    uint64_t version;         /* grows when a segment leaves the list or gets its disk index; guarded by mu */
    bool opening;             /* one push is making a head; guarded by mu */
    bool busy;                /* guarded by mu */
    bool stopping;            /* guarded by mu */
    struct str_table tenants; /* struct tenant; guarded by mu */
    struct on_disk on_disk;   /* the traces of segments that have `disk`, and perhaps more; guarded by mu */
    pthread_t syncer;
    bool has_syncer;
    struct metric *traces_created, *live_traces, *live_bytes, *bytes_received, *replay_errors;
    struct series *corrupt_records, *torn_bytes;
};

struct live_segment *live_segment_new(struct wal_segment *file, struct budget *budget);
void live_segment_ref(struct live_segment *s);
void live_segment_unref(struct live_segment *s);

/* mu held. NULL when the process has seen too many (limited) tenants. */
struct tenant *tenant_get(struct ingester *ing, slice name, bool limited);
/* mu held: let the tenant's idle traces go, and show how many are live. */
void tenant_turn_active(const struct ingester *ing, struct tenant *t);
/* mu held: add to what is live of a tenant, and show it. */
void tenant_add(struct tenant *t, int64_t traces, int64_t spans, int64_t bytes);

/* mu held. */
void segment_list_add(struct ingester *ing, struct live_segment *s);
void segment_list_remove(struct ingester *ing, struct live_segment *s);
/* mu held: the head takes no more pushes. */
void head_seal(struct ingester *ing);
/* mu held: take or give back the baton. */
void baton_take(struct ingester *ing);
void baton_give(struct ingester *ing);
/* Sync a sealed segment and put its index on disk, if it can be. Baton held, mu not. */
err settle_segment(struct ingester *ing, struct live_segment *s, struct fault *f);

/* What the live segments other than `skip` hold of each trace of a batch. */
struct prior {
    uint64_t bytes;
    bool found;
};
/* mu held at entry and exit; let go while index files are read, and then the list is looked at again, so that
 * at return `prior` is true for the list as it is. An index that cannot be read counts as empty (logged). */
void resolve_prior(struct ingester *ing, slice tenant, const struct wal_summary *sum,
                   const struct live_segment *skip, struct prior *prior);
/* mu held. Add what memory indexes hold: for a `prior` that is true for what is on disk. */
void add_prior_memory(struct ingester *ing, slice tenant, const struct wal_summary *sum,
                      const struct live_segment *skip, struct prior *prior);

/* Count the traces of a segment just found at start that no older segment of the list has. Nothing else runs.
 */
CHECKED err count_segment(struct ingester *ing, struct live_segment *s, struct fault *f);

void *syncer_main(void *arg); /* struct ingester */
