/* fuzz_stats.c - client names, which strangers choose, on their way to JSON and HTML. */
#include "fuzz.h"

#include "../../dashboard.h"
#include "../../stats.h"
#include "tree.h"

#define JOINED_MAX 4096

static void check_client(const uint8_t *id)
{
	uint8_t *copy = exact_copy(id, PEERID_SIZE);
	struct peerid_client client, again;
	size_t length, i;

	memset(&client, 0xa5, sizeof client);
	peerid_client(copy, &client);
	MUST(client.name < peerid_names());
	length = strnlen(client.version, PEERID_VERSION_MAX);
	MUST(length < PEERID_VERSION_MAX);
	for (i = 0; i < PEERID_VERSION_MAX; i++)
		MUST(i < length ? client.version[i] >= ' ' && client.version[i] <= '~' :
		    client.version[i] == 0);
	memset(&again, 0x5a, sizeof again);
	peerid_client(copy, &again);
	MUST(again.name == client.name && strcmp(again.version, client.version) == 0);
	free(copy);
}

/* What is shown must be JSON, and count every peer once. */
static void check_json(const struct stats_numbers *numbers, char *text, uint32_t peers)
{
	size_t length = stats_json(numbers, text);
	struct tree *json;
	const struct tree *name, *version;
	unsigned long counted = 0;

	MUST(length <= STATS_TEXT_MAX);
	json = tree_read(text, length);
	MUST(json != NULL);
	name = tree_member(json, "clients");
	MUST(name != NULL && name->kind == TREE_OBJECT);
	for (name = name->child; name != NULL; name = name->next) {
		MUST(name->kind == TREE_OBJECT && name->child != NULL);
		for (version = name->child; version != NULL; version = version->next) {
			MUST(version->kind == TREE_NUMBER && version->text[0] != '0');
			counted += strtoul(version->text, NULL, 10);
		}
	}
	MUST(counted == peers);
	tree_free(json);
}

static size_t tags(const char *text, size_t length, const char *tag)
{
	size_t count = 0, size = strlen(tag), i;

	for (i = 0; i + size <= length; i++)
		count += text[i] == *tag && memcmp(text + i, tag, size) == 0;
	return count;
}

/* What strangers chose must open no tag and end none. */
static void check_html(const char *text, size_t length)
{
	size_t i;

	MUST(length <= STATS_TEXT_MAX);
	MUST(tags(text, length, "<") == tags(text, length, ">"));
	MUST(tags(text, length, "<script") == 0 && tags(text, length, "<img") == 0);
	for (i = 0; i < length; i++)
		MUST(text[i] == '\n' || ((uint8_t)text[i] >= ' ' && text[i] != 0x7f));
}

/* The page has a style and a script of its own, before and after all else. */
static void check_page(const char *text, size_t length)
{
	static const char start[] = "</style>", end[] = "<script>";
	size_t from = 0, to = length - (sizeof end - 1);

	MUST(length < DASHBOARD_TEXT_MAX);
	MUST(memcmp(text + length - 8, "</html>\n", 8) == 0);
	while (memcmp(text + from, start, sizeof start - 1) != 0)
		from++;
	while (memcmp(text + to, end, sizeof end - 1) != 0)
		to--;
	check_html(text + from, to - from);
	MUST(tags(text, length, "<script") == 1);
	MUST(tags(text, length, "</svg>") <= 2 * DASHBOARD_CLIENTS);
}

static void render(const struct stats_numbers *numbers, uint32_t peers)
{
	char *text = malloc(STATS_TEXT_MAX);

	if (text == NULL)
		abort();
	check_json(numbers, text, peers);
	check_html(text, stats_lines(numbers, text));
	check_page(text, dashboard(numbers, NULL, HISTORY_HOUR, text));
	free(text);
}

static void join_and_leave(struct stats_clients *clients, const struct stats_numbers *numbers,
    const uint8_t *data, size_t count)
{
	static uint16_t joined[JOINED_MAX];
	size_t left = count, i;

	for (i = 0; i < count; i++) {
		check_client(data + i * PEERID_SIZE);
		joined[i] = stats_client_join(clients, data + i * PEERID_SIZE);
		MUST(joined[i] < 65535);
		MUST(i == 0 || memcmp(data, data + i * PEERID_SIZE, PEERID_SIZE) != 0 ||
		    joined[i] == joined[0]);
	}
	render(numbers, (uint32_t)count);
	/* Those with an odd first byte leave first. */
	for (i = 0; i < 2 * count; i++) {
		if (data[i % count * PEERID_SIZE] % 2 == (i < count)) {
			stats_client_leave(clients, joined[i % count]);
			left--;
		}
		if (i == count)
			render(numbers, (uint32_t)left);
	}
	MUST(left == 0);
	render(numbers, 0);
}

int fuzz_stats(const uint8_t *data, size_t size)
{
	static const struct hash_secret secret = { { 1, 2 } };
	void *memory = calloc(1, stats_clients_size());
	struct stats_clients *clients;
	struct stats_numbers numbers = { .server = "uwt", .version = "4", .peers = 1 };
	size_t count = size / PEERID_SIZE;

	if (memory == NULL)
		abort();
	numbers.clients = clients = stats_clients_init(memory, &secret);
	numbers.tls = (struct stats_tls){ .on = size % 2 == 1,
		.not_after = (int64_t)size * 100000 };
	numbers.now = 1000000000;
	join_and_leave(clients, &numbers, data, count < JOINED_MAX ? count : JOINED_MAX);
	free(memory);
	return 0;
}
