/* What the query commands share: where to ask, with which options, and how to show it. */
#pragma once

#include "cli_priv.h"

#include "vivace/base/arena.h"
#include "vivace/net/client.h"

struct query {
    const char *url;
    const char *since, *start, *end, *tenant, *ca, *timeout, *color;
    struct option_list headers;
    uint64_t limit, width;
    bool insecure, json;
    /* of the options */
    uint64_t start_ns, end_ns; /* unix */
    bool has_range;            /* --since, --start or --end was given */
};

#define QUERY_OPTIONS(Q)                                                                                     \
    {"since", OPTION_TEXT, &(Q)->since}, {"start", OPTION_TEXT, &(Q)->start},                                \
        {"end", OPTION_TEXT, &(Q)->end}, {"tenant", OPTION_TEXT, &(Q)->tenant},                              \
        {"header", OPTION_LIST, &(Q)->headers}, {"ca", OPTION_TEXT, &(Q)->ca},                               \
        {"insecure", OPTION_SWITCH, &(Q)->insecure}, {"timeout", OPTION_TEXT, &(Q)->timeout},                \
        {"limit", OPTION_NUMBER, &(Q)->limit}, {"width", OPTION_NUMBER, &(Q)->width},                        \
        {"color", OPTION_TEXT, &(Q)->color},                                                                 \
    {                                                                                                        \
        "json", OPTION_SWITCH, &(Q)->json                                                                    \
    }

/* Read options; `min`..`max` arguments, the first is the server's URL. ERR_INVALID. */
CHECKED err query_parse(struct query *q, int argc, char *const *argv, const struct option *options,
                        size_t option_count, size_t min, size_t max, struct arguments *args, struct fault *f);
/* GET <url><path>?<params>. An answer other than 200 is a fault with the server's words: ERR_NOT_FOUND for
 * 404. */
CHECKED err query_get(const struct query *q, const char *path, const struct buf *params, const char *accept,
                      struct fault *f, struct http_reply *ret);
/* Of params and paths; memory of a decoded answer. */
#define QUERY_PARAMS_MAX ((size_t)256 << 10)
#define QUERY_ARENA_MAX  ((size_t)512 << 20)
/* Ask for JSON and show it: the answer as it came with --json, else `show`, which reads the body and returns
 * in *ret_good whether anybody could read what it printed. The exit status, after complaining. */
int query_show(const struct query *q, const char *path, const struct buf *params,
               err (*show)(void *ctx, slice body, struct arena *memory, struct fault *f, bool *ret_good),
               void *ctx);
/* Append "&name=value", encoded; nothing when the value is NULL. */
void param_text(struct buf *params, const char *name, const char *value);
void param_number(struct buf *params, const char *name, uint64_t value);
/* Start and end in whole seconds. */
void param_range(struct buf *params, const struct query *q);
/* The server's answer as it came, and the end of its line. */
bool print_reply(struct http_reply *r);

/* Columns of the terminal: --width, its size, COLUMNS, or 100; 40..400. */
size_t terminal_width(const struct query *q);
/* --color; without it a terminal, unless NO_COLOR is set or it is dumb. */
bool terminal_color(const struct query *q);
/* Escape sequences: colour `n` of the palette (any number), red for errors, dim; nothing when `on` is false.
 */
enum paint { PAINT_ERROR = -1, PAINT_DIM = -2, PAINT_BOLD = -3 };
void paint(struct buf *out, bool on, int what);
void unpaint(struct buf *out, bool on);
