/*
 * graph.h - a stretch of history as HTML: a graph in inline SVG with its legend and its axes, and
 * the table behind it.
 *
 * The SVG holds shapes only, so that it can be stretched; what is to be read is HTML beside it. The
 * page's style says how the classes look: `a`, `b` and `c` are the lines of a graph, of which `a`
 * is filled below. Time without samples is covered, and no line goes over it. Pure, without
 * floating point; costs the same whatever the numbers.
 */
#ifndef GRAPH_H
#define GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "history.h"
#include "text.h"

#define GRAPH_LINES 3

/* What all graphs of a page show. */
struct graph_view {
	const struct history *history;
	enum history_range range;
	int64_t minute;             /* the newest one that is shown */
	bool known;                 /* there is a sample */
};

struct graph {
	const char *title;
	bool bytes;                 /* per second; else plain numbers */
	struct {
		enum history_series series;
		const char *name;       /* "" if the title says it, NULL: no such line */
	} lines[GRAPH_LINES];
};

/* The view of a range at a time, in s since 1970. A newest step without a sample yet is left out; a
 * minute that has just ended may get its sample a moment later. Without history (NULL) nothing is
 * known. */
struct graph_view graph_view(const struct history *history, enum history_range range, int64_t now);

/* What there is of a series in the newest step, in thousandths. False if that is not known. */
bool graph_latest(const struct graph_view *view, enum history_series series, uint64_t *value);

/* Add the time that is shown, and how gaps look if there are any: "13:06 to 14:06 UTC". */
void graph_add_span(struct text *text, const struct graph_view *view);

/* Add a graph. The first one of a page holds the cover of the gaps, to which the others refer. */
void graph_add(struct text *text, const struct graph_view *view, const struct graph *graph,
    bool first);

/* Add a number of thousandths, to at most two places after the point: 0.02, 12.5, 1,234. */
void graph_add_number(struct text *text, uint64_t thousandths);

/* Add a number of bytes: 12.5 MB. */
void graph_add_bytes(struct text *text, uint64_t bytes);

/* Add a part of a whole in per cent, to a tenth, without the sign: 12.5. */
void graph_add_percent(struct text *text, uint64_t part, uint64_t whole);

#endif
