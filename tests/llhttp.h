/* Debian keeps node-llhttp's header where its sources do not look; they include it by this name. */
#pragma once
#if __has_include("/usr/share/include/llhttp/llhttp.h")
#include "/usr/share/include/llhttp/llhttp.h"
#endif
