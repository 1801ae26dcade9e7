/* test_metrics.c - the text for Prometheus, read line by line as a scraper does. */
#include "test.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../metrics.h"
#include "guard.h"

#define SAMPLES_MAX 400
#define FAMILIES_MAX 80

struct sample {
	char name[64], labels[96], value[32];
	size_t family;
};

struct family {
	char name[64], type[16];
	size_t samples;
};

/* What a text has in it. */
struct scrape {
	struct family families[FAMILIES_MAX];
	struct sample samples[SAMPLES_MAX];
	size_t family_count, sample_count;
	size_t length;
};

/* Numbers of which no two are the same. */
static struct counters counters;
static struct stats_numbers numbers;

static void set(bool tls)
{
	size_t i;

	for (i = 0; i < COUNTERS; i++)
		counters.of[i] = 5000000000 + i;
	for (i = 0; i < COUNT_TURN_BUCKETS; i++)
		counters.turns[i] = UINT64_C(10000) << i;
	counters.turn_time = 12345000067;
	numbers = (struct stats_numbers){ .server = "uwt", .version = "4.0.0", .backend = "epoll",
		.now = 1700000000, .uptime = 1001, .torrents = 1002, .peers = 1003,
		.seeders_only = 1004, .leechers_only = 1005, .seeders_and_leechers = 1006,
		.ipv4 = 1007, .ipv6 = 1008, .memberships = 1009, .connections = 1010,
		.websockets = 1011, .buffers_in_use = 1012, .buffer_size = 1013,
		.counters = &counters };
	numbers.limits = (struct stats_limits){ .connections = 1021, .memberships = 1022,
		.torrents = 1023, .buffers = 1024, .handshakes = 1025 };
	numbers.tls = (struct stats_tls){ .on = tls, .not_after = 1800000001, .connections = 1031,
		.handshaking = 1032, .handshakes = 9000, .resumptions = 2000, .failures = 1033,
		.image_bytes = 1034 };
}

/* -- reading it --------------------------------------------------------------------------- */

static bool is_name(const char *text, size_t length)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz_", others[] = "0123456789";
	size_t i;

	for (i = 0; i < length; i++) {
		if (strchr(first, text[i]) == NULL && (i == 0 || strchr(others, text[i]) == NULL))
			return false;
	}
	return length > 0;
}

/* `name="value",...`, where a value has nothing in it that would have to be escaped. */
static bool are_labels(const char *at, const char *end)
{
	while (at < end) {
		const char *equal = memchr(at, '=', (size_t)(end - at)), *quote;

		if (equal == NULL || !is_name(at, (size_t)(equal - at)) || equal[1] != '"')
			return false;
		quote = memchr(equal + 2, '"', (size_t)(end - equal - 2));
		if (quote == NULL || quote == equal + 2 ||
		    memchr(equal + 2, '\\', (size_t)(quote - equal - 2)) != NULL)
			return false;
		at = quote + 1;
		if (at < end && (*at++ != ',' || at == end))
			return false;
	}
	return true;
}

static bool is_value(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (text[digits] == '.')
		return digits > 0 && text[digits + 1] != '\0' &&
		    strspn(text + digits + 1, "0123456789") == strlen(text + digits + 1);
	return digits > 0 && text[digits] == '\0';
}

/* Is it of that family: its name, or what a histogram adds to it? */
static bool belongs(const char *name, const struct family *family)
{
	static const char *const ends[] = { "_bucket", "_sum", "_count" };
	size_t length = strlen(family->name), i;

	if (strncmp(name, family->name, length) != 0)
		return false;
	if (strcmp(family->type, "histogram") != 0)
		return name[length] == '\0';
	for (i = 0; i < 3; i++) {
		if (strcmp(name + length, ends[i]) == 0)
			return true;
	}
	return false;
}

