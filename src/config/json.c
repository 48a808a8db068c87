/* The YAML we write, as JSON: what /status/config answers by default. Scalars that are plain in YAML and read
 * as a number, a boolean or null stay so; everything else is a string. */
#include "vivace/config/config.h"

#include <yaml.h>

struct json_out {
    struct buf *out;
    bool is_map[CONFIG_DEPTH_MAX];
    bool is_value[CONFIG_DEPTH_MAX]; /* in a map: a key was written, its value comes next */
    bool is_first[CONFIG_DEPTH_MAX];
    int depth;
};

static void
append_string(struct buf *out, slice s)
{
    (void)buf_append_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '"' || c == '\\') {
            (void)buf_append_byte(out, '\\');
            (void)buf_append_byte(out, c);
        } else if (c < 0x20) {
            (void)buf_printf(out, "\\u%04x", c);
        } else {
            (void)buf_append_byte(out, c);
        }
    }
    (void)buf_append_byte(out, '"');
}

/* A JSON number: what follows an optional '-' begins with a digit and has no other letters than one
 * exponent's. */
static bool
is_number(slice s)
{
    size_t i = s.n && s.p[0] == '-';
    bool digit = false;
    bool dot = false;
    if (i >= s.n || s.p[i] == '.' || (s.p[i] == '0' && i + 1 < s.n && s.p[i + 1] != '.')) {
        return false;
    }
    for (; i < s.n; i++) {
        if (s.p[i] == '.') {
            if (dot || !digit) {
                return false;
            }
            dot = true;
            digit = false;
        } else if (s.p[i] >= '0' && s.p[i] <= '9') {
            digit = true;
        } else {
            return false;
        }
    }
    return digit;
}

/* What stands before an element: a comma, a colon or nothing. */
static void
separate(struct json_out *j)
{
    int d = j->depth;
    if (d == 0) {
        return;
    }
    if (j->is_map[d] && j->is_value[d]) {
        (void)buf_append_byte(j->out, ':');
    } else if (!j->is_first[d]) {
        (void)buf_append_byte(j->out, ',');
    }
    j->is_first[d] = false;
    j->is_value[d] = !j->is_value[d];
}

static void
open_level(struct json_out *j, bool map)
{
    separate(j);
    (void)buf_append_byte(j->out, map ? '{' : '[');
    j->depth++;
    j->is_map[j->depth] = map;
    j->is_value[j->depth] = false;
    j->is_first[j->depth] = true;
}

static void
scalar(struct json_out *j, const yaml_event_t *e)
{
    slice s = slice_of(e->data.scalar.value, e->data.scalar.length);
    bool key = j->depth > 0 && j->is_map[j->depth] && !j->is_value[j->depth];
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    separate(j);
    if (!key && plain && s.n == 0) {
        (void)buf_append_cstr(j->out, "null");
    } else if (!key && plain &&
               (is_number(s) || slice_eq(s, SL("true")) || slice_eq(s, SL("false")) ||
                slice_eq(s, SL("null")))) {
        (void)buf_append_slice(j->out, s);
    } else {
        append_string(j->out, s);
    }
}

/* One event; false when the document is done or bad. */
static bool
convert(struct json_out *j, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        if (j->depth + 1 >= CONFIG_DEPTH_MAX) {
            return false;
        }
        open_level(j, e->type == YAML_MAPPING_START_EVENT);
        return true;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        (void)buf_append_byte(j->out, e->type == YAML_MAPPING_END_EVENT ? '}' : ']');
        j->depth--;
        return true;
    case YAML_SCALAR_EVENT:
        scalar(j, e);
        return true;
    case YAML_STREAM_END_EVENT:
    case YAML_NO_EVENT:
        return false;
    default:
        return true;
    }
}

void
config_yaml_to_json(slice yaml, struct buf *out)
{
    struct json_out j = {.out = out};
    yaml_parser_t parser;
    size_t start = out->n;
    if (!yaml_parser_initialize(&parser)) {
        out->failed = true;
        return;
    }
    yaml_parser_set_input_string(&parser, yaml.p, yaml.n);
    for (bool more = true; more;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&parser, &e)) {
            out->failed = true;
            break;
        }
        more = convert(&j, &e);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    if (out->n == start) {
        (void)buf_append_cstr(out, "null");
    }
}
