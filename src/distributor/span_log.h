/* distributor-private: distributor.log_received_spans and log_discarded_spans (api.md 6.1). */
#pragma once

#include "vivace/distributor/distributor.h"

/* One info line per span, with its attributes when asked. Nothing unless enabled. */
void span_log_received(const struct distributor_log_options *o, const struct span_batch *b);
void span_log_discarded(const struct distributor_log_options *o, const struct span_batch *b, slice tenant);
