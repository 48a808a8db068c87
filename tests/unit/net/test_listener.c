/* Real listeners on real sockets: clients of every kind, and what limits do to them. */
#include "net_client.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define GET       "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_CLOSE "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static void
many_requests_share_a_connection(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    int port = server_listen(&s);
    int fd = client_connect(port);
    client_send(fd, GET);
    assert_contains(client_read(fd, "tls=0", 1), "GET / 0 tcp tls=0");
    client_send(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n" GET
                    "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    const char *text = client_read(fd, "tls=0", 2);
    assert_true(strstr(text, "later") < strstr(text, "GET / 0"));
    assert_true(strstr(text, "GET / 0") < strstr(text, "POST /p 3"));
    client_send(fd, GET_CLOSE);
    assert_contains(client_read_all(fd), "Connection: close");
    assert_int_equal(atomic_load(&s.requests), 5);
    server_fini(&s);
}

static void
a_request_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    int fd = client_connect(server_listen(&s));
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const char *text =
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    for (; *text; text++) {
        assert_int_equal(send(fd, text, 1, 0), 1);
        if (*text == '\n') {
            usleep(500);
        }
    }
    assert_contains(client_read(fd, "tls=0", 1), "POST /x 4");
    client_send(fd, "POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_contains(client_read(fd, "\r\n\r\n", 1), "HTTP/1.1 100 Continue");
    client_send(fd, "hi");
    assert_contains(client_read(fd, "tls=0", 1), "POST /y 2");
    close(fd);
    server_fini(&s);
}

static void
refused_requests_are_told_why_even_mid_upload(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    int port = server_listen(&s);
    int fd = client_connect(port);
    client_send(fd, "GET / HTTP/1.1\r\n\r\n");
    const char *text = client_read_all(fd);
    assert_contains(text, "HTTP/1.1 400 Bad Request");
    assert_contains(text, "missing required Host header");
    fd = client_connect(port);
    client_send(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n");
    static char block[65536];
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    for (int i = 0; i < 60; i++) {
        (void)!send(fd, block, sizeof block, MSG_NOSIGNAL);
    }
    fcntl(fd, F_SETFL, flags);
    text = client_read_all(fd);
    assert_contains(text, "HTTP/1.1 413");
    assert_contains(text, "too large");
    fd = client_connect(port);
    client_send(fd, "\x80\x01\x02garbage\r\n\r\n");
    assert_contains(client_read_all(fd), "HTTP/1.1 400");
    server_fini(&s);
}

static void
slow_and_idle_clients_are_cut_on_time(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    s.o.limits.header_timeout_ms = 100;
    s.o.limits.idle_timeout_ms = 200;
    int port = server_listen(&s);
    int fd = client_connect(port);
    client_send(fd, "GET / HTT");
    assert_contains(client_read_all(fd), "HTTP/1.1 408");
    fd = client_connect(port);
    client_send(fd, "PRI * HT"); /* not yet decided */
    assert_string_equal(client_read_all(fd), "");
    fd = client_connect(port);
    client_send(fd, GET);
    assert_contains(client_read(fd, "tls=0", 1), "200 OK");
    assert_string_equal(client_read_all(fd), "");
    fd = client_connect(port);
    assert_string_equal(client_read_all(fd), "");
    server_fini(&s);
}

static void
a_peer_that_stops_reading_is_cut_and_one_that_reads_slowly_gets_all(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    s.o.limits.body_timeout_ms = 3000; /* a busy machine may keep the reader waiting */
    int port = server_listen(&s);
    int stalled = client_connect(port);
    client_send(stalled, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    int reader = client_connect(port);
    client_send(reader, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    static char block[1 << 20];
    size_t total = 0;
    ssize_t got;
    while ((got = recv(reader, block, sizeof block, 0)) > 0) {
        total += (size_t)got;
        usleep(2000);
    }
    close(reader);
    assert_true(total > (size_t)8 << 20);
    for (int i = 0; i < 500 && http_listener_connections(s.listener) > 0; i++) {
        usleep(10000);
    }
    assert_int_equal(http_listener_connections(s.listener), 0);
    close(stalled);
    server_fini(&s);
}

static void
work_for_a_client_that_left_is_called_off(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    int port = server_listen(&s);
    pthread_mutex_lock(&s.gate);
    for (int reset = 0; reset < 2; reset++) {
        int fd = client_connect(port);
        client_send(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
        while (atomic_load(&s.requests) < reset + 1) {
            usleep(1000);
        }
        struct linger hard = {.l_onoff = reset};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(fd);
    }
    usleep(50000);
    pthread_mutex_unlock(&s.gate);
    while (atomic_load(&s.cancelled) < 2) {
        usleep(1000);
    }
    usleep(20000);
    server_fini(&s);
}

static void
connections_over_the_limit_are_closed_at_once(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    s.o.limits.connections_max = 3;
    int port = server_listen(&s);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = client_connect(port);
        client_send(fds[i], GET);
        assert_contains(client_read(fds[i], "tls=0", 1), "200 OK");
    }
    assert_int_equal(http_listener_connections(s.listener), 3);
    int fd = client_connect(port);
    assert_string_equal(client_read_all(fd), "");
    close(fds[0]);
    for (int i = 0; i < 500 && http_listener_connections(s.listener) == 3; i++) {
        usleep(1000);
    }
    fd = client_connect(port);
    client_send(fd, GET_CLOSE);
    assert_contains(client_read_all(fd), "200 OK");
    close(fds[1]);
    close(fds[2]);
    server_fini(&s);
}

static void
draining_lets_requests_end_and_closing_cuts_the_rest(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    int port = server_listen(&s);
    int idle = client_connect(port), busy = client_connect(port);
    client_send(idle, GET);
    client_read(idle, "tls=0", 1);
    pthread_mutex_lock(&s.gate);
    client_send(busy, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    while (atomic_load(&s.requests) < 2) {
        usleep(1000);
    }
    http_listener_drain(s.listener);
    assert_string_equal(client_read_all(idle), "");
    pthread_mutex_unlock(&s.gate);
    assert_contains(client_read_all(busy), "Connection: close");
    server_fini(&s);

    server_init(&s);
    port = server_listen(&s);
    busy = client_connect(port);
    client_send(busy, "GET / HT");
    usleep(20000);
    http_listener_close(s.listener, 50);
    assert_string_equal(client_read_all(busy), "");
    server_listen(&s);
    server_fini(&s);
}

static void
addresses_mean_what_they_mean_to_go(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    static const char *const good[] = {"127.0.0.1:0", ":0", "0.0.0.0:0", "localhost:0", "[::]:0"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        s.o.address = good[i];
        int port = server_listen(&s);
        int fd = client_connect(port);
        client_send(fd, GET_CLOSE);
        assert_contains(client_read_all(fd), "200 OK");
        http_listener_close(s.listener, 1000);
    }
    static const char *const bad[] = {"127.0.0.1", "::1:80", "127.0.0.1:nonsense", "host.invalid:80", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fault f = {0};
        s.o.address = bad[i];
        assert_int_equal(http_listen(&s.o, &f, &s.listener), ERR_INVALID);
        assert_contains(f.msg, "listen");
    }
    s.o.address = "127.0.0.1:0";
    s.o.network = "udp";
    struct fault f = {0};
    assert_int_equal(http_listen(&s.o, &f, &s.listener), ERR_INVALID);
    s.o.network = "tcp4";
    server_listen(&s);
    server_fini(&s);
}

static void
a_taken_address_is_an_error_with_one_loop_or_two(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    int port = server_listen(&s);
    char address[64], want[128];
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", port);
    (void)snprintf(want, sizeof want, "listen tcp 127.0.0.1:%d: bind: address already in use", port);
    struct http_listener_options o = s.o;
    o.address = address;
    for (size_t loops = 1; loops <= LOOPS; loops++) {
        struct http_listener *other;
        struct fault f = {0};
        o.loop_count = loops;
        assert_int_equal(http_listen(&o, &f, &other), ERR_IO);
        assert_string_equal(f.msg, want);
    }
    server_fini(&s);
}

static void
ipv6_clients_are_served(void **state)
{
    (void)state;
    struct server s;
    server_init(&s);
    s.o.address = "[::1]:0";
    struct fault f = {0};
    if (http_listen(&s.o, &f, &s.listener) != OK) {
        for (int i = 0; i < LOOPS; i++) {
            loop_stop(s.loops[i]);
            loop_join(s.loops[i]);
        }
        print_message("no IPv6 here: %s\n", f.msg);
        skip();
    }
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)http_listener_port(s.listener)),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    client_send(fd, GET_CLOSE);
    assert_contains(client_read_all(fd), "200 OK");
    server_fini(&s);
}

static void
unix_sockets_serve_replace_stale_ones_and_go_away(void **state)
{
    (void)state;
    char dir[] = "/tmp/vivace-net-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/s", dir);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&un, sizeof un), 0);
    close(stale);
    struct server s;
    server_init(&s);
    s.o.network = "unix";
    s.o.address = path;
    assert_int_equal(server_listen(&s), 0);
    struct http_listener *other;
    struct fault f = {0};
    assert_int_equal(http_listen(&s.o, &f, &other), ERR_IO); /* it is alive: not replaced */
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    client_send(fd, GET_CLOSE);
    assert_contains(client_read_all(fd), "GET / 0 unix");
    server_fini(&s);
    struct stat st;
    assert_int_not_equal(stat(path, &st), 0);
    rmdir(dir);
}

