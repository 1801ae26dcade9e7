/* report.c - see report.h */
#include "report.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "gate.h"
#include "options.h"
#include "output.h"
#include "text.h"

#define LOG_LACKS UWT_REFUSALS      /* kinds of notices: refusals, and this */
_Static_assert(LOG_LACKS < LOG_KINDS, "each kind has a place");

void report_init(struct report *report, const struct options *options, struct output *output)
{
	struct log *log = &report->log;

	*report = (struct report){ .options = options, .output = output,
		.prints = !options->quiet && !options->silent };
	output_init(output, STDOUT_FILENO);
	log_init(log, STDERR_FILENO);
	log->silent = options->silent;
	log->info = options->log != NULL;
	if (log->info && strcmp(options->log, "json") == 0)
		log->format = LOG_JSON;
}

static void print(const struct report *report, const char *first, const char *second)
{
	if (report->prints)
		output_line(report->output, first, second);
}

/* To both. */
static void tell(const struct report *report, const char *first, const char *second)
{
	print(report, first, second);
	log_line(&report->log, LOG_INFO, "%s%s", first, second);
}

/* -- the start ------------------------------------------------------------------------- */

static void print_where(const struct report *report, uint16_t port)
{
	const struct options *options = report->options;
	char memory[32];
	struct text number = TEXT_IN(memory);

	if (port == 0) {
		print(report, "server listening on ", options->hosts.items[0]);
		return;
	}
	text_add_number(&number, port);
	print(report, "server listening on ", text_end(&number));
	print(report, "Tracker: ws://localhost:", text_end(&number));
	if (options->server.tls)
		print(report, "Tracker: wss://localhost:", text_end(&number));
	text_add(&number, "/stats");
	if (options->server.stats)
		print(report, "Tracker stats: http://localhost:", text_end(&number));
}

static void add_metrics(struct text *line, const char *host, uint16_t port)
{
	text_add(line, "http://");
	text_add(line, *host != '\0' ? host : "localhost");
	text_add(line, ":");
	text_add_number(line, port);
	text_add(line, "/metrics");
}

static void add_limits(struct text *line, const struct uwt_options *limits, uint64_t memory)
{
	text_add_number(line, limits->max_connections);
	text_add(line, " connections, ");
	text_add_number(line, limits->max_peers);
	text_add(line, " peers, ");
	text_add_number(line, limits->max_torrents);
	text_add(line, " torrents, ");
	text_add_number(line, limits->buffer_memory >> 10);
	text_add(line, " KB of buffers; at most ");
	text_add_number(line, (memory >> 20) + 1);
	text_add(line, " MB of memory");
}

static void add_lists(struct text *line, const struct gate *gate)
{
	static const char *const words[] = { " allowed", " denied" };
	int i;

	for (i = 0; i < GATE_LISTS; i++) {
		if (gate->files[i] == NULL)
			continue;
		text_add(line, line->length > 0 ? ", " : "");
		text_add_number(line, gate_count(gate, (enum gate_list)i));
		text_add(line, words[i]);
	}
}

/* Addresses may be many: they are last, where a line is cut. */
static void add_addresses(struct text *line, const struct option_list *hosts, const char *single)
{
	size_t i;

	text_add(line, "; addresses: ");
	if (hosts->count == 0)
		text_add(line, single != NULL ? single : "all");
	for (i = 0; i < hosts->count; i++) {
		text_add(line, i > 0 ? ", " : "");
		text_add(line, hosts->items[i]);
	}
}

/* What was put together is printed, and a line for the next. */
static void print_text(const struct report *report, const char *first, struct text *text)
{
	print(report, first, text_end(text));
	text->length = 0;
}

static void print_start(const struct report *report, const struct report_where *where,
    uint64_t memory, const struct gate *gate)
{
	const struct options *options = report->options;
	char space[256];
	struct text line = TEXT_IN(space);

	print_where(report, where->port);
	if (options->metrics_listen) {
		add_metrics(&line, options->metrics_host, where->metrics_port);
		print_text(report, "Tracker metrics: ", &line);
	}
	add_limits(&line, &options->server, memory);
	print_text(report, "limits: ", &line);
	if (gate_is_used(gate)) {
		add_lists(&line, gate);
		print_text(report, "lists: ", &line);
	}
	if (where->single != NULL)
		print(report, "only this is served, as the machine has no other: ",
		    where->single);
}

static void log_start(const struct report *report, const struct report_where *where,
    uint64_t memory)
{
	const struct options *options = report->options;
	char space[LOG_LINE_MAX];
	struct text line = TEXT_IN(space);

	if (where->port != 0) {
		text_add(&line, ", listening on port ");
		text_add_number(&line, where->port);
	}
	if (options->metrics_listen) {
		text_add(&line, ", ");
		add_metrics(&line, options->metrics_host, where->metrics_port);
	}
	text_add(&line, "; limits: ");
	add_limits(&line, &options->server, memory);
	add_addresses(&line, &options->hosts, where->single);
	log_line(&report->log, LOG_INFO, "started: version %s%s", UWT_VERSION, text_end(&line));
}

void report_start(const struct report *report, const struct report_where *where, uint64_t memory,
    const struct gate *gate)
{
	print_start(report, where, memory, gate);
	log_start(report, where, memory);
}

void report_tls(const struct report *report)
{
	if (report->options->server.tls_whole)
		log_line(&report->log, LOG_WARNING, "this version of BearSSL is not one that uwt "
		    "knows; a peer with TLS takes 4 KB more");
}

/* -- what comes about ------------------------------------------------------------------ */

void report_event(const struct report *report, const struct uwt_change *change)
{
	static const char *const names[] = {
		[UWT_START] = "start: ", [UWT_COMPLETE] = "complete: ",
		[UWT_UPDATE] = "update: ", [UWT_STOP] = "stop: "
	};
	char memory[2 * UWT_ID_SIZE + 1];
	struct text id = TEXT_IN(memory);

	text_add_hex(&id, change->peer_id, UWT_ID_SIZE);
	print(report, names[change->event], text_end(&id));
}

void report_warning(const struct report *report, const char *text)
{
	print(report, "WARNING: ", text);
}

/* Only what the operator can change: other limits are about single peers. */
void report_refusal(struct report *report, enum uwt_refusal why)
{
	const struct uwt_options *limits = &report->options->server;
	struct log *log = &report->log;

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

void report_lack(struct report *report, const char *text)
{
	log_ration(&report->log, LOG_LACKS, LOG_WARNING, "%s", text);
}

void report_certificates(const struct report *report)
{
	tell(report, "certificates reloaded", "");
}

void report_lists(const struct report *report, const struct gate *gate)
{
	char memory[64];
	struct text line = TEXT_IN(memory);

	add_lists(&line, gate);
	tell(report, "lists reloaded: ", text_end(&line));
}

void report_not_reloaded(const struct report *report, const char *what, const char *error)
{
	log_line(&report->log, LOG_ERROR, "not reloaded, the %s before stay in force: %s", what,
	    error);
}

/* -- the end --------------------------------------------------------------------------- */

void report_ending(const struct report *report, int signal)
{
	log_line(&report->log, LOG_INFO, "ending: %s", signal == SIGTERM ? "SIGTERM" :
	    signal == SIGHUP ? "SIGHUP" : "SIGINT");
}

void report_ended(const struct report *report)
{
	log_line(&report->log, LOG_INFO, "ended");
}
