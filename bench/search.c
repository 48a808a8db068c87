/* bench_search: a corpus loaded and settled, then every kind of search and tag query Grafana and people send,
 * again and again: latency, results, bytes read, memory. A wrong or failed answer fails the run. */
#include "args.h"
#include "shape.h"

#include <stdlib.h>

#define LIMIT 20
#define MORE  "limit=20&spss=3" /* Grafana's defaults */

/* The list's columns; what is found is as many traces as asked for, some, or none. */
#define MANY(name, query)                                                                                    \
    {                                                                                                        \
        name, "/api/search", query, MORE, ANSWER_TRACES, EXPECT_LIMIT, LIMIT, 0, 0                           \
    }
#define SOME(name, query)                                                                                    \
    {                                                                                                        \
        name, "/api/search", query, MORE, ANSWER_TRACES, EXPECT_SOME, 0, 0, 0                                \
    }
#define ONE(name, query)                                                                                     \
    {                                                                                                        \
        name, "/api/search", query, MORE, ANSWER_TRACES, EXPECT_EXACT, 1, 0, 0                               \
    }
#define NONE(name, query)                                                                                    \
    {                                                                                                        \
        name, "/api/search", query, MORE, ANSWER_TRACES, EXPECT_NONE, 0, 0, 0                                \
    }

static const struct shape shapes[] = {
    /* One condition. */
    MANY("all", "{}"),
    MANY("attr_eq", "{ span.http.request.method = \"POST\" }"),
    NONE("attr_eq_miss", "{ span.http.request.method = \"TRACE\" }"),
    NONE("attr_unknown_key", "{ span.no.such.attribute = \"x\" }"),
    MANY("int_eq", "{ span.http.response.status_code = 404 }"),
    SOME("int_range", "{ span.http.response.status_code >= 500 }"),
    SOME("float_range", "{ span.app.order.amount > 950.0 }"),
    MANY("bool", "{ span.app.cache.hit = true }"),
    MANY("regex", "{ span.url.path =~ \"/shop/products/.*\" }"),
    NONE("regex_miss", "{ span.url.full =~ \".*no-such-host.*\" }"),
    MANY("regex_resource", "{ resource.service.name =~ \"pay.*|check.*\" }"),
    MANY("not_eq", "{ span.http.request.method != \"GET\" }"),
    MANY("not_regex", "{ span.url.full !~ \"http://(cart|currency).*\" }"),
    SOME("duration", "{ duration > 1s }"),
    NONE("duration_miss", "{ duration > 1h }"),
    SOME("status_error", "{ status = error }"),
    MANY("kind", "{ kind = producer }"),
    MANY("name", "{ name = \"shop.payment.v1.PaymentService/Charge\" }"),
    MANY("unscoped", "{ .app.cache.hit = false }"),
    MANY("unscoped_resource", "{ .service.name = \"payment\" }"),
    MANY("resource", "{ resource.service.name = \"payment\" }"),
    SOME("resource_pod", "{ resource.k8s.pod.name = \"@pod@\" }"),
    MANY("scope", "{ instrumentation:name = \"io.opentelemetry.instrumentation.rust.server\" }"),
    /* Several. */
    SOME("and_two", "{ resource.service.name = \"payment\" && status = error }"),
    SOME("and_three", "{ resource.service.name = \"storefront\" && kind = server && duration > 500ms }"),
    MANY("or", "{ span.db.system.name = \"redis\" || span.messaging.system = \"kafka\" }"),
    SOME("or_spansets", "{ status = error } || { duration > 2s }"),
    MANY("and_spansets", "{ span.db.system.name = \"redis\" } && { resource.service.name = \"payment\" }"),
    MANY("exists", "{ span.app.order.id != nil }"),
    MANY("nil", "{ kind = server && span.http.route = nil }"),
    MANY("array", "{ span.app.product.skus =~ \"sku-.*\" }"),
    MANY("arithmetic", "{ span.http.response.status_code - 200 >= 200 }"),
    /* Events, links, ids. */
    SOME("event_attr", "{ event.exception.type = \"KeyError\" }"),
    MANY("event_name", "{ event:name = \"retry scheduled\" }"),
    ONE("link", "{ link:traceID = \"@link@\" }"),
    ONE("id_hit", "{ span.app.order.id = \"@order@\" }"),
    ONE("id_unscoped_hit", "{ .messaging.message.id = \"@message@\" }"),
    NONE("id_miss", "{ span.app.order.id = \"00000000-0000-4000-8000-000000000000\" }"),
    SOME("customer", "{ span.enduser.id = \"@customer@\" }"),
    ONE("url_hit", "{ span.url.full = \"@url@\" }"),
    ONE("span_id", "{ span:id = \"@span@\" }"),
    ONE("trace_id", "{ trace:id = \"@trace@\" }"),
    /* Structure. */
    MANY("child", "{ resource.service.name = \"checkout\" } > { kind = client }"),
    SOME("descendant", "{ resource.service.name = \"edge-gateway\" } >> { status = error }"),
    SOME("ancestor", "{ status = error } << { resource.service.name = \"edge-gateway\" }"),
    MANY("sibling", "{ span.db.operation.name = \"SELECT\" } ~ { span.db.operation.name = \"INSERT\" }"),
    MANY("not_descendant", "{ resource.service.name = \"payment\" } !>> { span.db.system.name = \"redis\" }"),
    MANY("union_descendant", "{ resource.service.name = \"storefront\" } &>> { resource.service.name = "
                             "\"inventory\" && kind = server }"),
    /* Whole traces. */
    MANY("count", "{ span.db.system.name = \"redis\" } | count() > 2"),
    SOME("avg", "{ kind = client } | avg(duration) > 50ms"),
    SOME("max", "{ kind = client } | max(duration) > 150ms"),
    SOME("sum", "{ span.db.system.name != nil } | sum(span.db.response.returned_rows) > 100"),
    MANY("min", "{ span.app.order.amount != nil } | min(span.app.order.amount) < 500"),
    MANY("by_count", "{ kind = client } | by(resource.service.name) | count() > 3"),
    MANY("coalesce", "{ kind = client } | by(resource.service.name) | count() > 3 | coalesce()"),
    MANY("root_name", "{ rootName = \"POST /shop/orders\" }"),
    MANY("root_service", "{ rootServiceName = \"edge-gateway\" && kind = producer }"),
    SOME("trace_duration", "{ traceDuration > 2s }"),
    SOME("select", "{ status = error } | select(span.http.response.status_code, resource.k8s.pod.name)"),
    /* Traces Drilldown. */
    {"drilldown_list", "/api/search", "{nestedSetParent<0 && true}", "limit=200&spss=10", ANSWER_TRACES,
     EXPECT_LIMIT, 200, 0, 0},
    {"drilldown_errors", "/api/search",
     "{nestedSetParent<0 && true && status=error} | select(status, resource.service.name, name)",
     "limit=200&spss=10", ANSWER_TRACES, EXPECT_SOME, 0, 0, 0},
    {"drilldown_structure", "/api/search",
     "({nestedSetParent<0 && true } &>> { kind = server }) || ({nestedSetParent<0 && true }) | "
     "select(status, "
     "resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)",
     "limit=200&spss=20", ANSWER_TRACES, EXPECT_LIMIT, 200, 0, 0},
    /* Ranges and the legacy form. */
    {"last_tenth", "/api/search", "{ resource.service.name = \"payment\" }", MORE, ANSWER_TRACES,
     EXPECT_LIMIT, LIMIT, 0.85, 0.95},
    {"limit_500", "/api/search", "{ kind = server }", "limit=500&spss=3", ANSWER_TRACES, EXPECT_LIMIT, 500, 0,
     0},
    {"legacy_tags", "/api/search", NULL, "limit=20&tags=service.name%3Dpayment", ANSWER_TRACES, EXPECT_LIMIT,
     LIMIT, 0, 0},
    {"legacy_duration", "/api/search", NULL, "limit=20&tags=service.name%3Dpayment&minDuration=100ms",
     ANSWER_TRACES, EXPECT_SOME, 0, 0, 0},
};

