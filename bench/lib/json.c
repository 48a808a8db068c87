#include "json.h"

#include <stdlib.h>
#include <string.h>

static bool
blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',' || c == ':';
}

static size_t
blanks(struct json v)
{
    size_t n = 0;
    while (n < v.n && blank(v.p[n])) {
        n++;
    }
    return n;
}

/* Bytes of the string at v.p, quotes included; 0 when it does not end. */
static size_t
string_length(struct json v)
{
    for (size_t i = 1; i < v.n; i++) {
        if (v.p[i] == '\\') {
            i++;
        } else if (v.p[i] == '"') {
            return i + 1;
        }
    }
    return 0;
}

/* Bytes of the value at v.p; 0 when it does not end. */
static size_t
value_length(struct json v)
{
    size_t depth = 0, i = 0;
    while (i < v.n) {
        char c = v.p[i];
        size_t step = 1;
        if (c == '"') {
            step = string_length((struct json){v.p + i, v.n - i});
            if (step == 0) {
                return 0;
            }
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) {
                return i; /* a scalar before the end of its holder */
            }
            depth--;
        } else if (depth == 0) { /* number, true, false, null */
            while (i + step < v.n && !strchr(",:]} \n\r\t", v.p[i + step])) {
                step++;
            }
        }
        i += step;
        if (depth == 0) {
            return i;
        }
    }
    return 0;
}

static bool
take(struct json *rest, struct json *ret)
{
    size_t skip = blanks(*rest);
    struct json at = {rest->p + skip, rest->n - skip};
    size_t n = at.n ? value_length(at) : 0;
    if (n == 0) {
        return false;
    }
    *ret = (struct json){at.p, n};
    *rest = (struct json){at.p + n, at.n - n};
    return true;
}

struct json
json_of(const void *text, size_t n)
{
    struct json rest = {text, n}, v;
    if (!take(&rest, &v) || blanks(rest) != rest.n) {
        return (struct json){0};
    }
    return v;
}

/* Step inside the brackets of a value that is still whole. */
static void
enter(struct json *v)
{
    if (v->n && (*v->p == '{' || *v->p == '[')) {
        v->p++;
        v->n--;
    }
}

bool
json_get(struct json object, const char *key, struct json *ret)
{
    struct json name, value, rest = object;
    size_t n = strlen(key);
    if (object.n == 0 || *object.p != '{') {
        return false;
    }
    enter(&rest);
    while (take(&rest, &name) && take(&rest, &value)) {
        if (name.n == n + 2 && memcmp(name.p + 1, key, n) == 0) {
            *ret = value;
            return true;
        }
    }
    return false;
}

bool
json_next(struct json *rest, struct json *ret)
{
    if (rest->n && *rest->p == '[') {
        enter(rest);
        struct json first = *rest;
        /* What is left of an array must not look like one: keep a comma in front of it. */
        if (!take(&first, ret)) {
            rest->n = 0;
            return false;
        }
        *rest = first;
        return true;
    }
    return rest->n && take(rest, ret);
}

size_t
json_count(struct json array)
{
    size_t n = 0;
    for (struct json one; json_next(&array, &one);) {
        n++;
    }
    return n;
}

static struct json
bare(struct json v)
{
    if (v.n >= 2 && *v.p == '"') {
        return (struct json){v.p + 1, v.n - 2};
    }
    return v;
}

double
json_number(struct json v)
{
    char text[64];
    struct json b = bare(v);
    size_t n = b.n < sizeof text - 1 ? b.n : sizeof text - 1;
    memcpy(text, b.p ? b.p : "", n);
    text[n] = 0;
    return strtod(text, NULL);
}

unsigned long long
json_u64(struct json v)
{
    char text[24];
    struct json b = bare(v);
    size_t n = b.n < sizeof text - 1 ? b.n : sizeof text - 1;
    memcpy(text, b.p ? b.p : "", n);
    text[n] = 0;
    return strtoull(text, NULL, 10);
}
