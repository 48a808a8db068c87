#include "http1_answer.h"

#include "vivace/base/clock.h"

#include <stdio.h>
#include <time.h>

const char *
http1_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } table[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Request Entity Too Large"},
        {414, "Request URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Requested Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status) {
            return table[i].text;
        }
    }
    return "Status";
}

bool
http1_is_bodiless(int status)
{
    return status == 204 || status == 304 || status < 200;
}

/* "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n", made once a second on each thread. */
static slice
date_line(void)
{
    static _Thread_local time_t made_at = -1;
    static _Thread_local char line[64];
    static _Thread_local size_t line_n;
    time_t now = (time_t)(clock_wall_ns() / NS_PER_S);
    if (now != made_at) {
        struct tm tm;
        (void)gmtime_r(&now, &tm);
        static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        int n = snprintf(line, sizeof line, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday],
                         tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        line_n = n > 0 && (size_t)n < sizeof line ? (size_t)n : 0;
        made_at = now;
    }
    return slice_of(line, line_n);
}

/* A header as people write it: "content-type" -> "Content-Type". */
static void
append_name(struct buf *out, slice name)
{
    bool start = true;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        (void)buf_append_byte(out, start && c >= 'a' && c <= 'z' ? (uint8_t)(c - 0x20) : c);
        start = c == '-';
    }
}

/* A value cannot end its line: CR, LF and NUL become blanks, as in Go. */
static void
append_value(struct buf *out, slice value)
{
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = value.p[i];
        (void)buf_append_byte(out, c == '\r' || c == '\n' || c == 0 ? ' ' : c);
    }
}

static void
append_header(struct buf *out, slice name, slice value)
{
    append_name(out, name);
    buf_append_slice(out, SL(": "));
    append_value(out, value);
    buf_append_slice(out, SL("\r\n"));
}

void
http1_answer_head(struct buf *out, const struct http1_answer *how, const struct http_response *resp)
{
    buf_append_slice(out, how->version == 10 ? SL("HTTP/1.0 ") : SL("HTTP/1.1 "));
    buf_append_u64(out, (uint64_t)resp->status);
    (void)buf_append_byte(out, ' ');
    buf_append_cstr(out, http1_reason(resp->status));
    buf_append_slice(out, SL("\r\n"));
    for (size_t i = 0; i < resp->header_count; i++) {
        append_header(out, resp->headers[i].name, resp->headers[i].value);
    }
    if (resp->content_type.n) {
        append_header(out, SL("Content-Type"), resp->content_type);
    }
    buf_append_slice(out, date_line());
    if (!http1_is_bodiless(resp->status)) {
        buf_append_slice(out, SL("Content-Length: "));
        buf_append_u64(out, resp->body ? resp->body->n : 0);
        buf_append_slice(out, SL("\r\n"));
    }
    if (!how->keep_alive) {
        buf_append_slice(out, SL("Connection: close\r\n"));
    } else if (how->version == 10) {
        buf_append_slice(out, SL("Connection: keep-alive\r\n"));
    }
    buf_append_slice(out, SL("\r\n"));
}
