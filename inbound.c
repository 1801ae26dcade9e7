/* inbound.c - bytes that come; see inside.h */
#include "inside.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "text.h"

/* -- HTTP ----------------------------------------------------------------------------- */

static bool slice_address(struct http_slice slice, struct address *address)
{
	struct address parsed;

	if (!address_parse(slice.text, slice.len, &parsed))
		return false;
	*address = parsed;
	return true;
}

/* The last entry of X-Forwarded-For is what the proxy itself wrote; those before it came from the
 * client. */
static struct http_slice last_entry(struct http_slice list)
{
	size_t from = list.len;

	while (from > 0 && list.text[from - 1] != ',')
		from--;
	while (from < list.len && (list.text[from] == ' ' || list.text[from] == '\t'))
		from++;
	return (struct http_slice){ list.text + from, list.len - from };
}

/* Returns whether that says who the peer is. */
static bool believe_proxy(const struct uwt_server *server, struct conn *conn,
    const struct http_request *request)
{
	if (!server->options.trust_proxy || (address_kind(&conn->address) != ADDRESS_UNIX &&
	    !address_in(&conn->address, &server->trusted)))
		return false;
	if (request->forwarded_for.text != NULL)
		return slice_address(last_entry(request->forwarded_for), &conn->address);
	return request->real_ip.text != NULL && slice_address(request->real_ip, &conn->address);
}

/* A WebSocket is about to open. False if its peer came by a proxy and has as many as it may. */
static bool peer_enters(const struct uwt_server *server, struct conn *conn,
    const struct http_request *request)
{
	if (!believe_proxy(server, conn, request) || server->quota == NULL)
		return true;
	if (!quota_enter(server->quota, &conn->address))
		return false;
	conn->flags |= CONN_COUNTED;
	return true;
}

static void warn_status(const struct uwt_server *server, const char *what, int status)
{
	char memory[96];
	struct text warning = TEXT_IN(memory);

	text_add(&warning, what);
	text_add(&warning, http_reason(status));
	conn_warn(server, text_end(&warning));
}

static void refuse(struct uwt_server *server, uint32_t number, int status)
{
	struct site_answer answer;

	warn_status(server, "bad HTTP request: ", status);
	site_refuse(status, &answer);
	conn_send_answer(server, number, &answer, 1, true);
}

static enum site_door door_of(const struct uwt_server *server, const struct conn *conn)
{
	if (conn->flags & CONN_MONITOR)
		return SITE_MONITOR;
	if (conn->flags & CONN_CROWDED)
		return SITE_CROWDED;
	if (conn->flags & CONN_FULL)
		return SITE_FULL;
	return server->options.tls_only && !(conn->flags & CONN_TLS) &&
	    address_kind(&conn->address) != ADDRESS_UNIX && !address_is_loopback(&conn->address) ?
	    SITE_TLS_ONLY : SITE_OPEN;
}

/* Has the program a page of its own for a request? */
static bool own_page(struct uwt_server *server, uint32_t number, const char *head, size_t length,
    const struct http_request *request, struct site_answer *answer)
{
	const struct uwt_callbacks *callbacks = &server->options.callbacks;
	struct uwt_page page = { .status = 200, .type = "text/plain" };
	struct conn *conn = &server->conns.at[number];
	struct address proxy = conn->address;
	struct uwt_request seen;
	bool own;

	if (callbacks->http == NULL || request->upgrade || (door_of(server, conn) != SITE_OPEN &&
	    door_of(server, conn) != SITE_MONITOR))
		return false;
	/* The next request by a proxy's connection may be of another client. */
	believe_proxy(server, conn, request);
	request_see(server, number, head, length, &seen);
	own = callbacks->http(callbacks->context, &seen, &page);
	conn->address = proxy;
	if (!own)
		return false;
	/* What would follow a head is not read. */
	*answer = (struct site_answer){ .status = page.status,
		.keep_alive = request->keep_alive && !request->body, .show = SITE_OWN,
		.type = page.type,
		.body = page.body, .length = page.length };
	return true;
}

