/* server-private: process_* and the few go_* gauges that dashboards of Tempo draw, from /proc. */
#pragma once

/* Register them; values are read at scrape time. */
void process_metrics_register(void);
