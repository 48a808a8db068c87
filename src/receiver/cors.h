/* receiver-private: CORS for the HTTP receivers (receivers.md 4.4; after rs/cors). */
#pragma once

#include "vivace/config/config.h"
#include "vivace/net/http.h"

#define CORS_HEADERS_MAX 6

struct cors_headers {
    struct http_header v[CORS_HEADERS_MAX]; /* values point into the request, the config or literals */
    size_t n;
    char max_age[24];
};

/* A preflight (OPTIONS with Origin and Access-Control-Request-Method) when CORS is configured: answer 204
 * with `ret`. */
bool cors_is_preflight(const struct config_receiver *c, const struct http_request *r);
void cors_preflight(const struct config_receiver *c, const struct http_request *r, struct cors_headers *ret);
/* The headers every other answer carries; none without CORS. */
void cors_actual(const struct config_receiver *c, const struct http_request *r, struct cors_headers *ret);
