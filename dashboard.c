/* dashboard.c - see dashboard.h */
#include "dashboard.h"

#include "graph.h"
#include "text.h"

#define WARNING_DAYS 14     /* before a certificate ends */
#define DAY 86400
#define CLIENTS_SHOWN 12    /* at once, the others when they are asked for */

static const char page_head[] =
	"<!DOCTYPE html>\n"
	"<html lang=en>\n"
	"<meta charset=utf-8>\n"
	"<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
	"<link rel=icon href=data:,>\n"
	"<title>Tracker statistics</title>\n"
	"<style id=look>";

/* Two parts, as compilers need not take a longer string. */
static const char page_look[] =
	":root{color-scheme:light dark;--page:#fff;--card:#f6f7f7;--ink:#171c1c;--mute:#586262;"
	"--edge:#8884;--gap:#e9ecec;--a:#0b6f6a;--b:#c2410c;--c:#6846c7;--bad:#b3261e;"
	"font:1rem/1.5 system-ui,sans-serif}\n"
	"@media(prefers-color-scheme:dark){:root{--page:#111414;--card:#191d1d;--ink:#e8ecec;"
	"--mute:#a2adad;--gap:#262c2c;--a:#62cdc0;--b:#ff9d52;--c:#b7a1ff;--bad:#ff8a80}}\n"
	"*{box-sizing:border-box;margin:0;padding:0}\n"
	"body{background:var(--page);color:var(--ink)}\n"
	"#all{max-width:92rem;margin:auto;padding:2rem clamp(1rem,3vw,2.5rem)}\n"
	"h1{font-size:min(2rem,7.5vw);line-height:1.2}\n"
	"h2{font-size:1.2rem}.bar{margin:2.5rem 0 1rem}\n"
	"h3{font-size:1rem}\n"
	"h2 small,.mute{font-size:.875rem;font-weight:400;color:var(--mute)}\n"
	"a{color:var(--a)}\n"
	"section,.tiles div{background:var(--card);border:1px solid var(--edge);"
	"border-radius:.5rem;padding:1rem 1.25rem;min-width:0}\n"
	".tiles,.graphs,.lists{display:grid;gap:1rem;align-items:start}\n"
	".tiles{grid-template-columns:repeat(6,minmax(0,1fr));align-items:stretch;"
	"margin-top:1.5rem}\n"
	".graphs{grid-template-columns:repeat(3,minmax(0,1fr))}\n"
	".graphs>:first-child{grid-column:1/-1}\n"
	"dt{color:var(--mute)}\n"
	"dd{font-size:clamp(1.4rem,2.3vw,2.1rem);line-height:1.25;font-weight:600}\n"
	"dd+dd{font-size:.8125rem;line-height:1.4;font-weight:400;color:var(--mute)}\n"
	"dd,b,td,.plot{font-variant-numeric:tabular-nums}\n"
	"#alert:not(:empty),#note:not(:empty){margin-top:1rem;padding:.5rem 1rem;font-weight:600;"
	"border-left:.25rem solid var(--bad);background:var(--card)}\n"
	".bar{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;"
	"gap:.5rem 2rem}\n"
	"nav{display:flex;border:1px solid var(--edge);border-radius:.5rem;overflow:hidden}\n"
	"nav a{padding:.3rem 1.1rem;text-decoration:none}\n"
	"nav [aria-current]{background:var(--a);color:var(--page)}\n"
	"nav a:focus-visible{outline-offset:-3px}\n";

