/* graph.c - see graph.h */
#include "graph.h"

#define POINTS_MAX 144
#define INTERVALS 6                     /* of the axis of time */
#define HEIGHT 500                      /* of a graph, in units of its SVG; a point is 2 wide */
#define DOWN "v500"
#define VALUE_MAX 100000000000000000    /* larger ones are shown as this; sums of all points fit */
#define MILLIONS_FROM 10000000000       /* thousandths */
#define LATE 2                          /* s after its end in which a minute gets its sample */

static const struct scale {
	const char *name;
	unsigned points, rows;          /* of a graph, of the table behind it */
	const char *row;                /* what a row is the mean of */
	bool dates;                     /* days rather than hours and minutes */
} scales[HISTORY_RANGES] = {
	[HISTORY_HOUR] = { "last hour", 60, 12, "5 minutes", false },
	[HISTORY_DAY] = { "last day", 144, 24, "an hour", false },
	[HISTORY_MONTH] = { "last 30 days", 120, 15, "2 days", true }
};

/* A graph and what is in it. */
struct drawing {
	const struct graph_view *view;
	const struct graph *graph;
	unsigned points, lines;
	uint64_t step;                  /* between lines of the grid, thousandths */
	unsigned steps;                 /* how many make the height */
	bool known[POINTS_MAX];
	uint64_t values[GRAPH_LINES][POINTS_MAX];
};

/* -- numbers ------------------------------------------------------------------------------- */

void graph_add_number(struct text *text, uint64_t thousandths)
{
	unsigned per = thousandths < 9995 ? 100 : 10;   /* parts of 1 that are shown */
	uint64_t rounded = (thousandths + 500 / per) / (1000 / per), part = rounded % per;

	if (thousandths >= 99950) {
		text_add_grouped(text, thousandths / 1000 + (thousandths % 1000 >= 500));
		return;
	}
	text_add_number(text, rounded / per);
	if (part == 0)
		return;
	text_add(text, part < per / 10 ? ".0" : ".");
	text_add_number(text, per == 100 && part % 10 == 0 ? part / 10 : part);
}

/* A count, in a short form if it is very large. */
static void count_add(struct text *text, uint64_t thousandths)
{
	bool large = thousandths >= MILLIONS_FROM;

	graph_add_number(text, large ? thousandths / 1000000 : thousandths);
	text_add(text, large ? " M" : "");
}

/* Thousandths of 1000 to the power of `unit` bytes. */
static void bytes_add(struct text *text, uint64_t thousandths, unsigned unit)
{
	static const char *const units[] = { " B", " kB", " MB", " GB", " TB", " PB", " EB" };

	while (thousandths >= 999500 && unit + 1 < sizeof units / sizeof units[0]) {
		thousandths /= 1000;
		unit++;
	}
	graph_add_number(text, thousandths);
	text_add(text, units[unit]);
}

void graph_add_bytes(struct text *text, uint64_t bytes)
{
	bytes_add(text, bytes < 1000 ? bytes * 1000 : bytes, bytes < 1000 ? 0 : 1);
}

void graph_add_percent(struct text *text, uint64_t part, uint64_t whole)
{
	uint64_t tenths = whole == 0 ? 0 : (part * 1000 + whole / 2) / whole;

	text_add_number(text, tenths / 10);
	text_add(text, ".");
	text_add_number(text, tenths % 10);
}

static void value_add(struct text *text, const struct graph *graph, uint64_t thousandths)
{
	if (!graph->bytes) {
		count_add(text, thousandths);
		return;
	}
	bytes_add(text, thousandths, 0);
	text_add(text, "/s");
}

/* -- times --------------------------------------------------------------------------------- */

