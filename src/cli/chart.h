/* Series over time for a terminal: a chart of braille dots, and a legend with their figures. */
#pragma once

#include "answer.h"

#include "vivace/base/buf.h"

#define CHART_SERIES_MAX 12 /* drawn; the rest is in the legend */
#define LEGEND_ROWS_MAX  50

struct chart_options {
    size_t width, height; /* columns of everything, rows of the chart */
    bool color;
};

/* The series with the highest average come first. Several series without colour cannot be told apart in one
 * chart: each has a line of its own in the legend instead. Values that are not finite are left out. Reorders
 * `a->series`. */
void chart_write(struct series_answer *a, const struct chart_options *o, struct buf *out);
/* One value each: a table, the highest first. */
void chart_write_values(struct series_answer *a, size_t width, struct buf *out);
/* "0", "0.00123", "12.3", "1.23k", "4.5M", "1e+20": three digits. */
void chart_number(struct buf *out, double v);