static const char page_look_graphs[] =
	".key{display:flex;flex-wrap:wrap;gap:0 1.25rem;list-style:none;font-size:.875rem;"
	"color:var(--mute);margin-bottom:.75rem}\n"
	".key b{color:var(--ink)}\n"
	".key i{display:inline-block;width:1.5rem;margin-right:.4rem;vertical-align:.25em;"
	"border-top:3px solid}\n"
	"i.a{color:var(--a)}i.b{color:var(--b);border-top-style:dashed}"
	"i.c{color:var(--c);border-top-style:dotted}\n"
	".plot{display:grid;grid-template-columns:3.6rem minmax(0,1fr);gap:.4rem .5rem;"
	"font-size:.75rem;color:var(--mute);white-space:nowrap}\n"
	".y{display:flex;flex-direction:column;justify-content:space-between;text-align:right;"
	"line-height:0;padding:2px 0}\n"
	".x{grid-column:2;display:flex;justify-content:space-between}\n"
	".x p{width:0;display:flex;justify-content:center}\n"
	".x :first-child{justify-content:start}.x :last-child{justify-content:end}\n"
	".graphs>:nth-child(n+2) .x :nth-child(even){visibility:hidden}\n"
	".plot svg{display:block;width:100%;height:9rem}\n"
	".graphs>:first-child svg{height:16rem}\n"
	"path{fill:none;stroke-width:2;stroke-linejoin:round;vector-effect:non-scaling-stroke}\n"
	".g{stroke:var(--edge);stroke-width:1}\n"
	"path.a{stroke:var(--a);fill:url(#fade)}stop{stop-color:var(--a)}\n"
	"path.b{stroke:var(--b);stroke-dasharray:7 4}\n"
	"path.c{stroke:var(--c);stroke-dasharray:2 3}\n"
	".p{stroke-width:4;stroke-linecap:round;stroke-dasharray:none!important}\n"
	"#gaps{fill:var(--gap);stroke:var(--gap)}\n"
	"details{margin-top:.5rem;font-size:.875rem}\n"
	"summary{color:var(--mute);cursor:pointer}\n"
	"table{border-collapse:collapse;width:100%;margin-top:.5rem}\n"
	"th,td{padding:.25rem 0 .25rem .75rem;text-align:right;font-weight:400;"
	"border-top:1px solid var(--edge)}\n"
	"th:first-child,td:first-child{text-align:left;padding-left:0;overflow-wrap:anywhere}\n"
	".h th,th i,td:first-child{color:var(--mute);font-style:normal}\n"
	".lists{grid-template-columns:5fr 4fr 3fr}\n"
	".lists>div{display:grid;gap:1rem}\n"
	".clients table{table-layout:fixed}\n"
	".clients tr>:nth-child(2){width:5.5rem}.clients tr>:nth-child(3){width:5.25rem}"
	".clients tr>:nth-child(4){width:24%}\n"
	".limits li{list-style:none;display:flex;flex-wrap:wrap;justify-content:space-between;"
	"margin-top:.75rem;font-size:.875rem}\n"
	".limits span{color:var(--mute)}.limits b{color:var(--ink)}\n"
	"li svg,td svg{width:100%;height:.5rem;background:var(--gap);border-radius:.25rem}\n"
	"td svg{display:block}\n"
	"rect{height:100%;fill:var(--a)}\n"
	"rect.b{fill:var(--b)}rect.c{fill:var(--bad)}\n"
	"footer{margin-top:2.5rem}\n"
	"@media(max-width:64rem){.tiles{grid-template-columns:repeat(3,minmax(0,1fr))}"
	".graphs{grid-template-columns:repeat(2,minmax(0,1fr))}"
	".lists{grid-template-columns:1fr 1fr}"
	".lists>:first-child{grid-column:1/-1}}\n"
	"@media(max-width:44rem){.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:.5rem}"
	".graphs,.lists{grid-template-columns:minmax(0,1fr)}"
	"section,.tiles div{padding:.75rem}"
	".x :nth-child(even){visibility:hidden}.clients tr>:nth-child(4){display:none}}\n";

/* Every 10 s, while it is looked at, the page is fetched again, and what has changed is replaced:
 * what is scrolled to and which tables are open stays. A new look is a new version. */
