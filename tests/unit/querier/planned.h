/* A query ready to run, from its text; a search run to its end. */
#pragma once

#include "test.h"

#include "vivace/querier/search.h"
#include "vivace/traceql/traceql.h"

struct planned {
    struct arena arena;
    struct tql_query *query;
    struct tql_plan plan; /* points into the arena and into the text, which must stay */
};

static inline void
planned_make(struct planned *p, const char *text)
{
    struct fault f = {0};
    arena_init(&p->arena, 0);
    assert_ok(traceql_parse(slice_cstr(text), &p->arena, &f, &p->query), &f);
    assert_ok(traceql_check(p->query, &f), &f);
    assert_ok(tql_plan_make(p->query, &p->arena, &f, &p->plan), &f);
}

static inline void
planned_fini(struct planned *p)
{
    tql_plan_fini(&p->plan);
    arena_fini(&p->arena);
}

static inline err
search_to_end(struct search *s, struct fault *f)
{
    err rc;
    do {
        rc = search_step(s, 0, f);
    } while (rc == ERR_AGAIN);
    return rc;
}