static bool read_sample(struct scrape *scrape, const char *line)
{
	struct sample *sample = &scrape->samples[scrape->sample_count++];
	const char *end = line + strcspn(line, "{ "), *last = strrchr(line, ' ');
	struct family *family;

	if (scrape->family_count == 0 || last == NULL || !is_name(line, (size_t)(end - line)))
		return false;
	if (*end == '{' ? last[-1] != '}' || !are_labels(end + 1, last - 1) : end != last)
		return false;
	sample->family = scrape->family_count - 1;
	snprintf(sample->name, sizeof sample->name, "%.*s", (int)(end - line), line);
	snprintf(sample->labels, sizeof sample->labels, "%.*s",
	    *end == '{' ? (int)(last - end - 2) : 0, end + 1);
	snprintf(sample->value, sizeof sample->value, "%s", last + 1);
	family = &scrape->families[sample->family];
	family->samples++;
	return belongs(sample->name, family) && is_value(sample->value);
}

/* HELP begins a family, and TYPE follows it; a family without a sample may not be. */
static bool read_line(struct scrape *scrape, const char *line)
{
	struct family *family = &scrape->families[scrape->family_count];
	char help[8];
	int end = 0;

	if (strncmp(line, "# TYPE ", 7) == 0) {
		family--;
		return scrape->family_count > 0 && family->type[0] == '\0' && family->samples == 0 &&
		    strncmp(line + 7, family->name, strlen(family->name)) == 0 &&
		    sscanf(line + 7 + strlen(family->name), " %15s%n", family->type, &end) == 1 &&
		    line[7 + strlen(family->name) + (size_t)end] == '\0' &&
		    (strcmp(family->type, "counter") == 0 || strcmp(family->type, "gauge") == 0 ||
		    strcmp(family->type, "histogram") == 0);
	}
	if (strncmp(line, "# HELP ", 7) == 0) {
		if (scrape->family_count > 0 && family[-1].samples == 0)
			return false;
		scrape->family_count++;
		/* A sentence, in which nothing has to be escaped. */
		return sscanf(line + 7, "%63s %n%7s", family->name, &end, help) == 2 &&
		    is_name(family->name, strlen(family->name)) && help[0] >= 'A' &&
		    help[0] <= 'Z' && line[strlen(line) - 1] == '.' && strchr(line, '\\') == NULL;
	}
	return read_sample(scrape, line);
}

/* All of a text. Of each family there is one, and of each sample. */
static void judge(struct scrape *scrape)
{
	size_t i, j;

	CHECK(scrape->family_count > 0 &&
	    scrape->families[scrape->family_count - 1].samples > 0);
	for (i = 0; i < scrape->family_count; i++) {
		for (j = 0; j < i; j++)
			CHECK(strcmp(scrape->families[i].name, scrape->families[j].name) != 0);
	}
	for (i = 0; i < scrape->sample_count; i++) {
		for (j = 0; j < i; j++)
			CHECK(strcmp(scrape->samples[i].name, scrape->samples[j].name) != 0 ||
			    strcmp(scrape->samples[i].labels, scrape->samples[j].labels) != 0);
	}
}

static struct scrape *scrape(void)
{
	struct scrape *made = calloc(1, sizeof *made);
	char *out = guard_alloc(METRICS_TEXT_MAX), line[512];
	size_t at, end;

	made->length = metrics(&numbers, out);
	CHECK(made->length > 0 && made->length <= METRICS_TEXT_MAX);
	CHECK(out[made->length - 1] == '\n');
	for (at = 0; at < made->length; at = end + 1) {
		for (end = at; out[end] != '\n'; end++)
			CHECK(out[end] >= ' ' && out[end] <= '~');
		snprintf(line, sizeof line, "%.*s", (int)(end - at), out + at);
		CHECK(made->family_count < FAMILIES_MAX && made->sample_count < SAMPLES_MAX);
		if (!read_line(made, line)) {
			printf("not well-formed: %s\n", line);
			CHECK(false);
		}
	}
	guard_free(out, METRICS_TEXT_MAX);
	judge(made);
	return made;
}

