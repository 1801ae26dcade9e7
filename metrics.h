/*
 * metrics.h - /metrics, in the text format of Prometheus (version 0.0.4).
 *
 * Names and labels are all known beforehand: no stranger chooses one. Pure.
 */
#ifndef METRICS_H
#define METRICS_H

#include <stddef.h>

#include "stats.h"
#include "text.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TEXT_MAX (24 * 1024)

/* What a metric is: its two lines before the samples. Type is `counter`, `gauge` or `histogram`. */
void metrics_head(struct text *text, const char *name, const char *type, const char *help);

/* A sample's line; labels is what stands in the braces, or "". */
void metrics_sample(struct text *text, const char *name, const char *labels, uint64_t value);

/* us, as seconds. */
void metrics_seconds(struct text *text, uint64_t us);

/* Writes at most METRICS_TEXT_MAX bytes, not terminated, and returns how many. */
size_t metrics(const struct stats_numbers *numbers, char *out);

#endif
