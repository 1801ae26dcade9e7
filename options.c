/* options.c - see options.h */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

#define CONFIG_MAX 65536         /* bytes of a config file */

enum kind {
	KIND_FLAG,          /* no value: sets a bool */
	KIND_NO,            /* no value: clears a bool */
	KIND_NUMBER,        /* uint32_t */
	KIND_PORT,          /* uint16_t */
	KIND_SIZE,          /* uint64_t, with K, M or G */
	KIND_SIZE_32,       /* uint32_t, the same */
	KIND_TEXT,          /* const char * */
	KIND_LIST,          /* struct option_list */
	KIND_HOST,          /* the same, of addresses */
	KIND_TRUST,         /* its value may be left out, and comes after `=` */
	KIND_NOTHING        /* accepted for old scripts */
};

struct option {
	const char *name;
	char letter;                /* 0: none */
	enum kind kind;
	const char *value;          /* what the value is called */
	uint64_t least, most;       /* of a number */
	size_t offset;              /* in struct options */
	bool command_line_only;
	const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct option table[] = {
	{ "port", 'p', KIND_PORT, "N", 0, 65535, AT(port), false,
	    "port to listen on [8000]; 0: any free one" },
	{ "host", 'H', KIND_HOST, "ADDR", 0, 0, AT(hosts), false,
	    "address to listen on [:: and 0.0.0.0]: IPv4, IPv6, localhost\n"
	    "or unix:PATH; may be repeated" },
	{ "interval", 0, KIND_NUMBER, "MS", 1000, 604800000, AT(server.interval), false,
	    "time between two announces [600000]; WebSocket peers are\n"
	    "told a fifth of it" },
	{ "cert", 0, KIND_LIST, "FILE", 0, 0, AT(certificates), false,
	    "certificate chain: speak TLS as well; may be repeated, each\n"
	    "with its --key" },
	{ "key", 0, KIND_LIST, "FILE", 0, 0, AT(keys), false, "private key of a --cert" },
	{ "tls-only", 0, KIND_FLAG, NULL, 0, 0, AT(server.tls_only), false,
	    "turn plain connections away, but for loopback" },
	{ "tls-sessions", 0, KIND_NUMBER, "N", 1, UWT_LIMIT_MAX, AT(server.tls_sessions), false,
	    "TLS sessions remembered for quick reconnects" },
	{ "max-handshakes", 0, KIND_NUMBER, "N", 1, 65536, AT(server.max_handshakes), false,
	    "TLS handshakes at a time [512]" },
	{ "trust-proxy", 0, KIND_TRUST, "CIDR,...", 0, 0, 0, false,
	    "take peers' addresses from X-Forwarded-For or X-Real-IP, if\n"
	    "they come from these [loopback, private, link-local]" },
	{ "no-stats", 0, KIND_NO, NULL, 0, 0, AT(server.stats), false,
	    "serve neither /stats nor what is below it" },
	{ "torrent-stats", 0, KIND_FLAG, NULL, 0, 0, AT(server.torrent_stats), false,
	    "serve /stats/torrents.json, which names torrents" },
	{ "metrics", 0, KIND_TEXT, "WHERE", 0, 0, AT(metrics), false,
	    "serve /metrics, for Prometheus, at a port of its own: PORT\n"
	    "of localhost, or ADDR:PORT; or to everybody: public" },
	{ "index", 0, KIND_TEXT, "FILE|none", 0, 0, AT(index), false,
	    "page to serve at / instead of the built-in one, or none" },
	{ "full-scrape", 0, KIND_FLAG, NULL, 0, 0, AT(server.full_scrape), false,
	    "answer scrapes that name no torrent with all of them" },
	{ "max-connections", 0, KIND_NUMBER, "N", 1, UWT_LIMIT_MAX, AT(server.max_connections),
	    false,
	    "connections at a time" },
	{ "max-peers", 0, KIND_NUMBER, "N", 1, UWT_LIMIT_MAX, AT(server.max_peers), false,
	    "peers, counted in each torrent and connection" },
	{ "max-torrents", 0, KIND_NUMBER, "N", 1, UWT_LIMIT_MAX, AT(server.max_torrents), false,
	    "torrents that have peers" },
	{ "max-swarms", 0, KIND_NUMBER, "N", 1, 65535, AT(server.max_swarms), false,
	    "torrents and peers of one connection [4096]" },
	{ "max-rate", 0, KIND_NUMBER, "N", 1, 65535, AT(server.max_rate), false,
	    "messages of one connection in a second [any number]" },
	{ "max-per-address", 0, KIND_NUMBER, "N", 1, UWT_LIMIT_MAX, AT(server.max_per_address),
	    false, "connections of one address [any number]" },
	{ "buffer-memory", 0, KIND_SIZE, "SIZE", 4096, (uint64_t)64 << 30, AT(server.buffer_memory),
	    false, "memory for partial input and unsent output" },
	{ "max-message", 0, KIND_SIZE_32, "SIZE", 1024, 16 << 20, AT(server.max_message), false,
	    "longest message of a peer [256K]" },
	{ "allow-list", 0, KIND_TEXT, "FILE", 0, 0, AT(allow_list), false,
	    "info_hashes or magnet links, one a line: serve these only" },
	{ "deny-list", 0, KIND_TEXT, "FILE", 0, 0, AT(deny_list), false,
	    "the same: serve all but these" },
	{ "filter", 0, KIND_TEXT, "COMMAND", 0, 0, AT(filter), false,
	    "ask this command, by lines of JSON, who may be in a torrent" },
	{ "filter-fail", 0, KIND_TEXT, "HOW", 0, 0, AT(filter_fail), false,
	    "while it cannot be asked let nobody in, or all (open) [closed]" },
	{ "hook", 0, KIND_TEXT, "COMMAND", 0, 0, AT(hook), false,
	    "tell this command, by lines of JSON, who comes and goes" },
	{ "state-dir", 0, KIND_TEXT, "DIR", 0, 0, AT(state_dir), false,
	    "keep the statistics' history there from one start to the next" },
	{ "user", 0, KIND_TEXT, "NAME", 0, 0, AT(user), false,
	    "become this user once all is open and read" },
	{ "no-sandbox", 0, KIND_NO, NULL, 0, 0, AT(sandbox), false,
	    "keep the system calls that serving does not take" },
	{ "config", 'c', KIND_TEXT, "FILE", 0, 0, AT(config), true,
	    "read options from a file" },
	{ "log", 0, KIND_TEXT, "FORMAT", 0, 0, AT(log), false,
	    "tell on standard error also when it starts, reloads and ends,\n"
	    "all as text or json" },
	{ "quiet", 'q', KIND_FLAG, NULL, 0, 0, AT(quiet), false, "print errors only" },
	{ "silent", 's', KIND_FLAG, NULL, 0, 0, AT(silent), false, "print nothing" },
	{ "version", 'v', KIND_FLAG, NULL, 0, 0, AT(version), true, "print the version" },
	{ "help", 'h', KIND_FLAG, NULL, 0, 0, AT(help), true, "print this" },
	{ "ws", 0, KIND_NOTHING, NULL, 0, 0, 0, false, NULL },
	{ "stats", 0, KIND_NOTHING, NULL, 0, 0, 0, false, NULL }
};

#define TABLE_SIZE (sizeof table / sizeof table[0])

/* Where options are being read from. */
struct source {
	struct options *options;
	const char *file;           /* the config file, NULL for the command line */
	unsigned line;
	char *error;
};

/* -- errors --------------------------------------------------------------------------- */

/* Say where and what is wrong; always false. Word and value are shown as they were given. */
static bool refuse(const struct source *source, const char *word, const char *value,
    const char *why)
{
	char place[160] = "";

	if (source->file != NULL)
		snprintf(place, sizeof place, "%.120s:%u: ", source->file, source->line);
	snprintf(source->error, OPTIONS_ERROR_MAX, "%s%.100s%s%.100s: %s", place, word,
	    value != NULL ? " " : "", value != NULL ? value : "", why);
	return false;
}

/* Name an option as its source writes it. */
static bool refuse_option(const struct source *source, const struct option *option,
    const char *value, const char *why)
{
	char name[32];

	snprintf(name, sizeof name, "%s%s", source->file == NULL ? "--" : "", option->name);
	return refuse(source, name, value, why);
}

/* -- values --------------------------------------------------------------------------- */

static void format_size(char *text, size_t max, uint64_t size)
{
	static const char units[] = "\0KMG";
	unsigned unit = 0;

	while (unit < 3 && size >= 1024 && size % 1024 == 0) {
		size /= 1024;
		unit++;
	}
	snprintf(text, max, "%llu%.1s", (unsigned long long)size, units + unit);
}

static bool is_size(const struct option *option)
{
	return option->kind == KIND_SIZE || option->kind == KIND_SIZE_32;
}

static bool refuse_number(const struct source *source, const struct option *option,
    const char *value)
{
	char least[24], most[24], why[128];

	if (is_size(option)) {
		format_size(least, sizeof least, option->least);
		format_size(most, sizeof most, option->most);
	} else {
		snprintf(least, sizeof least, "%llu", (unsigned long long)option->least);
		snprintf(most, sizeof most, "%llu", (unsigned long long)option->most);
	}
	snprintf(why, sizeof why, "must be a %s from %s to %s", is_size(option) ?
	    "number of bytes (K, M and G allowed)" : "whole number", least, most);
	return refuse_option(source, option, value, why);
}

/* A decimal number, with a unit if units are allowed, to the last character. */
static bool parse_number(const char *text, bool units, uint64_t *number)
{
	static const char letters[] = "KMG";
	const char *unit;
	uint64_t value = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (value > UINT64_MAX / 16)
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	if (units && *text != '\0') {
		unit = strchr(letters, *text >= 'a' ? *text - 'a' + 'A' : *text);
		if (unit == NULL || value > UINT64_MAX >> 30)
			return false;
		value <<= 10 * (unit - letters + 1);
		text++;
	}
	*number = value;
	return *text == '\0';
}

static bool set_number(const struct source *source, const struct option *option, const char *value)
{
	char *field = (char *)source->options + option->offset;
	uint64_t number;
	uint32_t number_32;
	uint16_t number_16;

	if (!parse_number(value, is_size(option), &number) || number < option->least ||
	    number > option->most)
		return refuse_number(source, option, value);
	number_32 = (uint32_t)number;
	number_16 = (uint16_t)number;
	if (option->kind == KIND_SIZE)
		memcpy(field, &number, sizeof number);
	else if (option->kind == KIND_PORT)
		memcpy(field, &number_16, sizeof number_16);
	else
		memcpy(field, &number_32, sizeof number_32);
	return true;
}

static bool add_item(const struct source *source, const struct option *option, const char *value)
{
	struct option_list *list =
	    (struct option_list *)(void *)((char *)source->options + option->offset);

	if (option->kind == KIND_HOST && !uwt_host_valid(value))
		return refuse_option(source, option, value,
		    strncmp(value, "unix:", 5) == 0 ? "the path is missing or too long" :
		    "must be an IPv4 or IPv6 address, localhost or unix:PATH");
	if (list->from_config && source->file == NULL)
		list->count = 0;
	list->from_config = source->file != NULL;
	if (list->count == OPTIONS_LIST_MAX)
		return refuse_option(source, option, value, "too many: at most 16");
	list->items[list->count++] = value;
	return true;
}

static bool set_trust(const struct source *source, const struct option *option, const char *value)
{
	if (value != NULL && !uwt_ranges_valid(value))
		return refuse_option(source, option, value,
		    "must be addresses or ranges like 192.0.2.0/24 or 2001:db8::/32, at most 32");
	source->options->server.trust_proxy = true;
	source->options->server.trusted = value;
	return true;
}

static bool takes_value(const struct option *option)
{
	return option->kind != KIND_FLAG && option->kind != KIND_NO && option->kind != KIND_NOTHING;
}

/* Carry out one option; value is NULL if none was given. */
static bool apply(const struct source *source, const struct option *option, const char *value)
{
	char *field = (char *)source->options + option->offset;

	if (value != NULL && !takes_value(option))
		return refuse_option(source, option, value, "takes no value");
	if (option->kind != KIND_TRUST && takes_value(option) && (value == NULL || *value == '\0'))
		return refuse_option(source, option, NULL, "needs a value");
	switch (option->kind) {
	case KIND_FLAG:
	case KIND_NO:
		*(bool *)field = option->kind == KIND_FLAG;
		return true;
	case KIND_TEXT:
		memcpy(field, &value, sizeof value);
		return true;
	case KIND_LIST:
	case KIND_HOST:
		return add_item(source, option, value);
	case KIND_TRUST:
		return set_trust(source, option, value);
	case KIND_NOTHING:
		return true;
	default:
		return set_number(source, option, value);
	}
}

static const struct option *find_name(const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < TABLE_SIZE; i++) {
		if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0)
			return &table[i];
	}
	return NULL;
}

