/* net-private: what a tls_context hands to sessions. The only other files that see OpenSSL are tls*.c. */
#pragma once

#include "vivace/net/tls.h"

#include <openssl/ssl.h>

/* The settings of now (re-read first when it is time); the caller frees its reference. Any thread. */
SSL_CTX *tls_context_ref(struct tls_context *c);
