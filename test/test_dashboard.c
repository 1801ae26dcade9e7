/* test_dashboard.c - the page for browsers: what stands on it, what strangers can put there, and
 * that it always fits. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../dashboard.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])
#define DAY 86400
#define NOW (INT64_C(29837640) * 60 + 7)        /* 2026-09-24 14:00:07 UTC */
#define MINUTE (NOW / 60)
#define ENDING "</script>\n</html>\n"

static const struct hash_secret secret = { { 0x0123456789abcdef, 0xfedcba9876543210 } };

/* A tracker's numbers, which the test changes. */
struct scene {
	struct stats_clients *clients;
	struct counters counters;
	struct history *history;
	struct stats_numbers numbers;
	char *page;                     /* the last one, terminated */
	size_t length;
};

static struct scene *scene_new(void)
{
	struct scene *scene = calloc(1, sizeof *scene);

	scene->clients = stats_clients_init(calloc(1, stats_clients_size()), &secret);
	scene->history = history_init(calloc(1, history_size()));
	scene->numbers = (struct stats_numbers){ .server = "uwt", .version = "4.0.0",
		.backend = "epoll", .now = NOW, .clients = scene->clients,
		.counters = &scene->counters, .buffer_size = 4096,
		.limits = { 1000, 2000, 500, 100, 10 } };
	return scene;
}

static void scene_free(struct scene *scene)
{
	free(scene->clients);
	free(scene->history);
	free(scene->page);
	free(scene);
}

/* Render into no more room than the header promises. The page must be whole. */
static const char *page_of(struct scene *scene, enum history_range range)
{
	char *room = guard_alloc(DASHBOARD_TEXT_MAX);

	memset(room, 0x5a, DASHBOARD_TEXT_MAX);
	scene->length = dashboard(&scene->numbers, scene->history, range, room);
	CHECK(scene->length < DASHBOARD_TEXT_MAX);
	free(scene->page);
	scene->page = malloc(scene->length + 1);
	memcpy(scene->page, room, scene->length);
	scene->page[scene->length] = '\0';
	CHECK(strlen(scene->page) == scene->length);
	CHECK(strcmp(scene->page + scene->length - strlen(ENDING), ENDING) == 0);
	guard_free(room, DASHBOARD_TEXT_MAX);
	return scene->page;
}

static bool shows(struct scene *scene, const char *part)
{
	if (strstr(page_of(scene, HISTORY_HOUR), part) != NULL)
		return true;
	printf("%s\nlacks\n%s\n", strstr(scene->page, "<div id=all>"), part);
	return false;
}

static unsigned times(const char *text, const char *part)
{
	unsigned count = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		count++;
	return count;
}

static void join(struct scene *scene, const char *id, unsigned peers)
{
	char padded[PEERID_SIZE + 1] = "....................";

	memcpy(padded, id, strnlen(id, PEERID_SIZE));
	while (peers-- > 0)
		stats_client_join(scene->clients, (const uint8_t *)padded);
}

static void sample_all(struct scene *scene, int64_t ago, uint64_t value)
{
	struct history_sample sample = { .seconds = 60 };

	for (int i = 0; i < HISTORY_SERIES; i++)
		sample.of[i] = i < HISTORY_RATES ? value : value * 60;
	history_add(scene->history, MINUTE - ago, &sample);
}

/* -- what it shows ------------------------------------------------------------------------- */

static void fresh(void)
{
	struct scene *scene = scene_new();

	CHECK(shows(scene, "Graphs begin within a minute."));
	CHECK(times(scene->page, "<svg viewBox") == 0);
	CHECK(shows(scene, "None at the moment"));
	CHECK(shows(scene, "<dt>Peers<dd>0<dd>"));
	CHECK(shows(scene, "<dt>Announces<dd>&ndash;<dd>per second"));
	CHECK(shows(scene, "up 0 s"));
	CHECK(shows(scene, "<h3>Refused</h3>\n<p class=mute>None.</p>"));
	CHECK(shows(scene, "<div id=alert role=alert></div>\n<div id=note role=status></div>"));
	scene->history = (free(scene->history), NULL);
	scene->numbers.counters = NULL;
	CHECK(shows(scene, "Graphs begin within a minute."));
	scene_free(scene);
}