/* A WebSocket may open: is there room for what is kept of it? */
static void welcome(struct uwt_server *server, uint32_t number, const char *head, size_t length,
    const struct http_request *request, struct site_answer *answer)
{
	if (!peer_enters(server, &server->conns.at[number], request)) {
		refused(server, COUNT_REFUSED_ADDRESS);
		site_refuse(429, answer);
	} else if (!ask_keep(server, number, head, length)) {
		refused(server, COUNT_REFUSED_BUFFERS);
		site_refuse(503, answer);
	}
}

static void websocket_opened(struct uwt_server *server, uint32_t number, const char *head,
    size_t length)
{
	const struct uwt_callbacks *callbacks = &server->options.callbacks;
	struct conn *conn = &server->conns.at[number];
	struct uwt_request seen;

	conn->state = CONN_WEBSOCKET;
	conn->flags |= CONN_UPGRADED;
	server->websockets++;
	server->counters.of[COUNT_UPGRADED]++;
	conn_time(server, number, TIMER_ALIVE);
	if (callbacks->opened == NULL)
		return;
	conn->flags |= CONN_OPENED;
	request_see(server, number, head, length, &seen);
	callbacks->opened(callbacks->context, &seen);
}

/* Make the server's own answer. */
static void make_answer(struct uwt_server *server, const struct conn *conn,
    const struct http_request *request, struct site_answer *answer)
{
	enum site_door door = door_of(server, conn);

	site_answer(&server->site, request, door, answer);
	show(server, request, answer);
	if (door == SITE_TLS_ONLY && (answer->status == 403 || answer->status == 308))
		refused(server, COUNT_REFUSED_PLAIN);
}

/* Answer one whole request. */
static void head_done(struct uwt_server *server, uint32_t number, const char *head, size_t length)
{
	struct conn *conn = &server->conns.at[number];
	struct http_request request;
	struct site_answer answer;
	int status = http_head_parse(head, length, &request);
	bool own;

	if (status != 200) {
		refuse(server, number, status);
		return;
	}
	own = own_page(server, number, head, length, &request, &answer);
	if (!own)
		make_answer(server, conn, &request, &answer);
	if (answer.status == 101)
		welcome(server, number, head, length, &request, &answer);
	/* Who asks for the tracker's health has done nothing wrong. */
	if (!own && answer.status >= 400 && answer.status != 404 && answer.show != SITE_HEALTH)
		warn_status(server, "HTTP request refused: ", answer.status);
	conn_send_answer(server, number, &answer, request.minor, request.method != HTTP_HEAD);
	if (conn->state != CONN_HEAD)
		return;
	if (answer.status == 101) {
		websocket_opened(server, number, head, length);
		return;
	}
	conn->state = CONN_IDLE;
	conn_time(server, number, TIMER_IDLE);
}

/* Move what a chain kept to before data, to which it belongs. */
static void chain_take(struct uwt_server *server, uint32_t number, struct buf_chain *chain,
    uint8_t *data)
{
	if (chain->length == 0)
		return;
	buf_copy(server->pool, chain, data - chain->length);
	buf_clear(server->pool, chain);
	conn_hold(server, number);
}

/* Use bytes of a request's head. Returns how many were used. */
static size_t head_input(struct uwt_server *server, uint32_t number, uint8_t *data, size_t length)
{
	struct conn *conn = &server->conns.at[number];
	size_t used = length, before = conn->raw.length;
	enum http_find found;

	if (conn->state == CONN_IDLE) {
		conn->state = CONN_HEAD;
		conn_time(server, number, TIMER_HEAD);
	}
	found = http_head_find((const char *)data, length, &conn->find_state, &used);
	if (found == HTTP_MALFORMED) {
		refuse(server, number, 400);
	} else if (before + used > HTTP_HEAD_MAX) {
		refuse(server, number, 431);
	} else if (found == HTTP_PARTIAL) {
		if (!conn_keep(server, number, &conn->raw, data, length))
			conn_starve(server, number);
	} else {
		chain_take(server, number, &conn->raw, data);
		head_done(server, number, (const char *)data - before, before + used);
	}
	return used;
}

/* -- messages ------------------------------------------------------------------------- */

