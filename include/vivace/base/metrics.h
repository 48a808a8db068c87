/* The metric registry: counters, gauges and histograms by name and label values, written as Prometheus
 * text 0.0.4 or OpenMetrics 1.0.
 *
 * Families are registered once (at a room's init; registering the same name again returns the first).
 * A series is found by its label values (a lock and a hash: keep the pointer where it is hot) and then
 * updated with atomics. A family holds at most METRIC_SERIES_MAX series; what comes later goes to one
 * series whose labels all read "__overflow__". Nothing is ever freed: series live as long as the process.
 * Threads: any.
 */
#pragma once

#include "vivace/base/buf.h"

#define METRIC_SERIES_MAX 10000
#define METRIC_LABELS_MAX 8

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric; /* a family */
struct series; /* one set of label values */

/* `labels` is a comma-separated list of names, "" for none. `buckets` are upper bounds without +Inf,
 * for histograms only. Strings and buckets must be static. */
struct metric *metric_counter(const char *name, const char *help, const char *labels);
struct metric *metric_gauge(const char *name, const char *help, const char *labels);
struct metric *metric_histogram(const char *name, const char *help, const char *labels, const double *buckets,
                                size_t bucket_count);
/* A gauge or counter without labels whose value is asked at scrape time. `fn` may be called from any
 * thread that scrapes. */
void metric_callback(enum metric_kind kind, const char *name, const char *help, double (*fn)(void *),
                     void *ctx);

/* The series with these label values (as many as the family has labels). Never NULL. */
struct series *metric_series(struct metric *m, const slice *values);
/* The same for one, two or no label(s). */
struct series *metric_series0(struct metric *m);
struct series *metric_series1(struct metric *m, slice v);
struct series *metric_series2(struct metric *m, slice v1, slice v2);

void series_add(struct series *s, uint64_t n); /* counters */
void series_set(struct series *s, double v);   /* gauges */
void series_gauge_add(struct series *s, double d);
void series_observe(struct series *s, double v); /* histograms */
/* The value now (a histogram's count): tests and the status page. */
double series_value(const struct series *s);

/* Every family, sorted by name. `openmetrics` selects the format (and its "# EOF"). */
void metrics_write(struct buf *out, bool openmetrics);
/* Tests only: drop every family. */
void metrics_reset(void);

/* Tempo's request-duration buckets. */
extern const double METRIC_BUCKETS_REQUEST[14];
