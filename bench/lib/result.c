#include "result.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void
key_put(struct result *r, const char *key)
{
    blob_printf(&r->json, "%s\n  \"%s\": ", r->json.n ? "," : "{", key);
}

void
result_str(struct result *r, const char *key, const char *value)
{
    key_put(r, key);
    blob_printf(&r->json, "\"");
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\') {
            blob_printf(&r->json, "\\%c", *c);
        } else if ((unsigned char)*c < 0x20) {
            blob_printf(&r->json, "\\u%04x", (unsigned)*c);
        } else {
            blob_add(&r->json, c, 1);
        }
    }
    blob_printf(&r->json, "\"");
}

void
result_num(struct result *r, const char *key, double value)
{
    key_put(r, key);
    if (!isfinite(value)) {
        blob_printf(&r->json, "null");
    } else if (value == floor(value) && fabs(value) < 1e15) {
        blob_printf(&r->json, "%.0f", value);
    } else {
        blob_printf(&r->json, "%.6g", value);
    }
}

void
result_write(struct result *r, const char *path)
{
    blob_printf(&r->json, "\n}\n");
    FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (!f || fwrite(r->json.p, 1, r->json.n, f) != r->json.n || (f != stdout && fclose(f) != 0)) {
        die("%s: %s", path, strerror(errno));
    }
    blob_free(&r->json);
}
