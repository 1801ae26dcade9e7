/* show.c - what the server shows of itself: numbers, pages of them, and what was; see inside.h */
#include "inside.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dashboard.h"
#include "history.h"
#include "metrics.h"
#include "text.h"
#include "torrents.h"

#define FRESH 1000              /* ms for which what was rendered is served again */
#define MINUTE 60               /* s */
#define OWN_METRICS_MAX 8192    /* bytes that the program may add */
#define LISTS_START (3 * DASHBOARD_TEXT_MAX + HISTORY_TEXT_MAX + METRICS_TEXT_MAX + OWN_METRICS_MAX)
#define LIST(order) { LISTS_START + (order) * TORRENTS_TEXT_MAX, TORRENTS_TEXT_MAX }

/* What is rendered at most once in FRESH, and where that is kept. */
static const struct place {
	size_t start, size;
} places[SHOWN] = {
	[SHOWN_HOUR] = { 0, DASHBOARD_TEXT_MAX },
	[SHOWN_DAY] = { DASHBOARD_TEXT_MAX, DASHBOARD_TEXT_MAX },
	[SHOWN_MONTH] = { 2 * DASHBOARD_TEXT_MAX, DASHBOARD_TEXT_MAX },
	[SHOWN_HISTORY] = { 3 * DASHBOARD_TEXT_MAX, HISTORY_TEXT_MAX },
	[SHOWN_METRICS] = { 3 * DASHBOARD_TEXT_MAX + HISTORY_TEXT_MAX,
	    METRICS_TEXT_MAX + OWN_METRICS_MAX },
	[SHOWN_TORRENTS + SWARM_BY_PEERS] = LIST(SWARM_BY_PEERS),
	[SHOWN_TORRENTS + SWARM_BY_SEEDERS] = LIST(SWARM_BY_SEEDERS),
	[SHOWN_TORRENTS + SWARM_BY_LEECHERS] = LIST(SWARM_BY_LEECHERS),
	[SHOWN_TORRENTS + SWARM_BY_DOWNLOADS] = LIST(SWARM_BY_DOWNLOADS)
};

size_t show_size(const struct uwt_options *options)
{
	return LISTS_START + (options->torrent_stats ? SWARM_ORDERS * TORRENTS_TEXT_MAX : 0);
}

/* -- the numbers ------------------------------------------------------------------------------ */

/* s since 1970; a test's minutes are as short as its other times. */
static int64_t wall_clock(struct uwt_server *server)
{
	struct timespec time;

	/* A clock that cannot be read stands still. */
	if (clock_gettime(CLOCK_REALTIME, &time) == 0)
		server->wall = (int64_t)time.tv_sec;
	if (server->wall_started == 0)
		server->wall_started = server->wall;
	return server->wall_started + (server->wall - server->wall_started) * CLOCK_SPEED;
}

static struct stats_tls count_tls(const struct tls *tls)
{
	struct tls_totals totals;

	if (tls == NULL)
		return (struct stats_tls){ .on = false };
	totals = tls_totals(tls);
	return (struct stats_tls){ .on = true, .not_after = tls_not_after(tls),
		.connections = totals.open, .handshaking = totals.handshaking,
		.handshakes = totals.handshakes, .resumptions = totals.resumptions,
		.failures = totals.failures, .image_bytes = totals.image_bytes };
}

static struct stats_limits count_limits(const struct uwt_server *server)
{
	const struct uwt_options *options = &server->options;

	return (struct stats_limits){ .connections = options->max_connections,
		.memberships = options->max_peers, .torrents = options->max_torrents,
		.buffers = buf_pool_total(server->pool), .handshakes = options->max_handshakes };
}