/* The start of a minute: 14:05, or 24 Sep. */
static void minute_add(struct text *text, int64_t minute, bool date)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char memory[32];                /* 2026-09-24T14:05:00Z */
	struct text time = TEXT_IN(memory);
	unsigned month;

	text_add_time(&time, minute * 60);
	if (time.length != 20)
		return;
	if (!date) {
		text_add_bytes(text, memory + 11, 5);
		return;
	}
	month = (unsigned)(memory[5] - '0') * 10 + (unsigned)(memory[6] - '1');
	text_add_bytes(text, memory + 8 + (memory[8] == '0'), memory[8] == '0' ? 1 : 2);
	text_add(text, " ");
	text_add_bytes(text, months + 3 * month, 3);
}

/* -- reading ------------------------------------------------------------------------------- */

struct graph_view graph_view(const struct history *history, enum history_range range, int64_t now)
{
	struct graph_view view = { .history = history, .range = range,
		.minute = (now - LATE) / 60 };
	unsigned steps = history_steps(range);

	if (history == NULL)
		return view;
	if (!history_read(history, range, view.minute, steps - 1, 1).known)
		view.minute -= history_minutes(range);
	view.known = history_read(history, range, view.minute, 0, steps).known;
	return view;
}

/* The point or row `number` of `count` that the range is cut into. */
static struct history_point cut(const struct graph_view *view, unsigned number, unsigned count)
{
	unsigned steps = history_steps(view->range) / count;

	return history_read(view->history, view->range, view->minute, number * steps, steps);
}

static uint64_t shown(uint64_t value)
{
	return value < VALUE_MAX ? value : VALUE_MAX;
}

bool graph_latest(const struct graph_view *view, enum history_series series, uint64_t *value)
{
	unsigned steps = history_steps(view->range);
	struct history_point point = { 0 };

	if (view->known)
		point = cut(view, steps - 1, steps);
	*value = shown(point.of[series]);
	return point.known;
}

/* The grid has 2 to 4 steps of 1, 2 or 5 times a power of ten: at least 1, of rates what can be
 * shown. */
static void drawing_scale(struct drawing *drawing, uint64_t most)
{
	const struct graph *graph = drawing->graph;
	bool whole = graph->bytes || graph->lines[0].series < HISTORY_RATES || most == 0;
	uint64_t quarter = (most + 3) / 4, power = whole ? 1000 : 10;

	while (power * 5 < quarter)
		power *= 10;
	drawing->step = power >= quarter ? power : power * 2 >= quarter ? power * 2 : power * 5;
	drawing->steps = (unsigned)((most + drawing->step - 1) / drawing->step);
	if (drawing->steps < 2)
		drawing->steps = 2;
}

static void drawing_read(struct drawing *drawing)
{
	uint64_t most = 0;
	unsigned at, line;

	for (at = 0; at < drawing->points; at++) {
		struct history_point point = cut(drawing->view, at, drawing->points);

		drawing->known[at] = point.known;
		for (line = 0; line < drawing->lines; line++) {
			uint64_t value = shown(point.of[drawing->graph->lines[line].series]);

			drawing->values[line][at] = value;
			if (value > most)
				most = value;
		}
	}
	drawing_scale(drawing, most);
}

/* -- lines --------------------------------------------------------------------------------- */

/* A path that is being written, with relative steps, as they are short. */
struct pen {
	struct text *text;
	int x, y;
	bool drawing;                   /* the last command was `l`, which goes on without a word */
};

static void signed_add(struct text *text, int number, bool apart)
{
	if (number < 0 || apart)
		text_add(text, number < 0 ? "-" : " ");
	text_add_number(text, (uint64_t)(number < 0 ? -number : number));
}

/* By `m` or `l`. */
static void pen_to(struct pen *pen, const char *command, int x, int y)
{
	bool on = pen->drawing && command[0] == 'l';

	if (!on)
		text_add(pen->text, command);
	signed_add(pen->text, x - pen->x, on);
	signed_add(pen->text, y - pen->y, true);
	pen->drawing = command[0] == 'l';
	pen->x = x;
	pen->y = y;
}

static void pen_across(struct pen *pen, int x)
{
	text_add(pen->text, "h");
	signed_add(pen->text, x - pen->x, false);
	pen->drawing = false;
	pen->x = x;
}