static const struct option *find_letter(char letter)
{
	size_t i;

	for (i = 0; i < TABLE_SIZE; i++) {
		if (table[i].letter != 0 && table[i].letter == letter)
			return &table[i];
	}
	return NULL;
}

/* -- the command line ----------------------------------------------------------------- */

/* --name, --name=value, --name value. Returns how many arguments it was, 0 on error. */
static int read_long(const struct source *source, char **arguments)
{
	const char *name = arguments[0] + 2;
	const char *equals = strchr(name, '=');
	const struct option *option = find_name(name, equals != NULL ? (size_t)(equals - name) :
	    strlen(name));

	if (option == NULL) {
		refuse(source, arguments[0], NULL, "no such option; see --help");
		return 0;
	}
	if (equals != NULL)
		return apply(source, option, equals + 1) ? 1 : 0;
	if (takes_value(option) && option->kind != KIND_TRUST && arguments[1] != NULL)
		return apply(source, option, arguments[1]) ? 2 : 0;
	return apply(source, option, NULL) ? 1 : 0;
}

/* -x, -xyz, -xvalue, -x value. */
static int read_short(const struct source *source, char **arguments)
{
	const char *at = arguments[0] + 1;

	for (; *at != '\0'; at++) {
		const struct option *option = find_letter(*at);

		if (option == NULL) {
			refuse(source, arguments[0], NULL, "no such option; see --help");
			return 0;
		}
		if (!takes_value(option)) {
			if (!apply(source, option, NULL))
				return 0;
			continue;
		}
		if (at[1] != '\0')
			return apply(source, option, at + 1) ? 1 : 0;
		return apply(source, option, arguments[1]) ? (arguments[1] != NULL ? 2 : 1) : 0;
	}
	return 1;
}

