/* Merged blocks that turn out to be damaged while what they replaced is still on disk: that is served again.
 *
 * Order on disk: first the inputs lose their marks, then the damaged block its meta.json. A crash in between
 * leaves them all, and the next start does the same again. */
#include "dir.h"
#include "store_priv.h"

#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#include <limits.h>

bool
store_is_damage(err rc)
{
    return rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED || rc == ERR_NOT_FOUND;
}

static err
block_path(struct block_store *s, const char *tenant, const block_uuid *id, char *ret_tenant, char *ret,
           struct fault *f)
{
    char uuid[BLOCK_UUID_TEXT + 1];
    block_uuid_format(id, uuid);
    err rc = block_store_tenant_dir(s, slice_cstr(tenant), ret_tenant, f);
    return rc == OK ? path_join(ret, ret_tenant, uuid, f) : rc;
}

/* False when the mark stays: then the block is served by this process, and by the next one after it finds
 * the damage again. */
static bool
unmark(struct block_store *s, const char *tenant, const block_uuid *id)
{
    char dir[PATH_MAX];
    struct fault f = {0};
    err rc = block_store_tenant_dir(s, slice_cstr(tenant), dir, &f);
    rc = rc == OK ? block_unmark_compacted(dir, id, &f) : rc;
    if (rc != OK) {
        LOG_LIMITED(LOG_WARN, 1, "a block that is served again cannot be unmarked on disk", LOG_FAULT(&f));
    }
    return rc == OK;
}

static void
put_aside(struct block_store *s, const char *tenant, const block_uuid *id)
{
    char dir[PATH_MAX], path[PATH_MAX];
    struct fault f = {0};
    err rc = block_path(s, tenant, id, dir, path, &f);
    rc = rc == OK ? block_mark_damaged(dir, id, &f) : rc;
    if (rc != OK && rc != ERR_NOT_FOUND) {
        LOG_LIMITED(LOG_WARN, 1, "a damaged block cannot be marked on disk", LOG_FAULT(&f));
    }
}

static void
tell(const char *tenant, const block_uuid *id, size_t count)
{
    char uuid[BLOCK_UUID_TEXT + 1];
    block_uuid_format(id, uuid);
    LOG_LIMITED(LOG_WARN, 20, "a merged block is damaged; the blocks it was made of are served again",
                LOG_CSTR("tenant", tenant), LOG_CSTR("block", uuid), LOG_UINT("blocks", count));
}

/* --- at start ---------------------------------------------------------------------------------------------
 */

static bool
names_any(const struct block_meta *m, const struct id_table *ids)
{
    for (uint32_t i = 0; i < m->input_count; i++) {
        if (id_table_get(ids, &m->inputs[i])) {
            return true;
        }
    }
    return false;
}

/* Blocks are opened when they are asked for; those whose inputs are still there, now. */
static void
find_damaged(struct block_store *s, struct block_list *l)
{
    char dir[PATH_MAX], path[PATH_MAX];
    struct id_table there;
    size_t kept = 0;
    id_table_init(&there, sizeof(block_uuid));
    for (size_t i = 0; i < l->count + l->compacted_count; i++) {
        *id_table_put(&there, i < l->count ? &l->blocks[i].id : &l->compacted[i - l->count].meta.id) = 1;
    }
    for (size_t i = 0; i < l->damaged_count; i++) { /* what those replaced may be there */
        *id_table_put(&there, &l->damaged[i].id) = 1;
    }
    for (size_t i = 0; i < l->count; i++) {
        struct block_meta m = l->blocks[i];
        struct block_reader *r = NULL;
        struct fault f = {0};
        err rc = OK;
        if (names_any(&m, &there)) {
            rc = block_path(s, m.tenant, &m.id, dir, path, &f);
            rc = rc == OK ? block_reader_open(path, &f, &r) : rc;
            block_reader_close(r);
        }
        if (store_is_damage(rc)) {
            store_problem(s, rc == ERR_UNSUPPORTED ? BLOCK_PROBLEM_VERSION : BLOCK_PROBLEM_CORRUPT, path,
                          f.msg);
            block_list_add_damaged(l, &m);
        } else {
            l->blocks[kept++] = m;
        }
    }
    l->count = kept;
    id_table_fini(&there);
}