static const char page_script[] =
	"\n"
	"'use strict'\n"
	"const part = (page, id) => page.getElementById(id)\n"
	"const look = part(document, 'look').textContent\n"
	"\n"
	"function renew(old, now) {\n"
	"	const [from, to] = [[...old.childNodes], [...now.childNodes]]\n"
	"	if (old.nodeName !== now.nodeName || !to.length || from.length !== to.length)\n"
	"		return old.replaceWith(now)\n"
	"	for (const { name, value } of now.attributes) old.setAttribute(name, value)\n"
	"	from.forEach((node, i) => node.isEqualNode(to[i]) || renew(node, to[i]))\n"
	"}\n"
	"\n"
	"async function refresh() {\n"
	"	if (document.hidden) return\n"
	"	try {\n"
	"		const reply = await fetch(location, { headers: { Accept: 'text/html' },\n"
	"			cache: 'no-store', signal: AbortSignal.timeout(9e3) })\n"
	"		const text = await reply.text()\n"
	"		const page = new DOMParser().parseFromString(text, 'text/html')\n"
	"		if (part(page, 'look').textContent !== look) return location.reload()\n"
	"		renew(part(document, 'all'), part(page, 'all'))\n"
	"	} catch {\n"
	"		part(document, 'note').textContent =\n"
	"			'The tracker does not answer: these numbers are old.'\n"
	"	}\n"
	"}\n"
	"\n"
	"setInterval(refresh, 1e4)\n"
	"document.onvisibilitychange = refresh\n";

/* The hashes are of what stands between <style> and </style>, and <script> and </script>; a test
 * compares them. */
const char *dashboard_policy(void)
{
	return "Content-Security-Policy: default-src 'none'; "
	    "style-src 'sha256-I+g6KfGSPAhyFhdQeo8C4AMNtBVvEE8IC0FgLSsFhbE='; "
	    "script-src 'sha256-4R8ciAWgK7CwSlcUbjr6Uy/HceHX37iIxr4Bjkb40/o='; "
	    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
	    "frame-ancestors 'none'\r\n";
}

/* -- small parts --------------------------------------------------------------------------- */

static void number(struct text *text, const char *before, uint64_t value, const char *after)
{
	text_add(text, before);
	text_add_grouped(text, value);
	text_add(text, after);
}

/* A part of the time as 2026-09-24T14:05:00Z. */
static void time_add(struct text *text, int64_t seconds, size_t from, size_t length)
{
	char memory[32];
	struct text time = TEXT_IN(memory);

	text_add_time(&time, seconds);
	if (time.length == 20)
		text_add_bytes(text, memory + from, length);
}

static void date_add(struct text *text, int64_t seconds)
{
	time_add(text, seconds, 0, 10);
}

static void plural(struct text *text, uint64_t count, const char *unit)
{
	number(text, "", count, unit);
	text_add(text, count == 1 ? "" : "s");
}

static void duration_add(struct text *text, uint64_t seconds)
{
	if (seconds >= DAY) {
		plural(text, seconds / DAY, " day");
		number(text, " ", seconds % DAY / 3600, " h");
	} else if (seconds >= 3600) {
		number(text, "", seconds / 3600, " h");
		number(text, " ", seconds % 3600 / 60, " min");
	} else if (seconds >= 60) {
		number(text, "", seconds / 60, " min");
	} else {
		number(text, "", seconds, " s");
	}
}

/* A bar that is full by tenths of a per cent; its class says how bad that is. */
static void bar_add(struct text *text, uint64_t part, uint64_t whole, const char *class)
{
	text_add(text, "<svg aria-hidden=true><rect ");
	text_add(text, class);
	text_add(text, "width=");
	graph_add_percent(text, part < whole ? part : whole, whole);
	text_add(text, "% /></svg>\n");
}

/* -- the top ------------------------------------------------------------------------------- */

static void certificate_add(struct text *text, const struct stats_numbers *numbers)
{
	int64_t left = numbers->tls.not_after - numbers->now;

	text_add(text, left < 0 ? "certificate ended on " : "certificate ends ");
	if (left >= DAY) {
		text_add(text, "in ");
		plural(text, (uint64_t)left / DAY, " day");
		text_add(text, ", ");
	} else if (left >= 0) {
		text_add(text, "within a day, ");
	}
	date_add(text, numbers->tls.not_after);
}

