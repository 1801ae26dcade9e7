/* metrics.c - see metrics.h */
#include "metrics.h"

/* Texts are arrays, not pointers: those would have to be put right at each start. */

/* What tells a counter from the others of its family. */
static const char values[COUNTERS][16] = {
	[COUNT_ENDED_PEER] = "peer", [COUNT_ENDED_ANSWERED] = "answered",
	[COUNT_ENDED_NETWORK] = "network", [COUNT_ENDED_SILENT] = "silent",
	[COUNT_ENDED_PROTOCOL] = "protocol", [COUNT_ENDED_SLOW] = "slow",
	[COUNT_ENDED_BUFFERS] = "buffers", [COUNT_ENDED_PLACE] = "place",
	[COUNT_ENDED_REFUSED] = "refused", [COUNT_ENDED_RATE] = "rate",
	[COUNT_ENDED_PROGRAM] = "program", [COUNT_ENDED_CLOSE] = "close",

	[COUNT_ANNOUNCES] = "announce", [COUNT_ANSWERS] = "answer", [COUNT_SCRAPES] = "scrape",
	[COUNT_KEEP_ALIVES] = "keep_alive", [COUNT_INVALID] = "invalid", [COUNT_PINGS] = "ping",

	[COUNT_UPDATE] = "update", [COUNT_STARTED] = "started",
	[COUNT_COMPLETED] = "completed", [COUNT_STOPPED] = "stopped",

	[COUNT_OUT_REPLIES] = "reply", [COUNT_OUT_OFFERS] = "offer",
	[COUNT_OUT_ANSWERS] = "answer", [COUNT_OUT_SCRAPES] = "scrape",
	[COUNT_OUT_FAILURES] = "failure", [COUNT_OUT_PINGS] = "ping",

	[COUNT_REFUSED_CONNECTIONS] = "connections", [COUNT_REFUSED_ADDRESS] = "address",
	[COUNT_REFUSED_DESCRIPTORS] = "descriptors", [COUNT_REFUSED_PLAIN] = "plain",
	[COUNT_REFUSED_BUFFERS] = "buffers", [COUNT_REFUSED_RATE] = "rate",
	[COUNT_REFUSED_TORRENTS] = "torrents", [COUNT_REFUSED_PEERS] = "peers",
	[COUNT_REFUSED_SWARMS] = "swarms", [COUNT_REFUSED_SAME] = "same",
	[COUNT_REFUSED_FILTER] = "filter", [COUNT_REFUSED_SCRAPE] = "scrape",

	[COUNT_HTTP_101] = "101", [COUNT_HTTP_200] = "200", [COUNT_HTTP_308] = "308",
	[COUNT_HTTP_400] = "400", [COUNT_HTTP_403] = "403", [COUNT_HTTP_404] = "404",
	[COUNT_HTTP_405] = "405", [COUNT_HTTP_408] = "408", [COUNT_HTTP_413] = "413",
	[COUNT_HTTP_426] = "426", [COUNT_HTTP_429] = "429", [COUNT_HTTP_431] = "431",
	[COUNT_HTTP_503] = "503", [COUNT_HTTP_505] = "505", [COUNT_HTTP_OTHER] = "other"
};

/* Counters of one name. */
static const struct family {
	char name[36];
	char help[68];
	char label[8];                  /* "": there is one counter */
	uint8_t first, last;
} families[] = {
	{ "uwt_connections_accepted_total", "Connections that came.", "", COUNT_ACCEPTED,
	    COUNT_ACCEPTED },
	{ "uwt_websockets_opened_total", "WebSockets that were opened.", "", COUNT_UPGRADED,
	    COUNT_UPGRADED },
	{ "uwt_received_bytes_total", "Bytes that sockets gave.", "", COUNT_BYTES_IN,
	    COUNT_BYTES_IN },
	{ "uwt_sent_bytes_total", "Bytes that sockets took.", "", COUNT_BYTES_OUT,
	    COUNT_BYTES_OUT },
	{ "uwt_connections_ended_total", "Connections that ended, by whose or what doing.",
	    "cause", COUNT_ENDED_FIRST, COUNT_ENDED_LAST },
	{ "uwt_messages_received_total", "Messages of peers, and pings.", "kind",
	    COUNT_ANNOUNCES, COUNT_PINGS },
	{ "uwt_announces_accepted_total", "Announces and answers of members, by event.", "event",
	    COUNT_UPDATE, COUNT_STOPPED },
	{ "uwt_messages_sent_total", "Messages to peers, and pings.", "kind", COUNT_OUT_REPLIES,
	    COUNT_OUT_PINGS },
	{ "uwt_refusals_total", "Connections, announces and messages refused, by reason.",
	    "reason", COUNT_REFUSED_FIRST, COUNT_REFUSED_LAST },
	{ "uwt_http_responses_total", "Answers to HTTP requests, by status.", "status",
	    COUNT_HTTP_101, COUNT_HTTP_OTHER }
};

