/* frontend-private: the JSON that Tempo offers language models under application/vnd.grafana.llm
 * (api.md 1.1). */
#pragma once

#include "vivace/model/span_batch.h"

/* {"trace":{"traceId":"<hex>","services":[...]},"metrics":{"inspectedBytes":n}} */
CHECKED err llm_write_trace(const struct span_batch *b, uint64_t inspected_bytes, struct buf *out);