static void top_add(struct text *text, const struct stats_numbers *numbers)
{
	bool tls = numbers->tls.on;
	bool alert = tls && numbers->tls.not_after - numbers->now < WARNING_DAYS * DAY;

	text_add(text, "<header>\n<h1>Tracker statistics</h1>\n<p class=mute>");
	text_add_html(text, numbers->server);
	text_add(text, " ");
	text_add_html(text, numbers->version);
	if (numbers->backend != NULL) {
		text_add(text, " with ");
		text_add_html(text, numbers->backend);
	}
	text_add(text, " &middot; up ");
	duration_add(text, numbers->uptime);
	if (tls) {
		text_add(text, " &middot; ");
		certificate_add(text, numbers);
	}
	text_add(text, " &middot; at ");
	time_add(text, numbers->now, 11, 8);
	text_add(text, " UTC</p>\n<div id=alert role=alert>");
	if (numbers->sickness != NULL) {
		text_add(text, "No peers are taken: ");
		text_add_html(text, numbers->sickness);
		text_add(text, ". ");
	}
	if (alert) {
		text_add(text, "The ");
		certificate_add(text, numbers);
		text_add(text, ".");
	}
	text_add(text, "</div>\n<div id=note role=status></div>\n</header>\n");
}

/* A tile begins; what follows is what stands below its number. */
static void tile_add(struct text *text, const char *name, uint64_t value)
{
	text_add(text, "</div>\n<div><dt>");
	text_add(text, name);
	number(text, "<dd>", value, "<dd>");
}

static void announces_tile_add(struct text *text, const struct stats_numbers *numbers,
    const struct history *history)
{
	struct graph_view view = graph_view(history, HISTORY_HOUR, numbers->now);
	uint64_t value;

	text_add(text, "</div>\n<div><dt>Announces<dd>");
	if (graph_latest(&view, HISTORY_ANNOUNCES, &value))
		graph_add_number(text, value);
	else
		text_add(text, "&ndash;");
	text_add(text, "<dd>per second");
}

static void tiles_add(struct text *text, const struct stats_numbers *numbers,
    const struct history *history)
{
	uint64_t both = numbers->seeders_and_leechers, torrents = numbers->torrents;

	text_add(text, "<dl class=tiles>\n<div><dt>Peers");
	number(text, "<dd>", numbers->peers, "<dd>");
	graph_add_percent(text, numbers->ipv6, numbers->peers);
	text_add(text, "&nbsp;% by IPv6");
	tile_add(text, "Seeders", numbers->seeders_only + both);
	number(text, "", both, " leech, too");
	tile_add(text, "Leechers", numbers->leechers_only + both);
	number(text, "", both, " seed, too");
	tile_add(text, "Torrents", torrents);
	graph_add_number(text, torrents == 0 ? 0 :
	    (uint64_t)numbers->memberships * 1000 / torrents);
	text_add(text, torrents > 0 && numbers->memberships == torrents ? " peer each" :
	    " peers each");
	tile_add(text, "Connections", numbers->connections);
	plural(text, numbers->websockets, " WebSocket");
	announces_tile_add(text, numbers, history);
	text_add(text, "</div>\n</dl>\n");
}

/* -- graphs -------------------------------------------------------------------------------- */

static const struct graph graphs[] = {
	{ "Peers", false, { { HISTORY_PEERS, "All" }, { HISTORY_SEEDERS, "Seeders" },
	    { HISTORY_LEECHERS, "Leechers" } } },
	{ "Announces per second", false, { { HISTORY_ANNOUNCES, "" } } },
	{ "Introductions per second", false, { { HISTORY_OFFERS, "Offers" },
	    { HISTORY_ANSWERS, "Answers" } } },
	{ "Traffic", true, { { HISTORY_BYTES_OUT, "Out" }, { HISTORY_BYTES_IN, "In" } } },
	{ "Torrents", false, { { HISTORY_TORRENTS, "" } } },
	{ "Connections", false, { { HISTORY_CONNECTIONS, "" } } },
	{ "Refusals per second", false, { { HISTORY_REFUSALS, "" } } }
};

