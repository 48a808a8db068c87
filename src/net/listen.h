/* net-private: listening sockets, addressed as Go's net.Listen does. */
#pragma once

#include "vivace/base/err.h"

#include <stddef.h>
#include <sys/socket.h>

/* Bind and listen `count` non-blocking sockets on one address (SO_REUSEPORT; a unix socket is one,
 * duplicated). "tcp": ":port", "0.0.0.0:port" and "[::]:port" listen on both families where the host has
 * IPv6; a host name is resolved, IPv4 first. Port 0: the kernel chooses, once. A stale unix socket is
 * replaced. `*ret_port`: 0 for unix. ERR_INVALID: the address does not parse; ERR_IO: "listen tcp
 * 0.0.0.0:4317: bind: address already in use". */
CHECKED err listen_open(const char *network, const char *address, size_t count, struct fault *f, int *ret_fds,
                        int *ret_port);
/* Bind one non-blocking UDP socket: "udp", "udp4", "udp6". Addresses, port 0 and errors as above. */
CHECKED err listen_open_udp(const char *network, const char *address, struct fault *f, int *ret_fd,
                            int *ret_port);
/* "127.0.0.1:52114", "[::1]:52114" (IPv4-mapped addresses as IPv4), "unix". */
void listen_peer_name(const struct sockaddr_storage *sa, char *ret, size_t ret_bytes);
