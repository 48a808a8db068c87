/* Loops, mailboxes, timers, deferred work and watches. */
#include "test.h"

#include "vivace/base/clock.h"
#include "vivace/runtime/watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SENDERS    4
#define PER_SENDER 2000

struct note {
    struct loop_msg msg;
    int sender, number;
};

struct sender {
    struct loop *loop;
    struct note notes[PER_SENDER];
    pthread_t id;
};

static int last_seen[SENDERS];
static int out_of_order;
static _Atomic int seen;

static void
see_note(struct loop_msg *m)
{
    struct note *n = (struct note *)(void *)m;
    out_of_order += last_seen[n->sender] + 1 != n->number;
    last_seen[n->sender] = n->number;
    atomic_fetch_add(&seen, 1);
}

static void *
send_notes(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < PER_SENDER; i++) {
        loop_post(s->loop, &s->notes[i].msg);
    }
    return NULL;
}

static void
messages_from_many_threads_run_once_and_in_order(void **state)
{
    (void)state;
    struct loop *l = loop_create("mailbox");
    assert_int_equal(loop_start(l), OK);
    struct sender *senders = calloc(SENDERS, sizeof *senders);
    for (int s = 0; s < SENDERS; s++) {
        last_seen[s] = -1;
        senders[s].loop = l;
        for (int i = 0; i < PER_SENDER; i++) {
            senders[s].notes[i] = (struct note){.msg.run = see_note, .sender = s, .number = i};
        }
        pthread_create(&senders[s].id, NULL, send_notes, &senders[s]);
    }
    for (int s = 0; s < SENDERS; s++) {
        pthread_join(senders[s].id, NULL);
    }
    loop_stop(l); /* what was posted still runs */
    loop_join(l);
    assert_int_equal(atomic_load(&seen), SENDERS * PER_SENDER);
    assert_int_equal(out_of_order, 0);
    free(senders);
}

static void
a_loop_that_never_ran_still_runs_its_mail_when_joined(void **state)
{
    (void)state;
    struct loop *l = loop_create("idle");
    atomic_store(&seen, 0);
    last_seen[0] = 6;
    struct note n = {.msg.run = see_note, .sender = 0, .number = 7};
    loop_post(l, &n.msg);
    loop_stop(l);
    loop_join(l);
    assert_int_equal(atomic_load(&seen), 1);
}

struct bench {
    struct loop_msg msg;
    struct loop *loop;
    struct loop_timer *timer;
    struct watch *watch;
    struct loop_deferred work, more;
    int ticks, order, work_order, more_order, reads, hangups;
    int fds[2];
};

static void
on_tick(void *ctx)
{
    struct bench *b = ctx;
    if (++b->ticks == 3) {
        loop_timer_destroy(b->timer);
        loop_stop(b->loop);
    }
}

static void
run_more(struct loop_deferred *d)
{
    struct bench *b = (struct bench *)(void *)((char *)d - offsetof(struct bench, more));
    b->more_order = ++b->order;
}

static void
run_work(struct loop_deferred *d)
{
    struct bench *b = (struct bench *)(void *)((char *)d - offsetof(struct bench, work));
    b->work_order = ++b->order;
    loop_defer(b->loop, &b->more);
}

static void
start_bench(struct loop_msg *m)
{
    struct bench *b = (struct bench *)(void *)m;
    b->timer = loop_timer_create(b->loop, on_tick, b);
    loop_timer_start(b->timer, 1, 1);
    loop_defer(b->loop, &b->work);
    loop_defer(b->loop, &b->work); /* asked twice, runs once */
    b->order++;
}

static void
timers_repeat_and_deferred_work_runs_after_the_event(void **state)
{
    (void)state;
    struct bench b = {.msg.run = start_bench, .work.run = run_work, .more.run = run_more};
    b.loop = loop_create("timers");
    loop_post(b.loop, &b.msg);
    loop_run_here(b.loop);
    loop_join(b.loop);
    assert_int_equal(b.ticks, 3);
    assert_int_equal(b.work_order, 2);
    assert_int_equal(b.more_order, 3);
}

static void
on_watch(void *ctx, unsigned events)
{
    struct bench *b = ctx;
    if (events & WATCH_READ) {
        b->reads += (int)read(watch_fd(b->watch), loop_buffer(b->loop), LOOP_BUFFER_BYTES);
        watch_set(b->watch, WATCH_HANGUP);
        close(b->fds[1]);
        return;
    }
    b->hangups++;
    watch_destroy(b->watch);
    loop_stop(b->loop);
}

static void
start_watch(struct loop_msg *m)
{
    struct bench *b = (struct bench *)(void *)m;
    assert_int_equal(watch_create(b->loop, b->fds[0], on_watch, b, &b->watch), OK);
    watch_set(b->watch, WATCH_READ);
}

static void
a_watch_tells_of_bytes_and_of_a_peer_that_left(void **state)
{
    (void)state;
    struct bench b = {.msg.run = start_watch};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b.fds), 0);
    assert_int_equal(write(b.fds[1], "hello", 5), 5);
    b.loop = loop_create("watch");
    loop_post(b.loop, &b.msg);
    loop_run_here(b.loop);
    loop_join(b.loop);
    assert_int_equal(b.reads, 5);
    assert_int_equal(b.hangups, 1);
}

struct signal_case {
    struct loop *loop;
    struct loop_timer *alive;
    struct loop_msg msg;
    int got;
};

static void
on_usr1(void *ctx, int signum)
{
    struct signal_case *c = ctx;
    c->got = signum;
    loop_timer_destroy(c->alive);
    loop_stop(c->loop);
}

static void
never(void *ctx)
{
    (void)ctx;
    fail_msg("the signal did not come");
}

static void
raise_usr1(struct loop_msg *m)
{
    struct signal_case *c = (struct signal_case *)(void *)((char *)m - offsetof(struct signal_case, msg));
    c->alive = loop_timer_create(c->loop, never, c);
    loop_timer_start(c->alive, 60000, 0);
    loop_on_signal(c->loop, SIGUSR1, on_usr1, c);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
}

static void
a_signal_reaches_its_loop(void **state)
{
    (void)state;
    struct signal_case c = {.msg.run = raise_usr1};
    c.loop = loop_create("signal");
    loop_post(c.loop, &c.msg);
    loop_run_here(c.loop);
    loop_join(c.loop);
    assert_int_equal(c.got, SIGUSR1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_from_many_threads_run_once_and_in_order),
        cmocka_unit_test(a_loop_that_never_ran_still_runs_its_mail_when_joined),
        cmocka_unit_test(timers_repeat_and_deferred_work_runs_after_the_event),
        cmocka_unit_test(a_watch_tells_of_bytes_and_of_a_peer_that_left),
        cmocka_unit_test(a_signal_reaches_its_loop),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