/* Two thousand keep the test cheap; the cost of one does not depend on how many there are. */
static void
an_idle_connection_costs_little(void **state)
{
    (void)state;
    enum { N = 2000 };
    struct rlimit files = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 2 * N + 100) {
        print_message("%d connections need more descriptors than the hard limit gives\n", N);
        skip();
    }
    struct server s;
    server_init(&s);
    int port = server_listen(&s);
    static int fds[N];
    for (int i = 0; i < N; i++) {
        fds[i] = client_connect(port);
        client_send(fds[i], GET);
        assert_contains(client_read(fds[i], "tls=0", 1), "200 OK");
    }
    assert_int_equal(http_listener_connections(s.listener), N);
    assert_int_equal(budget_used(&s.budget), 0); /* no buffer is held between requests */
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
    server_fini(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_requests_share_a_connection),
        cmocka_unit_test(a_request_may_come_byte_by_byte),
        cmocka_unit_test(refused_requests_are_told_why_even_mid_upload),
        cmocka_unit_test(slow_and_idle_clients_are_cut_on_time),
        cmocka_unit_test(a_peer_that_stops_reading_is_cut_and_one_that_reads_slowly_gets_all),
        cmocka_unit_test(work_for_a_client_that_left_is_called_off),
        cmocka_unit_test(connections_over_the_limit_are_closed_at_once),
        cmocka_unit_test(draining_lets_requests_end_and_closing_cuts_the_rest),
        cmocka_unit_test(addresses_mean_what_they_mean_to_go),
        cmocka_unit_test(a_taken_address_is_an_error_with_one_loop_or_two),
        cmocka_unit_test(ipv6_clients_are_served),
        cmocka_unit_test(unix_sockets_serve_replace_stale_ones_and_go_away),
        cmocka_unit_test(an_idle_connection_costs_little),
    };
    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
