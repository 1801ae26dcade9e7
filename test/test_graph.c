/* test_graph.c - numbers, and each shape that a graph can have. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "../graph.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])
#define NOW (INT64_C(29837640) * 60 + 7)        /* 2026-09-24 14:00 UTC */
#define MINUTE (NOW / 60)

static const struct graph peers = { "Peers", false,
	{ { HISTORY_PEERS, "All" }, { HISTORY_SEEDERS, "Seeders" } } };
static const struct graph announces = { "Announces per second", false,
	{ { HISTORY_ANNOUNCES, "" } } };
static const struct graph traffic = { "Traffic", true,
	{ { HISTORY_BYTES_OUT, "Out" }, { HISTORY_BYTES_IN, "In" } } };

static char memory[64 * 1024];

static struct history *history_new(void)
{
	return history_init(calloc(1, history_size()));
}

static void sample(struct history *history, int64_t ago, uint64_t value)
{
	struct history_sample sample = { .seconds = 60 };
	int i;

	for (i = 0; i < HISTORY_SERIES; i++)
		sample.of[i] = i < HISTORY_RATES ? value : value * 60;
	history_add(history, MINUTE - ago, &sample);
}

static const char *drawn(const struct history *history, enum history_range range,
    const struct graph *graph)
{
	struct text text = TEXT_IN(memory);
	struct graph_view view = graph_view(history, range, NOW);

	graph_add(&text, &view, graph, true);
	CHECK(!text.full);
	return text_end(&text);
}

static bool holds(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		return true;
	printf("%s\nlacks\n%s\n", text, part);
	return false;
}

static unsigned times(const char *text, const char *part)
{
	unsigned count = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		count++;
	return count;
}

/* -- numbers ------------------------------------------------------------------------------- */

static void numbers(void)
{
	static const struct { uint64_t thousandths; const char *text; } cases[] = {
		{ 0, "0" }, { 4, "0" }, { 5, "0.01" }, { 20, "0.02" }, { 104, "0.1" },
		{ 990, "0.99" }, { 995, "1" }, { 1000, "1" }, { 1050, "1.05" }, { 9990, "9.99" },
		{ 9994, "9.99" }, { 9995, "10" }, { 12340, "12.3" }, { 12960, "13" },
		{ 99949, "99.9" }, { 99950, "100" }, { 1234499, "1,234" }, { 1234500, "1,235" },
		{ 1000000000, "1,000,000" }, { UINT64_MAX, "18,446,744,073,709,552" }
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct text text = TEXT_IN(memory);

		graph_add_number(&text, cases[i].thousandths);
		CHECK(strcmp(text_end(&text), cases[i].text) == 0 ||
		    printf("%s, not %s\n", memory, cases[i].text) == 0);
	}
}

static void bytes(void)
{
	static const struct { uint64_t bytes; const char *text; } cases[] = {
		{ 0, "0 B" }, { 999, "999 B" }, { 1000, "1 kB" }, { 1234, "1.23 kB" },
		{ 999499, "999 kB" }, { 999500, "1 MB" }, { 1234567, "1.23 MB" },
		{ 1235000, "1.24 MB" },
		{ 12345678, "12.3 MB" },
		{ 5000000000, "5 GB" }, { UINT64_MAX, "18.4 EB" }
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct text text = TEXT_IN(memory);

		graph_add_bytes(&text, cases[i].bytes);
		CHECK(strcmp(text_end(&text), cases[i].text) == 0 ||
		    printf("%s, not %s\n", memory, cases[i].text) == 0);
	}
}

static void percents(void)
{
	static const struct { uint64_t part, whole; const char *text; } cases[] = {
		{ 0, 0, "0.0" }, { 0, 7, "0.0" }, { 1, 3, "33.3" }, { 2, 3, "66.7" },
		{ 7, 7, "100.0" }, { UINT32_MAX, UINT32_MAX, "100.0" }, { 1, 2000, "0.1" },
		{ 1, 2001, "0.0" }
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct text text = TEXT_IN(memory);

		graph_add_percent(&text, cases[i].part, cases[i].whole);
		CHECK(strcmp(text_end(&text), cases[i].text) == 0);
	}
}

