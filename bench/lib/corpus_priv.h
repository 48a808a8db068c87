/* What the parts of the corpus share: the shop's tables, random numbers, and the span writer. */
#pragma once

#include "corpus.h"
#include "pb.h"

#define SERVICES    12
#define PODS_EACH   4
#define CORPUS_PODS (SERVICES * PODS_EACH)
#define SCOPES      3 /* server, client and database instrumentation */
#define CALLS_MAX   6
#define QUERIES_MAX 3

enum proto { PROTO_HTTP, PROTO_GRPC, PROTO_KAFKA };

struct service {
    const char *name, *language, *version, *namespace, *db;
};

struct call {
    uint8_t op;      /* index in ops */
    uint8_t percent; /* how often it happens */
};

struct query {
    uint8_t statement; /* index in statements */
    uint8_t percent;
};

struct op {
    uint8_t service;
    uint8_t proto;
    const char *name;  /* HTTP method, RPC method or topic */
    const char *route; /* HTTP route or RPC service */
    struct call calls[CALLS_MAX];
    struct query queries[QUERIES_MAX];
    const char *internal; /* an internal span, or NULL */
};

struct statement {
    const char *system, *operation, *collection, *text;
};

extern const struct service services[SERVICES];
extern const struct op ops[];
extern const size_t op_count;
extern const struct statement statements[];
/* Operations a trace may start with, and their weights. */
struct entry {
    uint8_t op, weight;
};
extern const struct entry entries[];
extern const size_t entry_count;

struct dice {
    uint64_t s[4];
};

void dice_seed(struct dice *r, uint64_t seed);
uint64_t dice_u64(struct dice *r);
/* 0..n-1 */
uint32_t dice_below(struct dice *r, uint32_t n);
bool dice_percent(struct dice *r, uint32_t percent);
bool dice_permille(struct dice *r, uint32_t permille);
double dice_unit(struct dice *r);

enum role { ROLE_SERVER, ROLE_CLIENT, ROLE_QUERY, ROLE_INTERNAL };

/* One span about to be written. */
struct span_spec {
    uint8_t trace[16], id[8], parent[8];
    uint8_t link_trace[16], link_span[8];
    uint64_t start_ns, end_ns;
    const struct op *op; /* the operation served, called or worked in */
    const struct statement *statement;
    uint8_t role;
    bool has_parent, has_link, failed;
};

/* Append a Span message as field 2 of a ScopeSpans. */
void span_write(struct blob *b, struct dice *r, const struct span_spec *s);
/* Append a Resource message's body for pod `pod`. */
void resource_write(struct blob *b, struct dice *r, uint32_t pod);
/* Which of the three scopes a role's spans belong to, and that scope's message for a service. */
uint32_t scope_of(uint8_t role);
void scope_write(struct blob *b, const struct service *s, uint32_t scope);
