#include "client_answer.h"

#include "vivace/codec/compress.h"

void
client_answer_init(struct client_answer *a, size_t body_max)
{
    *a = (struct client_answer){.status = 0};
    buf_init(&a->head, CLIENT_HEAD_MAX);
    buf_init(&a->body, body_max);
    http1_chunks_init(&a->chunks);
}

void
client_answer_fini(struct client_answer *a)
{
    buf_fini(&a->head);
    buf_fini(&a->body);
}

static err
corrupt(struct fault *f, const char *what)
{
    return FAULT(f, ERR_CORRUPT, "the answer is not HTTP/1.1: %s", what);
}

/* "HTTP/1.1 200 OK" */
static err
parse_status(struct client_answer *a, slice line, struct fault *f)
{
    bool good = line.n >= 12 && slice_starts_with(line, SL("HTTP/1.")) && line.p[8] == ' ' &&
                (line.n == 12 || line.p[12] == ' ');
    int status = 0;
    for (size_t i = 9; good && i < 12; i++) {
        good = line.p[i] >= '0' && line.p[i] <= '9';
        status = status * 10 + (line.p[i] - '0');
    }
    a->status = status;
    return good && status >= 100 ? OK : corrupt(f, "its first line is no status line");
}

static err
parse_header(struct client_answer *a, slice line, struct fault *f)
{
    slice value = line;
    slice name = slice_cut(&value, ':');
    value = slice_trim(value);
    if (value.p == NULL || name.n == 0) {
        return corrupt(f, "a header has no colon");
    }
    if (slice_ieq(name, SL("content-length"))) {
        uint64_t n = 0;
        if (!slice_to_u64(value, &n) || (a->has_length && n != a->left)) {
            return corrupt(f, "its length is no number");
        }
        a->has_length = true;
        a->left = n;
    } else if (slice_ieq(name, SL("transfer-encoding"))) {
        if (!slice_ieq(value, SL("chunked"))) {
            return corrupt(f, "it has an unknown transfer coding");
        }
        a->chunked = true;
    } else if (slice_ieq(name, SL("content-encoding"))) {
        a->gzip = slice_ieq(value, SL("gzip"));
        if (!a->gzip && !slice_ieq(value, SL("identity"))) {
            return corrupt(f, "it has an encoding that was not asked for");
        }
    }
    return OK;
}

static err
parse_head(struct client_answer *a, slice head, struct fault *f)
{
    slice line = slice_cut(&head, '\n');
    err rc = parse_status(a, slice_sub(line, 0, line.n - (line.n > 0)), f);
    a->has_length = a->chunked = a->gzip = false;
    a->left = 0;
    while (rc == OK && head.p && head.n) {
        line = slice_cut(&head, '\n');
        line = slice_sub(line, 0, line.n - (line.n > 0)); /* its CR */
        rc = line.n ? parse_header(a, line, f) : OK;
    }
    return rc;
}

/* Where the head ends in a->head, 0 when it is not complete. */
static size_t
head_end(const struct client_answer *a)
{
    size_t at = slice_find(buf_slice(&a->head), SL("\r\n\r\n"));
    return at == SIZE_MAX ? 0 : at + 4;
}

static err
take(struct client_answer *a, slice bytes, struct fault *f)
{
    if (buf_append_slice(&a->body, bytes) != OK) {
        return FAULT(f, ERR_LIMIT, "the answer is larger than %zu MiB", a->body.max >> 20);
    }
    return OK;
}

static err
feed_body(struct client_answer *a, slice in, struct fault *f)
{
    err rc = OK;
    slice data = SL_EMPTY;
    if (a->chunked) {
        enum http1_chunk what = CHUNK_DATA;
        while (rc == OK && (what = http1_chunks_next(&a->chunks, &in, &data)) == CHUNK_DATA) {
            rc = take(a, data, f);
        }
        a->done = what == CHUNK_END;
        return rc == OK && what == CHUNK_BAD ? corrupt(f, "its chunks are malformed") : rc;
    }
    if (a->has_length) {
        in = slice_sub(in, 0, a->left < in.n ? (size_t)a->left : in.n);
        a->left -= in.n;
        a->done = a->left == 0;
    }
    return take(a, in, f);
}

err
client_answer_feed(struct client_answer *a, slice in, struct fault *f)
{
    err rc = OK;
    size_t end = 0;
    if (a->in_body || a->done) {
        return a->done ? OK : feed_body(a, in, f);
    }
    size_t room = a->head.max - a->head.n;
    slice mine = slice_sub(in, 0, room);
    in = slice_sub(in, mine.n, in.n);
    (void)buf_append_slice(&a->head, mine); /* it fits */
    while (!a->in_body && (end = head_end(a)) > 0) {
        TRY(parse_head(a, slice_sub(buf_slice(&a->head), 0, end), f));
        a->in_body = a->status >= 200;
        buf_consume(&a->head, end); /* an interim answer is followed by the real one */
    }
    if (!a->in_body) {
        return a->head.n == a->head.max ? FAULT(f, ERR_LIMIT, "the answer's head is too long") : OK;
    }
    a->done = a->status == 204 || a->status == 304 || (a->has_length && !a->chunked && a->left == 0);
    if (!a->done) {
        TRY(feed_body(a, buf_slice(&a->head), f));
    }
    if (!a->done) {
        TRY(feed_body(a, in, f));
    }
out:
    return rc;
}

err
client_answer_end(struct client_answer *a, struct fault *f)
{
    if (!a->done && (!a->in_body || a->chunked || a->has_length)) {
        return FAULT(f, ERR_CORRUPT,
                     a->in_body || a->head.n ? "the connection ended inside the answer"
                                             : "the connection was closed without an answer");
    }
    a->done = true;
    return OK;
}

err
client_answer_body(const struct client_answer *a, struct buf *out, struct fault *f)
{
    if (a->gzip && a->body.n) {
        err rc = codec_decompress(CODEC_GZIP, buf_slice(&a->body), out, f);
        return rc == ERR_INVALID ? ERR_CORRUPT : rc;
    }
    return buf_append_slice(out, buf_slice(&a->body));
}