/* The value of a sample; it is missed if there is none. */
static const char *find(const struct scrape *scrape, const char *name, const char *labels)
{
	size_t i;

	for (i = 0; i < scrape->sample_count; i++) {
		if (strcmp(scrape->samples[i].name, name) == 0 &&
		    strcmp(scrape->samples[i].labels, labels) == 0)
			return scrape->samples[i].value;
	}
	printf("there is no %s{%s}\n", name, labels);
	return "";
}

static bool holds(const struct scrape *scrape, const char *name, const char *labels,
    uint64_t value)
{
	char expected[24];

	snprintf(expected, sizeof expected, "%" PRIu64, value);
	if (strcmp(find(scrape, name, labels), expected) == 0)
		return true;
	printf("%s{%s} is %s, not %s\n", name, labels, find(scrape, name, labels), expected);
	return false;
}

/* -- what is in it -------------------------------------------------------------------------- */

#define COUNTED(name, label, counter) { "uwt_" name "_total", label, counter }

/* Every counter, by the name under which operators find it. */
static const struct {
	const char *name, *labels;
	enum counter counter;
} counted[] = {
	COUNTED("connections_accepted", "", COUNT_ACCEPTED),
	COUNTED("websockets_opened", "", COUNT_UPGRADED),
	COUNTED("received_bytes", "", COUNT_BYTES_IN),
	COUNTED("sent_bytes", "", COUNT_BYTES_OUT),
	COUNTED("connections_ended", "cause=\"peer\"", COUNT_ENDED_PEER),
	COUNTED("connections_ended", "cause=\"answered\"", COUNT_ENDED_ANSWERED),
	COUNTED("connections_ended", "cause=\"network\"", COUNT_ENDED_NETWORK),
	COUNTED("connections_ended", "cause=\"silent\"", COUNT_ENDED_SILENT),
	COUNTED("connections_ended", "cause=\"protocol\"", COUNT_ENDED_PROTOCOL),
	COUNTED("connections_ended", "cause=\"slow\"", COUNT_ENDED_SLOW),
	COUNTED("connections_ended", "cause=\"buffers\"", COUNT_ENDED_BUFFERS),
	COUNTED("connections_ended", "cause=\"place\"", COUNT_ENDED_PLACE),
	COUNTED("connections_ended", "cause=\"refused\"", COUNT_ENDED_REFUSED),
	COUNTED("connections_ended", "cause=\"rate\"", COUNT_ENDED_RATE),
	COUNTED("connections_ended", "cause=\"program\"", COUNT_ENDED_PROGRAM),
	COUNTED("connections_ended", "cause=\"close\"", COUNT_ENDED_CLOSE),
	COUNTED("messages_received", "kind=\"announce\"", COUNT_ANNOUNCES),
	COUNTED("messages_received", "kind=\"answer\"", COUNT_ANSWERS),
	COUNTED("messages_received", "kind=\"scrape\"", COUNT_SCRAPES),
	COUNTED("messages_received", "kind=\"keep_alive\"", COUNT_KEEP_ALIVES),
	COUNTED("messages_received", "kind=\"invalid\"", COUNT_INVALID),
	COUNTED("messages_received", "kind=\"ping\"", COUNT_PINGS),
	COUNTED("announces_accepted", "event=\"update\"", COUNT_UPDATE),
	COUNTED("announces_accepted", "event=\"started\"", COUNT_STARTED),
	COUNTED("announces_accepted", "event=\"completed\"", COUNT_COMPLETED),
	COUNTED("announces_accepted", "event=\"stopped\"", COUNT_STOPPED),
	COUNTED("messages_sent", "kind=\"reply\"", COUNT_OUT_REPLIES),
	COUNTED("messages_sent", "kind=\"offer\"", COUNT_OUT_OFFERS),
	COUNTED("messages_sent", "kind=\"answer\"", COUNT_OUT_ANSWERS),
	COUNTED("messages_sent", "kind=\"scrape\"", COUNT_OUT_SCRAPES),
	COUNTED("messages_sent", "kind=\"failure\"", COUNT_OUT_FAILURES),
	COUNTED("messages_sent", "kind=\"ping\"", COUNT_OUT_PINGS),
	COUNTED("refusals", "reason=\"connections\"", COUNT_REFUSED_CONNECTIONS),
	COUNTED("refusals", "reason=\"address\"", COUNT_REFUSED_ADDRESS),
	COUNTED("refusals", "reason=\"descriptors\"", COUNT_REFUSED_DESCRIPTORS),
	COUNTED("refusals", "reason=\"plain\"", COUNT_REFUSED_PLAIN),
	COUNTED("refusals", "reason=\"buffers\"", COUNT_REFUSED_BUFFERS),
	COUNTED("refusals", "reason=\"rate\"", COUNT_REFUSED_RATE),
	COUNTED("refusals", "reason=\"torrents\"", COUNT_REFUSED_TORRENTS),
	COUNTED("refusals", "reason=\"peers\"", COUNT_REFUSED_PEERS),
	COUNTED("refusals", "reason=\"swarms\"", COUNT_REFUSED_SWARMS),
	COUNTED("refusals", "reason=\"same\"", COUNT_REFUSED_SAME),
	COUNTED("refusals", "reason=\"filter\"", COUNT_REFUSED_FILTER),
	COUNTED("refusals", "reason=\"scrape\"", COUNT_REFUSED_SCRAPE),
	COUNTED("http_responses", "status=\"101\"", COUNT_HTTP_101),
	COUNTED("http_responses", "status=\"200\"", COUNT_HTTP_200),
	COUNTED("http_responses", "status=\"308\"", COUNT_HTTP_308),
	COUNTED("http_responses", "status=\"400\"", COUNT_HTTP_400),
	COUNTED("http_responses", "status=\"403\"", COUNT_HTTP_403),
	COUNTED("http_responses", "status=\"404\"", COUNT_HTTP_404),
	COUNTED("http_responses", "status=\"405\"", COUNT_HTTP_405),
	COUNTED("http_responses", "status=\"408\"", COUNT_HTTP_408),
	COUNTED("http_responses", "status=\"413\"", COUNT_HTTP_413),
	COUNTED("http_responses", "status=\"426\"", COUNT_HTTP_426),
	COUNTED("http_responses", "status=\"429\"", COUNT_HTTP_429),
	COUNTED("http_responses", "status=\"431\"", COUNT_HTTP_431),
	COUNTED("http_responses", "status=\"503\"", COUNT_HTTP_503),
	COUNTED("http_responses", "status=\"505\"", COUNT_HTTP_505),
	COUNTED("http_responses", "status=\"other\"", COUNT_HTTP_OTHER)
};