/* -- axes ---------------------------------------------------------------------------------- */

/* The lines of the grid are at round numbers, 2 to 4 of them above 0. */
static void values_axis(void)
{
	static const struct { uint64_t most; const char *axis; } cases[] = {
		{ 0, "<p>2<p>1<p>0</div>" }, { 1, "<p>2<p>1<p>0</div>" },
		{ 2, "<p>2<p>1<p>0</div>" }, { 3, "<p>3<p>2<p>1<p>0</div>" },
		{ 4, "<p>4<p>3<p>2<p>1<p>0</div>" }, { 5, "<p>6<p>4<p>2<p>0</div>" },
		{ 8, "<p>8<p>6<p>4<p>2<p>0</div>" }, { 9, "<p>10<p>5<p>0</div>" },
		{ 20, "<p>20<p>15<p>10<p>5<p>0</div>" }, { 21, "<p>30<p>20<p>10<p>0</div>" },
		{ 41, "<p>60<p>40<p>20<p>0</div>" },
		{ 1048576, "<p>1,500,000<p>1,000,000<p>500,000<p>0</div>" },
		{ UINT32_MAX, "<p>6,000 M<p>4,000 M<p>2,000 M<p>0</div>" }
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct history *history = history_new();

		sample(history, 3, cases[i].most);
		sample(history, 2, 0);
		CHECK(holds(drawn(history, HISTORY_HOUR, &peers), cases[i].axis));
		free(history);
	}
}

/* What happens may happen less than once a second. */
static void small_rates(void)
{
	struct history *history = history_new();
	struct history_sample few = { .seconds = 60 };

	few.of[HISTORY_ANNOUNCES] = 2;
	history_add(history, MINUTE - 1, &few);
	CHECK(holds(drawn(history, HISTORY_HOUR, &announces),
	    "<p>0.04<p>0.03<p>0.02<p>0.01<p>0</div>"));
	CHECK(holds(memory, "latest 0.03\""));
	few = (struct history_sample){ .seconds = 1000 };
	few.of[HISTORY_ANNOUNCES] = 1;
	history_add(history, MINUTE - 1, &few);
	CHECK(holds(drawn(history, HISTORY_HOUR, &announces), "<p>0.02<p>0.01<p>0</div>"));
	few.of[HISTORY_ANNOUNCES] = 4001;
	history_add(history, MINUTE - 1, &few);
	CHECK(holds(drawn(history, HISTORY_HOUR, &announces), "<p>6<p>4<p>2<p>0</div>"));
	free(history);
}

/* More than there can be is shown as a lot, without any sum running over. */
static void too_much(void)
{
	struct history *history = history_new();

	for (int ago = 0; ago < 1440; ago++)
		sample(history, ago, 200000000000000);
	CHECK(holds(drawn(history, HISTORY_DAY, &traffic), "Out: minimum 100 TB/s, "
	    "mean 100 TB/s, maximum 100 TB/s, latest 100 TB/s; In: minimum 100 TB/s"));
	CHECK(holds(memory, " d=\"m-2 500v-500h3l2 0 2 0 2 0"));
	free(history);
}

static void byte_rates(void)
{
	static const struct { uint64_t most; const char *axis; } cases[] = {
		{ 1, "<p>2 B/s<p>1 B/s<p>0</div>" }, { 12, "<p>15 B/s<p>10 B/s<p>5 B/s<p>0</div>" },
		{ 900, "<p>1 kB/s<p>500 B/s<p>0</div>" },
		{ 3500000, "<p>4 MB/s<p>3 MB/s<p>2 MB/s<p>1 MB/s<p>0</div>" },
		{ 200000000000000, "<p>100 TB/s<p>50 TB/s<p>0</div>" }
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct history *history = history_new();

		sample(history, 3, cases[i].most);
		CHECK(holds(drawn(history, HISTORY_HOUR, &traffic), cases[i].axis));
		free(history);
	}
}

