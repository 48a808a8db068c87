/* What a service manager and a container's probe see of the process. */
#include "health.h"
#include "server.h"
#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
the_service_manager_is_told(void **state)
{
    (void)state;
    char text[64] = {0};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "/tmp/vivace-notify-%d", (int)getpid());
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    systemd_notify("READY=1");
    assert_int_equal(recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 7);
    assert_string_equal(text, "READY=1");
    unlink(at.sun_path);
    close(fd);
    systemd_notify("STOPPING=1"); /* nobody listens any more: no harm */
    unsetenv("NOTIFY_SOCKET");
    systemd_notify("READY=1");
}

struct answerer {
    int fd;
    const char *answer;
};

static void *
answer_once(void *arg)
{
    const struct answerer *a = arg;
    char request[512];
    int c = accept(a->fd, NULL, NULL);
    if (c >= 0) {
        ssize_t n = recv(c, request, sizeof request, 0);
        (void)n;
        send(c, a->answer, strlen(a->answer), MSG_NOSIGNAL);
        close(c);
    }
    return NULL;
}

static int
probe(const char *answer)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    struct answerer a = {socket(AF_INET, SOCK_STREAM, 0), answer};
    pthread_t t;
    char url[64];
    assert_int_equal(bind(a.fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(a.fd, 1), 0);
    assert_int_equal(getsockname(a.fd, (struct sockaddr *)&at, &n), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/ready", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&t, NULL, answer_once, &a), 0);
    int code = health_check(url);
    pthread_join(t, NULL);
    close(a.fd);
    return code;
}

static void
the_health_probe_wants_a_200(void **state)
{
    (void)state;
    assert_int_equal(probe("HTTP/1.1 200 OK\r\n\r\nready\n"), 0);
    assert_int_equal(probe("HTTP/1.1 503 Service Unavailable\r\n\r\n"), 1);
    assert_int_equal(probe("HTTP/1.1"), 1);
    assert_int_equal(probe(""), 1);
    assert_int_equal(health_check("http://127.0.0.1:1/ready"), 1);
    assert_int_equal(health_check("https://127.0.0.1/ready"), 1);
    assert_int_equal(health_check("nonsense"), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_service_manager_is_told),
        cmocka_unit_test(the_health_probe_wants_a_200),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
