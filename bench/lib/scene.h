/* What the query programs stand on: a server that holds a corpus, settled, and the knowledge of what is in
 * it. A directory with a corpus in it (--dir, --keep or --load-only) is used again with --reuse. Threads: one
 * owner. */
#pragma once

#include "know.h"
#include "push.h"
#include "result.h"
#include "settle.h"
#include "target.h"

#include <stdio.h>

struct scene_options {
    struct target_options target;
    double spans, seed, quiet_s, settle_limit_s;
    const char *result, *label;
    bool reuse, load_only;
};

#define SCENE_ARGS(o)                                                                                        \
    TARGET_ARGS(&(o)->target), {"--spans", "how many to load", .number = &(o)->spans},                       \
        {"--seed", "of the corpus", .number = &(o)->seed},                                                   \
        {"--quiet", "settled after this many seconds without compaction", .number = &(o)->quiet_s},          \
        {"--settle-limit", "wait at most this many seconds for it", .number = &(o)->settle_limit_s},         \
        {"--load-only", "load, settle, leave the data in --dir", .flag = &(o)->load_only},                   \
        {"--reuse", "the data is in --dir already", .flag = &(o)->reuse},                                    \
        {"--label", "a name for the run, kept in the result", .text = &(o)->label},                          \
    {                                                                                                        \
        "--result", "file for the JSON result, - = standard output", .text = &(o)->result                    \
    }

#define SCENE_DEFAULTS                                                                                       \
    {                                                                                                        \
        .spans = 1e6, .seed = 1, .quiet_s = 6, .settle_limit_s = 300, .result = "-"                          \
    }

struct scene {
    struct scene_options o;
    struct target target;
    struct corpus_options corpus;
    struct known known;
    struct result out;
    uint64_t faults; /* the program ends with 1 when there is one; each is told on stderr */
};

/* Start the server, load and settle (or reuse), and learn the corpus. Ends the program when that fails, and
 * after
 * --load-only. */
void scene_open(struct scene *s);
/* Stop, write the result with its "verdict", and the program's exit status. */
int scene_close(struct scene *s);
/* Say what is wrong, and count it. */
void scene_fault(struct scene *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The corpus of a directory, for --reuse. */
void corpus_note_write(const char *dir, const struct corpus_options *c);
bool corpus_note_read(const char *dir, struct corpus_options *c);
