// RE2 behind a C face: the only C++ of the program. TraceQL's regular expressions are Go's, which are RE2's.
#include "regex_re2.h"

#include <new>
#include <re2/re2.h>

extern "C" void *
re2_shim_create(const char *p, size_t n, size_t max_bytes, size_t *ret_bytes)
{
    try {
        re2::RE2::Options options;
        options.set_log_errors(false);
        options.set_dot_nl(true);
        options.set_max_mem(static_cast<int64_t>(max_bytes));
        re2::RE2 *re = new re2::RE2(re2::StringPiece(p, n), options);
        if (!re->ok()) {
            delete re;
            return nullptr;
        }
        *ret_bytes = sizeof *re + n + static_cast<size_t>(re->ProgramSize()) * 16;
        return re;
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

extern "C" void
re2_shim_destroy(void *re)
{
    delete static_cast<re2::RE2 *>(re);
}

extern "C" bool
re2_shim_match(const void *re, const char *p, size_t n)
{
    try {
        return static_cast<const re2::RE2 *>(re)->Match(re2::StringPiece(p, n), 0, n, re2::RE2::ANCHOR_BOTH,
                                                        nullptr, 0);
    } catch (const std::bad_alloc &) {
        return false;
    }
}