_Static_assert(sizeof counted / sizeof counted[0] == COUNTERS, "each counter stands there once");

/* In one line each, and in no other. */
static void every_counter(void)
{
	struct scrape *made;
	size_t i, j, lines;

	set(true);
	made = scrape();
	for (i = 0; i < COUNTERS; i++) {
		uint64_t value = counters.of[counted[i].counter];
		char text[24];

		CHECK(holds(made, counted[i].name, counted[i].labels, value));
		snprintf(text, sizeof text, "%" PRIu64, value);
		for (j = 0, lines = 0; j < made->sample_count; j++)
			lines += strcmp(made->samples[j].value, text) == 0;
		CHECK(lines == 1);
	}
	free(made);
}

static void every_gauge(void)
{
	struct scrape *made;

	set(true);
	made = scrape();
	CHECK(holds(made, "uwt_build_info", "version=\"4.0.0\",backend=\"epoll\"", 1));
	CHECK(holds(made, "uwt_uptime_seconds", "", numbers.uptime));
	CHECK(holds(made, "uwt_torrents", "", numbers.torrents));
	CHECK(holds(made, "uwt_torrents_limit", "", numbers.limits.torrents));
	CHECK(holds(made, "uwt_memberships", "", numbers.memberships));
	CHECK(holds(made, "uwt_memberships_limit", "", numbers.limits.memberships));
	CHECK(holds(made, "uwt_connections", "", numbers.connections));
	CHECK(holds(made, "uwt_connections_limit", "", numbers.limits.connections));
	CHECK(holds(made, "uwt_websockets", "", numbers.websockets));
	CHECK(holds(made, "uwt_buffers_in_use", "", numbers.buffers_in_use));
	CHECK(holds(made, "uwt_buffers_limit", "", numbers.limits.buffers));
	CHECK(holds(made, "uwt_buffer_size_bytes", "", numbers.buffer_size));
	CHECK(holds(made, "uwt_peers", "role=\"seeder\"", numbers.seeders_only));
	CHECK(holds(made, "uwt_peers", "role=\"leecher\"", numbers.leechers_only));
	CHECK(holds(made, "uwt_peers", "role=\"both\"", numbers.seeders_and_leechers));
	CHECK(holds(made, "uwt_peers_reached", "family=\"ipv4\"", numbers.ipv4));
	CHECK(holds(made, "uwt_peers_reached", "family=\"ipv6\"", numbers.ipv6));
	free(made);
}

