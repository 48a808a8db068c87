/* runtime-private: what a loop is made of. */
#pragma once

#include "vivace/base/mutex.h"
#include "vivace/runtime/loop.h"
#include "vivace/runtime/watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#define LOOP_MAGIC 0x6c6f6f70u

struct loop {
    uint32_t magic;
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t before_sleep;
    uv_check_t after_sleep;
    struct loop_deferred *deferred, **deferred_end;
    uint8_t *buffer;
    char name[16];
    bool has_thread;
    pthread_t thread;         /* of loop_start */
    _Atomic uintptr_t runner; /* pthread_self() of the thread that runs it, 0 before and after */
    struct mutex mu;
    struct loop_msg *head, **tail; /* guarded by mu */
    bool stopping;                 /* guarded by mu */
};