static void pen_down(struct pen *pen, int y)
{
	text_add(pen->text, "v");
	signed_add(pen->text, y - pen->y, false);
	pen->drawing = false;
	pen->y = y;
}

static int height_of(const struct drawing *drawing, uint64_t value)
{
	uint64_t top = drawing->step * drawing->steps;
	uint64_t up = top < UINT64_MAX / HEIGHT ? (value * HEIGHT + top / 2) / top :
	    value / (top / HEIGHT);

	return HEIGHT - (int)(up < HEIGHT ? up : HEIGHT);
}

static void path_begin(struct text *text, unsigned line, const char *rest)
{
	text_add(text, "<path class=\"");
	text_add_bytes(text, &"abc"[line], 1);
	text_add(text, rest);
	text_add(text, "\" d=\"");
}

static bool known(const struct drawing *drawing, unsigned at)
{
	return at < drawing->points && drawing->known[at];
}

/* Is it a point between two gaps? Below 0 there is none. */
static bool is_alone(const struct drawing *drawing, unsigned at)
{
	return known(drawing, at) && !known(drawing, at - 1) && !known(drawing, at + 1);
}

/* Each point stands in the middle of its two units, and its line reaches to their ends; at the ends
 * of the graph it goes on out of sight. */
static void line_add(struct text *text, const struct drawing *drawing, unsigned line, bool filled)
{
	struct pen pen = { .text = text };
	unsigned at;

	path_begin(text, line, "");
	for (at = 0; at < drawing->points; at++) {
		bool last = at + 1 == drawing->points;
		int x = 2 * (int)at + 1, y = height_of(drawing, drawing->values[line][at]);

		if (!known(drawing, at) || is_alone(drawing, at))
			continue;
		if (known(drawing, at - 1)) {
			pen_to(&pen, "l", x, y);
		} else {
			pen_to(&pen, "m", at > 0 ? x - 1 : x - 3, filled ? HEIGHT : y);
			if (filled)
				pen_down(&pen, y);
			pen_across(&pen, x);
		}
		if (!known(drawing, at + 1)) {
			pen_across(&pen, last ? x + 3 : x + 1);
			if (filled)
				pen_down(&pen, HEIGHT);
		}
	}
	text_add(text, "\"/>");
}

/* Points between two gaps, which would be lines too short to be seen. */
static void dots_add(struct text *text, const struct drawing *drawing, unsigned line)
{
	struct pen pen = { .text = text };
	unsigned at;
	bool any = false;

	for (at = 0; at < drawing->points; at++) {
		if (!is_alone(drawing, at))
			continue;
		if (!any)
			path_begin(text, line, " p");
		any = true;
		pen_to(&pen, "m", 2 * (int)at, height_of(drawing, drawing->values[line][at]));
		pen_across(&pen, 2 * (int)at + 2);
	}
	text_add(text, any ? "\"/>" : "");
}

/* What covers the gaps, and the upright ends of what is filled. */
static void gaps_add(struct text *text, const struct drawing *drawing)
{
	unsigned at, from = 0;

	text_add(text, "<path id=gaps d=\"");
	for (at = 0; at < drawing->points; at++) {
		if (known(drawing, at))
			continue;
		if (at == 0 || known(drawing, at - 1))
			from = at;
		if (at + 1 < drawing->points && !known(drawing, at + 1))
			continue;
		text_add(text, "M");
		text_add_number(text, 2 * from);
		text_add(text, " 0h");
		text_add_number(text, 2 * (at + 1 - from));
		text_add(text, DOWN "h-");
		text_add_number(text, 2 * (at + 1 - from));
		text_add(text, "z");
	}
	text_add(text, "\"/>");
}