static void tls_on(void)
{
	struct scrape *made;

	set(true);
	made = scrape();
	CHECK(holds(made, "uwt_tls_connections", "", numbers.tls.connections));
	CHECK(holds(made, "uwt_tls_handshakes_in_progress", "", numbers.tls.handshaking));
	CHECK(holds(made, "uwt_tls_handshakes_limit", "", numbers.limits.handshakes));
	CHECK(holds(made, "uwt_tls_image_bytes", "", numbers.tls.image_bytes));
	CHECK(holds(made, "uwt_tls_handshakes_total", "kind=\"full\"", 7000));
	CHECK(holds(made, "uwt_tls_handshakes_total", "kind=\"resumed\"", 2000));
	CHECK(holds(made, "uwt_tls_handshake_failures_total", "", numbers.tls.failures));
	CHECK(holds(made, "uwt_tls_certificate_expiry_timestamp_seconds", "", 1800000001));
	free(made);
	/* Before 1970: that it is over is all that counts. */
	numbers.tls.not_after = -5;
	made = scrape();
	CHECK(holds(made, "uwt_tls_certificate_expiry_timestamp_seconds", "", 0));
	free(made);
}

/* Without TLS nothing of it, and else the same. */
static void tls_off(void)
{
	struct scrape *with, *without;
	size_t i;

	set(true);
	with = scrape();
	set(false);
	without = scrape();
	CHECK(without->sample_count > COUNTERS && without->sample_count < with->sample_count);
	for (i = 0; i < without->sample_count; i++) {
		CHECK(strcmp(without->samples[i].name, with->samples[i].name) == 0);
		CHECK(strcmp(without->samples[i].labels, with->samples[i].labels) == 0);
		CHECK(strcmp(without->samples[i].value, with->samples[i].value) == 0);
		CHECK(strstr(without->samples[i].name, "tls") == NULL);
	}
	for (; i < with->sample_count; i++)
		CHECK(strncmp(with->samples[i].name, "uwt_tls_", 8) == 0);
	free(with);
	free(without);
}

/* Counters are called _total, and nothing else is; all names are the tracker's. */
static void names(void)
{
	struct scrape *made;
	size_t i;

	set(true);
	made = scrape();
	for (i = 0; i < made->family_count; i++) {
		const struct family *family = &made->families[i];
		size_t length = strlen(family->name);
		bool total = length > 6 && strcmp(family->name + length - 6, "_total") == 0;

		CHECK(strncmp(family->name, "uwt_", 4) == 0);
		CHECK(total == (strcmp(family->type, "counter") == 0));
	}
	free(made);
}

