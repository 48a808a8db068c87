/* server-private: `vivace -health`, the probe of containers without a shell. */
#pragma once

/* GET `url` (http only), at most 5 s. Prints "Tempo is healthy" and returns 0 on a 200, else a reason on
 * stderr and 1. */
int health_check(const char *url);