static void time_axes(void)
{
	static const char *const axes[HISTORY_RANGES] = {
		"<p>13:01<p>13:11<p>13:21<p>13:31<p>13:41<p>13:51<p>14:01</div>",
		"<p>14:05<p>18:05<p>22:05<p>02:05<p>06:05<p>10:05<p>14:05</div>",
		"<p>25 Aug<p>30 Aug<p>4 Sep<p>9 Sep<p>14 Sep<p>19 Sep<p>24 Sep</div>"
	};
	static const char *const spans[HISTORY_RANGES] = {
		"13:01 to 14:01 UTC; grey: no data", "23 Sep 14:05 to 24 Sep 14:05 UTC; grey: no data",
		"25 Aug to 24 Sep UTC; grey: no data"
	};
	struct history *history = history_new();

	sample(history, 0, 1);
	for (int range = 0; range < HISTORY_RANGES; range++) {
		struct graph_view view = graph_view(history, (enum history_range)range, NOW);
		struct text text = TEXT_IN(memory);

		CHECK(holds(drawn(history, (enum history_range)range, &peers), axes[range]));
		graph_add_span(&text, &view);
		CHECK(strcmp(text_end(&text), spans[range]) == 0);
	}
	for (int ago = 0; ago < 60; ago++)
		sample(history, ago, 1);
	struct text text = TEXT_IN(memory);
	struct graph_view view = graph_view(history, HISTORY_HOUR, NOW);
	graph_add_span(&text, &view);
	CHECK(strcmp(text_end(&text), "13:01 to 14:01 UTC") == 0);
	free(history);
}

/* -- lines --------------------------------------------------------------------------------- */

/* The newest step is left out until it has a sample. */
static void newest(void)
{
	struct history *history = history_new();
	struct graph_view view;
	uint64_t value;

	view = graph_view(history, HISTORY_HOUR, NOW);
	CHECK(!view.known && !graph_latest(&view, HISTORY_PEERS, &value) && value == 0);
	view = graph_view(NULL, HISTORY_HOUR, NOW);
	CHECK(!view.known && !graph_latest(&view, HISTORY_PEERS, &value));
	sample(history, 1, 5);
	view = graph_view(history, HISTORY_HOUR, NOW);
	CHECK(view.known && view.minute == MINUTE - 1);
	CHECK(graph_latest(&view, HISTORY_PEERS, &value) && value == 5000);
	/* The minute that has just ended gets its sample a moment later. */
	view = graph_view(history, HISTORY_HOUR, MINUTE * 60 + 61);
	CHECK(view.minute == MINUTE - 1 && graph_latest(&view, HISTORY_PEERS, &value));
	view = graph_view(history, HISTORY_HOUR, MINUTE * 60 + 62);
	CHECK(view.minute == MINUTE && !graph_latest(&view, HISTORY_PEERS, &value));
	sample(history, 0, 6);
	view = graph_view(history, HISTORY_HOUR, NOW);
	CHECK(view.known && view.minute == MINUTE);
	CHECK(graph_latest(&view, HISTORY_PEERS, &value) && value == 6000);
	free(history);
	history = history_new();
	sample(history, 30, 6);
	view = graph_view(history, HISTORY_HOUR, NOW);
	CHECK(view.known && !graph_latest(&view, HISTORY_PEERS, &value));
	free(history);
}

/* No line over a gap, a dot between two gaps, and all gaps covered. */
static void gaps(void)
{
	struct history *history = history_new();
	const char *text;

	/* Minutes 0 to 2, 5, and 57 to 59 of the hour. */
	sample(history, 59, 0);
	sample(history, 58, 2);
	sample(history, 57, 1);
	sample(history, 54, 2);
	sample(history, 2, 1);
	sample(history, 1, 2);
	sample(history, 0, 0);
	text = drawn(history, HISTORY_HOUR, &peers);
	CHECK(holds(text, "viewBox=\"0 -7 120 514\""));
	CHECK(holds(text, "<path class=\"a\" d=\"m-2 500v0h3l2-500 2 250h1v250"
	    "m108 0v-250h1l2-250 2 500h3v0\"/>"));
	CHECK(holds(text, "<path class=\"b\" d=\"m-2 500h3l2-500 2 250h1"
	    "m108 0h1l2-250 2 500h3\"/>"));
	CHECK(holds(text, "<path class=\"a p\" d=\"m10 0h2\"/>"));
	CHECK(holds(text, "<path class=\"b p\" d=\"m10 0h2\"/>"));
	CHECK(holds(text, "<path id=gaps d=\"M6 0h4v500h-4zM12 0h102v500h-102z\"/>"));
	CHECK(holds(text, "Peers, last hour. All: minimum 0, mean 1.14, maximum 2, latest 0; "
	    "Seeders: minimum 0,"));
	free(history);
}