static void tiles(void)
{
	static const char *const parts[] = {
		"<dt>Peers<dd>1,202<dd>58.8&nbsp;% by IPv6<",
		"<dt>Seeders<dd>808<dd>505 leech, too<",
		"<dt>Leechers<dd>909<dd>505 seed, too<", "<dt>Torrents<dd>101<dd>8 peers each<",
		"<dt>Connections<dd>4,294,967,295<dd>11 WebSockets<", "uwt 4.0.0 with epoll",
		"at 14:00:07 UTC<", "up 3 days 4 h"
	};
	struct scene *scene = scene_new();

	scene->numbers.torrents = 101;
	scene->numbers.peers = 1202;
	scene->numbers.seeders_only = 303;
	scene->numbers.leechers_only = 404;
	scene->numbers.seeders_and_leechers = 505;
	scene->numbers.ipv4 = 606;
	scene->numbers.ipv6 = 707;
	scene->numbers.memberships = 808;
	scene->numbers.connections = 4294967295;
	scene->numbers.websockets = 11;
	scene->numbers.uptime = 3 * DAY + 4 * 3600 + 59;
	for (size_t i = 0; i < COUNT(parts); i++)
		CHECK(shows(scene, parts[i]));
	sample_all(scene, 2, 7);
	CHECK(shows(scene, "<dt>Announces<dd>&ndash;<"));
	sample_all(scene, 1, 7);
	CHECK(shows(scene, "<dt>Announces<dd>7<"));
	scene_free(scene);
}

static void uptimes(void)
{
	static const struct { uint64_t seconds; const char *text; } cases[] = {
		{ 59, "up 59 s" }, { 60, "up 1 min" }, { 3599, "up 59 min" },
		{ 3600, "up 1 h 0 min" }, { DAY - 1, "up 23 h 59 min" }, { DAY, "up 1 day 0 h" },
		{ 2 * DAY, "up 2 days 0 h" }, { UINT64_C(1234567) * DAY, "up 1,234,567 days 0 h" }
	};
	struct scene *scene = scene_new();

	for (size_t i = 0; i < COUNT(cases); i++) {
		scene->numbers.uptime = cases[i].seconds;
		CHECK(shows(scene, cases[i].text));
	}
	scene_free(scene);
}

/* The certificate is an alert from 14 days before its end. */
static void certificate(void)
{
	static const struct { int64_t left; const char *text; bool alert; } cases[] = {
		{ 61 * DAY + 5, "certificate ends in 61 days, 2026-11-24", false },
		{ 14 * DAY, "certificate ends in 14 days, 2026-10-08", false },
		{ 14 * DAY - 1, "certificate ends in 13 days, 2026-10-08", true },
		{ DAY, "certificate ends in 1 day, 2026-09-25", true },
		{ DAY - 1, "certificate ends within a day, 2026-09-25", true },
		{ -1, "certificate ended on 2026-09-24", true },
		{ -400 * DAY, "certificate ended on 2025-08-20", true }
	};
	struct scene *scene = scene_new();

	for (size_t i = 0; i < COUNT(cases); i++) {
		scene->numbers.tls = (struct stats_tls){ .on = true,
			.not_after = NOW + cases[i].left };
		CHECK(shows(scene, cases[i].text));
		CHECK((times(scene->page, "role=alert>The certificate") == 1) == cases[i].alert);
		CHECK(times(scene->page, "certificate") == 1u + cases[i].alert);
	}
	scene->numbers.tls.on = false;
	page_of(scene, HISTORY_HOUR);
	CHECK(times(scene->page, "certificate") == 0 && times(scene->page, "Handshakes") == 0);
	scene_free(scene);
}

/* Links are relative to where the page is. */
static void ranges(void)
{
	static const char *const links[HISTORY_RANGES] = {
		"<a href=stats aria-current=page>Hour</a><a href=stats/day>Day</a>"
		"<a href=stats/month>Month</a>",
		"<a href=../stats>Hour</a><a href=../stats/day aria-current=page>Day</a>"
		"<a href=../stats/month>Month</a>",
		"<a href=../stats>Hour</a><a href=../stats/day>Day</a>"
		"<a href=../stats/month aria-current=page>Month</a>"
	};
	static const char *const titles[HISTORY_RANGES] = {
		"<h2>The last hour <small>13:01 to 14:01 UTC; ",
		"<h2>The last day <small>23 Sep 14:05 to 24 Sep 14:05 UTC; ",
		"<h2>The last 30 days <small>25 Aug to 24 Sep UTC; "
	};
	struct scene *scene = scene_new();

	sample_all(scene, 0, 3);
	for (int range = 0; range < HISTORY_RANGES; range++) {
		const char *up = range == 0 ? "" : "../", *page;
		char json[100];

		page = page_of(scene, (enum history_range)range);
		CHECK(strstr(page, links[range]) != NULL);
		CHECK(strstr(page, titles[range]) != NULL);
		snprintf(json, sizeof json, "<a href=%sstats.json>numbers</a>, "
		    "<a href=%sstats/history.json>history</a>", up, up);
		CHECK(strstr(page, json) != NULL);
		CHECK(times(page, "<svg viewBox") == 7 && times(page, "id=gaps") == 1);
		CHECK(times(page, "role=img aria-label=\"") == 7 && times(page, "<details>") == 7);
	}
	scene_free(scene);
}

