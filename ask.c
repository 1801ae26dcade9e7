/* ask.c - questions to the program, and requests as it sees them; see inside.h */
#include "inside.h"

#include <string.h>

#include "text.h"

/* A question's number is a connection's, and above it a serial number. It goes through JSON, whose
 * readers know integers up to 2^53. */
#define NUMBER_BITS 25
#define ANSWERS_MAX 64          /* verdicts that a turn acts on */
#define SERIAL_MAX ((1u << 28) - 1)

_Static_assert(UWT_LIMIT_MAX < (1u << NUMBER_BITS) - 1024, "a connection's number has bits enough");

/* -- requests --------------------------------------------------------------------------------- */

static struct uwt_slice slice_of(struct http_slice slice)
{
	return (struct uwt_slice){ slice.text, slice.len };
}

void request_see(struct uwt_server *server, uint32_t number, const char *head, size_t length,
    struct uwt_request *seen)
{
	const struct conn *conn = &server->conns.at[number];
	struct http_request request;

	address_text(&conn->address, server->address);
	*seen = (struct uwt_request){ .connection = conn_id(server, number),
		.address = server->address, .secure = (conn->flags & CONN_TLS) != 0 };
	if (length == 0 || http_head_parse(head, length, &request) != 200)
		return;
	seen->method = slice_of(request.method_text);
	seen->target = slice_of(request.target);
	seen->path = slice_of(request.path);
	seen->query = slice_of(request.query);
	seen->headers = slice_of(request.headers);
}

bool uwt_header_next(struct uwt_slice *rest, struct uwt_slice *name, struct uwt_slice *value)
{
	struct http_slice lines = { rest->text, rest->length }, found_name, found_value;

	if (!http_header_next(&lines, &found_name, &found_value))
		return false;
	*rest = slice_of(lines);
	*name = slice_of(found_name);
	*value = slice_of(found_value);
	return true;
}

static bool same_name(struct uwt_slice name, const char *other)
{
	size_t i;

	for (i = 0; i < name.length; i++) {
		char a = name.text[i], b = other[i];

		if (a >= 'A' && a <= 'Z')
			a = (char)(a | 0x20);
		if (b >= 'A' && b <= 'Z')
			b = (char)(b | 0x20);
		if (a != b)
			return false;
	}
	return other[name.length] == '\0';
}

struct uwt_slice uwt_request_header(const struct uwt_request *request, const char *name)
{
	struct uwt_slice rest = request->headers, found, value;

	while (uwt_header_next(&rest, &found, &value)) {
		if (same_name(found, name))
			return value;
	}
	return (struct uwt_slice){ NULL, 0 };
}

/* -- questions -------------------------------------------------------------------------------- */

static uint32_t head_buffers(size_t length)
{
	return (uint32_t)((length + BUF_DATA - 1) / BUF_DATA);
}

bool ask_keep(struct uwt_server *server, uint32_t number, const char *head, size_t length)
{
	uint32_t buffers = head_buffers(length);

	if (server->asks == NULL || !server->options.keep_requests)
		return true;
	if (server->heads + buffers > buf_pool_total(server->pool) / 2 ||
	    !conn_keep(server, number, &server->asks[number].head, (const uint8_t *)head, length))
		return false;
	server->heads += buffers;
	return true;
}

static void verdict_take(struct ask_link *link, const struct uwt_verdict *verdict)
{
	const char *reason = verdict->reason != NULL ? verdict->reason : "disallowed info_hash";
	size_t i;

	link->allowed = verdict->answer == UWT_ALLOW ||
	    (verdict->answer == UWT_REFUSE_NEW && link->again);
	link->seconds = verdict->seconds;
	/* It is put into JSON and onto terminals as it is. */
	for (i = 0; i < UWT_REASON_MAX - 1 && reason[i] != '\0'; i++)
		link->reason[i] = (char)(reason[i] < ' ' || reason[i] > '~' || reason[i] == '"' ||
		    reason[i] == '\\' ? '?' : reason[i]);
	link->reason[i] = '\0';
}

static enum tracker_verdict verdict_give(struct ask_link *link, struct tracker_terms *terms)
{
	link->state = ASK_NONE;
	terms->reason = link->reason;
	terms->seconds = link->seconds;
	return link->allowed ? TRACKER_ALLOW : TRACKER_REFUSE;
}

static void question_fill(struct uwt_server *server, uint32_t number, const struct msg *msg,
    struct uwt_question *question)
{
	static const enum uwt_event events[] = { [MSG_UPDATE] = UWT_UPDATE,
		[MSG_STARTED] = UWT_START, [MSG_COMPLETED] = UWT_COMPLETE,
		[MSG_STOPPED] = UWT_STOP };
	struct ask_link *link = &server->asks[number];

	link->serial = ++server->asked & SERIAL_MAX;
	link->again = question->again;
	question->number = (uint64_t)link->serial << NUMBER_BITS | number;
	question->event = events[msg->event];
	question->answer = msg->has_answer;
	question->peer_id = msg->peer_id;
	question->info_hash = msg->info_hash;
	question->left = (struct uwt_slice){ msg->left.text, msg->left.len };
	question->message = (struct uwt_slice){ server->message.text, server->message.len };
}