static const struct shape tags[] = {
    {"tag_names", "/api/v2/search/tags", NULL, NULL, ANSWER_NAMES, EXPECT_SOME, 0, 0, 0},
    {"tag_names_v1", "/api/search/tags", NULL, NULL, ANSWER_NAMES, EXPECT_SOME, 0, 0, 0},
    {"tag_names_resource", "/api/v2/search/tags", NULL, "scope=resource", ANSWER_NAMES, EXPECT_SOME, 0, 0, 0},
    {"tag_names_filter", "/api/v2/search/tags", "{ resource.service.name = \"payment\" }", NULL, ANSWER_NAMES,
     EXPECT_SOME, 0, 0, 0},
    {"values_service", "/api/v2/search/tag/resource.service.name/values", NULL, NULL, ANSWER_VALUES,
     EXPECT_EXACT, 12, 0, 0},
    {"values_service_v1", "/api/search/tag/service.name/values", NULL, NULL, ANSWER_VALUES, EXPECT_EXACT, 12,
     0, 0},
    {"values_filter", "/api/v2/search/tag/span.db.collection.name/values",
     "{ resource.service.name = \"payment\" }", NULL, ANSWER_VALUES, EXPECT_EXACT, 2, 0, 0},
    {"values_name", "/api/v2/search/tag/name/values", NULL, NULL, ANSWER_VALUES, EXPECT_SOME, 0, 0, 0},
    {"values_int", "/api/v2/search/tag/span.http.response.status_code/values", NULL, NULL, ANSWER_VALUES,
     EXPECT_SOME, 0, 0, 0},
    {"values_many", "/api/v2/search/tag/span.url.path/values", NULL, NULL, ANSWER_VALUES, EXPECT_SOME, 0, 0,
     0},
    {"values_miss", "/api/v2/search/tag/span.no.such.attribute/values", NULL, NULL, ANSWER_VALUES,
     EXPECT_NONE, 0, 0, 0},
};

int
main(int argc, char **argv)
{
    struct scene s = {.o = SCENE_DEFAULTS};
    double runs = 20, budget_s = 30;
    const char *only = NULL;
    const struct arg list[] = {
        SCENE_ARGS(&s.o),
        {"--runs", "of each query, after one to warm up", .number = &runs},
        {"--budget", "seconds for one query's runs, at least three", .number = &budget_s},
        {"--only", "shapes, with commas between their names", .text = &only},
        {0},
    };
    args_parse(argc, argv, "bench_search: TraceQL searches and tag queries over a settled corpus", list);
    if (runs < 1) {
        die("--runs begins at 1");
    }
    scene_open(&s);
    struct shape_run r = {.scene = &s, .runs = (uint32_t)runs, .budget_s = budget_s, .only = only};
    shapes_measure(&r, "search", shapes, sizeof shapes / sizeof shapes[0]);
    r.peak_mib = 0;
    shapes_measure(&r, "tags", tags, sizeof tags / sizeof tags[0]);
    return scene_close(&s);
}