static void limits(void)
{
	static const char *const parts[] = {
		"<li>Connections <span><b>950</b> of 1,000, 95.0&nbsp;%</span>"
		"<svg aria-hidden=true><rect class=c width=95.0% /></svg>\n",
		"<li>Memberships <span><b>1,600</b> of 2,000, 80.0&nbsp;%</span>"
		"<svg aria-hidden=true><rect class=b width=80.0% /></svg>\n",
		"<li>Torrents <span><b>399</b> of 500, 79.8&nbsp;%</span>"
		"<svg aria-hidden=true><rect width=79.8% /></svg>\n",
		"<li>Buffers <span><b>4.1 kB</b> of 410 kB, 1.0&nbsp;%</span>",
		"<li>Handshakes <span><b>11</b> of 10, 110.0&nbsp;%</span>"
		"<svg aria-hidden=true><rect class=c width=100.0% /></svg>\n"
	};
	struct scene *scene = scene_new();

	scene->numbers.connections = 950;
	scene->numbers.memberships = 1600;
	scene->numbers.torrents = 399;
	scene->numbers.buffers_in_use = 1;
	scene->numbers.tls = (struct stats_tls){ .on = true, .handshaking = 11 };
	for (size_t i = 0; i < COUNT(parts); i++)
		CHECK(shows(scene, parts[i]));
	scene_free(scene);
}

/* Every cause has a row of its own, and only those that came about are shown. */
static void events(void)
{
	struct scene *scene = scene_new();
	unsigned rows;
	char part[32];

	page_of(scene, HISTORY_HOUR);
	rows = times(scene->page, "<tr>");
	for (int i = COUNT_REFUSED_FIRST; i <= COUNT_REFUSED_LAST; i++) {
		scene->counters.of[i] = 7000000 + (uint64_t)i;
		snprintf(part, sizeof part, "<td>7,000,%03d\n", i);
		CHECK(shows(scene, part));
		CHECK(times(scene->page, "<tr>") == ++rows);
	}
	for (int i = COUNT_ENDED_FIRST; i <= COUNT_ENDED_LAST; i++) {
		scene->counters.of[i] = 7000000 + (uint64_t)i;
		snprintf(part, sizeof part, "<td>7,000,%03d\n", i);
		CHECK(shows(scene, part));
		CHECK(times(scene->page, "<tr>") == ++rows);
	}
	scene->counters.of[COUNT_ANNOUNCES] = 1234567;
	scene->counters.of[COUNT_BYTES_IN] = 1234567;
	CHECK(shows(scene, "<tr><th>Announces<td>1,234,567\n"));
	CHECK(shows(scene, "<tr><th>Bytes in<td>1.23 MB\n"));
	scene_free(scene);
}

/* -- clients ------------------------------------------------------------------------------- */

/* Where the table of clients starts. */
static const char *clients_of(struct scene *scene)
{
	return strstr(page_of(scene, HISTORY_HOUR), "<section class=clients>");
}

static void sorted(void)
{
	static const char expected[] =
		"<tr><th>WebTorrent <i>1.2</i><td>6<td>60.0&nbsp;%<td><svg aria-hidden=true>"
		"<rect width=60.0% /></svg>\n"
		"<tr><th>qBittorrent <i>4.2.5</i><td>3<td>30.0&nbsp;%<td><svg aria-hidden=true>"
		"<rect width=30.0% /></svg>\n"
		"<tr><th>WebTorrent <i>0.91</i><td>1<td>10.0&nbsp;%<td><svg aria-hidden=true>"
		"<rect width=10.0% /></svg>\n</table></section>\n";
	struct scene *scene = scene_new();

	join(scene, "-WW0091-", 1);
	join(scene, "-qB4250-", 3);
	join(scene, "-WW0102-", 6);
	CHECK(shows(scene, expected));
	scene_free(scene);
}