static void
add_inputs(const struct block_meta *m, uint64_t value, struct id_table *ret)
{
    for (uint32_t i = 0; i < m->input_count; i++) {
        uint64_t *at = id_table_put(ret, &m->inputs[i]);
        *at = *at ? *at : value;
    }
}

void
store_list_replaced(const struct block_list *l, struct id_table *ret)
{
    const size_t sound = l->count + l->compacted_count;
    for (size_t i = 0; i < sound; i++) {
        add_inputs(i < l->count ? &l->blocks[i] : &l->compacted[i - l->count].meta, i + 1, ret);
    }
    for (bool more = true; more;) { /* a damaged one that was replaced itself has nothing to give back */
        more = false;
        for (size_t i = 0; i < l->damaged_count; i++) {
            const struct block_meta *m = &l->damaged[i];
            if (id_table_get(ret, &m->id) && m->input_count && id_table_get(ret, &m->inputs[0]) == 0) {
                add_inputs(m, sound + 1, ret);
                more = true;
            }
        }
    }
}

static bool
is_unknown(const struct block_list *l, const char *tenant)
{
    for (size_t i = 0; i < l->unknown_count; i++) {
        if (strcmp(l->unknown[i], tenant) == 0) {
            return true;
        }
    }
    return false;
}

/* What only damaged blocks replaced is live again; true when the disk says so too. Where it cannot be read
 * what a block replaced, that is everything nobody else replaced. */
static bool
bring_back(struct block_store *s, struct block_list *l, const struct id_table *replaced)
{
    struct id_table wanted;
    size_t kept = 0;
    bool durable = true;
    id_table_init(&wanted, sizeof(block_uuid));
    for (size_t i = 0; i < l->damaged_count; i++) {
        if (id_table_get(replaced, &l->damaged[i].id) == 0) {
            add_inputs(&l->damaged[i], 1, &wanted);
        }
    }
    for (size_t i = 0; i < l->compacted_count; i++) {
        struct block_compacted c = l->compacted[i];
        if (id_table_get(replaced, &c.meta.id) ||
            (id_table_get(&wanted, &c.meta.id) == 0 && !is_unknown(l, c.meta.tenant))) {
            l->compacted[kept++] = c;
            continue;
        }
        durable = unmark(s, c.meta.tenant, &c.meta.id) && durable;
        block_list_add(l, &c.meta);
    }
    l->compacted_count = kept;
    id_table_fini(&wanted);
    return durable;
}

void
store_list_mend(struct block_store *s, struct block_list *l)
{
    struct id_table replaced, live;
    find_damaged(s, l);
    if (l->damaged_count + l->unknown_count == 0) {
        return;
    }
    id_table_init(&replaced, sizeof(block_uuid));
    id_table_init(&live, sizeof(block_uuid));
    store_list_replaced(l, &replaced);
    const bool durable = bring_back(s, l, &replaced);
    for (size_t i = 0; i < l->count; i++) {
        *id_table_put(&live, &l->blocks[i].id) = 1;
    }
    for (size_t i = 0; i < l->damaged_count; i++) {
        const struct block_meta *m = &l->damaged[i];
        size_t back = 0;
        for (uint32_t k = 0; k < m->input_count; k++) {
            back += id_table_get(&live, &m->inputs[k]) != 0;
        }
        if (back && id_table_get(&replaced, &m->id) == 0) {
            tell(m->tenant, &m->id, back);
            if (durable) {
                put_aside(s, m->tenant, &m->id);
            }
        }
    }
    block_list_sort(l);
    id_table_fini(&replaced);
    id_table_fini(&live);
}

/* --- while it is served -----------------------------------------------------------------------------------
 */

static bool
is_input(const struct block_meta *m, const struct compacted *c, const struct store_tenant *t)
{
    for (uint32_t i = 0; c->block->tenant == t && i < m->input_count; i++) {
        if (memcmp(&m->inputs[i], &c->block->pub.meta.id, sizeof(block_uuid)) == 0) {
            return true;
        }
    }
    return false;
}

