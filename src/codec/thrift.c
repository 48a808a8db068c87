#include "thrift.h"

#define COMPACT_TRUE        1
#define COMPACT_FALSE       2
#define COMPACT_PROTOCOL_ID 0x82
#define COMPACT_VERSION     1
#define BINARY_VERSION_1    UINT32_C(0x80010000)

static const char text_eof[] = "unexpected EOF";
static const char text_type[] = "unknown type";

struct thrift_reader
thrift_reader_of(slice s, enum thrift_protocol protocol)
{
    const uint8_t *p = s.p != NULL ? s.p : (const uint8_t *)"";
    return (struct thrift_reader){.p = p, .end = p + s.n, .start = p, .compact = protocol == THRIFT_COMPACT};
}

void
thrift_malformed(struct thrift_reader *r, const char *text)
{
    if (r->error == NULL) {
        r->error = text;
        r->end = r->p; /* what is read from here on fails at once */
    }
}

/* The next `n` bytes, which are behind us then; false when there are not so many. */
static inline bool
take(struct thrift_reader *r, size_t n, const uint8_t **ret)
{
    if (__builtin_expect((size_t)(r->end - r->p) < n, 0)) {
        thrift_malformed(r, text_eof);
        return false;
    }
    *ret = r->p;
    r->p += n;
    return true;
}

static void
bytes_skip(struct thrift_reader *r, size_t n)
{
    const uint8_t *p;
    (void)take(r, n, &p);
}

static inline uint8_t
byte_take(struct thrift_reader *r)
{
    if (__builtin_expect(r->p == r->end, 0)) {
        thrift_malformed(r, text_eof);
        return 0;
    }
    return *r->p++;
}

static inline uint32_t
big32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

static inline uint64_t
big64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static uint64_t
varint_long(struct thrift_reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (r->p == r->end) {
            thrift_malformed(r, text_eof);
            return 0;
        }
        uint8_t c = *r->p++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            return v;
        }
    }
    thrift_malformed(r, "variable-length integer over 10 bytes");
    return 0;
}

static inline uint64_t
varint_take(struct thrift_reader *r)
{
    return __builtin_expect(r->p < r->end && *r->p < 0x80, 1) ? *r->p++ : varint_long(r);
}