/* At most 40, whatever their order, and what the others come to. */
static void ranked(void)
{
	struct scene *scene = scene_new();
	unsigned at, peers[100];
	char id[16], part[32];
	const char *place;

	for (unsigned i = 0; i < 100; i++) {
		at = i * 37 % 100;              /* each once, in no order */
		peers[i] = at + 1;
		snprintf(id, sizeof id, "zz%02uzz", at);
		join(scene, id, peers[i]);
		if (i == 39)
			CHECK(strstr(clients_of(scene), "more<td>") == NULL);
	}
	place = clients_of(scene);
	CHECK(times(place, "<th>unknown <i>") == 40);
	for (at = 99; at >= 60; at--) {
		snprintf(part, sizeof part, "<i>zz%02uzz..</i><td>%u<td>", at, at + 1);
		place = strstr(place, part);
		CHECK(place != NULL);
		if (place == NULL)
			break;
	}
	/* 1 + ... + 60 of 5,050 */
	CHECK(shows(scene, "<tr><th>and 60 more<td>1,830<td>36.2&nbsp;%<td>"));
	CHECK(times(clients_of(scene), "</table>\n<details><summary>Further clients<") == 1);
	scene_free(scene);
}

/* The first 12 are in sight. */
static void further(void)
{
	struct scene *scene = scene_new();
	char id[16];

	for (unsigned i = 0; i < 13; i++) {
		CHECK(strstr(clients_of(scene), "Further clients") == NULL);
		snprintf(id, sizeof id, "zz%02uzz", i);
		join(scene, id, 20 - i);
	}
	CHECK(shows(scene, "<summary>Further clients</summary><table>\n"
	    "<tr><th>unknown <i>zz12zz..</i>"));
	CHECK(shows(scene, "</table></details></section>\n<div>\n<section><h3>Limits"));
	scene_free(scene);
}

/* All 1,024 pairs and `other`. */
static void all_pairs(void)
{
	struct scene *scene = scene_new();
	char id[16];

	for (unsigned i = 0; i < 1500; i++) {
		snprintf(id, sizeof id, "zz%04uzz", i);
		join(scene, id, 1);
	}
	CHECK(shows(scene, "<tr><th>other <i>various</i><td>476<td>31.7&nbsp;%"));
	CHECK(shows(scene, "<tr><th>and 985 more<td>985<td>65.7&nbsp;%"));
	scene_free(scene);
}

static void hostile(void)
{
	static const char *const ids[] = {
		"<b>\"&'..............", "</i><script>", "\\\"\\\"\\\\\"\"", "'\"><img>",
		"<!--\0\r\n-->"
	};
	struct scene *scene = scene_new();
	const char *body;

	for (size_t i = 0; i < COUNT(ids); i++) {
		char id[PEERID_SIZE + 1] = "....................";

		memcpy(id, ids[i], i == 4 ? 10 : strlen(ids[i]));
		stats_client_join(scene->clients, (const uint8_t *)id);
	}
	CHECK(shows(scene, "&lt;b&gt;&quot;&amp;&#39;.."));
	CHECK(shows(scene, "&lt;!----&gt;."));
	body = strstr(scene->page, "<div id=all>");
	CHECK(times(body, "<b>\"") == 0 && times(body, "<img") == 0);
	CHECK(times(body, "<!--") == 0 && times(body, "<scr") == 1);
	CHECK(times(body, "\"&'") == 0);
	scene_free(scene);
}

/* The program's own name is text too. */
static void own_name(void)
{
	struct scene *scene = scene_new();

	scene->numbers.server = "a\"\\<b>";
	scene->numbers.version = "&'";
	scene->numbers.backend = "<p>";
	CHECK(shows(scene, "a&quot;\\&lt;b&gt; &amp;&#39; with &lt;p&gt; "));
	scene_free(scene);
}

static void policy(void)
{
	const char *line = dashboard_policy();

	CHECK(strncmp(line, "Content-Security-Policy: default-src 'none'; ", 45) == 0);
	CHECK(strchr(line, '\r') == line + strlen(line) - 2 && line[strlen(line) - 1] == '\n');
	CHECK(strstr(line, "unsafe") == NULL && strstr(line, "connect-src 'self';") != NULL);
	CHECK(strstr(line, "; base-uri 'none'; form-action 'none'; ") != NULL);
	CHECK(strstr(line, "; frame-ancestors 'none'\r\n") != NULL);
}