static bool read_arguments(const struct source *source, int argc, char **argv)
{
	int at = 1, used;

	while (at < argc) {
		if (argv[at][0] != '-' || argv[at][1] == '\0')
			return refuse(source, argv[at], NULL,
			    "not an option; a value may need = before it; see --help");
		used = argv[at][1] == '-' ? read_long(source, argv + at) :
		    read_short(source, argv + at);
		if (used == 0)
			return false;
		at += used;
	}
	return true;
}

/* -- the config file ------------------------------------------------------------------ */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Cut a comment (a # at the start or after a blank) and the blanks around the rest. */
static char *trim(char *line)
{
	char *at, *end;

	for (at = line; *at != '\0'; at++) {
		if (*at == '#' && (at == line || is_blank(at[-1]))) {
			*at = '\0';
			break;
		}
	}
	while (is_blank(*line))
		line++;
	end = line + strlen(line);
	while (end > line && is_blank(end[-1]))
		*--end = '\0';
	return line;
}

static bool read_line(const struct source *source, char *line)
{
	const struct option *option;
	size_t length;
	char *value;

	line = trim(line);
	if (*line == '\0')
		return true;
	length = strcspn(line, " \t");
	value = line + length;
	while (is_blank(*value))
		value++;
	option = find_name(line, length);
	line[length] = '\0';
	if (option == NULL)
		return refuse(source, line, NULL, "no such option");
	if (option->command_line_only)
		return refuse(source, line, NULL, "only possible on the command line");
	return apply(source, option, *value != '\0' ? value : NULL);
}

static bool read_config(struct source *source)
{
	struct options *options = source->options;
	char *line, *end, *content;
	size_t size;

	content = file_read(file_open(source->file), CONFIG_MAX, &size);
	if (content == NULL) {
		snprintf(source->error, OPTIONS_ERROR_MAX, "%.200s: %s", source->file,
		    strerror(errno));
		return false;
	}
	options->config_text = content;
	if (strlen(content) != size) {
		snprintf(source->error, OPTIONS_ERROR_MAX, "%.200s: not a text file", source->file);
		return false;
	}
	for (line = content; line != NULL; line = end) {
		source->line++;
		end = strchr(line, '\n');
		if (end != NULL)
			*end++ = '\0';
		if (!read_line(source, line))
			return false;
	}
	return true;
}

/* -- both ------------------------------------------------------------------------------ */

static void set_defaults(struct options *options)
{
	*options = (struct options){ .port = 8000, .sandbox = true };
	uwt_options_init(&options->server);
}

/* What can be judged only once all options are known. */
static bool check_tls(struct options *options, char *error)
{
	options->server.tls = options->certificates.count > 0;
	if (options->certificates.count != options->keys.count)
		snprintf(error, OPTIONS_ERROR_MAX,
		    "--cert and --key: as many of one as of the other "
		    "are needed");
	else if (options->server.tls_only && !options->server.tls)
		snprintf(error, OPTIONS_ERROR_MAX, "--tls-only: needs --cert and --key");
	else if (options->server.tls && !uwt_has_tls())
		snprintf(error, OPTIONS_ERROR_MAX, "--cert: this program was built without TLS");
	else
		return true;
	return false;
}

static bool check_filter(const struct options *options, char *error)
{
	const char *fail = options->filter_fail;

	if (fail == NULL)
		return true;
	if (options->filter == NULL)
		snprintf(error, OPTIONS_ERROR_MAX, "--filter-fail: needs --filter");
	else if (strcmp(fail, "open") != 0 && strcmp(fail, "closed") != 0)
		snprintf(error, OPTIONS_ERROR_MAX,
		    "--filter-fail %.100s: must be open or closed", fail);
	else
		return true;
	return false;
}

/* Take an address and a port apart: the last colon is between them, unless it is one of IPv6. */
static bool read_metrics(struct options *options)
{
	const char *text = options->metrics, *colon = strrchr(text, ':');
	size_t length = colon != NULL ? (size_t)(colon - text) : 0;
	uint64_t port;

	if (length >= METRICS_HOST_MAX || !parse_number(colon != NULL ? colon + 1 : text, false,
	    &port) || port > UINT16_MAX)
		return false;
	memcpy(options->metrics_host, text, length);
	options->metrics_host[length] = '\0';
	options->metrics_port = (uint16_t)port;
	options->metrics_listen = true;
	/* Without brackets it could be all address. */
	return colon == NULL || (length > 0 && uwt_host_valid(options->metrics_host) &&
	    strncmp(text, "unix:", 5) != 0 &&
	    (text[0] == '[' || memchr(text, ':', length) == NULL));
}

static bool check_metrics(struct options *options, char *error)
{
	if (options->metrics == NULL)
		return true;
	options->server.metrics = strcmp(options->metrics, "public") == 0;
	if (options->server.metrics || read_metrics(options))
		return true;
	snprintf(error, OPTIONS_ERROR_MAX, "--metrics %.100s: must be a port from 0 to 65535, "
	    "with an address before it (127.0.0.1:9101, [::1]:9101) if need be, or public",
	    options->metrics);
	return false;
}

static bool check_torrents(const struct options *options, char *error)
{
	if (!options->server.torrent_stats || options->server.stats)
		return true;
	snprintf(error, OPTIONS_ERROR_MAX, "--torrent-stats: --no-stats leaves them out");
	return false;
}

static bool check_log(const struct options *options, char *error)
{
	if (options->log == NULL || strcmp(options->log, "text") == 0 ||
	    strcmp(options->log, "json") == 0)
		return true;
	snprintf(error, OPTIONS_ERROR_MAX, "--log %.100s: must be text or json", options->log);
	return false;
}

static bool check_all(struct options *options, char *error)
{
	return check_tls(options, error) && check_filter(options, error) &&
	    check_metrics(options, error) && check_torrents(options, error) &&
	    check_log(options, error);
}

bool options_read(struct options *options, int argc, char **argv,
    char error[static OPTIONS_ERROR_MAX])
{
	struct source arguments = { .options = options, .error = error };
	struct source config = { .options = options, .error = error };

	set_defaults(options);
	if (!read_arguments(&arguments, argc, argv))
		return false;
	if (options->help || options->version)
		return true;
	if (options->config == NULL)
		return check_all(options, error);
	/* Once more, now upon what the file says. */
	config.file = options->config;
	set_defaults(options);
	return read_config(&config) && read_arguments(&arguments, argc, argv) &&
	    check_all(options, error);
}

void options_free(struct options *options)
{
	free(options->config_text);
	options->config_text = NULL;
}

/* A line of help, its further lines under the first. */
static void print_help(const char *start, const char *help)
{
	printf("%-30s ", start);
	for (; *help != '\0'; help++) {
		putchar(*help);
		if (*help == '\n')
			printf("%-30s ", "");
	}
	putchar('\n');
}

void options_help(void)
{
	char start[64];
	size_t i;

	printf("usage: uwt [-qsvh] [-p port] [-H address] [-c file] [option ...]\n\n"
	    "A WebTorrent tracker.\n\n");
	for (i = 0; i < TABLE_SIZE; i++) {
		const struct option *option = &table[i];
		char letter[5] = "    ";

		if (option->help == NULL)
			continue;
		if (option->letter != 0)
			snprintf(letter, sizeof letter, "-%c, ", option->letter);
		snprintf(start, sizeof start, "%s--%s%s%s%s", letter, option->name,
		    option->kind == KIND_TRUST ? "[=" : option->value != NULL ? " " : "",
		    option->value != NULL ? option->value : "", option->kind == KIND_TRUST ? "]" :
		    "");
		print_help(start, option->help);
	}
	printf("\nLimits without a default follow from the machine. A SIZE may have K, M or G.\n"
	    "See uwt(8).\n");
}
