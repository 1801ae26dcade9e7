/*
 * fuzz_options.c - the command line, with a config file beside it.
 *
 * The first byte says how many lines that follow are arguments; the rest is the file.
 */
#include "fuzz.h"

#include "../../options.h"
#include "file_fuzz.h"

#define ARGUMENTS_MAX 40
#define TABLE_LEAST 16          /* entries, however little memory there is */
#define MEMORY_MOST UINT64_C(0xffffffffff)

static void check_list(const struct option_list *list)
{
	size_t i;

	MUST(list->count <= OPTIONS_LIST_MAX);
	for (i = 0; i < list->count; i++)
		MUST(list->items[i] != NULL && *list->items[i] != '\0');
}

static bool within(uint64_t number, uint64_t least, uint64_t most)
{
	return number >= least && number <= most;
}

/* What uwt(8) promises of any options that were accepted. */
static void check_options(const struct options *options)
{
	const struct uwt_options *server = &options->server;
	size_t i;

	check_list(&options->hosts);
	check_list(&options->certificates);
	check_list(&options->keys);
	for (i = 0; i < options->hosts.count; i++)
		MUST(uwt_host_valid(options->hosts.items[i]));
	MUST(within(server->interval, 1000, 604800000));
	MUST(within(server->max_connections, 0, UWT_LIMIT_MAX));
	MUST(within(server->max_peers, 0, UWT_LIMIT_MAX));
	MUST(within(server->max_torrents, 0, UWT_LIMIT_MAX));
	MUST(within(server->max_swarms, 1, 65535));
	MUST(within(server->max_message, 1024, 16 << 20));
	MUST(server->buffer_memory == 0 ||
	    within(server->buffer_memory, 4096, (uint64_t)64 << 30));
	MUST(within(server->max_handshakes, 1, 65536));
	MUST(server->trusted == NULL || uwt_ranges_valid(server->trusted));
	if (options->help || options->version)
		return;
	MUST(server->tls == (options->certificates.count > 0));
	MUST(options->certificates.count == options->keys.count);
	MUST(!server->tls_only || server->tls);
}

/* What is derived keeps within the memory, if that is enough for the smallest tables. */
static void check_fit(const struct options *options, uint64_t memory)
{
	const struct uwt_options *asked = &options->server;
	struct uwt_options fitted = *asked;
	char error[UWT_ERROR_MAX] = "";

	/* TLS would be tried, which costs time. */
	fitted.tls = false;
	if (!uwt_options_fit(&fitted, memory, 4096, error)) {
		MUST(*error != '\0');
		return;
	}
	MUST(fitted.max_connections > 0 && fitted.max_connections < 4096);
	MUST(fitted.max_peers > 0 && fitted.max_torrents > 0 && fitted.buffer_memory > 0);
	MUST(uwt_options_memory(&fitted) > fitted.buffer_memory);
	if (asked->max_connections == 0 && asked->max_peers == 0 && asked->max_torrents == 0 &&
	    asked->buffer_memory == 0 && fitted.max_peers > TABLE_LEAST)
		MUST(uwt_options_memory(&fitted) <= memory);
}

static bool read_once(struct options *options, int count, char **arguments, char *error)
{
	bool good;

	memset(options, 0xa5, sizeof *options);
	memset(error, 0xa5, OPTIONS_ERROR_MAX);
	good = options_read(options, count, arguments, error);
	if (good)
		check_options(options);
	else
		MUST(memchr(error, '\0', OPTIONS_ERROR_MAX) != NULL && *error != '\0');
	return good;
}

static void check_arguments(int count, char **arguments)
{
	char *error = malloc(OPTIONS_ERROR_MAX), *again = malloc(OPTIONS_ERROR_MAX);
	struct options options;
	uint64_t memory;
	bool good;

	if (error == NULL || again == NULL)
		abort();
	good = read_once(&options, count, arguments, error);
	for (memory = good ? (uint64_t)1 << 22 : 0; memory != 0; memory = memory << 4 & MEMORY_MOST)
		check_fit(&options, memory);
	options_free(&options);
	MUST(read_once(&options, count, arguments, again) == good);
	MUST(good || strcmp(error, again) == 0);
	options_free(&options);
	free(error);
	free(again);
}

int fuzz_options(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	size_t wanted = input_byte(&input) % ARGUMENTS_MAX, length;
	char *arguments[ARGUMENTS_MAX + 2] = { text_copy("uwt", 3) };
	int count = 1, i;

	while (wanted-- > 0 && input.left > 0) {
		const uint8_t *end = memchr(input.at, '\n', input.left);

		length = end != NULL ? (size_t)(end - input.at) : input.left;
		arguments[count++] = text_copy(input.at, length);
		input_part(&input, length + 1);
	}
	file_fuzz_set(input.at, input.left);
	check_arguments(count, arguments);
	for (i = 0; i < count; i++)
		free(arguments[i]);
	return 0;
}
