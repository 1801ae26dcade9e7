/* commands.c - see commands.h */
#include "commands.h"

#include <string.h>

#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "question.h"

#define HEADERS_MAX 64          /* that a request can have */
#define AGAIN 10                /* s until a member that could not be asked about is again */
#define PATIENCE 2000           /* ms for a start */

/* Who is in, or is let in so, is asked about when that is possible again. */
static struct uwt_verdict verdict_without(const struct commands *commands)
{
	return (struct uwt_verdict){ .reason = "the filter cannot be asked", .seconds = AGAIN,
		.answer = commands->options.fail_open ? UWT_ALLOW : UWT_REFUSE_NEW };
}

/* -- what the processes say --------------------------------------------------------------- */

static const char *filter_line(void *context, const char *line, size_t length)
{
	struct commands *commands = context;
	struct question_answer answer;
	struct uwt_verdict verdict;
	const char *wrong = question_answer(line, length, &answer);

	commands->asked = 0;
	if (wrong != NULL)
		return wrong;
	verdict = (struct uwt_verdict){ .answer = answer.allow ? UWT_ALLOW : UWT_REFUSE,
		.reason = answer.reason[0] != '\0' ? answer.reason : NULL,
		.seconds = answer.ttl };
	uwt_server_answer(commands->server, answer.id, &verdict);
	return NULL;
}

static const char *hook_line(void *context, const char *line, size_t length)
{
	(void)context;
	(void)line;
	(void)length;
	return NULL;
}

static void tell_end(const struct commands *commands, const char *name, const char *why)
{
	log_line(commands->options.log, LOG_ERROR, "the command of %s: %s; it is started again",
	    name, why);
}

/* The first start is none that must be known. */
static void tell_start(const struct commands *commands, const char *name, bool *fell)
{
	if (*fell)
		log_line(commands->options.log, LOG_INFO, "the command of %s: it was started again",
		    name);
	*fell = false;
}

static void filter_started(void *context)
{
	struct commands *commands = context;

	tell_start(commands, "--filter", &commands->filter_fell);
}

static void hook_started(void *context)
{
	struct commands *commands = context;

	tell_start(commands, "--hook", &commands->hook_fell);
}

/* Nobody waits for an answer that cannot come. */
static void filter_ended(void *context, const char *why)
{
	struct commands *commands = context;
	struct uwt_verdict verdict = verdict_without(commands);

	commands->asked = 0;
	commands->filter_fell = true;
	if (commands->server != NULL)
		uwt_server_answer_all(commands->server, &verdict);
	tell_end(commands, "--filter", why);
}

static void hook_ended(void *context, const char *why)
{
	struct commands *commands = context;

	commands->hook_fell = true;
	tell_end(commands, "--hook", why);
}

/* -- their life --------------------------------------------------------------------------- */

void commands_init(struct commands *commands, const struct commands_options *options,
    struct opener *opener)
{
	commands->options = *options;
	commands->server = NULL;
	commands->filter_fell = commands->hook_fell = false;
	commands->asked = 0;
	commands->filter_calls = (struct helper_calls){ commands, filter_line, filter_started,
		filter_ended };
	commands->hook_calls = (struct helper_calls){ commands, hook_line, hook_started,
		hook_ended };
	if (options->filter != NULL)
		helper_init(&commands->filter, opener, 0, &commands->filter_calls);
	if (options->hook != NULL)
		helper_init(&commands->hook, opener, options->filter != NULL ? 1 : 0,
		    &commands->hook_calls);
}

bool commands_are_used(const struct commands *commands)
{
	return commands->options.filter != NULL || commands->options.hook != NULL;
}

static bool is_starting(const struct commands *commands)
{
	return (commands->options.filter != NULL && commands->filter.state == HELPER_STARTS) ||
	    (commands->options.hook != NULL && commands->hook.state == HELPER_STARTS);
}

void commands_start(struct commands *commands, struct uwt_server *server)
{
	uint64_t now = clock_ms(), end = now + PATIENCE;

	commands->server = server;
	commands_turn(commands, now);
	while (is_starting(commands) && now < end) {
		poll(NULL, 0, 1);
		now = clock_ms();
		commands_turn(commands, now);
	}
}

size_t commands_watched(const struct commands *commands, struct pollfd *fds)
{
	const struct helper *helpers[] = {
		commands->options.filter != NULL ? &commands->filter : NULL,
		commands->options.hook != NULL ? &commands->hook : NULL
	};
	size_t count = 0, i;

	for (i = 0; i < COMMANDS_MAX; i++) {
		if (helpers[i] == NULL || helper_descriptor(helpers[i]) < 0)
			continue;
		fds[count++] = (struct pollfd){ .fd = helper_descriptor(helpers[i]),
			.events = helper_interest(helpers[i]) };
	}
	return count;
}