/* Does the system give another one? */
static bool has_descriptor(const struct uwt_server *server)
{
	int fd = fcntl(server->wake[0], F_DUPFD, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Why are no peers taken? NULL if they are. */
static const char *sickness(const struct uwt_server *server)
{
	const struct swarm_totals *totals = tracker_totals(server->tracker);
	const struct uwt_options *options = &server->options;

	if (server->closed)
		return "shutting down";
	if (server->ailment != NULL)
		return server->ailment;
	if (server->starved && !has_descriptor(server))
		return "no descriptors";
	if (is_full(server) && server->youngs[YOUNG_WAITING].first == 0)
		return "connections full";
	if (totals->members >= options->max_peers)
		return "peers full";
	if (totals->torrents >= options->max_torrents)
		return "torrents full";
	if (buf_pool_used(server->pool) >= buf_pool_total(server->pool))
		return "buffers full";
	return NULL;
}

static struct stats_numbers count_all(struct uwt_server *server)
{
	const struct swarm_totals *totals = tracker_totals(server->tracker);

	return (struct stats_numbers){ .server = "uwt", .version = UWT_VERSION,
		.backend = poll_name(), .now = wall_clock(server), .uptime = server->now / 1000,
		.torrents = totals->torrents, .peers = totals->peers,
		.seeders_only = totals->seeders_only, .leechers_only = totals->leechers_only,
		.seeders_and_leechers = totals->seeders_and_leechers,
		.ipv4 = totals->ipv4, .ipv6 = totals->ipv6, .memberships = totals->members,
		.connections = server->conns.live - server->monitors,
		.websockets = server->websockets,
		.buffers_in_use = buf_pool_used(server->pool), .buffer_size = BUF_SIZE,
		.clients = tracker_clients(server->tracker), .counters = &server->counters,
		.limits = count_limits(server), .tls = count_tls(server->secure.tls),
		.sickness = sickness(server), .lists_torrents = server->options.torrent_stats };
}

/* -- what was --------------------------------------------------------------------------------- */

/* In how many ms is a minute over? */
static uint32_t minute_rest(int64_t wall)
{
	return (uint32_t)(MINUTE - wall % MINUTE) * 1000;
}

/* What of the counters goes into the history. */
static void happened(const struct uwt_server *server, uint64_t sums[HISTORY_SERIES])
{
	const uint64_t *of = server->counters.of;
	int i;

	sums[HISTORY_ANNOUNCES] = of[COUNT_ANNOUNCES];
	sums[HISTORY_OFFERS] = of[COUNT_OUT_OFFERS];
	sums[HISTORY_ANSWERS] = of[COUNT_OUT_ANSWERS];
	sums[HISTORY_BYTES_IN] = of[COUNT_BYTES_IN];
	sums[HISTORY_BYTES_OUT] = of[COUNT_BYTES_OUT];
	sums[HISTORY_REFUSALS] = 0;
	for (i = COUNT_REFUSED_FIRST; i <= COUNT_REFUSED_LAST; i++)
		sums[HISTORY_REFUSALS] += of[i];
}

static void sample_take(struct uwt_server *server, int64_t minute)
{
	const struct swarm_totals *totals = tracker_totals(server->tracker);
	struct history_sample sample = { .of = {
		[HISTORY_PEERS] = totals->peers,
		[HISTORY_SEEDERS] = totals->seeders_only + totals->seeders_and_leechers,
		[HISTORY_LEECHERS] = totals->leechers_only + totals->seeders_and_leechers,
		[HISTORY_TORRENTS] = totals->torrents,
		[HISTORY_CONNECTIONS] = server->conns.live - server->monitors } };
	uint64_t sums[HISTORY_SERIES] = { 0 };
	int i;

	happened(server, sums);
	sample.seconds = (uint32_t)((server->now - server->sampled + 500) / 1000);
	if (sample.seconds == 0)
		sample.seconds = 1;
	for (i = HISTORY_RATES; i < HISTORY_SERIES; i++) {
		sample.of[i] = sums[i] - server->sums[i];
		server->sums[i] = sums[i];
	}
	server->sampled = server->now;
	history_add(server->history, minute, &sample);
	server->shown[SHOWN_HISTORY].length = 0;
}

void show_start(struct uwt_server *server)
{
	server->sample_due = minute_rest(wall_clock(server));
}

int64_t show_due(const struct uwt_server *server)
{
	return server->sample_due > server->now ? (int64_t)(server->sample_due - server->now) : 0;
}

void show_run(struct uwt_server *server)
{
	int64_t wall;

	if (server->now < server->sample_due)
		return;
	wall = wall_clock(server);
	/* The minute that is just over, though the two clocks may not agree to the second. */
	sample_take(server, (wall + MINUTE / 2) / MINUTE - 1);
	/* If it is not quite over it must not be so once more. */
	server->sample_due = server->now + minute_rest(wall + 1) + 1000;
}

void show_last(struct uwt_server *server)
{
	if (server->now - server->sampled >= 1000)
		sample_take(server, wall_clock(server) / MINUTE);
}

/* -- rendering -------------------------------------------------------------------------------- */

/* The last minute of which there can be a sample. */
static int64_t last_minute(const struct stats_numbers *numbers)
{
	return numbers->now / MINUTE - 1;
}

static size_t render_metrics(const struct uwt_server *server, const struct stats_numbers *numbers,
    char *out)
{
	const struct uwt_callbacks *callbacks = &server->options.callbacks;
	size_t length = metrics(numbers, out);

	if (callbacks->metrics != NULL)
		length += callbacks->metrics(callbacks->context, out + length, OWN_METRICS_MAX);
	return length;
}

/* As many as may be asked for, of which all get theirs. */
static size_t render_torrents(const struct uwt_server *server, enum swarm_order order, char *out)
{
	const struct torrents_query query = { .order = order, .limit = TORRENTS_MAX };

	return torrents_json(tracker_swarm(server->tracker), &query, out);
}

static size_t render(struct uwt_server *server, enum shown shown, char *out)
{
	struct stats_numbers numbers;

	if (shown >= SHOWN_TORRENTS)
		return render_torrents(server, (enum swarm_order)(shown - SHOWN_TORRENTS), out);
	numbers = count_all(server);
	switch (shown) {
	case SHOWN_HOUR: return dashboard(&numbers, server->history, HISTORY_HOUR, out);
	case SHOWN_DAY: return dashboard(&numbers, server->history, HISTORY_DAY, out);
	case SHOWN_MONTH: return dashboard(&numbers, server->history, HISTORY_MONTH, out);
	case SHOWN_HISTORY: return history_json(server->history, last_minute(&numbers), out);
	case SHOWN_METRICS: return render_metrics(server, &numbers, out);
	case SHOWN_TORRENTS: case SHOWN: break;
	}
	return 0;
}

/* Serve what is kept, rendered anew if it is old. A history is as it was until its next sample. */
static void show_kept(struct uwt_server *server, enum shown what, struct site_answer *answer)
{
	struct shown_text *kept = &server->shown[what];
	char *text = server->shown_memory + places[what].start;

	if (kept->length == 0 || (what != SHOWN_HISTORY && server->now - kept->since >= FRESH)) {
		kept->length = render(server, what, text);
		kept->since = server->now;
	}
	answer->body = text;
	answer->length = kept->length;
}

static void show_health(struct uwt_server *server, struct site_answer *answer)
{
	const char *reason = sickness(server);
	struct text text = { .start = server->page, .max = STATS_TEXT_MAX };

	text_add(&text, reason != NULL ? reason : "ok");
	text_add(&text, "\n");
	answer->status = reason != NULL ? 503 : 200;
	answer->body = text.start;
	answer->length = text.length;
}

/* One is found at once. A long list takes longer to make than to send: so that who asks often costs
 * others no more than by any page, all that are asked for in a second begin the same one. */
static void show_list(struct uwt_server *server, const struct torrents_query *query,
    struct site_answer *answer)
{
	if (query->one) {
		answer->length = torrents_json(tracker_swarm(server->tracker), query, server->page);
		answer->body = server->page;
		return;
	}
	show_kept(server, (enum shown)(SHOWN_TORRENTS + query->order), answer);
	if (query->limit < TORRENTS_MAX) {
		answer->length = torrents_first(answer->body, answer->length, query->limit,
		    server->page);
		answer->body = server->page;
	}
}

static void show_torrents(struct uwt_server *server, const struct http_request *request,
    struct site_answer *answer)
{
	struct torrents_query query;

	if (torrents_query(request->query.text, request->query.len, &query)) {
		show_list(server, &query, answer);
		return;
	}
	answer->status = 400;
	answer->type = "text/plain; charset=utf-8";
	answer->body = torrents_usage();
	answer->length = strlen(answer->body);
}

void show(struct uwt_server *server, const struct http_request *request, struct site_answer *answer)
{
	struct stats_numbers numbers;

	switch (answer->show) {
	case SITE_READY:
	case SITE_OWN:
		break;
	case SITE_JSON:
	case SITE_LINES:
		numbers = count_all(server);
		answer->body = server->page;
		answer->length = answer->show == SITE_JSON ? stats_json(&numbers, server->page) :
		    stats_lines(&numbers, server->page);
		break;
	case SITE_HOUR: show_kept(server, SHOWN_HOUR, answer); break;
	case SITE_DAY: show_kept(server, SHOWN_DAY, answer); break;
	case SITE_MONTH: show_kept(server, SHOWN_MONTH, answer); break;
	case SITE_HISTORY: show_kept(server, SHOWN_HISTORY, answer); break;
	case SITE_METRICS: show_kept(server, SHOWN_METRICS, answer); break;
	case SITE_HEALTH: show_health(server, answer); break;
	case SITE_TORRENTS: show_torrents(server, request, answer); break;
	}
}
