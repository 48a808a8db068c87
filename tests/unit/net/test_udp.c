/* UDP sockets over loopback: every datagram is given to the owner or counted as lost. */
#include "test.h"

#include "vivace/base/metrics.h"
#include "vivace/net/udp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

struct seen {
    _Atomic unsigned count;
    _Atomic size_t bytes;
};

static void
on_datagram(void *ctx, slice d)
{
    struct seen *s = ctx;
    atomic_fetch_add(&s->count, 1);
    atomic_fetch_add(&s->bytes, d.n);
}

static double
dropped(const char *name, slice reason)
{
    return series_value(metric_series2(metric_counter("vivace_udp_dropped_datagrams_total",
                                                      "Datagrams lost, by the reason.", "listener,reason"),
                                       slice_cstr(name), reason));
}

static int
client(int port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void
wait_for(struct seen *s, unsigned n)
{
    for (int i = 0; i < 2000 && atomic_load(&s->count) < n; i++) {
        usleep(1000);
    }
    assert_true(atomic_load(&s->count) >= n);
}

static void
datagrams_arrive_whole_and_large_ones_are_counted(void **state)
{
    (void)state;
    struct loop *l = loop_create("udp");
    struct udp_socket *u;
    struct seen s = {0};
    struct fault f = {0};
    struct udp_options o = {.name = "t1",
                            .network = "udp",
                            .address = "127.0.0.1:0",
                            .loop = l,
                            .datagram_max = 1000,
                            .on_datagram = on_datagram,
                            .ctx = &s};
    static const uint8_t big[1001];
    assert_int_equal(loop_start(l), OK);
    assert_ok(udp_open(&o, &f, &u), &f);
    int fd = client(udp_port(u));
    assert_int_equal(send(fd, big, 1001, 0), 1001);
    assert_int_equal(send(fd, big, 1000, 0), 1000);
    assert_int_equal(send(fd, big, 0, 0), 0);
    wait_for(&s, 2);
    assert_int_equal(atomic_load(&s.bytes), 1000);
    assert_true(dropped("t1", SL("too_large")) == 1);
    (void)close(fd);
    udp_close(u);
    loop_stop(l);
    loop_join(l);
}

static void
what_the_kernel_dropped_is_counted(void **state)
{
    (void)state;
    enum { SENT = 3000 };
    struct loop *l = loop_create("udp"); /* not running yet, so the kernel's queue fills */
    struct udp_socket *u;
    struct seen s = {0};
    struct fault f = {0};
    struct udp_options o = {.name = "t2",
                            .network = "udp4",
                            .address = "127.0.0.1:0",
                            .loop = l,
                            .datagram_max = 1000,
                            .kernel_buffer = 64 << 10,
                            .on_datagram = on_datagram,
                            .ctx = &s};
    static const uint8_t bytes[500];
    assert_ok(udp_open(&o, &f, &u), &f);
    int fd = client(udp_port(u));
    for (int i = 0; i < SENT; i++) {
        assert_int_equal(send(fd, bytes, sizeof bytes, 0), sizeof bytes);
    }
    assert_int_equal(loop_start(l), OK);
    /* The count comes with a datagram that gets through: send until all are accounted for. */
    unsigned sent = SENT;
    for (int i = 0; i < 2000; i++) {
        if (atomic_load(&s.count) + (unsigned)dropped("t2", SL("kernel")) == sent) {
            break;
        }
        assert_int_equal(send(fd, bytes, 1, 0), 1);
        sent++;
        usleep(1000);
    }
    usleep(10000);
    assert_int_equal(atomic_load(&s.count) + (unsigned)dropped("t2", SL("kernel")), sent);
    assert_true(dropped("t2", SL("kernel")) > 0);
    (void)close(fd);
    udp_close(u);
    loop_stop(l);
    loop_join(l);
}

static void
an_address_in_use_is_an_error_with_its_name(void **state)
{
    (void)state;
    struct loop *l = loop_create("udp");
    struct udp_socket *u, *second;
    struct seen s = {0};
    struct fault f = {0};
    char address[64];
    struct udp_options o = {.name = "t3",
                            .network = "udp",
                            .address = "127.0.0.1:0",
                            .loop = l,
                            .datagram_max = 1000,
                            .on_datagram = on_datagram,
                            .ctx = &s};
    assert_int_equal(loop_start(l), OK);
    assert_ok(udp_open(&o, &f, &u), &f);
    snprintf(address, sizeof address, "127.0.0.1:%d", udp_port(u));
    o.address = address;
    assert_int_equal(udp_open(&o, &f, &second), ERR_IO);
    assert_non_null(strstr(f.msg, "listen udp 127.0.0.1:"));
    assert_non_null(strstr(f.msg, "bind: address already in use"));
    struct fault f2 = {0};
    o.network = "tcp";
    assert_int_equal(udp_open(&o, &f2, &second), ERR_INVALID);
    udp_close(u);
    udp_close(NULL);
    loop_stop(l);
    loop_join(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_arrive_whole_and_large_ones_are_counted),
        cmocka_unit_test(what_the_kernel_dropped_is_counted),
        cmocka_unit_test(an_address_in_use_is_an_error_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
