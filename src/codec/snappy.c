/* Snappy: blocks through the library, the framing format by hand.
 * Source: framing_format.txt of google/snappy: chunks of type (1 byte), length (3 bytes, little endian),
 * body. */
#include "vivace/base/must.h"

#include <snappy-c.h>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

#include "compress_priv.h"
#include "wire_priv.h"

#define CHUNK_COMPRESSED    0x00
#define CHUNK_PLAIN         0x01
#define CHUNK_SKIPPABLE_MIN 0x80 /* reserved skippable to 0xfd, padding 0xfe */
#define CHUNK_STREAM        0xff
#define CHUNK_HEAD          4
#define CHUNK_CRC           4
#define CHUNK_PLAIN_MAX     65536
/* The best element, a copy of 64 bytes, takes 3: a claim beyond this is a lie, refused before memory is
 * taken. */
#define EXPANSION_MAX 22

static const uint8_t stream_head[] = {CHUNK_STREAM, 6, 0, 0, 's', 'N', 'a', 'P', 'p', 'Y'};

#if defined(__SSE4_2__)
uint32_t
crc32c(const uint8_t *p, size_t n)
{
    uint64_t crc = UINT32_MAX;
    for (; n >= 8; p += 8, n -= 8) {
        crc = _mm_crc32_u64(crc, wire_load64(p));
    }
    for (; n > 0; p++, n--) {
        crc = _mm_crc32_u8((uint32_t)crc, *p);
    }
    return ~(uint32_t)crc;
}
#else
uint32_t
crc32c(const uint8_t *p, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0x82f63b78 & (0 - (crc & 1)));
        }
    }
    return ~crc;
}
#endif

static uint32_t
crc_masked(slice s)
{
    uint32_t crc = crc32c(s.p, s.n);
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static err
corrupt(struct fault *f)
{
    return FAULT(f, ERR_INVALID, "snappy: corrupt input");
}

bool
snappy_is_framed(slice in)
{
    return slice_starts_with(in, slice_of(stream_head, sizeof stream_head));
}

err
snappy_block_decompress(slice in, struct buf *out, struct fault *f)
{
    size_t n, room;
    if (snappy_uncompressed_length((const char *)in.p, in.n, &n) != SNAPPY_OK || n / EXPANSION_MAX > in.n) {
        return corrupt(f);
    }
    if (n > out->max - out->n) {
        return codec_full(out, f);
    }
    if (n == 0) {
        return snappy_validate_compressed_buffer((const char *)in.p, in.n) == SNAPPY_OK ? OK : corrupt(f);
    }
    if (codec_room(out, n, &room) != OK || room < n) {
        return codec_full(out, f);
    }
    if (snappy_uncompress((const char *)in.p, in.n, (char *)out->p + out->n, &n) != SNAPPY_OK) {
        return corrupt(f);
    }
    out->n += n;
    return OK;
}

static err
data_chunk_decompress(uint8_t type, slice body, struct buf *out, struct fault *f)
{
    if (body.n < CHUNK_CRC) {
        return corrupt(f);
    }
    uint32_t crc = wire_load32(body.p);
    slice data = slice_sub(body, CHUNK_CRC, body.n);
    size_t before = out->n, n = data.n;
    if (type == CHUNK_COMPRESSED &&
        snappy_uncompressed_length((const char *)data.p, data.n, &n) != SNAPPY_OK) {
        return corrupt(f);
    }
    if (n > CHUNK_PLAIN_MAX) {
        return corrupt(f);
    }
    if (type == CHUNK_COMPRESSED) {
        err rc = snappy_block_decompress(data, out, f);
        if (rc != OK) {
            return rc;
        }
    } else if (n > out->max - out->n || buf_append_slice(out, data) != OK) {
        return codec_full(out, f);
    }
    if (crc_masked((slice){n ? out->p + before : NULL, n}) != crc) {
        out->n = before;
        return FAULT(f, ERR_INVALID, "snappy: corrupt input");
    }
    return OK;
}

err
snappy_framed_decompress(slice in, struct buf *out, struct fault *f)
{
    err rc = OK;
    if (in.n != 0 && !snappy_is_framed(in)) {
        return corrupt(f);
    }
    while (in.n != 0) {
        if (in.n < CHUNK_HEAD) {
            return corrupt(f);
        }
        uint8_t type = in.p[0];
        size_t n = wire_load32(in.p) >> 8;
        if (n > in.n - CHUNK_HEAD) {
            return corrupt(f);
        }
        slice body = slice_sub(in, CHUNK_HEAD, n);
        if (type == CHUNK_COMPRESSED || type == CHUNK_PLAIN) {
            TRY(data_chunk_decompress(type, body, out, f));
        } else if (type == CHUNK_STREAM) {
            if (!snappy_is_framed(in) || n != sizeof stream_head - CHUNK_HEAD) {
                return corrupt(f);
            }
        } else if (type < CHUNK_SKIPPABLE_MIN) {
            return FAULT(f, ERR_INVALID, "snappy: unsupported input");
        }
        in = slice_sub(in, CHUNK_HEAD + n, in.n);
    }
out:
    return rc;
}

static void
chunk_head_write(uint8_t *at, uint8_t type, size_t body_bytes, uint32_t crc)
{
    wire_write32(at, (uint32_t)body_bytes << 8 | type);
    wire_write32(at + CHUNK_HEAD, crc);
}

static err
data_chunk_compress(slice part, struct buf *out)
{
    MUST(part.p != NULL && part.n != 0); /* its caller cuts parts of what is left */
    size_t n = snappy_max_compressed_length(part.n), room;
    err rc = buf_reserve(out, CHUNK_HEAD + CHUNK_CRC + part.n);
    if (rc != OK) {
        return rc;
    }
    rc = codec_room(out, CHUNK_HEAD + CHUNK_CRC + n, &room);
    if (rc != OK) {
        return rc;
    }
    uint8_t *head = out->p + out->n, *data = head + CHUNK_HEAD + CHUNK_CRC;
    uint8_t type = CHUNK_PLAIN;
    /* The library wants room for the worst case; near the end of a full buffer the part stays plain. */
    if (room >= CHUNK_HEAD + CHUNK_CRC + n) {
        MUST(snappy_compress((const char *)part.p, part.n, (char *)data, &n) == SNAPPY_OK);
        type = n < part.n - part.n / 8 ? CHUNK_COMPRESSED : CHUNK_PLAIN;
    }
    if (type == CHUNK_PLAIN) {
        memcpy(data, part.p, part.n);
        n = part.n;
    }
    chunk_head_write(head, type, CHUNK_CRC + n, crc_masked(part));
    out->n += CHUNK_HEAD + CHUNK_CRC + n;
    return OK;
}

err
snappy_framed_compress(slice in, struct buf *out)
{
    err rc = OK;
    TRY(buf_append(out, stream_head, sizeof stream_head));
    while (in.n != 0) {
        TRY(data_chunk_compress(slice_sub(in, 0, CHUNK_PLAIN_MAX), out));
        in = slice_sub(in, CHUNK_PLAIN_MAX, in.n);
    }
out:
    return rc;
}
