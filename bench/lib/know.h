/* What a corpus holds, found by going through its bytes once more: counts to hold answers against, and values
 * that occur, so that queries look for what is there. Threads: plain values. */
#pragma once

#include "corpus.h"

enum known_name {
    KNOWN_ORDER,    /* app.order.id: one span has it */
    KNOWN_MESSAGE,  /* messaging.message.id: one span */
    KNOWN_CUSTOMER, /* enduser.id: a few spans */
    KNOWN_URL,      /* url.full: one span */
    KNOWN_POD,      /* k8s.pod.name: one of 48 */
    KNOWN_LINK,     /* trace id of a link, hex without leading zeros */
    KNOWN_TRACE,    /* a trace id, 32 hex digits */
    KNOWN_SPAN,     /* a span id in it, 16 hex digits */
    KNOWN_COUNT
};

struct known {
    char text[KNOWN_COUNT][160];      /* taken from behind the middle of the corpus */
    uint64_t spans, errors, requests; /* requests: kind server */
    uint64_t bytes;                   /* of the bodies */
    uint64_t first_ns, last_ns;       /* starts of the first and the last span */
};

/* Go through all of it. */
void know(const struct corpus_options *o, struct known *ret);
/* A copy of `text` with each "@order@", "@message@", "@customer@", "@url@", "@pod@", "@link@", "@trace@" and
 * "@span@" filled in; allocated. */
char *know_fill(const struct known *k, const char *text);
