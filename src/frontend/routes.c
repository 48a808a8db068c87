/* Every path the frontend serves, and the label it has in tempo_request_duration_seconds. */
#include "api.h"

#define QUERY (ROUTE_PREFIXED | ROUTE_QUERY | ROUTE_TENANT | ROUTE_WORKER)

const struct route frontend_routes[] = {
    {"/api/traces/", "api_traces_traceid", QUERY | ROUTE_REST, traces_v1},
    {"/api/v2/traces/", "api_v2_traces_traceid", QUERY | ROUTE_REST, traces_v2},
    {"/api/search", "api_search", QUERY, search_http},
    {"/api/search/tags", "api_search_tags", QUERY, tag_names_v1},
    {"/api/v2/search/tags", "api_v2_search_tags", QUERY, tag_names_v2},
    {"/api/search/tag/", "api_search_tag_tagname_values", QUERY | ROUTE_REST, tag_values_v1},
    {"/api/v2/search/tag/", "api_v2_search_tag_tagname_values", QUERY | ROUTE_REST, tag_values_v2},
    {"/api/metrics/query_range", "api_metrics_query_range", QUERY, metrics_range_http},
    {"/api/metrics/query", "api_metrics_query", QUERY, metrics_instant_http},
    {"/api/metrics/summary", "api_metrics_summary", QUERY, metrics_summary_http},
    /* the querier's own copies of the query paths */
    {"/querier/api/traces/", "querier_api_traces_traceid", QUERY | ROUTE_REST, traces_v1},
    {"/querier/api/v2/traces/", "querier_api_v2_traces_traceid", QUERY | ROUTE_REST, traces_v2},
    {"/querier/api/search", "querier_api_search", QUERY, search_http},
    {"/querier/api/search/tags", "querier_api_search_tags", QUERY, tag_names_v1},
    {"/querier/api/v2/search/tags", "querier_api_v2_search_tags", QUERY, tag_names_v2},
    {"/querier/api/search/tag/", "querier_api_search_tag_tagname_values", QUERY | ROUTE_REST, tag_values_v1},
    {"/querier/api/v2/search/tag/", "querier_api_v2_search_tag_tagname_values", QUERY | ROUTE_REST,
     tag_values_v2},
    {"/querier/api/metrics/query_range", "querier_api_metrics_query_range", QUERY, metrics_range_http},
    {"/querier/api/metrics/query", "querier_api_metrics_query", QUERY, metrics_instant_http},
    {"/api/echo", "api_echo", ROUTE_PREFIXED, admin_echo},
    {"/api/status/buildinfo", "api_status_buildinfo", ROUTE_PREFIXED | ROUTE_GET_ONLY, admin_buildinfo},
    {"/ready", "ready", 0, admin_ready},
    {"/metrics", "metrics", ROUTE_WORKER, admin_metrics},
    {"/status", "status", ROUTE_GET_ONLY | ROUTE_WORKER, status_all},
    {"/status/usage-stats", "status_usage_stats", ROUTE_PREFIXED | ROUTE_GET_ONLY, admin_usage_stats},
    {"/status/", "status_endpoint", ROUTE_GET_ONLY | ROUTE_WORKER | ROUTE_REST, status_one},
    {"/memberlist", "memberlist", 0, admin_memberlist},
    {"/flush", "flush", ROUTE_WORKER, admin_flush},
    {"/shutdown", "shutdown", 0, admin_shutdown},
};

const size_t frontend_route_count = sizeof frontend_routes / sizeof frontend_routes[0];
