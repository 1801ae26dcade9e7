/*
 * metrics.h - /metrics, in the text format of Prometheus (version 0.0.4).
 *
 * Names and labels are all known beforehand: no stranger chooses one. Pure.
 */
#ifndef METRICS_H
#define METRICS_H

#include <stddef.h>

#include "stats.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TEXT_MAX (24 * 1024)

/* Writes at most METRICS_TEXT_MAX bytes, not terminated, and returns how many. */
size_t metrics(const struct stats_numbers *numbers, char *out);

#endif