static void grid_add(struct text *text, const struct drawing *drawing)
{
	unsigned width = 2 * drawing->points, i;

	text_add(text, "<path class=g d=\"");
	for (i = 0; i <= drawing->steps; i++) {
		text_add(text, "M0 ");
		text_add_number(text, i * HEIGHT / drawing->steps);
		text_add(text, "h");
		text_add_number(text, width);
	}
	for (i = 1; i < INTERVALS; i++) {
		text_add(text, "M");
		text_add_number(text, i * width / INTERVALS);
		text_add(text, " 0" DOWN);
	}
	text_add(text, "\"/>");
}

/* -- words --------------------------------------------------------------------------------- */

static void name_add(struct text *text, const struct graph *graph, unsigned line)
{
	const char *name = graph->lines[line].name;

	text_add(text, name[0] != '\0' ? name : graph->title);
}

/* Of the points that are known, and of the newest step. */
struct summary {
	uint64_t least, mean, most, latest;
	bool current;                   /* the newest step is known */
};

static struct summary summary_of(const struct drawing *drawing, unsigned line)
{
	struct summary summary = { .least = UINT64_MAX };
	uint64_t sum = 0, count = 0;
	unsigned at;

	for (at = 0; at < drawing->points; at++) {
		uint64_t value = drawing->values[line][at];

		if (!drawing->known[at])
			continue;
		sum += value;
		count++;
		if (value < summary.least)
			summary.least = value;
		if (value > summary.most)
			summary.most = value;
	}
	if (count == 0)
		return (struct summary){ 0 };
	summary.mean = sum / count;
	summary.current = graph_latest(drawing->view, drawing->graph->lines[line].series,
	    &summary.latest);
	return summary;
}

/* For who does not see the graph. */
static void label_add(struct text *text, const struct drawing *drawing)
{
	unsigned line;

	text_add(text, drawing->graph->title);
	text_add(text, ", ");
	text_add(text, scales[drawing->view->range].name);
	for (line = 0; line < drawing->lines; line++) {
		struct summary summary = summary_of(drawing, line);
		const struct { const char *name; uint64_t value; } parts[] = {
			{ ": minimum ", summary.least }, { ", mean ", summary.mean },
			{ ", maximum ", summary.most }, { ", latest ", summary.latest }
		};

		text_add(text, line > 0 ? "; " : drawing->lines > 1 ? ". " : "");
		text_add(text, drawing->lines > 1 ? drawing->graph->lines[line].name : "");
		/* The last part is left out if it is not known. */
		for (unsigned i = 0; i < sizeof parts / sizeof parts[0] - !summary.current; i++) {
			text_add(text, parts[i].name);
			value_add(text, drawing->graph, parts[i].value);
		}
	}
}

static void legend_add(struct text *text, const struct drawing *drawing)
{
	unsigned line;

	text_add(text, "<ul class=key>");
	for (line = 0; line < drawing->lines; line++) {
		struct summary summary = summary_of(drawing, line);

		text_add(text, "<li><i class=");
		text_add_bytes(text, &"abc"[line], 1);
		text_add(text, "></i>");
		text_add(text, drawing->graph->lines[line].name);
		text_add(text, " <b>");
		if (summary.current)
			value_add(text, drawing->graph, summary.latest);
		else
			text_add(text, "&ndash;");
		text_add(text, "</b>");
		/* Two of them with that would be longer than a line. */
		if (drawing->lines == 2)
			continue;
		/* A mean hides what was higher for a moment. */
		text_add(text, drawing->view->range == HISTORY_HOUR ? ", highest " :
		    ", highest mean ");
		value_add(text, drawing->graph, summary.most);
	}
	text_add(text, "</ul>\n");
}

static void values_axis_add(struct text *text, const struct drawing *drawing)
{
	unsigned i;

	text_add(text, "<div class=y aria-hidden=true>");
	for (i = drawing->steps; i > 0; i--) {
		text_add(text, "<p>");
		value_add(text, drawing->graph, drawing->step * i);
	}
	text_add(text, "<p>0</div>");
}