static enum swarm_family family_of(const struct conn *conn)
{
	switch (address_kind(&conn->address)) {
	case ADDRESS_IPV4: return SWARM_IPV4;
	case ADDRESS_IPV6: return SWARM_IPV6;
	case ADDRESS_UNIX: break;
	}
	return SWARM_LOCAL;
}

/* End a WebSocket for what its peer did. */
static void fail(struct uwt_server *server, uint32_t number, uint16_t status, const char *why)
{
	char memory[96];
	struct text warning = TEXT_IN(memory);

	text_add(&warning, "WebSocket closed with ");
	text_add_number(&warning, status);
	text_add(&warning, ": ");
	text_add(&warning, why);
	conn_warn(server, text_end(&warning));
	conn_close_websocket(server, number, status, false, status == WS_STATUS_POLICY ?
	    COUNT_ENDED_RATE : COUNT_ENDED_PROTOCOL);
}

void no_room(struct uwt_server *server, uint32_t number)
{
	/* It may have been ended for that already. */
	if (server->conns.at[number].state != CONN_DOOMED)
		refused(server, COUNT_REFUSED_BUFFERS);
	conn_close_websocket(server, number, WS_STATUS_TRY_LATER, false, COUNT_ENDED_BUFFERS);
}

/* Has a peer sent more messages in this second than it may? */
static bool is_too_fast(const struct uwt_server *server, struct conn *conn)
{
	uint16_t second = (uint16_t)(server->now / 1000);

	if (server->options.max_rate == 0)
		return false;
	if (conn->second != second)
		conn->messages = 0;
	conn->second = second;
	if (conn->messages == server->options.max_rate)
		return true;
	conn->messages++;
	return false;
}

void message_take(struct uwt_server *server, uint32_t number, const uint8_t *text, size_t length)
{
	server->message = (struct msg_slice){ (const char *)text, length };
	if (!tracker_message(server->tracker, number, family_of(&server->conns.at[number]),
	    (const char *)text, length, server->now)) {
		ask_wait(server, number, text, length);
		return;
	}
	if (tracker_link_count(server->tracker, number) > 0)
		young_leave(server, number);
}

static void message_done(struct uwt_server *server, uint32_t number, const uint8_t *text,
    size_t length)
{
	static const char text_too_fast[] = "{\"failure reason\":\"too many messages in a second\"}";
	const struct msg_slice too_fast = { text_too_fast, sizeof text_too_fast - 1 };
	struct conn *conn = &server->conns.at[number];

	if (!ws_utf8_valid(text, length)) {
		fail(server, number, WS_STATUS_NOT_UTF8, "a message is not UTF-8");
		return;
	}
	if (is_too_fast(server, conn)) {
		refused(server, COUNT_REFUSED_RATE);
		conn_send_frame(server, number, WS_TEXT, &too_fast, 1);
		fail(server, number, WS_STATUS_POLICY, "too many messages in a second");
		return;
	}
	message_take(server, number, text, length);
}

/* -- frames --------------------------------------------------------------------------- */

/* A whole data frame: a message, or a fragment of one. The room before the payload is free. */
static void data_frame(struct uwt_server *server, uint32_t number, const struct ws_frame *frame,
    uint8_t *payload)
{
	struct conn *conn = &server->conns.at[number];
	size_t length = (size_t)frame->length, before = conn->message.length;

	if (!frame->fin) {
		if (frame->opcode != WS_CONTINUATION)
			conn->opcode = frame->opcode;
		if (!conn_keep(server, number, &conn->message, payload, length))
			no_room(server, number);
		return;
	}
	conn->opcode = 0;
	chain_take(server, number, &conn->message, payload);
	message_done(server, number, payload - before, before + length);
}

static void control_frame(struct uwt_server *server, uint32_t number, const struct ws_frame *frame,
    const uint8_t *payload)
{
	struct msg_slice echo = { (const char *)payload, (size_t)frame->length };
	uint16_t status;

	switch (frame->opcode) {
	case WS_PING:
		server->counters.of[COUNT_PINGS]++;
		conn_send_frame(server, number, WS_PONG, &echo, 1);
		tracker_pinged(server->tracker, number, server->now);
		break;
	case WS_CLOSE:
		status = ws_close_answer(payload, echo.len);
		if (status != WS_STATUS_NONE && (echo.len < 2 ||
		    status != (payload[0] << 8 | payload[1])))
			fail(server, number, status, "a close frame is malformed");
		else
			conn_close_websocket(server, number, status, true,
			    COUNT_ENDED_PEER);
		break;
	default:        /* a pong: that something came is noted for all alike */
		break;
	}
}