static void tabs_add(struct text *text, enum history_range range)
{
	static const struct { const char *path, *name; } tabs[HISTORY_RANGES] = {
		[HISTORY_HOUR] = { "stats", "Hour" }, [HISTORY_DAY] = { "stats/day", "Day" },
		[HISTORY_MONTH] = { "stats/month", "Month" }
	};
	int i;

	text_add(text, "<nav aria-label=\"Time shown\">");
	for (i = 0; i < HISTORY_RANGES; i++) {
		text_add(text, range == HISTORY_HOUR ? "<a href=" : "<a href=../");
		text_add(text, tabs[i].path);
		text_add(text, i == (int)range ? " aria-current=page>" : ">");
		text_add(text, tabs[i].name);
		text_add(text, "</a>");
	}
	text_add(text, "</nav>");
}

static void graphs_add(struct text *text, const struct history *history,
    enum history_range range, int64_t now)
{
	static const char *const titles[HISTORY_RANGES] = {
		[HISTORY_HOUR] = "The last hour", [HISTORY_DAY] = "The last day",
		[HISTORY_MONTH] = "The last 30 days"
	};
	struct graph_view view = graph_view(history, range, now);
	unsigned i;

	text_add(text, "<div class=bar><h2>");
	text_add(text, titles[range]);
	text_add(text, " <small>");
	if (view.known)
		graph_add_span(text, &view);
	text_add(text, "</small></h2>");
	tabs_add(text, range);
	text_add(text, "</div>\n<div class=graphs>\n");
	for (i = 0; view.known && i < sizeof graphs / sizeof graphs[0]; i++)
		graph_add(text, &view, &graphs[i], i == 0);
	if (!view.known)
		text_add(text, "<section><p>Graphs begin within a minute.</p></section>\n");
	text_add(text, "</div>\n");
}

/* -- clients ------------------------------------------------------------------------------- */

/* The clients with the most peers, and what the others come to. */
struct ranking {
	struct stats_row rows[DASHBOARD_CLIENTS];
	unsigned count;
	uint32_t others;
	uint64_t others_peers, peers;
};

/* A row goes to its place; who does not fit is one of the others. */
static void ranking_insert(struct ranking *ranking, const struct stats_row *row)
{
	unsigned at = ranking->count;

	ranking->peers += row->peers;
	if (at == DASHBOARD_CLIENTS) {
		const struct stats_row *last = &ranking->rows[at - 1];
		const struct stats_row *out = row->peers > last->peers ? last : row;

		ranking->others++;
		ranking->others_peers += out->peers;
		if (out == row)
			return;
		at--;
	} else {
		ranking->count++;
	}
	for (; at > 0 && ranking->rows[at - 1].peers < row->peers; at--)
		ranking->rows[at] = ranking->rows[at - 1];
	ranking->rows[at] = *row;
}

static void client_add(struct text *text, uint64_t peers, uint64_t all)
{
	number(text, "<td>", peers, "<td>");
	graph_add_percent(text, peers, all);
	text_add(text, "&nbsp;%<td>");
	bar_add(text, peers, all, "");
}

static void clients_add(struct text *text, const struct stats_clients *clients)
{
	struct ranking ranking = { .count = 0 };
	struct stats_row row = { 0 };
	unsigned i;

	while (stats_row_next(clients, &row))
		ranking_insert(&ranking, &row);
	text_add(text, "<section class=clients><h3>Clients</h3>\n<table>"
	    "<tr class=h><th>Client<th>Peers<th>Share<td>\n");
	for (i = 0; i < ranking.count; i++) {
		if (i == CLIENTS_SHOWN)
			text_add(text, "</table>\n<details><summary>Further clients</summary>"
			    "<table>\n");
		text_add(text, "<tr><th>");
		text_add_html(text, ranking.rows[i].name);
		text_add(text, " <i>");
		text_add_html(text, ranking.rows[i].version);
		text_add(text, "</i>");
		client_add(text, ranking.rows[i].peers, ranking.peers);
	}
	if (ranking.others > 0) {
		number(text, "<tr><th>and ", ranking.others, " more");
		client_add(text, ranking.others_peers, ranking.peers);
	}
	if (ranking.count == 0)
		text_add(text, "<tr><td colspan=4>None at the moment\n");
	text_add(text, ranking.count > CLIENTS_SHOWN ? "</table></details></section>\n" :
	    "</table></section>\n");
}