static void time_axis_add(struct text *text, const struct drawing *drawing)
{
	const struct graph_view *view = drawing->view;
	int64_t from = cut(view, 0, 1).from, to = cut(view, 0, 1).to;
	int i;

	text_add(text, "<div class=x aria-hidden=true>");
	for (i = 0; i <= INTERVALS; i++) {
		text_add(text, "<p>");
		minute_add(text, from + (to - from) * i / INTERVALS, scales[view->range].dates);
	}
	text_add(text, "</div>");
}

static void table_add(struct text *text, const struct drawing *drawing)
{
	const struct graph *graph = drawing->graph;
	const struct scale *scale = &scales[drawing->view->range];
	unsigned row, line;

	text_add(text, "<details><summary>Table: means of ");
	text_add(text, scale->row);
	text_add(text, "</summary><table><tr class=h><th>From (UTC)");
	for (line = 0; line < drawing->lines; line++) {
		text_add(text, "<th>");
		name_add(text, graph, line);
	}
	for (row = 0; row < scale->rows; row++) {
		struct history_point point = cut(drawing->view, row, scale->rows);

		text_add(text, "\n<tr><th>");
		minute_add(text, point.from, scale->dates);
		for (line = 0; line < drawing->lines; line++) {
			text_add(text, "<td>");
			if (point.known)
				value_add(text, graph, shown(point.of[graph->lines[line].series]));
			else
				text_add(text, "-");
		}
	}
	text_add(text, "</table></details>");
}

/* Of a day, whose first and last times are alike, with the date. */
static void moment_add(struct text *text, enum history_range range, int64_t minute)
{
	if (range != HISTORY_HOUR)
		minute_add(text, minute, true);
	text_add(text, range == HISTORY_DAY ? " " : "");
	if (range != HISTORY_MONTH)
		minute_add(text, minute, false);
}

void graph_add_span(struct text *text, const struct graph_view *view)
{
	struct history_point all = cut(view, 0, 1);
	const struct scale *scale = &scales[view->range];
	unsigned at;

	moment_add(text, view->range, all.from);
	text_add(text, " to ");
	moment_add(text, view->range, all.to);
	text_add(text, " UTC");
	for (at = 0; at < scale->points && cut(view, at, scale->points).known; at++)
		;
	text_add(text, at < scale->points ? "; grey: no data" : "");
}

/* What is filled is below the cover of the gaps, the other lines are above it. */
static void shapes_add(struct text *text, const struct drawing *drawing, bool first)
{
	unsigned line;

	if (first)
		text_add(text, "<linearGradient id=fade x2=0 y2=1><stop stop-opacity=.3 />"
		    "<stop offset=1 stop-opacity=.04 /></linearGradient>");
	grid_add(text, drawing);
	line_add(text, drawing, 0, true);
	if (first)
		gaps_add(text, drawing);
	else
		text_add(text, "<use href=#gaps />");
	for (line = 1; line < drawing->lines; line++)
		line_add(text, drawing, line, false);
	for (line = 0; line < drawing->lines; line++)
		dots_add(text, drawing, line);
}

void graph_add(struct text *text, const struct graph_view *view, const struct graph *graph,
    bool first)
{
	struct drawing drawing = { .view = view, .graph = graph,
		.points = scales[view->range].points };

	while (drawing.lines < GRAPH_LINES && graph->lines[drawing.lines].name != NULL)
		drawing.lines++;
	drawing_read(&drawing);
	text_add(text, "<section><h3>");
	text_add(text, graph->title);
	text_add(text, "</h3>\n");
	legend_add(text, &drawing);
	text_add(text, "<div class=plot>");
	values_axis_add(text, &drawing);
	text_add(text, "\n<svg viewBox=\"0 -7 ");
	text_add_number(text, 2 * drawing.points);
	text_add(text, " 514\" preserveAspectRatio=none role=img aria-label=\"");
	label_add(text, &drawing);
	text_add(text, "\">");
	shapes_add(text, &drawing, first);
	text_add(text, "</svg>\n");
	time_axis_add(text, &drawing);
	text_add(text, "</div>\n");
	table_add(text, &drawing);
	text_add(text, "</section>\n");
}