static inline int64_t
zigzag_take(struct thrift_reader *r)
{
    uint64_t v = varint_take(r);
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static enum thrift_type
type_of_compact(struct thrift_reader *r, uint8_t type)
{
    static const uint8_t types[] = {THRIFT_STOP, THRIFT_BOOL, THRIFT_BOOL,   THRIFT_BYTE,   THRIFT_I16,
                                    THRIFT_I32,  THRIFT_I64,  THRIFT_DOUBLE, THRIFT_STRING, THRIFT_LIST,
                                    THRIFT_SET,  THRIFT_MAP,  THRIFT_STRUCT};
    if (type >= sizeof types) {
        thrift_malformed(r, text_type);
        return THRIFT_STOP;
    }
    return (enum thrift_type)types[type];
}

static bool
next_compact(struct thrift_reader *r, struct thrift_field *f)
{
    uint8_t head = byte_take(r), type = head & 0x0f;
    if (type == THRIFT_STOP) {
        return false;
    }
    int64_t id = head >> 4 != 0 ? f->id + (head >> 4) : zigzag_take(r);
    if (id < INT16_MIN || id > INT16_MAX) {
        thrift_malformed(r, "field id out of range");
    }
    f->id = (int16_t)id;
    f->type = (uint8_t)type_of_compact(r, type);
    f->value = type == COMPACT_TRUE;
    return r->error == NULL;
}

bool
thrift_next_field(struct thrift_reader *r, struct thrift_field *f)
{
    if (r->compact) {
        return next_compact(r, f);
    }
    uint8_t type = byte_take(r);
    if (type == THRIFT_STOP) {
        return false;
    }
    const uint8_t *p;
    if (!take(r, 2, &p)) {
        return false;
    }
    f->type = type;
    f->id = (int16_t)(p[0] << 8 | p[1]);
    return true;
}

bool
thrift_read_bool(struct thrift_reader *r, const struct thrift_field *f)
{
    return r->compact ? f->value : byte_take(r) != 0;
}

int16_t
thrift_i16(struct thrift_reader *r)
{
    if (r->compact) {
        return (int16_t)zigzag_take(r);
    }
    const uint8_t *p;
    return (int16_t)(take(r, 2, &p) ? p[0] << 8 | p[1] : 0);
}

int32_t
thrift_i32(struct thrift_reader *r)
{
    if (r->compact) {
        return (int32_t)zigzag_take(r);
    }
    const uint8_t *p;
    return take(r, 4, &p) ? (int32_t)big32(p) : 0;
}

int64_t
thrift_i64(struct thrift_reader *r)
{
    if (r->compact) {
        return zigzag_take(r);
    }
    const uint8_t *p;
    return take(r, 8, &p) ? (int64_t)big64(p) : 0;
}

double
thrift_double(struct thrift_reader *r)
{
    const uint8_t *p;
    double d = 0;
    if (take(r, 8, &p)) {
        uint64_t v = big64(p);
        v = r->compact ? __builtin_bswap64(v) : v; /* compact doubles are little-endian */
        memcpy(&d, &v, sizeof d);
    }
    return d;
}

slice
thrift_string(struct thrift_reader *r)
{
    int64_t n = r->compact ? (int64_t)varint_take(r) : thrift_i32(r);
    if (n < 0 || n > INT32_MAX) {
        thrift_malformed(r, "negative length");
        return SL_EMPTY;
    }
    const uint8_t *p;
    return take(r, (size_t)n, &p) ? (slice){p, (size_t)n} : SL_EMPTY;
}

/* --- containers -------------------------------------------------------------------------------------------
 */

static uint32_t
count_checked(struct thrift_reader *r, int64_t n)
{
    if (n < 0 || n > r->end - r->p) {
        thrift_malformed(r, n < 0 ? "negative length" : text_eof);
        return 0;
    }
    return (uint32_t)n;
}

static uint32_t
list_begin(struct thrift_reader *r, enum thrift_type *ret_type)
{
    uint8_t head = byte_take(r);
    if (!r->compact) {
        *ret_type = (enum thrift_type)head;
        return count_checked(r, thrift_i32(r));
    }
    *ret_type = type_of_compact(r, head & 0x0f);
    return count_checked(r, head >> 4 == 15 ? (int64_t)varint_take(r) : head >> 4);
}

uint32_t
thrift_list_begin(struct thrift_reader *r, enum thrift_type type)
{
    enum thrift_type got;
    uint32_t n = list_begin(r, &got);
    if (n != 0 && got != type) {
        thrift_malformed(r, "a list of the wrong type");
        return 0;
    }
    return n;
}

static uint32_t
map_begin(struct thrift_reader *r, enum thrift_type *ret_key, enum thrift_type *ret_value)
{
    uint32_t n;
    if (!r->compact) {
        *ret_key = (enum thrift_type)byte_take(r);
        *ret_value = (enum thrift_type)byte_take(r);
        n = count_checked(r, thrift_i32(r));
    } else {
        n = count_checked(r, (int64_t)varint_take(r));
        uint8_t types = n != 0 ? byte_take(r) : 0;
        *ret_key = type_of_compact(r, types >> 4);
        *ret_value = type_of_compact(r, types & 0x0f);
    }
    return count_checked(r, 2 * (int64_t)n) / 2;
}

/* --- skipping ---------------------------------------------------------------------------------------------
 */

/* A value that is being skipped: fields until the stop, or `left` elements. */
struct skip_frame {
    uint32_t left;
    uint8_t first, second; /* element types; a map's alternate, a list's are the same */
    bool is_struct;
    bool at_second;
    struct thrift_field field;
};

/* A container to be walked goes to `ret`: false for everything else, which is behind us then. In an element a
 * compact boolean is a byte. */
static bool
skip_begin(struct thrift_reader *r, enum thrift_type type, struct skip_frame *ret)
{
    enum thrift_type first, second;
    *ret = (struct skip_frame){0};
    switch (type) {
    case THRIFT_BOOL:
    case THRIFT_BYTE:
        bytes_skip(r, 1);
        return false;
    case THRIFT_DOUBLE:
        bytes_skip(r, 8);
        return false;
    case THRIFT_I16:
        (void)thrift_i16(r);
        return false;
    case THRIFT_I32:
        (void)thrift_i32(r);
        return false;
    case THRIFT_I64:
        (void)thrift_i64(r);
        return false;
    case THRIFT_STRING:
        (void)thrift_string(r);
        return false;
    case THRIFT_STRUCT:
        ret->is_struct = true;
        return true;
    case THRIFT_MAP:
        ret->left = map_begin(r, &first, &second);
        break;
    case THRIFT_LIST:
    case THRIFT_SET:
        ret->left = list_begin(r, &first);
        second = first;
        break;
    default:
        thrift_malformed(r, text_type);
        return false;
    }
    ret->first = (uint8_t)first;
    ret->second = (uint8_t)second;
    ret->left *= type == THRIFT_MAP ? 2 : 1;
    return ret->left != 0;
}

/* The type of the next value in the frame; THRIFT_STOP behind the last. */
static enum thrift_type
skip_next(struct thrift_reader *r, struct skip_frame *top)
{
    if (top->is_struct) {
        while (thrift_next_field(r, &top->field)) {
            if (r->compact && top->field.type == THRIFT_BOOL) {
                continue; /* it stood in the header */
            }
            return (enum thrift_type)top->field.type;
        }
        return THRIFT_STOP;
    }
    if (top->left == 0 || r->error != NULL) {
        return THRIFT_STOP;
    }
    top->left--;
    top->at_second = !top->at_second;
    return (enum thrift_type)(top->at_second ? top->first : top->second);
}

void
thrift_skip_field(struct thrift_reader *r, const struct thrift_field *f)
{
    struct skip_frame stack[THRIFT_DEPTH_MAX];
    size_t depth = 0;
    if (r->compact && f->type == THRIFT_BOOL) {
        return;
    }
    depth += skip_begin(r, (enum thrift_type)f->type, &stack[0]);
    while (depth > 0) {
        enum thrift_type type = skip_next(r, &stack[depth - 1]);
        if (type == THRIFT_STOP) {
            depth--;
            continue;
        }
        struct skip_frame frame;
        if (!skip_begin(r, type, &frame)) {
            continue;
        }
        if (depth == THRIFT_DEPTH_MAX) {
            thrift_malformed(r, "nested deeper than 64 levels");
            return;
        }
        stack[depth++] = frame;
    }
}

/* --- messages ---------------------------------------------------------------------------------------------
 */

static slice
message_compact(struct thrift_reader *r, enum thrift_message *ret_type)
{
    uint8_t id = byte_take(r), head = byte_take(r);
    if (r->error == NULL && (id != COMPACT_PROTOCOL_ID || (head & 0x1f) != COMPACT_VERSION)) {
        thrift_malformed(r, "not a message of the compact protocol");
    }
    *ret_type = (enum thrift_message)(head >> 5);
    (void)varint_take(r); /* sequence number */
    return thrift_string(r);
}

slice
thrift_message_begin(struct thrift_reader *r, enum thrift_message *ret_type)
{
    *ret_type = THRIFT_CALL;
    if (r->compact) {
        return message_compact(r, ret_type);
    }
    const uint8_t *p;
    uint32_t head = take(r, 4, &p) ? big32(p) : 0;
    slice name;
    if (head >> 31 != 0) {
        if ((head & UINT32_C(0xffff0000)) != BINARY_VERSION_1) {
            thrift_malformed(r, "not a message of the binary protocol");
        }
        *ret_type = (enum thrift_message)(head & 0xff);
        name = thrift_string(r);
    } else {
        name = take(r, head, &p) ? (slice){p, head} : SL_EMPTY;
        *ret_type = (enum thrift_message)byte_take(r);
    }
    (void)thrift_i32(r); /* sequence number */
    return name;
}
