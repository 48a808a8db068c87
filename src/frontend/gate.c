#include "gate.h"

void
query_gate_init(struct query_gate *g, struct pool *pool, size_t running_max, size_t waiting_max)
{
    *g = (struct query_gate){
        .pool = pool, .running_max = running_max ? running_max : 1, .waiting_max = waiting_max};
    mutex_init(&g->mu, LOCK_QUERIES);
}

void
query_gate_fini(struct query_gate *g)
{
    mutex_fini(&g->mu);
}

/* One has ended: the next that waits, which takes its place. */
static struct query_task *
take_next(struct query_gate *g)
{
    mutex_lock(&g->mu);
    struct query_task *t = g->first;
    if (t) {
        g->first = t->next;
        g->last = g->first ? g->last : NULL;
        g->waiting--;
    } else {
        g->running--;
    }
    mutex_unlock(&g->mu);
    return t;
}

static void
run(struct pool_job *job)
{
    struct query_task *t = (struct query_task *)job;
    struct query_gate *g = t->gate;
    for (;;) {
        bool done = t->step(t);
        if (done) {
            t = take_next(g);
            if (t == NULL) {
                return;
            }
        }
        if (pool_submit(g->pool, &t->job) == OK) {
            return;
        } /* the queue is full, or the server stops: go on here */
    }
}

err
query_gate_enter(struct query_gate *g, struct query_task *t)
{
    err rc = OK;
    t->gate = g;
    t->next = NULL;
    t->job.run = run;
    mutex_lock(&g->mu);
    if (g->running < g->running_max) {
        rc = pool_submit(g->pool, &t->job);
        g->running += rc == OK;
    } else if (g->waiting < g->waiting_max) {
        *(g->first ? &g->last->next : &g->first) = t;
        g->last = t;
        g->waiting++;
    } else {
        rc = ERR_LIMIT;
    }
    mutex_unlock(&g->mu);
    return rc;
}
