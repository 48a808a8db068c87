/* One tag query on its way: names or values, from its parameters to its answer. Used by the HTTP endpoints
 * and the streaming RPCs. Threads: one owner at a time. */
#pragma once

#include "search.h"

struct running_tags {
    struct query_owner owner;
    struct query_request request;
    struct planned planned;
    struct tags_query query;
    struct tags *tags;
    struct tag_answer answer;
    bool values;
    int64_t started_ns;
};

void running_tags_init(struct running_tags *t, const struct query_owner *owner, bool values,
                       enum tag_form form);
void running_tags_fini(struct running_tags *t);
/* Check what is in t->request and begin. */
CHECKED err running_tags_begin(struct running_tags *t, const _Atomic bool *cancelled, struct fault *f);
CHECKED err running_tags_step(struct running_tags *t, struct fault *f);
/* What there is by now. */
const struct tag_answer *running_tags_answer(struct running_tags *t);
/* Of that what is new since the last call; what needs no data waits for the end. */
struct tag_answer running_tags_news(struct running_tags *t);
void running_tags_log(struct running_tags *t, err rc, const struct fault *f);
