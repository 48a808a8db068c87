/* A run's result: one flat JSON object, keys in the order they were set. Threads: one owner. */
#pragma once

#include "blob.h"

struct result {
    struct blob json;
};

void result_str(struct result *r, const char *key, const char *value);
void result_num(struct result *r, const char *key, double value);
/* Write to `path` ("-" = standard output) and free. */
void result_write(struct result *r, const char *path);
