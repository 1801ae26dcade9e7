/* uwt.c - the program: options, limits, signals, and what it prints */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "file.h"
#include "gate.h"
#include "log.h"
#include "machine.h"
#include "opener.h"
#include "options.h"
#include "output.h"
#include "sandbox.h"
#include "server.h"
#include "state.h"
#include "text.h"
#include "user.h"
#include "vitals.h"

#define EXIT_USAGE 2
#define PROGRAM_MEMORY (2 * 1024 * 1024)    /* bytes that the program itself takes */
#define PEM_MAX (256 * 1024)        /* bytes of a certificate or key file */
#define INDEX_MAX (1024 * 1024)     /* bytes of an operator's own page */
#define CLOSE_GRACE 400             /* ms for peers to answer a close frame */
#define WATCHED_SPARE 2048          /* descriptors of a server that are not of connections */
#define CLOSE_PATIENCE 800          /* ms for stdout to take what is left */

/* A handler has no argument to find these by. */
static volatile sig_atomic_t stops_asked, stopped_by, reload_asked;
static struct uwt_server *volatile signalled_server;

static void on_stop(int number)
{
	stopped_by = number;
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

/* What the start makes. */
struct program {
	struct options *options;
	struct output *output;
	struct log log;
	struct uwt_server *server;
	uint16_t port;          /* that is listened on; 0: none */
	uint16_t metrics_port;  /* the same of --metrics, if it has one */
	const char *single;     /* the kind of addresses that the machine has; NULL: both */
	struct opener opener;
	struct user user;       /* of --user */
	struct gate gate;       /* of --allow-list and --deny-list */
	struct state state;     /* of --state-dir */
	struct commands *commands;      /* of --filter and --hook */
	struct vitals vitals;   /* what the process takes, for /metrics */
	uint32_t descriptors;   /* open without any connection */
	struct pollfd *watched; /* with those: what to wait for, and how much there is room for */
	size_t watched_max;
	bool confined;          /* rights were given up: only the opener can open files */
	char *page;             /* of --index */
	int status;             /* with which a start that failed ends */
};

/* -- what is printed ---------------------------------------------------------------------- */

static void print_event(void *context, const struct uwt_change *change)
{
	static const char *const names[] = {
		[UWT_START] = "start: ", [UWT_COMPLETE] = "complete: ",
		[UWT_UPDATE] = "update: ", [UWT_STOP] = "stop: "
	};
	const struct program *program = context;
	char memory[2 * UWT_ID_SIZE + 1];
	struct text id = TEXT_IN(memory);

	text_add_hex(&id, change->peer_id, UWT_ID_SIZE);
	output_line(program->output, names[change->event], text_end(&id));
}

static void print_warning(void *context, const char *text)
{
	const struct program *program = context;

	output_line(program->output, "WARNING: ", text);
}

static void print_turn(void *context)
{
	const struct program *program = context;

	output_flush(program->output);
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

static void add_metrics(struct text *where, const struct program *program)
{
	const char *host = program->options->metrics_host;

	text_add(where, "http://");
	text_add(where, *host != '\0' ? host : "localhost");
	text_add(where, ":");
	text_add_number(where, program->metrics_port);
	text_add(where, "/metrics");
}

static void print_metrics(const struct program *program)
{
	char memory[METRICS_HOST_MAX + 32];
	struct text where = TEXT_IN(memory);

	add_metrics(&where, program);
	output_line(program->output, "Tracker metrics: ", text_end(&where));
}

static void add_limits(struct text *line, const struct program *program)
{
	const struct uwt_options *limits = &program->options->server;
	uint64_t all = uwt_options_memory(limits) + gate_memory(&program->gate) +
	    (commands_are_used(program->commands) ? sizeof *program->commands : 0) +
	    PROGRAM_MEMORY;

	text_add_number(line, limits->max_connections);
	text_add(line, " connections, ");
	text_add_number(line, limits->max_peers);
	text_add(line, " peers, ");
	text_add_number(line, limits->max_torrents);
	text_add(line, " torrents, ");
	text_add_number(line, limits->buffer_memory >> 10);
	text_add(line, " KB of buffers; at most ");
	text_add_number(line, (all >> 20) + 1);
	text_add(line, " MB of memory");
}

static void print_limits(const struct program *program)
{
	char memory[256];
	struct text line = TEXT_IN(memory);

	add_limits(&line, program);
	output_line(program->output, "limits: ", text_end(&line));
}

/* -- what is logged ----------------------------------------------------------------------- */

#define LOG_LACKS UWT_REFUSALS      /* kinds of notices: refusals, and this */
_Static_assert(LOG_LACKS < LOG_KINDS, "each kind has a place");

static void open_log(struct log *log, const struct options *options)
{
	log_init(log, STDERR_FILENO);
	log->silent = options->silent;
	log->info = options->log != NULL;
	if (log->info && strcmp(options->log, "json") == 0)
		log->format = LOG_JSON;
}

/* Addresses may be many: they are last, where a line is cut. */
static void log_start(const struct program *program)
{
	const struct option_list *hosts = &program->options->hosts;
	char memory[LOG_LINE_MAX];
	struct text line = TEXT_IN(memory);
	size_t i;

	if (program->port != 0) {
		text_add(&line, ", listening on port ");
		text_add_number(&line, program->port);
	}
	if (program->options->metrics_listen) {
		text_add(&line, ", ");
		add_metrics(&line, program);
	}
	text_add(&line, "; limits: ");
	add_limits(&line, program);
	text_add(&line, "; addresses: ");
	if (hosts->count == 0)
		text_add(&line, program->single != NULL ? program->single : "all");
	for (i = 0; i < hosts->count; i++) {
		text_add(&line, i > 0 ? ", " : "");
		text_add(&line, hosts->items[i]);
	}
	log_line(&program->log, LOG_INFO, "started: version %s%s", UWT_VERSION, text_end(&line));
}

/* Only what the operator can change: other limits are about single peers. */
static void log_refusal(void *context, enum uwt_refusal why)
{
	struct program *program = context;
	const struct uwt_options *limits = &program->options->server;
	struct log *log = &program->log;

	switch (why) {
	case UWT_REFUSED_CONNECTIONS:
		log_ration(log, why, LOG_WARNING, "limit met: --max-connections %lu: newcomers "
		    "are refused", (unsigned long)limits->max_connections);
		break;
	case UWT_REFUSED_BUFFERS:
		log_ration(log, why, LOG_WARNING, "limit met: --buffer-memory %lluK: who needs "
		    "more is refused", (unsigned long long)limits->buffer_memory >> 10);
		break;
	case UWT_REFUSED_TORRENTS:
		log_ration(log, why, LOG_WARNING, "limit met: --max-torrents %lu: further ones "
		    "are refused", (unsigned long)limits->max_torrents);
		break;
	case UWT_REFUSED_PEERS:
		log_ration(log, why, LOG_WARNING, "limit met: --max-peers %lu: further ones are "
		    "refused", (unsigned long)limits->max_peers);
		break;
	default:
		break;
	}
}

static void log_lack(void *context, const char *text)
{
	struct program *program = context;

	log_ration(&program->log, LOG_LACKS, LOG_WARNING, "%s", text);
}

/* -- starting ----------------------------------------------------------------------------- */

/* Read the operator's page. */
static bool read_index(struct program *program, char error[static UWT_ERROR_MAX])
{
	const char *path = program->options->index;
	struct uwt_options *server = &program->options->server;

	if (path == NULL)
		return true;
	if (strcmp(path, "none") == 0) {
		server->landing = false;
		return true;
	}
	program->page = file_read(file_open(path), INDEX_MAX, &server->page_size);
	server->page = program->page;
	if (program->page == NULL)
		snprintf(error, UWT_ERROR_MAX, "--index %.150s: %s", path, strerror(errno));
	return program->page != NULL;
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

/* Open a file of an option, which the opener has under this number. */
static int open_named(struct program *program, const char *path, size_t number)
{
	return program->confined ? opener_open(&program->opener, number) : file_open(path);
}

static const char *why_not_open(void)
{
	return errno == ESRCH ? "the process that opens files has ended" : strerror(errno);
}

static bool read_pem(struct program *program, const char *path, size_t number,
    const char **content, size_t *size, char error[static UWT_ERROR_MAX])
{
	*content = file_read(open_named(program, path, number), PEM_MAX, size);
	if (*content == NULL)
		snprintf(error, UWT_ERROR_MAX, "%.150s: %s", path, why_not_open());
	return *content != NULL;
}

/* Read all certificates and keys, and serve them if nothing is wrong with any. */
static bool load_pairs(struct program *program, char error[static UWT_ERROR_MAX])
{
	struct uwt_pair pairs[OPTIONS_LIST_MAX] = { { 0 } };
	const struct option_list *certificates = &program->options->certificates;
	const struct option_list *keys = &program->options->keys;
	char why[UWT_ERROR_MAX];
	size_t count = certificates->count, wrong, i;
	bool good = true;

	for (i = 0; good && i < count; i++)
		good = read_pem(program, certificates->items[i], i, &pairs[i].certificates,
		    &pairs[i].certificates_size, error) &&
		    read_pem(program, keys->items[i], count + i, &pairs[i].key,
		    &pairs[i].key_size, error);
	if (good && !uwt_server_keys(program->server, pairs, count, &wrong, why)) {
		wrong = wrong < count ? wrong : 0;
		snprintf(error, UWT_ERROR_MAX, "%.75s and %.75s: %.90s", certificates->items[wrong],
		    keys->items[wrong], why);
		good = false;
	}
	pairs_free(pairs, count);
	return good;
}

static void warn_of_date(const struct log *log, const char *path, const char *what, int64_t when)
{
	time_t time = (time_t)when;
	struct tm date;
	char text[32] = "";

	if (gmtime_r(&time, &date) != NULL)
		strftime(text, sizeof text, "%Y-%m-%d", &date);
	log_line(log, LOG_WARNING, "%s: the certificate %s %s", path, what, text);
}

/* What good pairs may still have wrong. */
static void warn_of_doubts(const struct program *program)
{
	const struct log *log = &program->log;
	int64_t now = (int64_t)time(NULL);
	struct uwt_doubts doubts;
	size_t i;

	for (i = 0; uwt_server_doubts(program->server, i, &doubts); i++) {
		const char *path = program->options->certificates.items[i];

		if (now > doubts.to)
			warn_of_date(log, path, "has expired, on", doubts.to);
		if (now < doubts.from)
			warn_of_date(log, path, "is not valid before", doubts.from);
		if (doubts.alone)
			log_line(log, LOG_WARNING, "%s: the certificate of who signed it is "
			    "missing: clients will want the whole chain", path);
	}
}

static void warn_of_whole(const struct program *program)
{
	if (program->options->server.tls_whole)
		log_line(&program->log, LOG_WARNING, "this version of BearSSL is not one that uwt "
		    "knows; a peer with TLS takes 4 KB more");
}

static void reload_pairs(struct program *program)
{
	const struct options *options = program->options;
	char error[UWT_ERROR_MAX];

	if (!options->server.tls)
		return;
	if (load_pairs(program, error)) {
		warn_of_doubts(program);
		if (!options->quiet && !options->silent)
			output_line(program->output, "certificates reloaded", "");
		log_line(&program->log, LOG_INFO, "certificates reloaded");
	} else {
		log_line(&program->log, LOG_ERROR,
		    "not reloaded, the certificates before stay in force: %s", error);
	}
}

/* -- lists -------------------------------------------------------------------------------- */

/* Begin to read the lists (or read them, at the start), each of which the opener has after
 * certificates and keys. False with a text. */
static bool open_lists(struct program *program, bool at_start, char error[static UWT_ERROR_MAX])
{
	struct gate *gate = &program->gate;
	size_t number = 2 * program->options->certificates.count;
	int fds[GATE_LISTS] = { -1, -1 }, i;

	for (i = 0; i < GATE_LISTS; i++) {
		if (gate->files[i] == NULL)
			continue;
		fds[i] = open_named(program, gate->files[i], number++);
		if (fds[i] >= 0)
			continue;
		snprintf(error, UWT_ERROR_MAX, "%s %.150s: %s", gate_option((enum gate_list)i),
		    gate->files[i], why_not_open());
		if (i > 0 && fds[0] >= 0)
			close(fds[0]);
		return false;
	}
	return at_start ? gate_load(gate, fds, error) : gate_reload(gate, fds, error);
}

static void add_lists(struct text *line, const struct program *program)
{
	static const char *const words[] = { " allowed", " denied" };
	int i;

	for (i = 0; i < GATE_LISTS; i++) {
		if (program->gate.files[i] == NULL)
			continue;
		text_add(line, line->length > 0 ? ", " : "");
		text_add_number(line, gate_count(&program->gate, (enum gate_list)i));
		text_add(line, words[i]);
	}
}

static void print_lists(const struct program *program)
{
	char memory[64];
	struct text line = TEXT_IN(memory);

	add_lists(&line, program);
	output_line(program->output, "lists: ", text_end(&line));
}

static void lists_reloaded(const struct program *program)
{
	char memory[64];
	struct text line = TEXT_IN(memory);

	add_lists(&line, program);
	text_end(&line);
	if (!program->options->quiet && !program->options->silent)
		output_line(program->output, "lists reloaded: ", line.start);
	log_line(&program->log, LOG_INFO, "lists reloaded: %s", line.start);
}

static void lists_failed(const struct program *program, const char *error)
{
	log_line(&program->log, LOG_ERROR, "not reloaded, the lists before stay in force: %s",
	    error);
}

static void reload_lists(struct program *program)
{
	char error[UWT_ERROR_MAX];

	if (gate_is_used(&program->gate) && !open_lists(program, false, error))
		lists_failed(program, error);
}

/* Do a part of what the gate has to do. Returns whether there is more. */
static bool serve_gate(struct program *program)
{
	char error[UWT_ERROR_MAX];

	switch (gate_step(&program->gate, program->server, error)) {
	case GATE_NOTHING:
		return false;
	case GATE_MORE:
		break;
	case GATE_LOADED:
		lists_reloaded(program);
		break;
	case GATE_FAILED:
		lists_failed(program, error);
		break;
	}
	return true;
}

/* -- callbacks ---------------------------------------------------------------------------- */

static void tell_event(void *context, const struct uwt_change *change)
{
	struct program *program = context;

	if (!program->options->quiet && !program->options->silent)
		print_event(context, change);
	commands_tell(program->commands, change);
}

static struct uwt_verdict judge(void *context, const struct uwt_question *question)
{
	struct program *program = context;

	if (!gate_allows(&program->gate, question->info_hash))
		return (struct uwt_verdict){ .answer = UWT_REFUSE };
	if (program->options->filter != NULL)
		return commands_ask(program->commands, question);
	return (struct uwt_verdict){ .answer = UWT_ALLOW };
}

/* The program's part of /metrics. */
static size_t tell_metrics(void *context, char *text, size_t room)
{
	const struct program *program = context;
	size_t length = commands_metrics(program->commands, text, room);
	uint32_t open = program->descriptors + uwt_server_counts(program->server).connections;

	return length + vitals_metrics(&program->vitals, open, text + length, room - length);
}

static void set_callbacks(struct program *program)
{
	struct options *options = program->options;
	struct uwt_callbacks *callbacks = &options->server.callbacks;
	bool prints = !options->quiet && !options->silent;
	int i;

	*callbacks = (struct uwt_callbacks){ .context = program, .error = log_lack,
		.refused = log_refusal };
	for (i = 0; i < UWT_EVENTS; i++)
		callbacks->event[i] = options->hook != NULL ? tell_event :
		    prints ? print_event : NULL;
	if (prints) {
		callbacks->warning = print_warning;
		callbacks->turn = print_turn;
	}
	callbacks->metrics = tell_metrics;
	if (gate_is_used(&program->gate) || options->filter != NULL)
		callbacks->filter = judge;
	options->server.keep_requests = options->filter != NULL;
}

/* -- rights ------------------------------------------------------------------------------- */

/* What the opener is there for: certificates, then keys, and the files of sockets. */
static struct opener_names opener_names(const struct options *options)
{
	struct opener_names names = { .file_count = 2 * options->certificates.count };
	size_t i;

	for (i = 0; i < options->certificates.count; i++) {
		names.files[i] = options->certificates.items[i];
		names.files[options->certificates.count + i] = options->keys.items[i];
	}
	if (options->allow_list != NULL)
		names.files[names.file_count++] = options->allow_list;
	if (options->deny_list != NULL)
		names.files[names.file_count++] = options->deny_list;
	if (options->state_dir != NULL) {
		names.folder = options->state_dir;
		names.saved = STATE_FILE;
		names.save_max = UWT_HISTORY_MAX;
	}
	if (options->filter != NULL)
		names.commands[names.command_count++] = options->filter;
	if (options->hook != NULL)
		names.commands[names.command_count++] = options->hook;
	for (i = 0; i < options->hosts.count; i++) {
		if (strncmp(options->hosts.items[i], "unix:", 5) == 0)
			names.sockets[names.socket_count++] = options->hosts.items[i] + 5;
	}
	return names;
}

/* Start the opener, if rights will be given up that are needed later. */
static bool keep_rights(struct program *program, char error[static UWT_ERROR_MAX])
{
	const struct options *options = program->options;
	struct opener_names names = opener_names(options);
	bool confined = options->user != NULL || (options->sandbox && sandbox_name() != NULL);

	program->confined = false;
	names.user = options->user != NULL ? &program->user : NULL;
	if ((names.command_count == 0 && names.folder == NULL &&
	    (!confined || names.file_count + names.socket_count == 0)) ||
	    opener_start(&program->opener, &names))
		return true;
	snprintf(error, UWT_ERROR_MAX, "cannot start the process that opens files: %s",
	    strerror(errno));
	return false;
}

/* What a step of --user came to: if it failed, that option is wrong. */
static bool user_step(struct program *program, bool done)
{
	if (!done)
		program->status = EXIT_USAGE;
	return done;
}

static bool find_user(struct program *program, char error[static UWT_ERROR_MAX])
{
	const char *name = program->options->user;

	return name == NULL || user_step(program, user_find(name, &program->user, error,
	    UWT_ERROR_MAX));
}

static bool give_up_rights(struct program *program, char error[static UWT_ERROR_MAX])
{
	const struct options *options = program->options;

	if (options->user != NULL && !user_step(program, user_become(&program->user, error,
	    UWT_ERROR_MAX)))
		return false;
	program->confined = options->user != NULL;
	if (!options->sandbox || sandbox_name() == NULL)
		return true;
	program->confined = true;
	if (sandbox_enter())
		return true;
	snprintf(error, UWT_ERROR_MAX, "cannot enter the sandbox: %s; --no-sandbox leaves it out",
	    strerror(errno));
	return false;
}

/* -- all of it ---------------------------------------------------------------------------- */

static bool make_server(struct program *program, char error[static UWT_ERROR_MAX])
{
	struct options *options = program->options;

	vitals_init(&program->vitals);
	program->gate.files[GATE_ALLOW] = options->allow_list;
	program->gate.files[GATE_DENY] = options->deny_list;
	set_callbacks(program);
	if (!read_index(program, error) || !open_lists(program, true, error) ||
	    !uwt_options_fit(&options->server, machine_memory() / 4, machine_descriptors(), error))
		return false;
	program->server = uwt_server_new(&options->server, error);
	if (program->server == NULL || (options->server.tls && !load_pairs(program, error)))
		return false;
	warn_of_doubts(program);
	warn_of_whole(program);
	return true;
}

/* Go on from what was saved in --state-dir. */
static bool start_state(struct program *program, char error[static UWT_ERROR_MAX])
{
	program->state = (struct state){ .folder = program->options->state_dir,
		.opener = &program->opener, .server = program->server,
		.log = &program->log };
	return state_start(&program->state, error);
}

/* Start the commands of --filter and --hook. */
static bool start_commands(struct program *program, char error[static UWT_ERROR_MAX])
{
	const struct options *options = program->options;
	const struct commands_options commands = { .filter = options->filter,
		.hook = options->hook, .log = &program->log,
		.fail_open = options->filter_fail != NULL &&
		    strcmp(options->filter_fail, "open") == 0 };

	commands_init(program->commands, &commands, &program->opener);
	if (!commands_are_used(program->commands))
		return true;
	program->watched_max = options->server.max_connections + WATCHED_SPARE;
	program->watched = malloc((program->watched_max + COMMANDS_MAX) *
	    sizeof *program->watched);
	if (program->watched == NULL) {
		snprintf(error, UWT_ERROR_MAX, "no memory");
		return false;
	}
	commands_start(program->commands, program->server);
	return true;
}

static bool listen_and_tell(struct program *program, char error[static UWT_ERROR_MAX])
{
	const struct options *options = program->options;

	if (options->user != NULL && !user_step(program, user_lend_group(&program->user, error,
	    UWT_ERROR_MAX)))
		return false;
	if (!uwt_server_listen(program->server, options->hosts.items, options->hosts.count,
	    options->port, &program->port, &program->single, error))
		return false;
	if (options->metrics_listen && !uwt_server_listen_metrics(program->server,
	    *options->metrics_host != '\0' ? options->metrics_host : NULL, options->metrics_port,
	    &program->metrics_port, error))
		return false;
	opener_note(&program->opener);
	if (options->quiet || options->silent)
		return true;
	print_where(program->output, options, program->port);
	if (options->metrics_listen)
		print_metrics(program);
	print_limits(program);
	if (gate_is_used(&program->gate))
		print_lists(program);
	if (program->single != NULL)
		output_line(program->output,
		    "only this is served, as the machine has no other: ", program->single);
	return true;
}

/* -- running ------------------------------------------------------------------------------ */

/* The lesser of two waits, of which -1 is none. */
static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Wait for the server and the commands, at most so many ms; then it is the commands' turn. */
static void wait_with_commands(struct program *program, int timeout)
{
	uint64_t due = commands_due(program->commands), now = clock_ms();
	size_t count = uwt_server_watched(program->server, program->watched,
	    program->watched_max);

	timeout = sooner(timeout, uwt_server_wait(program->server));
	if (due != UINT64_MAX)
		timeout = sooner(timeout, due > now ? (int)(due - now) : 0);
	if (count > program->watched_max)
		count = program->watched_max;
	count += commands_watched(program->commands, program->watched + count);
	if (timeout != 0)
		poll(program->watched, (nfds_t)count, timeout);
	commands_turn(program->commands, clock_ms());
}

/* A turn of all there is. Returns false when the server has been closed. */
static bool turn(struct program *program, bool more)
{
	int timeout = more ? 0 : sooner(output_wait(program->output),
	    state_wait(&program->state));

	if (!commands_are_used(program->commands))
		return uwt_server_turn(program->server, timeout);
	wait_with_commands(program, timeout);
	more = uwt_server_turn(program->server, 0);
	commands_turn(program->commands, clock_ms());
	return more;
}

static void serve(struct program *program)
{
	struct output *output = program->output;
	bool closing = false, more = false;

	output_flush(output);
	while (stops_asked < 2 && turn(program, more)) {
		more = serve_gate(program);
		state_turn(&program->state);
		if (reload_asked && !closing) {
			reload_asked = 0;
			reload_pairs(program);
			reload_lists(program);
			more = true;
		}
		if (stops_asked > 0 && !closing) {
			closing = true;
			log_line(&program->log, LOG_INFO, "ending: %s",
			    stopped_by == SIGTERM ? "SIGTERM" : "SIGINT");
			output_patience(output, CLOSE_PATIENCE, &stops_asked);
			uwt_server_close(program->server, CLOSE_GRACE);
			state_close(&program->state);
			opener_remove(&program->opener);
		}
		/* What a turn's sending brought to an end is told after it. */
		output_flush(output);
	}
	state_end(&program->state, &stops_asked);
}

/* Where one of these descriptors is closed, a connection's would be the next there, and be printed
 * to. */
static void fill_standard(void)
{
	int fd;

	do
		fd = file_open("/dev/null");
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Everything that comes before serving, in its order: see HACKING, Rights. */
static bool start(struct program *program, char error[static UWT_ERROR_MAX])
{
	return find_user(program, error) && keep_rights(program, error) &&
	    make_server(program, error) && start_state(program, error) &&
	    start_commands(program, error) && listen_and_tell(program, error) &&
	    give_up_rights(program, error);
}

/* Serve until told to stop. Returns the exit status. */
static int run(struct options *options)
{
	static struct output output;    /* too large for a small machine's stack */
	static struct commands commands;
	struct program program = { .options = options, .output = &output, .opener = OPENER_NONE,
		.vitals = VITALS_NONE, .status = EXIT_FAILURE };
	char error[UWT_ERROR_MAX];

	fill_standard();
	output_init(&output, STDOUT_FILENO);
	open_log(&program.log, options);
	catch_signals(options->server.tls || options->allow_list != NULL ||
	    options->deny_list != NULL);
	program.commands = &commands;
	if (start(&program, error)) {
		signalled_server = program.server;
		program.descriptors = vitals_descriptors();
		/* One that came before there was a server to wake. */
		if (stops_asked > 0 || reload_asked)
			uwt_server_wake(program.server);
		log_start(&program);
		serve(&program);
		signalled_server = NULL;
		program.status = EXIT_SUCCESS;
	} else if (program.status == EXIT_USAGE) {
		fprintf(stderr, "uwt: %s\n", error);
	} else {
		log_line(&program.log, LOG_ERROR, "%s", error);
	}
	uwt_server_free(program.server);
	commands_end(&commands);
	gate_free(&program.gate);
	free(program.watched);
	opener_end(&program.opener);
	if (program.status == EXIT_SUCCESS)
		output_drain(&output);
	free(program.page);
	vitals_end(&program.vitals);
	if (program.status == EXIT_SUCCESS)
		log_line(&program.log, LOG_INFO, "ended");
	return program.status;
}

static void print_version(void)
{
	const char *sandbox = sandbox_name();

	printf("uwt %s (%s, %s, %s)\n", UWT_VERSION, uwt_backend(),
	    uwt_has_tls() ? "TLS" : "no TLS", sandbox != NULL ? sandbox : "no sandbox");
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
			print_version();
		status = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	} else {
		status = run(&options);
	}
	options_free(&options);
	return status;
}
