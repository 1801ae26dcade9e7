/* uwt.c - the program: options, limits, signals, and what it prints */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "machine.h"
#include "options.h"
#include "output.h"
#include "server.h"
#include "text.h"

#define EXIT_USAGE 2
#define PROGRAM_MEMORY (2 * 1024 * 1024)    /* bytes that the program itself takes */
#define PEM_MAX (256 * 1024)        /* bytes of a certificate or key file */
#define INDEX_MAX (1024 * 1024)     /* bytes of an operator's own page */
#define CLOSE_GRACE 400             /* ms for peers to answer a close frame */
#define CLOSE_PATIENCE 800          /* ms for stdout to take what is left */

/* A handler has no argument to find these by. */
static volatile sig_atomic_t stops_asked, reload_asked;
static struct uwt_server *volatile signalled_server;

static void on_stop(int number)
{
	(void)number;
	stops_asked++;
	if (signalled_server != NULL)
		uwt_server_wake(signalled_server);
}

static void on_reload(int number)
{
	(void)number;
	reload_asked = 1;
	if (signalled_server != NULL)
		uwt_server_wake(signalled_server);
}

static void catch_signals(bool reload)
{
	struct sigaction action = { .sa_handler = on_stop };

	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = on_reload;
	if (reload)
		sigaction(SIGHUP, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

/* -- what is printed ---------------------------------------------------------------------- */

static void print_event(void *context, enum uwt_event event, const uint8_t *peer_id,
    const uint8_t *info_hash)
{
	static const char *const names[] = {
		[UWT_START] = "start: ", [UWT_COMPLETE] = "complete: ",
		[UWT_UPDATE] = "update: ", [UWT_STOP] = "stop: "
	};
	char memory[2 * UWT_ID_SIZE + 1];
	struct text id = TEXT_IN(memory);

	(void)info_hash;
	text_add_hex(&id, peer_id, UWT_ID_SIZE);
	output_line(context, names[event], text_end(&id));
}

static void print_warning(void *context, const char *text)
{
	output_line(context, "WARNING: ", text);
}

static void print_turn(void *context)
{
	output_flush(context);
}

static void print_where(struct output *output, const struct options *options, uint16_t port)
{
	char memory[32];
	struct text number = TEXT_IN(memory);

	if (port == 0) {
		output_line(output, "server listening on ", options->hosts.items[0]);
		return;
	}
	text_add_number(&number, port);
	output_line(output, "server listening on ", text_end(&number));
	output_line(output, "Tracker: ws://localhost:", text_end(&number));
	if (options->server.tls)
		output_line(output, "Tracker: wss://localhost:", text_end(&number));
	text_add(&number, "/stats");
	if (options->server.stats)
		output_line(output, "Tracker stats: http://localhost:", text_end(&number));
}

static void print_limits(struct output *output, const struct uwt_options *limits)
{
	char memory[256];
	struct text line = TEXT_IN(memory);

	text_add_number(&line, limits->max_connections);
	text_add(&line, " connections, ");
	text_add_number(&line, limits->max_peers);
	text_add(&line, " peers, ");
	text_add_number(&line, limits->max_torrents);
	text_add(&line, " torrents, ");
	text_add_number(&line, limits->buffer_memory >> 10);
	text_add(&line, " KB of buffers; at most ");
	text_add_number(&line, ((uwt_options_memory(limits) + PROGRAM_MEMORY) >> 20) + 1);
	text_add(&line, " MB of memory");
	output_line(output, "limits: ", text_end(&line));
}

/* -- starting ----------------------------------------------------------------------------- */

/* What ends the program before it serves. */
static int fail(const struct options *options, const char *what)
{
	if (!options->silent)
		fprintf(stderr, "uwt: %s\n", what);
	return EXIT_FAILURE;
}

/* Read the operator's page into *page, which the caller frees when the server is gone. */
static bool read_index(struct options *options, char **page, char error[static UWT_ERROR_MAX])
{
	struct uwt_options *server = &options->server;

	if (options->index == NULL)
		return true;
	if (strcmp(options->index, "none") == 0) {
		server->landing = false;
		return true;
	}
	*page = file_read(options->index, INDEX_MAX, &server->page_size);
	server->page = *page;
	if (*page == NULL)
		snprintf(error, UWT_ERROR_MAX, "--index %.150s: %s", options->index,
		    strerror(errno));
	return *page != NULL;
}

/* -- certificates ------------------------------------------------------------------------- */

static void pairs_free(struct uwt_pair *pairs, size_t count)
{
	size_t i, at;

	for (i = 0; i < count; i++) {
		volatile char *key = (volatile char *)(uintptr_t)pairs[i].key;

		for (at = 0; key != NULL && at < pairs[i].key_size; at++)
			key[at] = 0;
		free((void *)(uintptr_t)pairs[i].certificates);
		free((void *)(uintptr_t)pairs[i].key);
	}
}

static bool read_pem(const char *path, const char **content, size_t *size,
    char error[static UWT_ERROR_MAX])
{
	*content = file_read(path, PEM_MAX, size);
	if (*content == NULL)
		snprintf(error, UWT_ERROR_MAX, "%.150s: %s", path, strerror(errno));
	return *content != NULL;
}

/* Read all certificates and keys, and serve them if nothing is wrong with any. */
static bool load_pairs(const struct options *options, struct uwt_server *server,
    char error[static UWT_ERROR_MAX])
{
	struct uwt_pair pairs[OPTIONS_LIST_MAX] = { { 0 } };
	const struct option_list *certificates = &options->certificates;
	char why[UWT_ERROR_MAX];
	size_t count = certificates->count, wrong, i;
	bool good = true;

	for (i = 0; good && i < count; i++)
		good = read_pem(certificates->items[i], &pairs[i].certificates,
		    &pairs[i].certificates_size, error) &&
		    read_pem(options->keys.items[i], &pairs[i].key, &pairs[i].key_size, error);
	if (good && !uwt_server_keys(server, pairs, count, &wrong, why)) {
		wrong = wrong < count ? wrong : 0;
		snprintf(error, UWT_ERROR_MAX, "%.75s and %.75s: %.90s", certificates->items[wrong],
		    options->keys.items[wrong], why);
		good = false;
	}
	pairs_free(pairs, count);
	return good;
}

static void warn_of_date(const char *path, const char *what, int64_t when)
{
	time_t time = (time_t)when;
	struct tm date;
	char text[32] = "";

	if (gmtime_r(&time, &date) != NULL)
		strftime(text, sizeof text, "%Y-%m-%d", &date);
	fprintf(stderr, "uwt: warning: %s: the certificate %s %s\n", path, what, text);
}

/* What good pairs may still have wrong. */
static void warn_of_doubts(const struct options *options, const struct uwt_server *server)
{
	int64_t now = (int64_t)time(NULL);
	struct uwt_doubts doubts;
	size_t i;

	for (i = 0; !options->silent && uwt_server_doubts(server, i, &doubts); i++) {
		const char *path = options->certificates.items[i];

		if (now > doubts.to)
			warn_of_date(path, "has expired, on", doubts.to);
		if (now < doubts.from)
			warn_of_date(path, "is not valid before", doubts.from);
		if (doubts.alone)
			fprintf(stderr, "uwt: warning: %s: the certificate of who signed it is "
			    "missing: clients will want the whole chain\n", path);
	}
}

static void warn_of_whole(const struct options *options)
{
	if (options->server.tls_whole && !options->silent)
		fputs("uwt: warning: this version of BearSSL is not one that uwt knows; a peer with "
		    "TLS takes 4 KB more\n", stderr);
}

static void reload_pairs(const struct options *options, struct uwt_server *server,
    struct output *output)
{
	char error[UWT_ERROR_MAX];

	if (load_pairs(options, server, error)) {
		warn_of_doubts(options, server);
		if (!options->quiet && !options->silent)
			output_line(output, "certificates reloaded", "");
	} else if (!options->silent) {
		fprintf(stderr, "uwt: not reloaded, the certificates before stay in force: %s\n",
		    error);
	}
}

static struct uwt_server *start(struct options *options, struct output *output, char **page,
    char error[static UWT_ERROR_MAX])
{
	struct uwt_options *server_options = &options->server;
	const char *single = NULL;
	struct uwt_server *server;
	uint16_t port;

	if (!options->quiet && !options->silent)
		server_options->callbacks = (struct uwt_callbacks){ output, print_event,
			print_warning, print_turn };
	if (!read_index(options, page, error) ||
	    !uwt_options_fit(server_options, machine_memory() / 4, machine_descriptors(), error))
		return NULL;
	server = uwt_server_new(server_options, error);
	if (server == NULL)
		return NULL;
	if (server_options->tls && !load_pairs(options, server, error)) {
		uwt_server_free(server);
		return NULL;
	}
	warn_of_doubts(options, server);
	warn_of_whole(options);
	if (!uwt_server_listen(server, options->hosts.items, options->hosts.count, options->port,
	    &port,
	    &single, error)) {
		uwt_server_free(server);
		return NULL;
	}
	if (options->quiet || options->silent)
		return server;
	print_where(output, options, port);
	print_limits(output, server_options);
	if (single != NULL)
		output_line(output, "only this is served, as the machine has no other: ",
		    single);
	return server;
}

/* -- running ------------------------------------------------------------------------------ */

static void serve(const struct options *options, struct uwt_server *server, struct output *output)
{
	bool closing = false;

	output_flush(output);
	while (stops_asked < 2 && uwt_server_turn(server, -1)) {
		/* What a turn's sending brought to an end is told after it. */
		output_flush(output);
		if (reload_asked) {
			reload_asked = 0;
			reload_pairs(options, server, output);
		}
		if (stops_asked > 0 && !closing) {
			closing = true;
			output_patience(output, CLOSE_PATIENCE, &stops_asked);
			uwt_server_close(server, CLOSE_GRACE);
		}
	}
}

/* Serve until told to stop. Returns the exit status. */
static int run(struct options *options)
{
	static struct output output;    /* too large for a small machine's stack */
	char error[UWT_ERROR_MAX], *page = NULL;
	struct uwt_server *server;

	output_init(&output, STDOUT_FILENO);
	catch_signals(options->server.tls);
	server = start(options, &output, &page, error);
	if (server == NULL) {
		free(page);
		return fail(options, error);
	}
	signalled_server = server;
	/* One that came before there was a server to wake. */
	if (stops_asked > 0 || reload_asked)
		uwt_server_wake(server);
	serve(options, server, &output);
	signalled_server = NULL;
	uwt_server_free(server);
	output_drain(&output);
	free(page);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options options;
	char error[OPTIONS_ERROR_MAX];
	int status = EXIT_SUCCESS;

	if (!options_read(&options, argc, argv, error)) {
		fprintf(stderr, "uwt: %s\n", error);
		status = EXIT_USAGE;
	} else if (options.help || options.version) {
		if (options.help)
			options_help();
		else
			printf("uwt %s (%s, %s)\n", UWT_VERSION, uwt_backend(),
			    uwt_has_tls() ? "TLS" : "no TLS");
		status = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	} else {
		status = run(&options);
	}
	options_free(&options);
	return status;
}