/* -- limits -------------------------------------------------------------------------------- */

static void limit_add(struct text *text, const char *name, uint64_t used, uint64_t most,
    uint32_t unit)
{
	uint64_t tenths = most == 0 ? 0 : used * 1000 / most;

	text_add(text, "<li>");
	text_add(text, name);
	text_add(text, " <span><b>");
	if (unit > 1)
		graph_add_bytes(text, used * unit);
	else
		text_add_grouped(text, used);
	text_add(text, "</b> of ");
	if (unit > 1)
		graph_add_bytes(text, most * unit);
	else
		text_add_grouped(text, most);
	text_add(text, ", ");
	graph_add_percent(text, used, most);
	text_add(text, "&nbsp;%</span>");
	bar_add(text, used, most, tenths >= 950 ? "class=c " : tenths >= 800 ? "class=b " : "");
}

static void limits_add(struct text *text, const struct stats_numbers *numbers)
{
	const struct stats_limits *limits = &numbers->limits;

	text_add(text, "<section><h3>Limits</h3>\n<ul class=limits>");
	limit_add(text, "Connections", numbers->connections, limits->connections, 1);
	limit_add(text, "Memberships", numbers->memberships, limits->memberships, 1);
	limit_add(text, "Torrents", numbers->torrents, limits->torrents, 1);
	limit_add(text, "Buffers", numbers->buffers_in_use, limits->buffers,
	    numbers->buffer_size);
	if (numbers->tls.on)
		limit_add(text, "Handshakes", numbers->tls.handshaking, limits->handshakes, 1);
	text_add(text, "</ul></section>\n");
}

/* -- since the start ----------------------------------------------------------------------- */

static const struct happened {
	enum counter counter;
	const char *name;
} happened[] = {
	{ COUNT_ACCEPTED, "Connections" }, { COUNT_UPGRADED, "WebSockets" },
	{ COUNT_ANNOUNCES, "Announces" }, { COUNT_COMPLETED, "Completed" },
	{ COUNT_OUT_OFFERS, "Offers passed on" }, { COUNT_OUT_ANSWERS, "Answers passed on" },
	{ COUNT_SCRAPES, "Scrapes" }, { COUNT_INVALID, "Invalid messages" }
}, refused[] = {
	{ COUNT_REFUSED_CONNECTIONS, "Too many connections" },
	{ COUNT_REFUSED_ADDRESS, "Too many of an address" },
	{ COUNT_REFUSED_DESCRIPTORS, "No descriptor" }, { COUNT_REFUSED_PLAIN, "Without TLS" },
	{ COUNT_REFUSED_BUFFERS, "No buffer" }, { COUNT_REFUSED_RATE, "Too many messages" },
	{ COUNT_REFUSED_TORRENTS, "Too many torrents" }, { COUNT_REFUSED_PEERS, "Too many peers" },
	{ COUNT_REFUSED_SWARMS, "Too many swarms" },
	{ COUNT_REFUSED_SAME, "Too many of a peer_id" }, { COUNT_REFUSED_FILTER, "Filtered" },
	{ COUNT_REFUSED_SCRAPE, "Scrape of all" }
}, ended[] = {
	{ COUNT_ENDED_PEER, "By the peer" }, { COUNT_ENDED_ANSWERED, "Answered" },
	{ COUNT_ENDED_NETWORK, "Network" }, { COUNT_ENDED_SILENT, "Silent" },
	{ COUNT_ENDED_PROTOCOL, "Broke the protocol" }, { COUNT_ENDED_SLOW, "Too slow to read" },
	{ COUNT_ENDED_BUFFERS, "No buffer" }, { COUNT_ENDED_PLACE, "Gave its place" },
	{ COUNT_ENDED_REFUSED, "Refused" }, { COUNT_ENDED_RATE, "Too many messages" },
	{ COUNT_ENDED_PROGRAM, "By the program" }, { COUNT_ENDED_CLOSE, "Tracker closes" }
};
#define COUNT_OF(array) (sizeof (array) / sizeof (array)[0])

