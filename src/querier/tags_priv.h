/* What a source that looks at columns puts into the collector of tags. Threads: the query's owner. */
#pragma once

#include "vivace/querier/tags.h"

const struct tags_query *tag_query(const struct tag_collector *c);
/* Enough: nothing more is taken. */
bool tag_is_full(const struct tag_collector *c);
/* When the scope is asked for. */
void tag_add_name(struct tag_collector *c, enum tag_scope scope, slice name);
/* Nil is passed over, of an array every element is taken. */
void tag_add_value(struct tag_collector *c, const struct tql_static *v);
