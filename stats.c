/* stats.c - see stats.h */
#include "stats.h"

#include <string.h>

#include "text.h"

#define OTHER 0             /* the number of what is not kept apart */
#define BUCKETS 1024        /* a power of two */

struct pair {
	uint32_t peers;
	uint16_t name;
	uint16_t next;              /* chain of its bucket, or of free pairs */
	uint16_t before, after;     /* pairs of the same name */
	char version[PEERID_VERSION_MAX];
};

struct stats_clients {
	struct hash_secret secret;
	uint16_t used;                          /* pairs from 1 that were ever in use */
	uint16_t free;                          /* of those, the ones given back */
	uint16_t bucket[BUCKETS];
	struct pair pair[STATS_PAIRS_MAX + 1];  /* pair[OTHER] only counts */
	uint16_t first[];                       /* by name: its pairs */
};

/* -- counting ----------------------------------------------------------------------- */

size_t stats_clients_size(void)
{
	return sizeof(struct stats_clients) + peerid_names() * sizeof(uint16_t);
}

struct stats_clients *stats_clients_init(void *memory, const struct hash_secret *secret)
{
	struct stats_clients *clients = memory;

	clients->secret = *secret;
	return clients;
}

static uint16_t *bucket_of(struct stats_clients *clients, uint16_t name, const char *version)
{
	char key[sizeof name + PEERID_VERSION_MAX] = { 0 };

	memcpy(key, &name, sizeof name);
	memcpy(key + sizeof name, version, strlen(version));
	return &clients->bucket[hash_bytes(&clients->secret, key, sizeof key) % BUCKETS];
}

static uint16_t pair_new(struct stats_clients *clients, const struct peerid_client *client)
{
	uint16_t number = clients->free;
	uint16_t *bucket = bucket_of(clients, client->name, client->version);
	uint16_t *first = &clients->first[client->name];
	struct pair *pair;

	if (number != 0)
		clients->free = clients->pair[number].next;
	else if (clients->used < STATS_PAIRS_MAX)
		number = ++clients->used;
	else
		return OTHER;
	pair = &clients->pair[number];
	*pair = (struct pair){ .name = client->name, .next = *bucket, .after = *first };
	memcpy(pair->version, client->version, sizeof pair->version);
	if (*first != 0)
		clients->pair[*first].before = number;
	*bucket = *first = number;
	return number;
}

uint16_t stats_client_join(struct stats_clients *clients, const uint8_t peer_id[static PEERID_SIZE])
{
	struct peerid_client client;
	uint16_t number;

	peerid_client(peer_id, &client);
	number = *bucket_of(clients, client.name, client.version);
	while (number != 0 && (clients->pair[number].name != client.name ||
	    strcmp(clients->pair[number].version, client.version) != 0))
		number = clients->pair[number].next;
	if (number == 0)
		number = pair_new(clients, &client);
	clients->pair[number].peers++;
	return number;
}

void stats_client_leave(struct stats_clients *clients, uint16_t number)
{
	struct pair *pair = &clients->pair[number];
	uint16_t *at;

	if (--pair->peers > 0 || number == OTHER)
		return;
	at = bucket_of(clients, pair->name, pair->version);
	while (*at != number)
		at = &clients->pair[*at].next;
	*at = pair->next;
	if (pair->before != 0)
		clients->pair[pair->before].after = pair->after;
	else
		clients->first[pair->name] = pair->after;
	if (pair->after != 0)
		clients->pair[pair->after].before = pair->before;
	pair->next = clients->free;
	clients->free = number;
}

/* -- going through the clients ------------------------------------------------------ */

/* name_number is peerid_names() for OTHER, which comes last. */
bool stats_row_next(const struct stats_clients *clients, struct stats_row *row)
{
	uint16_t names = peerid_names();

	if (row->name != NULL && row->name_number == names)
		return false;
	if (row->name == NULL)
		row->pair = clients->first[0];
	else
		row->pair = clients->pair[row->pair].after;
	while (row->pair == 0 && ++row->name_number < names)
		row->pair = clients->first[row->name_number];
	if (row->pair == 0) {
		row->name = "other";
		row->version = "various";
		row->peers = clients->pair[OTHER].peers;
		return row->peers > 0;
	}
	row->name = peerid_name(row->name_number);
	row->version = clients->pair[row->pair].version;
	row->peers = clients->pair[row->pair].peers;
	return true;
}