enum tracker_verdict ask(void *context, uint32_t number, const struct msg *msg, bool again,
    struct tracker_terms *terms)
{
	struct uwt_server *server = context;
	const struct uwt_callbacks *callbacks = &server->options.callbacks;
	struct ask_link *link = &server->asks[number];
	struct uwt_request request;
	struct uwt_question question = { .again = again, .request = &request };
	struct uwt_verdict verdict;

	/* This is the message that waited for it. */
	if (link->state == ASK_ANSWERED)
		return verdict_give(link, terms);
	question_fill(server, number, msg, &question);
	buf_copy(server->pool, &link->head, (uint8_t *)server->head);
	request_see(server, number, server->head, link->head.length, &request);
	link->state = ASK_ASKED;
	verdict = callbacks->filter(callbacks->context, &question);
	if (verdict.answer == UWT_LATER)
		return TRACKER_LATER;
	verdict_take(link, &verdict);
	return verdict_give(link, terms);
}

void ask_wait(struct uwt_server *server, uint32_t number, const uint8_t *text, size_t length)
{
	struct conn *conn = &server->conns.at[number];

	if (!conn_keep(server, number, &conn->message, text, length)) {
		server->asks[number].state = ASK_NONE;
		no_room(server, number);
		return;
	}
	/* What comes behind is kept until then, so let that be little. */
	conn->flags |= CONN_ASKED | CONN_PAUSED | CONN_HASTY;
	conn_interest(server, number);
	if (conn->state == CONN_WEBSOCKET)
		conn_time(server, number, TIMER_ASKED);
}

/* The next turn acts on it. */
static void verdict_put(struct uwt_server *server, uint32_t number,
    const struct uwt_verdict *verdict)
{
	struct ask_link *link = &server->asks[number];

	verdict_take(link, verdict);
	link->state = ASK_ANSWERED;
	if (link->queued)
		return;
	link->queued = true;
	link->next = 0;
	if (server->answered != 0)
		server->asks[server->answered_last].next = number;
	else
		server->answered = number;
	server->answered_last = number;
}

void uwt_server_answer(struct uwt_server *server, uint64_t question,
    const struct uwt_verdict *verdict)
{
	uint32_t number = (uint32_t)(question & ((1u << NUMBER_BITS) - 1));
	const struct ask_link *link;

	if (server->asks == NULL || number == 0 || number > server->conns.capacity ||
	    verdict->answer == UWT_LATER)
		return;
	link = &server->asks[number];
	if (link->state != ASK_ASKED || link->serial != question >> NUMBER_BITS)
		return;
	verdict_put(server, number, verdict);
}

void uwt_server_answer_all(struct uwt_server *server, const struct uwt_verdict *verdict)
{
	uint32_t number = server->timers[TIMER_ASKED].first;

	if (verdict->answer == UWT_LATER)
		return;
	for (; number != 0; number = server->conns.at[number].links[CHAIN_TIME].after) {
		if (server->asks[number].state == ASK_ASKED)
			verdict_put(server, number, verdict);
	}
}

/* There is a verdict: take the message that waited for it, then go on. */
static void ask_go_on(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];
	uint8_t *end = conn->flags & CONN_TLS ? server->secure.plain : server->input;
	size_t length = conn->message.length;

	conn->flags &= (uint16_t)~CONN_ASKED;
	conn_time(server, number, TIMER_ALIVE);
	buf_copy(server->pool, &conn->message, end - length);
	buf_clear(server->pool, &conn->message);
	conn_hold(server, number);
	message_take(server, number, end - length, length);
	if (conn->state == CONN_WEBSOCKET && !(conn->flags & CONN_ASKED))
		conn_resume(server, number);
}

void ask_run(struct uwt_server *server)
{
	int count;

	for (count = 0; server->answered != 0 && count < ANSWERS_MAX; count++) {
		uint32_t number = server->answered;
		struct ask_link *link = &server->asks[number];

		server->answered = link->next;
		link->queued = false;
		if (link->state == ASK_ANSWERED && server->conns.at[number].flags & CONN_ASKED)
			ask_go_on(server, number);
	}
}

void ask_late(struct uwt_server *server, uint32_t number)
{
	static const struct uwt_verdict late = { UWT_REFUSE, "the filter did not answer", 0 };

	/* A verdict may be there that no turn had time for. */
	if (server->asks[number].state == ASK_ASKED)
		verdict_put(server, number, &late);
	conn_time(server, number, TIMER_ALIVE);
}

void ask_forget(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	if (server->asks == NULL)
		return;
	server->asks[number].state = ASK_NONE;
	server->heads -= head_buffers(server->asks[number].head.length);
	buf_clear(server->pool, &server->asks[number].head);
	if (!(conn->flags & CONN_ASKED))
		return;
	/* What it still says is read and thrown away, as of others that end. */
	conn->flags &= (uint16_t)~(CONN_ASKED | CONN_PAUSED);
	if (conn->state != CONN_DOOMED)
		conn_interest(server, number);
}