/* What is wrong with a frame by its head, WS_STATUS_NONE if nothing. */
static uint16_t judge_frame(const struct uwt_server *server, const struct conn *conn,
    const struct ws_frame *frame)
{
	bool control = frame->opcode >= WS_CLOSE;

	if (control)
		return WS_STATUS_NONE;
	if ((frame->opcode == WS_CONTINUATION) != (conn->opcode != 0))
		return WS_STATUS_PROTOCOL;
	return frame->length > server->options.max_message - conn->message.length ?
	    WS_STATUS_TOO_BIG : WS_STATUS_NONE;
}

/* Keep bytes of a frame until there are `need` of them. */
static void frame_wait(struct uwt_server *server, uint32_t number, const uint8_t *data,
    size_t length,
    size_t need)
{
	struct conn *conn = &server->conns.at[number];

	conn->need = (uint32_t)need;
	if (!conn_keep(server, number, &conn->raw, data, length))
		no_room(server, number);
}

/* Look at the frame at data, of which length bytes are there. Returns how many bytes of it were
 * used, length if it has to wait for more. */
static size_t frame_input(struct uwt_server *server, uint32_t number, uint8_t *data, size_t length)
{
	const struct conn *conn = &server->conns.at[number];
	struct ws_frame frame;
	uint16_t status;

	switch (ws_frame_read(data, length, &frame)) {
	case WS_BAD:
		fail(server, number, WS_STATUS_PROTOCOL, "a frame is malformed");
		return length;
	case WS_PARTIAL:
		frame_wait(server, number, data, length, ws_head_size(data, length));
		return length;
	case WS_WHOLE:
		break;
	}
	status = judge_frame(server, conn, &frame);
	if (status != WS_STATUS_NONE) {
		fail(server, number, status, status == WS_STATUS_TOO_BIG ? "a message is too long" :
		    "a fragment is out of place");
		return length;
	}
	if (length < frame.head + frame.length) {
		frame_wait(server, number, data, length, frame.head + (size_t)frame.length);
		return length;
	}
	ws_unmask(data + frame.head, (size_t)frame.length, frame.mask);
	if (frame.opcode >= WS_CLOSE)
		control_frame(server, number, &frame, data + frame.head);
	else
		data_frame(server, number, &frame, data + frame.head);
	return frame.head + (size_t)frame.length;
}

/* Use bytes of a WebSocket. Returns how many were used. */
static size_t websocket_input(struct uwt_server *server, uint32_t number, uint8_t *data,
    size_t length)
{
	struct conn *conn = &server->conns.at[number];
	size_t before = conn->raw.length;

	if (before + length < conn->need) {
		if (!conn_keep(server, number, &conn->raw, data, length))
			no_room(server, number);
		return length;
	}
	chain_take(server, number, &conn->raw, data);
	conn->need = 0;
	return frame_input(server, number, data - before, before + length) - before;
}

/* -- reading -------------------------------------------------------------------------- */

bool is_enough(struct uwt_server *server, uint32_t number, const struct buf_chain *chain,
    size_t length)
{
	if (server->parts++ < FRAMES_FAIR)
		return false;
	server->conns.at[number].flags |= CONN_HASTY;
	if (!buf_room(server->pool, chain, length, BUF_INPUT))
		return false;
	conn_pause(server, number);
	return true;
}

void conn_input(struct uwt_server *server, uint32_t number, uint8_t *data, size_t length)
{
	struct conn *conn = &server->conns.at[number];

	while (length > 0 && !(conn->flags & CONN_PAUSED)) {
		size_t used;

		/* With TLS there may be further records to be kept. */
		if (conn->state == CONN_WEBSOCKET && is_enough(server, number, &conn->raw,
		    length + (conn->flags & CONN_TLS ? READ_SIZE : 0)))
			break;
		if (conn->state == CONN_WEBSOCKET)
			used = websocket_input(server, number, data, length);
		else if (conn->state == CONN_HEAD || conn->state == CONN_IDLE)
			used = head_input(server, number, data, length);
		else
			return;
		data += used;
		length -= used;
		/* The next request waits for a further turn, and until this answer is sent: neither
		 * the work nor the bytes of answers are the client's to multiply. */
		if (conn->state == CONN_IDLE && (length > 0 || conn_unsent(server, number) > 0))
			conn_pause(server, number);
	}
	if (length > 0 && !conn_keep(server, number, &conn->raw, data, length))
		conn_starve(server, number);
}