/* changing held, mu not. What `b` replaced and is still there leaves the compacted ones, unmarked; references
 * go over. */
static size_t
take_back(struct stored_block_private *b, bool only_all, struct stored_block_private ***ret)
{
    struct block_store *s = b->store;
    char dir[PATH_MAX], path[PATH_MAX];
    struct block_meta m = {.source_count = 0};
    int64_t marked_ns = 0;
    size_t n = 0, kept = 0;
    bool durable = true;
    err rc = block_path(s, b->tenant->name, &b->pub.meta.id, dir, path, NULL);
    rc = rc == OK ? block_dir_meta(path, &(struct fault){0}, &m, &marked_ns) : rc;
    for (size_t i = 0; rc == OK && i < s->compacted_count; i++) {
        n += is_input(&m, &s->compacted[i], b->tenant);
    }
    if (n == 0 || (only_all && n < m.input_count)) {
        block_meta_fini(&m);
        return 0;
    }
    struct stored_block_private **back = mem_new_array(struct stored_block_private *, n);
    n = 0;
    mutex_lock(&s->mu);
    for (size_t i = 0; i < s->compacted_count; i++) {
        const struct compacted c = s->compacted[i];
        if (is_input(&m, &c, b->tenant)) {
            store_compacted_count(s, c.block, -1);
            back[n++] = c.block;
        } else {
            s->compacted[kept++] = c;
        }
    }
    s->compacted_count = kept;
    mutex_unlock(&s->mu);
    for (size_t i = 0; i < n; i++) {
        durable = unmark(s, b->tenant->name, &back[i]->pub.meta.id) && durable;
    }
    tell(b->tenant->name, &b->pub.meta.id, n);
    if (durable) {
        put_aside(s, b->tenant->name, &b->pub.meta.id);
    }
    block_meta_fini(&m);
    *ret = back;
    return n;
}

/* Out of what later snapshots have, and what it replaced in its place. False: it was not served any more, or
 * (only_all) what it replaced is not there. */
static bool
leave(struct stored_block_private *b, bool only_all)
{
    struct block_store *s = b->store;
    struct block_snapshot_private *old = NULL;
    struct stored_block_private **back = NULL;
    size_t n = 0, come = 0;
    mutex_lock(&s->mu);
    store_changing_take(s);
    const struct block_snapshot_private *now = b->tenant->now;
    struct stored_block **kept = store_without(now, &b, 1, 0, &n);
    const bool served = n < now->pub.count; /* else another reader came first, or it was replaced */
    mutex_unlock(&s->mu);
    if (served) {
        come = take_back(b, only_all, &back);
    }
    mutex_lock(&s->mu);
    if (served && (come || !only_all)) {
        kept = mem_realloc(kept, n + come + 1, sizeof(void *));
        for (size_t i = 0; i < come; i++) {
            kept[n++] = &back[i]->pub; /* the reference goes over */
        }
        old = store_tenant_set(s, b->tenant, store_snapshot_new(kept, n));
        kept = NULL;
    }
    store_changing_give(s);
    mutex_unlock(&s->mu);
    store_blocks_drop(kept, n);
    mem_free(back);
    if (old) {
        store_snapshot_unref(old);
    }
    return old != NULL;
}

void
store_set_aside(struct stored_block_private *b, const char *dir, err why, const struct fault *f)
{
    if (leave(b, false)) {
        store_problem(b->store, why == ERR_UNSUPPORTED ? BLOCK_PROBLEM_VERSION : BLOCK_PROBLEM_CORRUPT, dir,
                      f->msg);
    }
}

err
block_store_fall_back(struct stored_block *b, const char *reason, struct fault *f)
{
    char dir[PATH_MAX], path[PATH_MAX];
    err rc = block_path(b->priv->store, b->priv->tenant->name, &b->meta.id, dir, path, f);
    if (rc != OK) {
        return rc;
    }
    if (!leave(b->priv, true)) {
        return FAULT(f, ERR_NOT_FOUND, "what the block replaced is not there any more");
    }
    store_problem(b->priv->store, BLOCK_PROBLEM_CORRUPT, path, reason);
    return OK;
}
