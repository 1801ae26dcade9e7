/* uwt.c - the program: signals, callbacks, the turn; its start and its end */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificates.h"
#include "clock.h"
#include "commands.h"
#include "file.h"
#include "gate.h"
#include "machine.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "rights.h"
#include "sandbox.h"
#include "server.h"
#include "state.h"
#include "vitals.h"

#define EXIT_USAGE 2
#define PROGRAM_MEMORY (2 * 1024 * 1024)    /* bytes that the program itself takes */
#define INDEX_MAX (1024 * 1024)     /* bytes of an operator's own page */
#define CLOSE_GRACE 400             /* ms for peers to answer a close frame */
#define WATCHED_SPARE 2048          /* descriptors of a server that are not of connections */
#define CLOSE_PATIENCE 800          /* ms for stdout to take what is left */

/* What the start makes. */
struct program {
	struct options *options;
	struct report report;   /* to stdout and stderr */
	struct rights rights;   /* to be given up, and who keeps them */
	struct uwt_server *server;
	struct report_where where;      /* it listens */
	struct gate gate;       /* of --allow-list and --deny-list */
	struct state state;     /* of --state-dir */
	struct commands *commands;      /* of --filter and --hook */
	struct vitals vitals;   /* what the process takes, for /metrics */
	uint32_t descriptors;   /* open without any connection */
	struct pollfd *watched; /* with those: what to wait for, and how much there is room for */
	size_t watched_max;
	char *page;             /* of --index */
};

/* -- signals --------------------------------------------------------------------------- */

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
	struct sigaction action = { .sa_handler = on_stop }, before;

	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* Without anything to be read again it is an end like others, unless whoever started this
	 * wants it to outlive a terminal. */
	sigaction(SIGHUP, NULL, &before);
	if (reload)
		action.sa_handler = on_reload;
	if (reload || before.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

/* -- callbacks of the server ----------------------------------------------------------- */

static void print_event(void *context, const struct uwt_change *change)
{
	const struct program *program = context;

	report_event(&program->report, change);
}

static void tell_event(void *context, const struct uwt_change *change)
{
	struct program *program = context;

	report_event(&program->report, change);
	commands_tell(program->commands, change);
}

static void print_warning(void *context, const char *text)
{
	const struct program *program = context;

	report_warning(&program->report, text);
}

static void print_turn(void *context)
{
	const struct program *program = context;

	output_flush(program->report.output);
}

static void log_refusal(void *context, enum uwt_refusal why)
{
	struct program *program = context;

	report_refusal(&program->report, why);
}

static void log_lack(void *context, const char *text)
{
	struct program *program = context;

	report_lack(&program->report, text);
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
	bool prints = program->report.prints;
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

/* -- certificates and lists ------------------------------------------------------------ */

static bool load_certificates(struct program *program, char error[static UWT_ERROR_MAX])
{
	return !program->options->server.tls || certificates_load(program->server,
	    program->options, &program->rights, &program->report.log, error);
}

static void reload_certificates(struct program *program)
{
	char error[UWT_ERROR_MAX];

	if (!program->options->server.tls)
		return;
	if (load_certificates(program, error))
		report_certificates(&program->report);
	else
		report_not_reloaded(&program->report, "certificates", error);
}

/* Begin to read the lists, or read them, at the start. False with a text. */
static bool open_lists(struct program *program, bool at_start, char error[static UWT_ERROR_MAX])
{
	struct gate *gate = &program->gate;
	int fds[GATE_LISTS] = { -1, -1 }, i;

	for (i = 0; i < GATE_LISTS; i++) {
		if (gate->files[i] == NULL)
			continue;
		fds[i] = rights_open(&program->rights, gate->files[i]);
		if (fds[i] >= 0)
			continue;
		snprintf(error, UWT_ERROR_MAX, "%s %.150s: %s", gate_option((enum gate_list)i),
		    gate->files[i], rights_fault());
		if (i > 0 && fds[0] >= 0)
			close(fds[0]);
		return false;
	}
	return at_start ? gate_load(gate, fds, error) : gate_reload(gate, fds, error);
}

static void reload_lists(struct program *program)
{
	char error[UWT_ERROR_MAX];

	if (gate_is_used(&program->gate) && !open_lists(program, false, error))
		report_not_reloaded(&program->report, "lists", error);
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
		report_lists(&program->report, &program->gate);
		break;
	case GATE_FAILED:
		report_not_reloaded(&program->report, "lists", error);
		break;
	}
	return true;
}

/* -- the start ------------------------------------------------------------------------- */

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
	if (program->server == NULL || !load_certificates(program, error))
		return false;
	report_tls(&program->report);
	return true;
}

/* Go on from what was saved in --state-dir. */
static bool start_state(struct program *program, char error[static UWT_ERROR_MAX])
{
	program->state = (struct state){ .folder = program->options->state_dir,
		.opener = &program->rights.opener, .server = program->server,
		.log = &program->report.log };
	return state_start(&program->state, error);
}