/* Look again at what was kept, unless it is a part of a frame. It is put where it ends with the
 * memory for input: so there is room for a frame that is long, and before it for its fragments. */
static void raw_input(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];
	size_t length = conn->raw.length;
	uint8_t *data = (conn->flags & CONN_TLS ? server->secure.plain : server->input) +
	    READ_SIZE - length;

	if (length == 0 || length < conn->need)
		return;
	buf_copy(server->pool, &conn->raw, data);
	buf_clear(server->pool, &conn->raw);
	conn->need = 0;
	conn_hold(server, number);
	conn_input(server, number, data, length);
}

void conn_resume(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	server->parts = 0;
	conn->flags &= (uint16_t)~CONN_PAUSED;
	conn_interest(server, number);
	raw_input(server, number);
	if (conn->flags & CONN_TLS)
		secure_resume(server, number);
}

/* One that spoke HTTP may still wait for its answer. */
void conn_input_ended(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	if (conn_unsent(server, number) == 0 || conn->state == CONN_WEBSOCKET) {
		conn_doom(server, number, COUNT_ENDED_PEER);
		return;
	}
	conn_end(server, number, true, COUNT_ENDED_PEER);
	conn->flags |= CONN_PAUSED;
	conn_interest(server, number);
}

/* Is this the first byte of a connection, and that of a TLS handshake? */
static bool is_hello(const struct conn *conn, const uint8_t *data)
{
	return conn->state == CONN_HEAD && conn->raw.length == 0 && conn->find_state == 0 &&
	    !(conn->flags & CONN_TLS) && data[0] == TLS_HANDSHAKE_BYTE;
}

static void refuse_tls(struct uwt_server *server, uint32_t number)
{
	/* A fatal alert, handshake_failure, as a whole record (RFC 5246, 7.2). */
	static const char alert[] = { 21, 3, 1, 0, 2, 2, 40 };
	const struct msg_slice piece = { alert, sizeof alert };

	conn_send(server, number, &piece, 1);
	conn_end(server, number, false, COUNT_ENDED_PROTOCOL);
}

/* Is TLS spoken with this client? */
static bool begin_tls(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	if (conn->flags & CONN_CROWDED)
		/* to be told it would take a handshake */
		conn_doom(server, number, COUNT_ENDED_REFUSED);
	else if (server->secure.tls == NULL)
		refuse_tls(server, number);
	else
		conn->flags |= CONN_TLS;
	return (conn->flags & CONN_TLS) != 0;
}

void conn_readable(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];
	size_t most = conn->flags & CONN_HASTY && conn_age(server, number) < HASTY_TIME ?
	    READ_HASTY : READ_SIZE;
	ssize_t got = recv(conn->fd, server->input, most, 0);

	server->parts = 0;
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ||
	    errno == ENOBUFS || errno == ENOMEM))
		return;
	if (got < 0) {
		conn_doom(server, number, COUNT_ENDED_NETWORK);
		return;
	}
	if (got == 0) {
		conn_input_ended(server, number);
		return;
	}
	server->counters.of[COUNT_BYTES_IN] += (size_t)got;
	if ((size_t)got == most)
		conn->flags |= CONN_HASTY;
	else if (most == READ_SIZE)
		conn->flags &= (uint16_t)~CONN_HASTY;
	if (conn->state == CONN_WEBSOCKET)
		conn_time(server, number, TIMER_ALIVE);
	if (is_hello(conn, server->input) && !begin_tls(server, number))
		return;
	if (conn->flags & CONN_TLS)
		secure_input(server, number, server->input, (size_t)got);
	else
		conn_input(server, number, server->input, (size_t)got);
}