/* -- JSON --------------------------------------------------------------------------- */

static void json_number(struct text *text, const char *key, uint64_t number)
{
	text_add(text, "\"");
	text_add(text, key);
	text_add(text, "\":");
	text_add_number(text, number);
	text_add(text, ",");
}

static void json_clients(struct text *text, const struct stats_clients *clients)
{
	struct stats_row row = { 0 };
	int open = -1;      /* the name whose object is open */

	text_add(text, "\"clients\":{");
	while (stats_row_next(clients, &row)) {
		if (open != row.name_number) {
			text_add(text, open < 0 ? "\"" : "},\"");
			text_add_json(text, row.name);
			text_add(text, "\":{");
		} else {
			text_add(text, ",");
		}
		open = row.name_number;
		text_add(text, "\"");
		text_add_json(text, row.version);
		text_add(text, "\":");
		text_add_number(text, row.peers);
	}
	text_add(text, open < 0 ? "}," : "}},");
}

static void json_tls(struct text *text, const struct stats_tls *tls)
{
	text_add(text, "\"tls\":{");
	json_number(text, "connections", tls->connections);
	json_number(text, "handshakes", tls->handshakes);
	json_number(text, "resumptions", tls->resumptions);
	json_number(text, "failures", tls->failures);
	text_add(text, "\"notAfter\":\"");
	text_add_time(text, tls->not_after);
	text_add(text, "\"},");
}

size_t stats_json(const struct stats_numbers *numbers, char *out)
{
	struct text text = { .start = out, .max = STATS_TEXT_MAX };

	text_add(&text, "{");
	json_number(&text, "torrents", numbers->torrents);
	json_number(&text, "activeTorrents", numbers->torrents);
	json_number(&text, "peersAll", numbers->peers);
	json_number(&text, "peersSeederOnly", numbers->seeders_only);
	json_number(&text, "peersLeecherOnly", numbers->leechers_only);
	json_number(&text, "peersSeederAndLeecher", numbers->seeders_and_leechers);
	json_number(&text, "peersIPv4", numbers->ipv4);
	json_number(&text, "peersIPv6", numbers->ipv6);
	json_clients(&text, numbers->clients);
	json_number(&text, "memberships", numbers->memberships);
	json_number(&text, "connections", numbers->connections);
	json_number(&text, "buffersInUse", numbers->buffers_in_use);
	if (numbers->tls.on)
		json_tls(&text, &numbers->tls);
	text_add(&text, "\"server\":\"");
	text_add_json(&text, numbers->server);
	text_add(&text, "\",\"serverVersion\":\"");
	text_add_json(&text, numbers->version);
	text_add(&text, "\"}\n");
	return text.length;
}

/* -- uwt-js's lines ----------------------------------------------------------------- */

static void line(struct text *text, const char *before, uint32_t number, const char *after)
{
	text_add(text, before);
	text_add_number(text, number);
	text_add(text, after);
}

size_t stats_lines(const struct stats_numbers *numbers, char *out)
{
	struct text text = { .start = out, .max = STATS_TEXT_MAX };
	struct stats_row row = { 0 };

	line(&text, "<h1>", numbers->torrents, " active torrents</h1>\n");
	line(&text, "<h2>Connected Peers: ", numbers->peers, "</h2>\n");
	line(&text, "<h3>Peers Seeding Only: ", numbers->seeders_only, "</h3>\n");
	line(&text, "<h3>Peers Leeching Only: ", numbers->leechers_only, "</h3>\n");
	line(&text, "<h3>Peers Seeding & Leeching: ", numbers->seeders_and_leechers, "</h3>\n");
	line(&text, "<h3>IPv4 Peers: ", numbers->ipv4, "</h3>\n");
	line(&text, "<h3>IPv6 Peers: ", numbers->ipv6, "</h3>\n");
	text_add(&text, "<h3>Clients:</h3>\n<ul>\n");
	while (stats_row_next(numbers->clients, &row)) {
		text_add(&text, "<li><strong>");
		text_add_html(&text, row.name);
		text_add(&text, "</strong> ");
		text_add_html(&text, row.version);
		line(&text, " : ", row.peers, "</li>\n");
	}
	text_add(&text, "</ul>\n");
	return text.length;
}