uint64_t commands_due(const struct commands *commands)
{
	uint64_t filter = commands->options.filter != NULL ? helper_due(&commands->filter) :
	    UINT64_MAX;
	uint64_t hook = commands->options.hook != NULL ? helper_due(&commands->hook) : UINT64_MAX;

	if (commands->asked != 0 && commands->asked + UWT_ANSWER_TIME < filter)
		filter = commands->asked + UWT_ANSWER_TIME;
	return filter < hook ? filter : hook;
}

void commands_turn(struct commands *commands, uint64_t now)
{
	if (commands->asked != 0 && now >= commands->asked + UWT_ANSWER_TIME)
		helper_fail(&commands->filter, now, "it does not answer");
	if (commands->options.filter != NULL)
		helper_turn(&commands->filter, now);
	if (commands->options.hook != NULL)
		helper_turn(&commands->hook, now);
	uwt_server_ail(commands->server, commands->options.filter != NULL &&
	    !commands->options.fail_open && !helper_runs(&commands->filter) ? "no filter" : NULL);
}

void commands_end(struct commands *commands)
{
	commands->server = NULL;
	if (commands->options.filter != NULL)
		helper_end(&commands->filter);
	if (commands->options.hook != NULL)
		helper_end(&commands->hook);
}

/* -- asking and telling ------------------------------------------------------------------- */

static const char *const event_names[] = {
	[UWT_START] = "started", [UWT_COMPLETE] = "completed",
	[UWT_UPDATE] = "update", [UWT_STOP] = "stopped"
};

static struct json_slice json_of(struct uwt_slice slice)
{
	return (struct json_slice){ slice.text, slice.length };
}

static size_t headers_take(const struct uwt_request *request,
    struct question_header headers[HEADERS_MAX])
{
	struct uwt_slice rest = request->headers, name, value;
	size_t count = 0;

	while (count < HEADERS_MAX && uwt_header_next(&rest, &name, &value))
		headers[count++] = (struct question_header){ json_of(name), json_of(value) };
	return count;
}

struct uwt_verdict commands_ask(struct commands *commands, const struct uwt_question *question)
{
	const struct uwt_request *request = question->request;
	struct question_header headers[HEADERS_MAX];
	struct question asked = { .id = question->number,
		.action = question->answer ? "answer" : "announce",
		.info_hash = question->info_hash, .peer_id = question->peer_id,
		.address = { request->address, strlen(request->address) },
		.path = json_of(request->target), .event = event_names[question->event],
		.left = json_of(question->left), .headers = headers,
		.header_count = headers_take(request, headers) };
	struct text line = { .start = commands->line, .max = sizeof commands->line };

	if (!question_write(&line, &asked) ||
	    !helper_send(&commands->filter, line.start, line.length))
		return verdict_without(commands);
	if (commands->asked == 0)
		commands->asked = clock_ms();
	return (struct uwt_verdict){ .answer = UWT_LATER };
}

void commands_tell(struct commands *commands, const struct uwt_change *change)
{
	struct text line = { .start = commands->line, .max = sizeof commands->line };
	char address[UWT_ADDRESS_MAX];

	if (commands->server == NULL)
		return;
	uwt_server_address(commands->server, change->connection, address);
	if (question_event(&line, event_names[change->event], change->info_hash, change->peer_id,
	    (struct json_slice){ address, strlen(address) }, commands->hook.dropped))
		helper_send(&commands->hook, line.start, line.length);
}

static uint64_t restarts(const struct helper *helper)
{
	return helper->starts > 0 ? helper->starts - 1 : 0;
}

/* The same of both: name{command="..."} */
static void add_both(struct text *text, const char *name, const struct commands *commands,
    uint64_t (*count)(const struct helper *helper))
{
	if (commands->options.filter != NULL)
		metrics_sample(text, name, "command=\"filter\"", count(&commands->filter));
	if (commands->options.hook != NULL)
		metrics_sample(text, name, "command=\"hook\"", count(&commands->hook));
}

static uint64_t lost(const struct helper *helper)
{
	return helper->lost;
}

size_t commands_metrics(const struct commands *commands, char *out, size_t room)
{
	static const char restarted[] = "uwt_command_restarts_total";
	static const char lines[] = "uwt_command_lost_lines_total";
	struct text text = { .start = out, .max = room };

	if (!commands_are_used(commands))
		return 0;
	metrics_head(&text, restarted, "counter", "Commands that were started again.");
	add_both(&text, restarted, commands, restarts);
	metrics_head(&text, lines, "counter", "Lines that a command was not told.");
	add_both(&text, lines, commands, lost);
	return text.length;
}