#define FAMILIES (sizeof families / sizeof families[0])

void metrics_head(struct text *text, const char *name, const char *type, const char *help)
{
	text_add(text, "# HELP ");
	text_add(text, name);
	text_add(text, " ");
	text_add(text, help);
	text_add(text, "\n# TYPE ");
	text_add(text, name);
	text_add(text, " ");
	text_add(text, type);
	text_add(text, "\n");
}

void metrics_sample(struct text *text, const char *name, const char *labels, uint64_t value)
{
	text_add(text, name);
	if (*labels != '\0') {
		text_add(text, "{");
		text_add(text, labels);
		text_add(text, "}");
	}
	text_add(text, " ");
	text_add_number(text, value);
	text_add(text, "\n");
}

static void gauge(struct text *text, const char *name, const char *help, uint64_t value)
{
	metrics_head(text, name, "gauge", help);
	metrics_sample(text, name, "", value);
}

static void counter(struct text *text, const char *name, const char *help, uint64_t value)
{
	metrics_head(text, name, "counter", help);
	metrics_sample(text, name, "", value);
}

static void add_family(struct text *text, const struct family *family,
    const struct counters *counters)
{
	int i;

	metrics_head(text, family->name, "counter", family->help);
	for (i = family->first; i <= family->last; i++) {
		char memory[32];
		struct text label = TEXT_IN(memory);

		if (*family->label != '\0') {
			text_add(&label, family->label);
			text_add(&label, "=\"");
			text_add(&label, values[i]);
			text_add(&label, "\"");
		}
		metrics_sample(text, family->name, text_end(&label), counters->of[i]);
	}
}

void metrics_seconds(struct text *text, uint64_t us)
{
	char digits[7] = "000000";
	uint64_t rest = us % 1000000;
	int at;

	for (at = 5; at >= 0; at--) {
		digits[at] = (char)('0' + rest % 10);
		rest /= 10;
	}
	text_add_number(text, us / 1000000);
	text_add(text, ".");
	text_add(text, digits);
}

static void add_turns(struct text *text, const struct counters *counters)
{
	static const uint32_t bounds[COUNT_TURN_BUCKETS - 1] = COUNT_TURN_BOUNDS;
	static const char name[] = "uwt_turn_duration_seconds";
	uint64_t sum = 0;
	size_t i;

	metrics_head(text, name, "histogram",
	    "Time that turns of the loop took, without the wait.");
	for (i = 0; i < COUNT_TURN_BUCKETS; i++) {
		sum += counters->turns[i];
		text_add(text, name);
		text_add(text, "_bucket{le=\"");
		if (i < COUNT_TURN_BUCKETS - 1)
			metrics_seconds(text, bounds[i]);
		else
			text_add(text, "+Inf");
		text_add(text, "\"} ");
		text_add_number(text, sum);
		text_add(text, "\n");
	}
	text_add(text, name);
	text_add(text, "_sum ");
	metrics_seconds(text, counters->turn_time);
	text_add(text, "\n");
	text_add(text, name);
	metrics_sample(text, "_count", "", sum);
}