/* Buckets add up, from the smallest bound to all. */
static void turns(void)
{
	static const uint32_t bounds[] = COUNT_TURN_BOUNDS;
	struct scrape *made;
	uint64_t sum = 0;
	size_t i, at = 0;

	set(false);
	made = scrape();
	while (at < made->sample_count &&
	    strcmp(made->samples[at].name, "uwt_turn_duration_seconds_bucket") != 0)
		at++;
	CHECK(at + COUNT_TURN_BUCKETS + 2 <= made->sample_count);
	for (i = 0; i < COUNT_TURN_BUCKETS; i++, at++) {
		const char *labels = made->samples[at].labels;

		sum += counters.turns[i];
		CHECK(strncmp(labels, "le=\"", 4) == 0);
		if (i < COUNT_TURN_BUCKETS - 1)
			CHECK(fabs(strtod(labels + 4, NULL) - bounds[i] / 1e6) < 1e-9);
		else
			CHECK(strcmp(labels, "le=\"+Inf\"") == 0);
		CHECK(holds(made, "uwt_turn_duration_seconds_bucket", labels, sum));
	}
	CHECK(strcmp(made->samples[at].name, "uwt_turn_duration_seconds_sum") == 0 &&
	    strcmp(made->samples[at].value, "12345.000067") == 0);
	CHECK(holds(made, "uwt_turn_duration_seconds_count", "", sum));
	CHECK(strcmp(made->families[made->samples[at].family].type, "histogram") == 0);
	free(made);
}

/* Nothing is left out where everything is at its largest, and there is room to spare. */
static void largest(void)
{
	struct scrape *made, *usual;

	set(true);
	usual = scrape();
	memset(&counters, 0xff, sizeof counters);
	memset(counters.turns, 0, sizeof counters.turns);
	counters.turns[0] = UINT64_MAX;
	numbers = (struct stats_numbers){ .server = "uwt", .version = "4294967295.4294967295.429496729",
		.backend = "epoll", .now = INT64_MAX, .uptime = UINT64_MAX, .counters = &counters };
	numbers.torrents = numbers.peers = numbers.seeders_only = numbers.leechers_only =
	    numbers.seeders_and_leechers = numbers.ipv4 = numbers.ipv6 = numbers.memberships =
	    numbers.connections = numbers.websockets = numbers.buffers_in_use =
	    numbers.buffer_size = UINT32_MAX;
	memset(&numbers.limits, 0xff, sizeof numbers.limits);
	numbers.tls = (struct stats_tls){ .on = true, .not_after = INT64_MAX,
		.connections = UINT32_MAX, .handshaking = UINT32_MAX, .handshakes = UINT64_MAX,
		.failures = UINT64_MAX, .image_bytes = UINT64_MAX };
	made = scrape();
	CHECK(made->sample_count == usual->sample_count);
	CHECK(made->family_count == usual->family_count);
	CHECK(made->length + 1024 <= METRICS_TEXT_MAX);
	CHECK(holds(made, "uwt_refusals_total", "reason=\"scrape\"", UINT64_MAX));
	free(made);
	free(usual);
}

/* At the start all there is is zeros, and all is there. */
static void start(void)
{
	struct scrape *made, *usual;
	size_t i;

	set(false);
	usual = scrape();
	memset(&counters, 0, sizeof counters);
	numbers = (struct stats_numbers){ .server = "uwt", .version = "4.0.0", .backend = "epoll",
		.counters = &counters };
	made = scrape();
	CHECK(made->sample_count == usual->sample_count);
	for (i = 0; i < made->sample_count; i++)
		CHECK(strtod(made->samples[i].value, NULL) <= 0 ||
		    strcmp(made->samples[i].name, "uwt_build_info") == 0);
	free(made);
	free(usual);
}

int main(void)
{
	RUN(every_counter);
	RUN(every_gauge);
	RUN(tls_on);
	RUN(tls_off);
	RUN(names);
	RUN(turns);
	RUN(largest);
	RUN(start);
	return test_end();
}