/* What is not known now is not 0 now. */
static void gap_at_the_end(void)
{
	struct history *history = history_new();
	const char *text;

	sample(history, 30, 6);
	text = drawn(history, HISTORY_HOUR, &peers);
	CHECK(holds(text, "All <b>&ndash;</b>") && holds(text, "Seeders <b>&ndash;</b>"));
	CHECK(holds(text, "maximum 6; Seeders: minimum 6, mean 6, maximum 6\""));
	sample(history, 0, 0);
	text = drawn(history, HISTORY_HOUR, &peers);
	CHECK(holds(text, "All <b>0</b>") && holds(text, "latest 0; Seeders:"));
	free(history);
}

static void no_gap(void)
{
	struct history *history = history_new();
	const char *text;

	for (int ago = 0; ago < 60; ago++)
		sample(history, ago, 1);
	text = drawn(history, HISTORY_HOUR, &announces);
	CHECK(holds(text, "<path id=gaps d=\"\"/>"));
	CHECK(times(text, "class=\"a p\"") == 0 && times(text, " 2 0") == 58);
	CHECK(holds(text, "\"Announces per second, last hour: minimum 1, mean 1, maximum 1, "
	    "latest 1\""));
	free(history);
}

/* Only the first graph holds what all refer to. */
static void shared(void)
{
	struct history *history = history_new();
	struct text text = TEXT_IN(memory);
	struct graph_view view;

	sample(history, 3, 1);
	view = graph_view(history, HISTORY_HOUR, NOW);
	graph_add(&text, &view, &peers, false);
	text_end(&text);
	CHECK(times(memory, "id=") == 0 && times(memory, "<use href=#gaps />") == 1);
	graph_add(&text, &view, &peers, true);
	text_end(&text);
	CHECK(times(memory, "id=gaps") == 1 && times(memory, "<use href=#gaps />") == 1);
	free(history);
}

/* -- tables -------------------------------------------------------------------------------- */

static void tables(void)
{
	static const unsigned rows[HISTORY_RANGES] = { 12, 24, 15 };
	struct history *history = history_new();

	for (int ago = 0; ago < 10; ago++)
		sample(history, ago, ago < 5 ? 12345 : 5);
	for (int range = 0; range < HISTORY_RANGES; range++) {
		const char *text = drawn(history, (enum history_range)range, &peers);

		CHECK(times(text, "<tr><th>") == rows[range]);
		CHECK(times(text, "<tr") == rows[range] + 1);
		CHECK(times(text, "<td>") == 2 * rows[range]);
		CHECK(times(text, "<details>") == 1 && times(text, "</table></details>") == 1);
	}
	drawn(history, HISTORY_HOUR, &peers);
	CHECK(holds(memory, "<tr class=h><th>From (UTC)<th>All<th>Seeders\n"
	    "<tr><th>13:01<td>-<td>-\n"));
	CHECK(holds(memory, "\n<tr><th>13:51<td>5<td>5\n"
	    "<tr><th>13:56<td>12,345<td>12,345</table>"));
	drawn(history, HISTORY_HOUR, &traffic);
	CHECK(holds(memory, "\n<tr><th>13:51<td>5 B/s<td>5 B/s\n<tr><th>13:56<td>12.3 kB/s<td>"));
	drawn(history, HISTORY_HOUR, &announces);
	CHECK(holds(memory, "<th>From (UTC)<th>Announces per second\n"));
	free(history);
}

int main(void)
{
	RUN(numbers);
	RUN(bytes);
	RUN(percents);
	RUN(values_axis);
	RUN(small_rates);
	RUN(byte_rates);
	RUN(too_much);
	RUN(time_axes);
	RUN(newest);
	RUN(gaps);
	RUN(gap_at_the_end);
	RUN(no_gap);
	RUN(shared);
	RUN(tables);
	return test_end();
}