static void row_add(struct text *text, const char *name, uint64_t count)
{
	text_add(text, "<tr><th>");
	text_add(text, name);
	number(text, "<td>", count, "\n");
}

/* A table of what is not 0. */
static void causes_add(struct text *text, const char *title, const uint64_t *counts,
    const struct happened *causes, size_t count)
{
	size_t i;
	bool any = false;

	text_add(text, "<section><h3>");
	text_add(text, title);
	text_add(text, "</h3>\n");
	for (i = 0; i < count; i++) {
		if (counts[causes[i].counter] == 0)
			continue;
		text_add(text, any ? "" : "<table>");
		row_add(text, causes[i].name, counts[causes[i].counter]);
		any = true;
	}
	text_add(text, any ? "</table></section>\n" : "<p class=mute>None.</p></section>\n");
}

static void happened_add(struct text *text, const uint64_t *counts, const struct stats_tls *tls)
{
	size_t i;

	text_add(text, "<section><h3>Since the start</h3>\n<table>");
	for (i = 0; i < COUNT_OF(happened); i++)
		row_add(text, happened[i].name, counts[happened[i].counter]);
	text_add(text, "<tr><th>Bytes in<td>");
	graph_add_bytes(text, counts[COUNT_BYTES_IN]);
	text_add(text, "\n<tr><th>Bytes out<td>");
	graph_add_bytes(text, counts[COUNT_BYTES_OUT]);
	text_add(text, "\n");
	if (tls->on) {
		row_add(text, "TLS handshakes", tls->handshakes);
		row_add(text, "TLS resumptions", tls->resumptions);
		row_add(text, "TLS failures", tls->failures);
	}
	text_add(text, "</table></section>\n");
}

/* -- the page ------------------------------------------------------------------------------ */

static void lists_add(struct text *text, const struct stats_numbers *numbers)
{
	static const struct counters nothing;
	const uint64_t *counts = numbers->counters != NULL ? numbers->counters->of : nothing.of;

	text_add(text, "<h2 class=bar>Clients and limits</h2>\n<div class=lists>\n");
	clients_add(text, numbers->clients);
	text_add(text, "<div>\n");
	limits_add(text, numbers);
	causes_add(text, "Connections ended", counts, ended, COUNT_OF(ended));
	text_add(text, "</div>\n<div>\n");
	happened_add(text, counts, &numbers->tls);
	causes_add(text, "Refused", counts, refused, COUNT_OF(refused));
	text_add(text, "</div>\n</div>\n");
}

size_t dashboard(const struct stats_numbers *numbers, const struct history *history,
    enum history_range range, char *out)
{
	struct text text = { .start = out, .max = DASHBOARD_TEXT_MAX };
	const char *up = range == HISTORY_HOUR ? "" : "../";

	text_add(&text, page_head);
	text_add(&text, page_look);
	text_add(&text, page_look_graphs);
	text_add(&text, "</style>\n<div id=all>\n");
	top_add(&text, numbers);
	text_add(&text, "<main>\n");
	tiles_add(&text, numbers, history);
	graphs_add(&text, history, range, numbers->now);
	lists_add(&text, numbers);
	text_add(&text, "</main>\n<footer class=mute>As JSON: <a href=");
	text_add(&text, up);
	text_add(&text, "stats.json>numbers</a>, <a href=");
	text_add(&text, up);
	text_add(&text, "stats/history.json>history</a>");
	if (numbers->lists_torrents) {
		text_add(&text, ", <a href=");
		text_add(&text, up);
		text_add(&text, "stats/torrents.json>largest torrents</a>");
	}
	text_add(&text, "</footer>\n</div>\n<script>");
	text_add(&text, page_script);
	text_add(&text, "</script>\n</html>\n");
	return text.length;
}
