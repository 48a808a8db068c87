#include "h2.h"

#include "vivace/base/rng.h"

/* grpc-go: a ping without a stream may come this seldom, whatever the policy. */
#define PING_WITHOUT_STREAM_MS ((uint64_t)2 * 3600 * 1000)
#define STRIKES_MAX            2

static const uint8_t drain_ping[8] = {1, 6, 1, 8, 0, 3, 3, 9}; /* grpc-go's, known to packet dissectors */
static const uint8_t alive_ping[8] = {'v', 'i', 'v', 'a', 'c', 'e', 0, 0};

void
h2_keepalive_open(struct h2_conn *h)
{
    uint64_t age = h->opt->keepalive.max_age_ms;
    if (age > 0) {
        /* +-10 %, so that a restart does not make every client reconnect in the same second */
        struct rng r;
        rng_seed(&r, rng_process_seed() ^ (uint64_t)(uintptr_t)h);
        age += rng_below(&r, age / 5 + 1);
        age -= h->opt->keepalive.max_age_ms / 10;
    }
    h->age_max_ms = age;
}

void
h2_keepalive_on_ping(struct h2_conn *h)
{
    const struct h2_keepalive *k = &h->opt->keepalive;
    uint64_t now = h2_now(h);
    uint64_t last = h->client_ping_ms;
    h->client_ping_ms = now;
    if (k->min_ping_interval_ms == 0) {
        return;
    }
    if (h->strikes_reset) {
        h->strikes_reset = false;
        h->strikes = 0;
        return;
    }
    bool without = h->stream_count == 0 && !k->ping_without_stream;
    uint64_t interval = without ? PING_WITHOUT_STREAM_MS : k->min_ping_interval_ms;
    if (last != 0 && now - last < interval && ++h->strikes > STRIKES_MAX) {
        h2_goaway_now(h, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    }
}

static void
drain_finish(struct h2_conn *h)
{
    if (h->phase == H2_LEAVING) {
        return;
    }
    h->phase = H2_LEAVING;
    h->leaving_ms = h2_now(h);
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->session);
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR,
                                (const uint8_t *)h->drain_reason, strlen(h->drain_reason));
}

void
h2_keepalive_on_ack(struct h2_conn *h, const uint8_t data[8])
{
    h->ping_sent_ms = 0;
    if (h->phase == H2_NOTICED && memcmp(data, drain_ping, sizeof(drain_ping)) == 0) {
        drain_finish(h);
    }
}

void
h2_drain_start(struct h2_conn *h, const char *reason)
{
    if (h->phase != H2_OPEN || h->ended || h->closed) {
        return;
    }
    h->phase = H2_NOTICED;
    h->noticed_ms = h2_now(h);
    h->drain_reason = reason;
    /* The highest id closes nothing yet: requests in flight towards us are still taken. */
    (void)nghttp2_submit_shutdown_notice(h->session);
    (void)nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, drain_ping);
}

static void
idle_tick(struct h2_conn *h, uint64_t now)
{
    const struct h2_keepalive *k = &h->opt->keepalive;
    if (h->stream_count > 0) {
        return;
    }
    uint64_t idle = now > h->idle_since_ms ? now - h->idle_since_ms : 0;
    uint64_t max = h->opt->limits.idle_timeout_ms;
    if ((max && idle >= max) || (k->max_idle_ms && idle >= k->max_idle_ms)) {
        h2_drain_start(h, "max_idle");
    }
}

static void
alive_tick(struct h2_conn *h, uint64_t now)
{
    const struct h2_keepalive *k = &h->opt->keepalive;
    if (k->time_ms == 0) {
        return;
    }
    if (h->ping_sent_ms != 0) {
        if (h->read_ms >= h->ping_sent_ms) {
            h->ping_sent_ms = 0; /* anything read is a sign of life */
        } else if (now - h->ping_sent_ms >= k->timeout_ms) {
            h2_end(h, false);
            return;
        }
    }
    if (h->ping_sent_ms == 0 && now > h->read_ms && now - h->read_ms >= k->time_ms) {
        h->ping_sent_ms = now;
        (void)nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, alive_ping);
    }
}

void
h2_keepalive_tick(struct h2_conn *h, uint64_t now)
{
    const struct h2_keepalive *k = &h->opt->keepalive;
    idle_tick(h, now);
    if (h->age_max_ms && now - h->opened_ms >= h->age_max_ms) {
        h2_drain_start(h, "max_age");
        uint64_t grace = k->max_age_grace_ms;
        if (grace && now - h->opened_ms >= h->age_max_ms + grace) {
            h2_end(h, false);
            return;
        }
    }
    if (h->phase == H2_NOTICED && now - h->noticed_ms >= H2_DRAIN_PING_MS) {
        drain_finish(h);
    }
    alive_tick(h, now);
}
