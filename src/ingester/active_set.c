#include "active_set.h"

void
active_set_init(struct active_set *s, int64_t now_ns)
{
    id_table_init(&s->now, TRACE_ID_BYTES);
    id_table_init(&s->before, TRACE_ID_BYTES);
    s->turned_ns = now_ns;
}

void
active_set_fini(struct active_set *s)
{
    id_table_fini(&s->now);
    id_table_fini(&s->before);
}

void
active_set_turn(struct active_set *s, int64_t now_ns, int64_t period_ns)
{
    int64_t passed = now_ns - s->turned_ns;
    if (passed < period_ns) {
        return;
    }
    id_table_fini(&s->before);
    if (passed < 2 * period_ns) {
        s->before = s->now;
        id_table_init(&s->now, TRACE_ID_BYTES);
    } else {
        id_table_fini(&s->now);
    }
    s->turned_ns = now_ns;
}

bool
active_set_has(const struct active_set *s, const trace_id *id)
{
    return id_table_get(&s->now, id) != 0 || id_table_get(&s->before, id) != 0;
}

void
active_set_touch(struct active_set *s, const trace_id *id)
{
    if (id_table_get(&s->now, id) != 0) {
        return;
    }
    bool known = id_table_del(&s->before, id);
    if (known || active_set_count(s) < ACTIVE_SET_MAX) {
        *id_table_put(&s->now, id) = 1;
    }
}

size_t
active_set_count(const struct active_set *s)
{
    return s->now.count + s->before.count;
}