/* Nothing on it is from elsewhere, and no attribute holds what the policy forbids. */
static void nothing_from_elsewhere(void)
{
	struct scene *scene = scene_new();

	sample_all(scene, 0, 3);
	page_of(scene, HISTORY_HOUR);
	CHECK(times(scene->page, "//") == 0 && times(scene->page, " src=") == 0);
	CHECK(times(scene->page, " style=") == 0 && times(scene->page, "@import") == 0);
	CHECK(times(scene->page, "url(") == times(scene->page, "url(#"));
	scene_free(scene);
}

/* -- the longest page ---------------------------------------------------------------------- */

static void make_longest(struct scene *scene)
{
	static const char longest[] = "\"'";    /* 6 and 5 bytes when they are escaped */
	const uint32_t most = UINT32_MAX;
	char id[PEERID_SIZE];

	scene->numbers = (struct stats_numbers){ .server = "uwt",
		.version = "4294967295.4294967295.4294967295", .backend = "kqueue/kqueue",
		.now = NOW, .uptime = UINT64_MAX, .torrents = most, .peers = most,
		.seeders_only = most, .leechers_only = most, .seeders_and_leechers = most,
		.ipv4 = most, .ipv6 = most, .memberships = most, .connections = most,
		.websockets = most, .buffers_in_use = most, .buffer_size = 65521,
		.clients = scene->clients, .counters = &scene->counters,
		.limits = { most, most, most, most, most } };
	scene->numbers.tls = (struct stats_tls){ .on = true, .not_after = NOW + 13 * DAY,
		.handshaking = most, .handshakes = UINT64_MAX, .resumptions = UINT64_MAX,
		.failures = UINT64_MAX };
	for (int i = 0; i < COUNTERS; i++)
		scene->counters.of[i] = UINT64_MAX;
	for (unsigned i = 0; i < 256; i++) {
		for (unsigned at = 0; at < PEERID_SIZE; at++)
			id[at] = longest[i >> at % 8 & 1];
		for (unsigned peers = 0; peers < 100; peers++)
			stats_client_join(scene->clients, (const uint8_t *)id);
	}
}

/* What a graph may look like: the larger of two values, or none, for each point. */
static bool pattern_value(unsigned pattern, unsigned at, uint64_t most, uint64_t *value)
{
	*value = at % 2 == 0 ? most : most / 1000;
	switch (pattern) {
	case 0: return true;                            /* each one jumps */
	case 1: return at % 2 == 0;                     /* each one is alone */
	case 2: *value = at % 3 == 0 ? most : 0;        /* two, and a gap */
		return at % 3 != 2;
	case 3: *value = at % 4 == 0 ? most : 0;        /* three, and a gap */
		return at % 4 != 3;
	default: *value = at * 7919 % 101 * (most / 100);
		return at % 31 != 30;
	}
}

static void longest(void)
{
	static const unsigned minutes[HISTORY_RANGES] = { 1, 10, 360 }, points[] = { 60, 144, 120 };
	static const uint64_t values[] = { 9999999, 999999, 9994, 994, 1 };
	struct scene *scene = scene_new();
	size_t most = 0;

	make_longest(scene);
	for (unsigned i = 0; i < 3 * 5 * COUNT(values); i++) {
		unsigned range = i % 3, pattern = i / 3 % 5, at;
		uint64_t value;

		memset(scene->history, 0, history_size());
		for (at = 0; at < points[range]; at++) {
			if (pattern_value(pattern, at, values[i / 15], &value))
				sample_all(scene, (points[range] - 1 - at) * minutes[range], value);
		}
		page_of(scene, (enum history_range)range);
		CHECK(times(scene->page, "<svg viewBox") == 7);
		CHECK(times(scene->page, "<tr><th>unknown <i>&#39;") +
		    times(scene->page, "<tr><th>unknown <i>&quot;") == 40);
		if (scene->length > most)
			most = scene->length;
	}
	/* Each client's peers may have 9 more digits and commas. */
	printf("the longest page has %zu bytes of %d\n", most, DASHBOARD_TEXT_MAX);
	CHECK(most < DASHBOARD_TEXT_MAX - 41 * 9 && most > 30000);
	scene_free(scene);
}

int main(void)
{
	RUN(fresh);
	RUN(tiles);
	RUN(uptimes);
	RUN(certificate);
	RUN(ranges);
	RUN(limits);
	RUN(events);
	RUN(sorted);
	RUN(ranked);
	RUN(further);
	RUN(all_pairs);
	RUN(hostile);
	RUN(own_name);
	RUN(policy);
	RUN(nothing_from_elsewhere);
	RUN(longest);
	return test_end();
}