/* Start the commands of --filter and --hook. */
static bool start_commands(struct program *program, char error[static UWT_ERROR_MAX])
{
	const struct options *options = program->options;
	const struct commands_options commands = { .filter = options->filter,
		.hook = options->hook, .log = &program->report.log,
		.fail_open = options->filter_fail != NULL &&
		    strcmp(options->filter_fail, "open") == 0 };

	commands_init(program->commands, &commands, &program->rights.opener);
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

static bool start_listening(struct program *program, char error[static UWT_ERROR_MAX])
{
	const struct options *options = program->options;
	struct report_where *where = &program->where;

	if (!rights_lend_group(&program->rights, error) ||
	    !uwt_server_listen(program->server, options->hosts.items, options->hosts.count,
	    options->port, &where->port, &where->single, error))
		return false;
	if (options->metrics_listen && !uwt_server_listen_metrics(program->server,
	    *options->metrics_host != '\0' ? options->metrics_host : NULL, options->metrics_port,
	    &where->metrics_port, error))
		return false;
	opener_note(&program->rights.opener);
	return true;
}

/* Everything that comes before serving, in its order: see HACKING, Rights. */
static bool start(struct program *program, char error[static UWT_ERROR_MAX])
{
	return rights_keep(&program->rights, program->options, error) &&
	    make_server(program, error) && start_state(program, error) &&
	    start_commands(program, error) && start_listening(program, error) &&
	    rights_drop(&program->rights, error);
}

/* The most bytes that all of it comes to. */
static uint64_t memory_most(const struct program *program)
{
	return uwt_options_memory(&program->options->server) + gate_memory(&program->gate) +
	    (commands_are_used(program->commands) ? sizeof *program->commands : 0) +
	    PROGRAM_MEMORY;
}

/* -- the turn -------------------------------------------------------------------------- */

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
	int timeout = more ? 0 : sooner(output_wait(program->report.output),
	    state_wait(&program->state));

	if (!commands_are_used(program->commands))
		return uwt_server_turn(program->server, timeout);
	wait_with_commands(program, timeout);
	more = uwt_server_turn(program->server, 0);
	commands_turn(program->commands, clock_ms());
	return more;
}

/* SIGTERM or SIGINT has come: what is left is done in the turns that follow, but not for long. */
static void begin_end(struct program *program)
{
	report_ending(&program->report, stopped_by);
	output_patience(program->report.output, CLOSE_PATIENCE, &stops_asked);
	uwt_server_close(program->server, CLOSE_GRACE);
	state_close(&program->state);
	opener_remove(&program->rights.opener);
}

/* Until the server has been closed, or a second signal does not wait for that. */
static void take_turns(struct program *program)
{
	struct output *output = program->report.output;
	bool closing = false, more = false;

	output_flush(output);
	while (stops_asked < 2 && turn(program, more)) {
		more = serve_gate(program);
		state_turn(&program->state);
		if (reload_asked && !closing) {
			reload_asked = 0;
			reload_certificates(program);
			reload_lists(program);
			more = true;
		}
		if (stops_asked > 0 && !closing) {
			closing = true;
			begin_end(program);
		}
		/* What a turn's sending brought to an end is told after it. */
		output_flush(output);
	}
	state_end(&program->state, &stops_asked);
}

/* -- from start to end ----------------------------------------------------------------- */

/* It has started: let signals find the server, and serve until told to stop. */
static void serve(struct program *program)
{
	signalled_server = program->server;
	program->descriptors = vitals_descriptors();
	/* One that came before there was a server to wake. */
	if (stops_asked > 0 || reload_asked)
		uwt_server_wake(program->server);
	report_start(&program->report, &program->where, memory_most(program), &program->gate);
	take_turns(program);
	signalled_server = NULL;
}

/* Give everything back; what is left to print is printed if it has served. */
static void end(struct program *program, bool served)
{
	uwt_server_free(program->server);
	commands_end(program->commands);
	gate_free(&program->gate);
	free(program->watched);
	rights_end(&program->rights);
	if (served)
		output_drain(program->report.output);
	free(program->page);
	vitals_end(&program->vitals);
	if (served)
		report_ended(&program->report);
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

/* All of it. Returns the exit status. */
static int run(struct options *options)
{
	static struct output output;    /* too large for a small machine's stack */
	static struct commands commands;
	struct program program = { .options = options, .commands = &commands,
		.vitals = VITALS_NONE };
	char error[UWT_ERROR_MAX];
	int status = EXIT_SUCCESS;

	fill_standard();
	report_init(&program.report, options, &output);
	catch_signals(options->server.tls || options->allow_list != NULL ||
	    options->deny_list != NULL);
	if (start(&program, error)) {
		serve(&program);
	} else if (program.rights.wrong_option) {
		status = EXIT_USAGE;
		fprintf(stderr, "uwt: %s\n", error);
	} else {
		status = EXIT_FAILURE;
		log_line(&program.report.log, LOG_ERROR, "%s", error);
	}
	end(&program, status == EXIT_SUCCESS);
	return status;
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
