/* What every unit test includes: cmocka with its prerequisites, and a few helpers. */
#pragma once

#include "vivace/base/buf.h"

/* cmocka.h needs these four before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_slice_equal(s, text)                                                                          \
    do {                                                                                                     \
        slice assert_got = (s);                                                                              \
        const char *assert_want = (text);                                                                    \
        if (!slice_eq(assert_got, slice_cstr(assert_want))) {                                                \
            fail_msg("%s:%d: got '%.*s', want '%s'", __FILE__, __LINE__, SL_FMT(assert_got), assert_want);   \
        }                                                                                                    \
    } while (0)

#define assert_ok(expr, f)                                                                                   \
    do {                                                                                                     \
        err assert_rc = (expr);                                                                              \
        if (assert_rc != OK) {                                                                               \
            fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, err_name(assert_rc), (f)->msg);                    \
        }                                                                                                    \
    } while (0)
