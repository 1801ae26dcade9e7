/* torrents.c - see torrents.h */
#include "torrents.h"

#include <string.h>

#include "text.h"

#define LIST_END "]}\n"

static const struct order {
	char name[12];
	enum swarm_order order;
} orders[] = {
	{ "peers", SWARM_BY_PEERS }, { "seeders", SWARM_BY_SEEDERS },
	{ "leechers", SWARM_BY_LEECHERS }, { "downloads", SWARM_BY_DOWNLOADS }
};

/* -- what is asked for ------------------------------------------------------------------------ */

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

static bool read_hash(const char *text, size_t length, struct torrents_query *query)
{
	size_t i;

	for (i = 0; i < SWARM_ID_SIZE && length == 2 * SWARM_ID_SIZE; i++) {
		int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		query->info_hash[i] = (uint8_t)(high << 4 | low);
	}
	query->one = true;
	return i == SWARM_ID_SIZE;
}

static bool read_order(const char *text, size_t length, struct torrents_query *query)
{
	size_t i;

	for (i = 0; i < sizeof orders / sizeof orders[0]; i++) {
		if (strlen(orders[i].name) == length &&
		    memcmp(orders[i].name, text, length) == 0) {
			query->order = orders[i].order;
			return true;
		}
	}
	return false;
}

static bool read_limit(const char *text, size_t length, struct torrents_query *query)
{
	unsigned limit = 0;
	size_t i;

	for (i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9' || limit > TORRENTS_MAX)
			return false;
		limit = limit * 10 + (unsigned)(text[i] - '0');
	}
	query->limit = limit;
	return limit >= 1 && limit <= TORRENTS_MAX;
}

/* Take one `name=value`. */
static bool read_part(const char *part, size_t length, struct torrents_query *query)
{
	static const struct {
		char name[12];
		bool (*read)(const char *text, size_t length, struct torrents_query *query);
	} names[] = {
		{ "info_hash=", read_hash }, { "sort=", read_order }, { "limit=", read_limit }
	};
	size_t i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t before = strlen(names[i].name);

		if (length >= before && memcmp(part, names[i].name, before) == 0)
			return names[i].read(part + before, length - before, query);
	}
	return true;
}

bool torrents_query(const char *text, size_t length, struct torrents_query *query)
{
	*query = (struct torrents_query){ .order = SWARM_BY_PEERS, .limit = TORRENTS_USUAL };
	while (length > 0) {
		const char *end = memchr(text, '&', length);
		size_t part = end != NULL ? (size_t)(end - text) : length;

		if (!read_part(text, part, query))
			return false;
		part += end != NULL;
		text += part;
		length -= part;
	}
	return true;
}

const char *torrents_usage(void)
{
	return "info_hash must be 40 hexadecimal digits; sort peers, seeders, leechers or "
	    "downloads; limit a number from 1 to 1000.\n";
}

/* -- what is answered ------------------------------------------------------------------------- */

static void add_number(struct text *text, const char *name, uint64_t number)
{
	text_add(text, ",\"");
	text_add(text, name);
	text_add(text, "\":");
	text_add_number(text, number);
}

static void add_torrent(struct text *text, const struct swarm *swarm, uint32_t torrent)
{
	struct swarm_counts counts = swarm_counts(swarm, torrent);

	text_add(text, text->start[text->length - 1] == '[' ? "\n{" : ",\n{");
	text_add(text, "\"info_hash\":\"");
	text_add_hex(text, swarm_torrent_hash(swarm, torrent), SWARM_ID_SIZE);
	text_add(text, "\"");
	add_number(text, "complete", counts.complete);
	add_number(text, "incomplete", counts.incomplete);
	add_number(text, "downloaded", counts.downloads);
	text_add(text, "}");
}

size_t torrents_json(const struct swarm *swarm, const struct torrents_query *query, char *out)
{
	struct text text = { .start = out, .max = TORRENTS_TEXT_MAX };
	uint32_t torrent = 0;
	unsigned count;

	text_add(&text, "{\"torrents\":");
	text_add_number(&text, swarm_totals(swarm)->torrents);
	text_add(&text, ",\"list\":[");
	if (query->one) {
		torrent = swarm_torrent(swarm, query->info_hash);
		if (torrent != 0)
			add_torrent(&text, swarm, torrent);
	}
	for (count = 0; !query->one && count < query->limit; count++) {
		torrent = swarm_ranked(swarm, query->order, torrent);
		if (torrent == 0)
			break;
		add_torrent(&text, swarm, torrent);
	}
	text_add(&text, LIST_END);
	return text.length;
}

size_t torrents_first(const char *json, size_t length, unsigned limit, char *out)
{
	struct text text = { .start = out, .max = TORRENTS_TEXT_MAX };
	const char *at = json, *last = json + length - 1;

	/* Each torrent begins with a newline, and all of it ends with one. */
	while ((at = memchr(at, '\n', (size_t)(last - at))) != NULL && limit > 0) {
		at++;
		limit--;
	}
	if (at == NULL) {
		text_add_bytes(&text, json, length);
	} else {
		/* not the comma before it */
		text_add_bytes(&text, json, (size_t)(at - json) - 1);
		text_add(&text, LIST_END);
	}
	return text.length;
}