static void add_build(struct text *text, const struct stats_numbers *numbers)
{
	metrics_head(text, "uwt_build_info", "gauge", "The version, and how readiness is found.");
	text_add(text, "uwt_build_info{version=\"");
	text_add_json(text, numbers->version);
	text_add(text, "\",backend=\"");
	text_add_json(text, numbers->backend);
	text_add(text, "\"} 1\n");
}

static void add_peers(struct text *text, const struct stats_numbers *numbers)
{
	static const char peers[] = "uwt_peers", reached[] = "uwt_peers_reached";

	metrics_head(text, peers, "gauge", "Peers, each peer_id counted once, by what it does.");
	metrics_sample(text, peers, "role=\"seeder\"", numbers->seeders_only);
	metrics_sample(text, peers, "role=\"leecher\"", numbers->leechers_only);
	metrics_sample(text, peers, "role=\"both\"", numbers->seeders_and_leechers);
	metrics_head(text, reached, "gauge",
	    "Peers by how they are reached; one may be both ways.");
	metrics_sample(text, reached, "family=\"ipv4\"", numbers->ipv4);
	metrics_sample(text, reached, "family=\"ipv6\"", numbers->ipv6);
}

static void add_tables(struct text *text, const struct stats_numbers *numbers)
{
	const struct stats_limits *limits = &numbers->limits;

	gauge(text, "uwt_uptime_seconds", "Time since the start.", numbers->uptime);
	gauge(text, "uwt_connections", "Connections, but for those of the port for metrics.",
	    numbers->connections);
	gauge(text, "uwt_connections_limit", "Connections that there may be.",
	    limits->connections);
	gauge(text, "uwt_websockets", "WebSockets.", numbers->websockets);
	gauge(text, "uwt_torrents", "Torrents that have members.", numbers->torrents);
	gauge(text, "uwt_torrents_limit", "Torrents that there may be.", limits->torrents);
	gauge(text, "uwt_memberships", "Peers, counted in each torrent and connection.",
	    numbers->memberships);
	gauge(text, "uwt_memberships_limit", "Memberships that there may be.",
	    limits->memberships);
	gauge(text, "uwt_buffers_in_use", "Buffers that hold partial input or unsent output.",
	    numbers->buffers_in_use);
	gauge(text, "uwt_buffers_limit", "Buffers that there are.", limits->buffers);
	gauge(text, "uwt_buffer_size_bytes", "Size of a buffer.", numbers->buffer_size);
}

static void add_tls(struct text *text, const struct stats_numbers *numbers)
{
	static const char name[] = "uwt_tls_handshakes_total";
	const struct stats_tls *tls = &numbers->tls;

	gauge(text, "uwt_tls_connections", "Connections that speak TLS.", tls->connections);
	gauge(text, "uwt_tls_handshakes_in_progress", "Handshakes that go on.",
	    tls->handshaking);
	gauge(text, "uwt_tls_handshakes_limit", "Handshakes at a time that there may be.",
	    numbers->limits.handshakes);
	gauge(text, "uwt_tls_image_bytes", "Memory that established connections take.",
	    tls->image_bytes);
	metrics_head(text, name, "counter", "Handshakes that were completed.");
	metrics_sample(text, name, "kind=\"full\"", tls->handshakes - tls->resumptions);
	metrics_sample(text, name, "kind=\"resumed\"", tls->resumptions);
	counter(text, "uwt_tls_handshake_failures_total",
	    "Handshakes that did not come to an end.", tls->failures);
	gauge(text, "uwt_tls_certificate_expiry_timestamp_seconds",
	    "When the first certificate to end does, since 1970.",
	    tls->not_after > 0 ? (uint64_t)tls->not_after : 0);
}

size_t metrics(const struct stats_numbers *numbers, char *out)
{
	struct text text = { .start = out, .max = METRICS_TEXT_MAX };
	size_t i;

	add_build(&text, numbers);
	add_tables(&text, numbers);
	add_peers(&text, numbers);
	for (i = 0; i < FAMILIES; i++)
		add_family(&text, &families[i], numbers->counters);
	add_turns(&text, numbers->counters);
	if (numbers->tls.on)
		add_tls(&text, numbers);
	return text.length;
}
