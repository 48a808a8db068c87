#include "scene.h"

#include "json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

void
corpus_note_write(const char *dir, const struct corpus_options *c)
{
    char path[320];
    snprintf(path, sizeof path, "%s/corpus.json", dir);
    FILE *f = fopen(path, "w");
    if (!f ||
        fprintf(f,
                "{\"seed\": %" PRIu64 ", \"spans\": %" PRIu64 ", \"start_ns\": \"%" PRIu64
                "\", \"spans_per_second\": %u}\n",
                c->seed, c->spans, c->start_ns, c->spans_per_second) < 0 ||
        fclose(f) != 0) {
        die("%s cannot be written", path);
    }
}

bool
corpus_note_read(const char *dir, struct corpus_options *c)
{
    char path[320], text[512];
    snprintf(path, sizeof path, "%s/corpus.json", dir);
    FILE *f = fopen(path, "r");
    if (!f) {
        return false;
    }
    struct json v, note = json_of(text, fread(text, 1, sizeof text, f));
    fclose(f);
    *c = (struct corpus_options){0};
    c->seed = json_get(note, "seed", &v) ? json_u64(v) : 0;
    c->spans = json_get(note, "spans", &v) ? json_u64(v) : 0;
    c->start_ns = json_get(note, "start_ns", &v) ? json_u64(v) : 0;
    c->spans_per_second = json_get(note, "spans_per_second", &v) ? (uint32_t)json_u64(v) : 0;
    return c->spans > 0 && c->start_ns > 0;
}

void
scene_fault(struct scene *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("FAULT ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    s->faults++;
}

/* Push the corpus; every span must be acknowledged, or queries would be held against the wrong truth. */
static void
load(struct scene *s)
{
    struct push_options o = PUSH_DEFAULTS;
    o.spans = (double)s->corpus.spans;
    o.seed = (double)s->corpus.seed;
    o.start_ns = s->corpus.start_ns;
    o.stream = true;
    struct push p;
    struct load_stats *stats = xalloc(sizeof *stats);
    push_init(&p, &o);
    push_run(&p, &s->target, stats);
    if (stats->acked_spans != p.spans) {
        die("only %" PRIu64 " of %" PRIu64 " spans were acknowledged: %s", stats->acked_spans, p.spans,
            stats->first_error);
    }
    result_num(&s->out, "load_seconds", stats->seconds);
    free(stats);
    push_free(&p);
}

static void
settle_and_tell(struct scene *s)
{
    struct settled at;
    struct target_usage before;
    target_process(&s->target, &before);
    settle(&s->target, s->o.quiet_s, s->o.settle_limit_s, &at);
    result_num(&s->out, "flush_seconds", at.flush_s);
    result_num(&s->out, "compaction_seconds", at.quiet_s);
    result_num(&s->out, "blocks", at.blocks);
    result_num(&s->out, "loaded_rss_mib", (double)at.at_rest.rss_bytes / 1048576);
    result_num(&s->out, "loaded_peak_rss_mib", (double)at.at_rest.peak_bytes / 1048576);
    if (at.at_rest.disk_bytes) {
        result_num(&s->out, "disk_bytes", (double)at.at_rest.disk_bytes);
        result_num(&s->out, "block_bytes", (double)at.at_rest.block_bytes);
    }
    if (!at.rested) {
        scene_fault(s, "compaction had not come to rest after %.0f s", s->o.settle_limit_s);
    }
}

void
scene_open(struct scene *s)
{
    const struct scene_options *o = &s->o;
    if ((o->reuse || o->load_only) && !o->target.dir) {
        die("--reuse and --load-only want --dir");
    }
    if (o->reuse && !corpus_note_read(o->target.dir, &s->corpus)) {
        die("%s holds no corpus", o->target.dir);
    }
    if (!o->reuse) {
        s->corpus = (struct corpus_options){
            .seed = (uint64_t)o->seed, .spans = (uint64_t)o->spans, .start_ns = push_start_ns(o->spans, 0)};
    }
    result_str(&s->out, "label", o->label ? o->label : "");
    know(&s->corpus, &s->known);
    target_open(&s->target, &o->target, SETTLE_YAML, &s->out);
    if (!o->reuse) {
        load(s);
    }
    settle_and_tell(s);
    result_num(&s->out, "spans", (double)s->known.spans);
    if (!o->reuse && o->target.dir) {
        corpus_note_write(o->target.dir, &s->corpus);
    }
    if (o->load_only) {
        s->o.target.keep = true;
        exit(scene_close(s)); // NOLINT(concurrency-mt-unsafe): one thread
    }
}

int
scene_close(struct scene *s)
{
    /* Data that was there before stays. */
    s->o.target.keep = s->o.target.keep || s->o.reuse;
    if (!target_close(&s->target, &s->o.target, &s->out)) {
        scene_fault(s, "the server did not stop well");
    }
    result_num(&s->out, "faults", (double)s->faults);
    result_str(&s->out, "verdict", s->faults ? "bad" : "good");
    result_write(&s->out, s->o.result);
    return s->faults ? 1 : 0;
}
