/* outbound.c - bytes that go, and how connections end; see inside.h */
#include "inside.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "text.h"

#define PIECES_MAX 64           /* of one system call */
#define SEND_PIECES_MAX 8       /* of one message, with its head */
#define WARNING_MAX 512

/* -- telling the program -------------------------------------------------------------- */

static void tell_turn(const struct uwt_server *server)
{
	const struct uwt_callbacks *callbacks = &server->options.callbacks;

	if (callbacks->turn != NULL)
		callbacks->turn(callbacks->context);
}

void conn_warn(const struct uwt_server *server, const char *text)
{
	const struct uwt_callbacks *callbacks = &server->options.callbacks;
	char memory[WARNING_MAX];
	struct text escaped = TEXT_IN(memory);

	if (callbacks->warning == NULL)
		return;
	text_add_escaped(&escaped, text, strlen(text));
	callbacks->warning(callbacks->context, text_end(&escaped));
}

/* The program knows reasons by the same order. */
_Static_assert(COUNT_REFUSED_SCRAPE - COUNT_REFUSED_FIRST == UWT_REFUSED_SCRAPE &&
    COUNT_REFUSED_RATE - COUNT_REFUSED_FIRST == UWT_REFUSED_RATE &&
    COUNT_REFUSED_PEERS - COUNT_REFUSED_FIRST == UWT_REFUSED_PEERS &&
    COUNT_REFUSED_LAST - COUNT_REFUSED_FIRST + 1 == UWT_REFUSALS, "reasons in another order");

void refused(struct uwt_server *server, enum counter why)
{
	const struct uwt_callbacks *callbacks = &server->options.callbacks;

	server->counters.of[why]++;
	if (callbacks->refused != NULL)
		callbacks->refused(callbacks->context,
		    (enum uwt_refusal)(why - COUNT_REFUSED_FIRST));
}

/* -- ends ----------------------------------------------------------------------------- */

static size_t bytes_held(const struct uwt_server *server, uint32_t number)
{
	const struct conn *conn = &server->conns.at[number];
	size_t bytes = (size_t)conn->raw.length + conn->message.length + conn_unsent(server,
	    number);

	if (server->asks != NULL)
		bytes += server->asks[number].head.length;
	return bytes + (conn->flags & CONN_TLS ? server->secure.links[number].in.length : 0);
}

/* In which list of holders does so much belong? */
static uint8_t hold_of(size_t bytes)
{
	size_t buffers = (bytes + BUF_DATA - 1) / BUF_DATA;
	uint8_t hold = 0;

	while (hold < HOLDS && buffers >> hold != 0)
		hold++;
	return hold;
}

void conn_hold(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];
	uint8_t hold = hold_of(bytes_held(server, number));

	if (hold == conn->hold)
		return;
	if (conn->hold != 0)
		conns_remove(&server->conns, &server->holds[conn->hold], CHAIN_HOLD, number);
	conn->hold = hold;
	if (hold != 0)
		conns_append(&server->conns, &server->holds[hold], CHAIN_HOLD, number);
}

/* The first who ends a connection is whose doing it is. */
static void conn_blame(struct conn *conn, enum counter cause)
{
	if (conn->ended == 0)
		conn->ended = (uint8_t)cause;
}

void conn_doom(struct uwt_server *server, uint32_t number, enum counter cause)
{
	struct conn *conn = &server->conns.at[number];

	if (conn->state == CONN_DOOMED)
		return;
	conn_blame(conn, cause);
	conn->state = CONN_DOOMED;
	conn_time(server, number, TIMER_DOOMED);
	buf_clear(server->pool, &conn->raw);
	buf_clear(server->pool, &conn->message);
	buf_clear(server->pool, &conn->out);
	if (conn->flags & CONN_TLS)
		secure_forget(server, number);
	ask_forget(server, number);
	conn_hold(server, number);
}

static void conn_free(struct uwt_server *server, uint32_t number)
{
	const struct uwt_callbacks *callbacks = &server->options.callbacks;
	struct conn *conn = &server->conns.at[number];

	tracker_end(server->tracker, number);
	server->counters.of[conn->ended]++;
	server->websockets -= (conn->flags & CONN_UPGRADED) != 0;
	if (conn->flags & CONN_OPENED && callbacks->closed != NULL)
		callbacks->closed(callbacks->context, conn_id(server, number));
	conns_remove(&server->conns, &server->timers[conn->timer], CHAIN_TIME, number);
	young_leave(server, number);
	if (conn->flags & CONN_FULL)
		server->refused--;
	server->monitors -= (conn->flags & CONN_MONITOR) != 0;
	if (conn->flags & CONN_COUNTED)
		quota_leave(server->quota, &conn->address);
	poll_remove(server->poll, conn->fd);
	close(conn->fd);
	conns_give(&server->conns, number);
}

void conns_leave(struct uwt_server *server)
{
	uint32_t number = server->timers[TIMER_DOOMED].first;

	for (; number != 0; number = server->conns.at[number].links[CHAIN_TIME].after)
		tracker_end(server->tracker, number);
}

void conns_reap(struct uwt_server *server)
{
	while (server->timers[TIMER_DOOMED].first != 0)
		conn_free(server, server->timers[TIMER_DOOMED].first);
}

/* All output of a connection that is ending has been sent: say that there will be no more. */
static void conn_sent_last(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	if (conn->flags & CONN_SECURED)
		secure_end(server, number);
	/* Closing while the peer still sends would reset the connection, and with it what was sent
	 * last. */
	if (conn->flags & CONN_AT_ONCE || shutdown(conn->fd, SHUT_WR) != 0)
		conn_doom(server, number, COUNT_ENDED_PEER);
	else
		conn->state = CONN_LINGER;
}

void conn_dirty(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	if (conn->flags & CONN_DIRTY)
		return;
	conn->flags |= CONN_DIRTY;
	conn->next_dirty = 0;
	if (server->dirty != 0)
		server->conns.at[server->dirty_last].next_dirty = number;
	else
		server->dirty = number;
	server->dirty_last = number;
}

void conn_pause(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	conn->flags |= CONN_PAUSED;
	conn_dirty(server, number);
	/* The flush sees no change in one that waits for its socket already. */
	if (conn->flags & CONN_STALLED)
		conn_interest(server, number);
}

void conn_end(struct uwt_server *server, uint32_t number, bool at_once, enum counter cause)
{
	struct conn *conn = &server->conns.at[number];

	if (conn->state == CONN_DOOMED || conn->state == CONN_CLOSING || conn->state == CONN_LINGER)
		return;
	conn_blame(conn, cause);
	conn->state = CONN_CLOSING;
	if (at_once)
		conn->flags |= CONN_AT_ONCE;
	buf_clear(server->pool, &conn->raw);
	buf_clear(server->pool, &conn->message);
	ask_forget(server, number);
	conn_hold(server, number);
	tracker_end(server->tracker, number);
	conn_time(server, number, TIMER_ENDING);
	young_join(server, number);
	if (!(conn->flags & CONN_STALLED))
		conn_dirty(server, number);
}

/* -- sending -------------------------------------------------------------------------- */

static bool takes_output(const struct conn *conn)
{
	return conn->state == CONN_HEAD || conn->state == CONN_IDLE ||
	    conn->state == CONN_WEBSOCKET;
}

void conn_interest(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];
	uint64_t tag = (uint64_t)conn->generation << 32 | number;
	unsigned interest = (conn->flags & CONN_PAUSED ? 0 : POLL_READ) |
	    (conn->flags & CONN_STALLED ? POLL_WRITE : 0);

	if (!poll_change(server->poll, conn->fd, tag, interest))
		conn_doom(server, number, COUNT_ENDED_NETWORK);
}

ssize_t socket_send(struct uwt_server *server, int fd, const struct iovec *pieces, int count)
{
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)pieces };
	ssize_t sent;

	/* Most are one piece, and a send costs the kernel less than a sendmsg or a writev. */
	message.msg_iovlen = (unsigned short)count;     /* an int or a size_t, as the C library likes */
	do {
		if (count == 1)
			sent = send(fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL);
		else
			sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ||
	    errno == ENOMEM))
		return 0;
	if (sent > 0)
		server->counters.of[COUNT_BYTES_OUT] += (size_t)sent;
	return sent;
}

bool chain_send(struct uwt_server *server, int fd, struct buf_chain *chain)
{
	struct iovec pieces[PIECES_MAX];

	while (chain->length > 0) {
		int count = buf_pieces(server->pool, chain, pieces, PIECES_MAX);
		size_t offered = 0;
		ssize_t sent = socket_send(server, fd, pieces, count);

		if (sent < 0)
			return false;
		while (count > 0)
			offered += pieces[--count].iov_len;
		buf_consume(server->pool, chain, (size_t)sent);
		if ((size_t)sent < offered)
			break;
	}
	return true;
}

size_t conn_unsent(const struct uwt_server *server, uint32_t number)
{
	const struct conn *conn = &server->conns.at[number];

	return conn->out.length +
	    (conn->flags & CONN_TLS ? server->secure.links[number].out.length : 0);
}

/* Is it only for its output that a connection is paused? */
static bool goes_on(const struct conn *conn)
{
	return (conn->flags & (CONN_PAUSED | CONN_ASKED)) == CONN_PAUSED && takes_output(conn);
}

void conn_broken(struct uwt_server *server, uint32_t number)
{
	if (server->conns.at[number].flags & CONN_TLS && server->secure.no_room)
		conn_starve(server, number);
	else
		conn_doom(server, number, COUNT_ENDED_NETWORK);
}

/* Send what the connection has, and arrange for the rest. */
static void conn_flush(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];
	size_t before = conn_unsent(server, number);
	bool stalled, whole;

	if (conn->state == CONN_FREE || conn->state == CONN_DOOMED)
		return;
	whole = conn->flags & CONN_TLS ? secure_flush(server, number) :
	    chain_send(server, conn->fd, &conn->out);
	if (!whole) {
		conn_broken(server, number);
		return;
	}
	conn_hold(server, number);
	/* Who reads, however slowly, is still there: an answer takes the time that it takes. */
	if (conn_unsent(server, number) < before &&
	    (conn->state == CONN_IDLE || conn->state == CONN_CLOSING))
		conn_time(server, number, conn->timer);
	/* One that is paused goes on from an event of its own, never from within a flush. */
	stalled = conn_unsent(server, number) > 0 || goes_on(conn);
	if (stalled != ((conn->flags & CONN_STALLED) != 0)) {
		conn->flags ^= CONN_STALLED;
		conn_interest(server, number);
	}
	if (!stalled && conn->state == CONN_CLOSING)
		conn_sent_last(server, number);
}

static void dirty_flush(struct uwt_server *server)
{
	while (server->dirty != 0) {
		uint32_t number = server->dirty;
		struct conn *conn = &server->conns.at[number];

		server->dirty = conn->next_dirty;
		conn->flags &= (uint16_t)~CONN_DIRTY;
		conn_flush(server, number);
	}
}

void conns_flush(struct uwt_server *server)
{
	tell_turn(server);
	dirty_flush(server);
}

void conn_writable(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	if (!(conn->flags & CONN_STALLED))
		return;
	tell_turn(server);
	conn_flush(server, number);
	if (conn_unsent(server, number) == 0 && goes_on(conn)) {
		conn->flags &= (uint16_t)~CONN_STALLED;
		conn_resume(server, number);
	}
}

/* -- room ----------------------------------------------------------------------------- */

void conn_starve(struct uwt_server *server, uint32_t number)
{
	if (server->conns.at[number].state == CONN_DOOMED)
		return;
	refused(server, COUNT_REFUSED_BUFFERS);
	conn_doom(server, number, COUNT_ENDED_BUFFERS);
}

/* End one of the largest holders of buffers, if it holds as much as `least` says. */
static bool shed_largest(struct uwt_server *server, uint8_t least)
{
	int hold;

	for (hold = HOLDS; hold > 0 && hold >= least; hold--) {
		if (server->holds[hold].first != 0) {
			conn_starve(server, server->holds[hold].first);
			return true;
		}
	}
	return false;
}

/* See to it that a chain of a connection finds room for more bytes: first by sending what the turn
 * has queued, then at the cost of those who hold most. Who would hold more than anybody gets
 * none. */
static bool make_room(struct uwt_server *server, uint32_t number, const struct buf_chain *chain,
    size_t more, enum buf_use use)
{
	size_t after;

	if (buf_room(server->pool, chain, more, use))
		return true;
	after = bytes_held(server, number) + more;
	if (!buf_fits(server->pool, chain->length + more, use))
		return false;
	conns_flush(server);
	while (!buf_room(server->pool, chain, more, use)) {
		if (!shed_largest(server, hold_of(after)))
			return false;
	}
	return true;
}

bool conn_keep(struct uwt_server *server, uint32_t number, struct buf_chain *chain,
    const uint8_t *data, size_t length)
{
	bool kept = make_room(server, number, chain, length, BUF_INPUT) &&
	    server->conns.at[number].state != CONN_DOOMED &&
	    buf_append(server->pool, chain, data, length, BUF_INPUT);

	conn_hold(server, number);
	return kept;
}

/* -- queueing ------------------------------------------------------------------------- */

/* After output was queued: let it be sent this turn, or judge a peer that does not read. */
static void conn_queued(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];

	/* An HTTP answer is sent before the next one is made, so it needs no cap. */
	if (conn_unsent(server, number) > OUT_MAX && conn->state == CONN_WEBSOCKET) {
		tell_turn(server);
		conn_flush(server, number);
		if (conn_unsent(server, number) > OUT_MAX)
			conn_doom(server, number, COUNT_ENDED_SLOW);
	} else if (conn->flags & CONN_STALLED) {
		conn_hold(server, number);
	} else {
		conn_dirty(server, number);
	}
}

/* Send pieces at once, as far as the socket takes them. Returns how many bytes it took, -1 if the
 * connection is broken. */
static ssize_t pieces_send(struct uwt_server *server, uint32_t number,
    const struct msg_slice *pieces, size_t count)
{
	struct iovec vector[SEND_PIECES_MAX];
	size_t i;

	tell_turn(server);
	if (server->conns.at[number].flags & CONN_TLS)
		return secure_send(server, number, pieces, count);
	for (i = 0; i < count; i++)
		vector[i] = (struct iovec){ (char *)(uintptr_t)pieces[i].text, pieces[i].len };
	return socket_send(server, server->conns.at[number].fd, vector, (int)count);
}

/* Queue pieces but for their first `skip` bytes. */
static bool pieces_queue(struct uwt_server *server, uint32_t number,
    const struct msg_slice *pieces, size_t count, size_t skip)
{
	struct conn *conn = &server->conns.at[number];
	size_t total = 0, i;

	for (i = 0; i < count; i++)
		total += pieces[i].len;
	if (!make_room(server, number, &conn->out, total - skip, BUF_OUTPUT) || !takes_output(conn))
		return false;
	for (i = 0; i < count; i++) {
		size_t part = skip < pieces[i].len ? skip : pieces[i].len;

		buf_append(server->pool, &conn->out, pieces[i].text + part, pieces[i].len - part,
		    BUF_OUTPUT);
		skip -= part;
	}
	conn_queued(server, number);
	return true;
}

bool conn_send(struct uwt_server *server, uint32_t number, const struct msg_slice *pieces,
    size_t count)
{
	struct conn *conn = &server->conns.at[number];
	ssize_t sent;

	if (!takes_output(conn))
		return false;
	if (pieces_queue(server, number, pieces, count, 0))
		return true;
	/* There is no room for it in the pool. Perhaps the socket has some. */
	if (!takes_output(conn))
		return false;
	sent = conn_unsent(server, number) > 0 ? 0 :
	    pieces_send(server, number, pieces, count);
	if (sent == 0) {
		refused(server, COUNT_REFUSED_BUFFERS);
		return false;
	}
	if (sent < 0)
		conn_broken(server, number);
	else if (!pieces_queue(server, number, pieces, count, (size_t)sent))
		conn_starve(server, number);
	return true;
}

void conn_send_frame(struct uwt_server *server, uint32_t number, enum ws_opcode opcode,
    const struct msg_slice *payload, size_t count)
{
	uint8_t head[WS_SERVER_HEAD_MAX];
	struct msg_slice pieces[SEND_PIECES_MAX];
	size_t total = 0, i;

	for (i = 0; i < count; i++) {
		pieces[i + 1] = payload[i];
		total += payload[i].len;
	}
	pieces[0] = (struct msg_slice){ (const char *)head, ws_frame_head(opcode, total, head) };
	conn_send(server, number, pieces, count + 1);
}

void conn_close_websocket(struct uwt_server *server, uint32_t number, uint16_t status, bool at_once,
    enum counter cause)
{
	char code[2] = { (char)(status >> 8), (char)(status & 255) };
	struct msg_slice payload = { code, status == WS_STATUS_NONE ? 0 : sizeof code };

	conn_send_frame(server, number, WS_CLOSE, &payload, 1);
	conn_end(server, number, at_once, cause);
}

void conn_ping(struct uwt_server *server, uint32_t number)
{
	const struct conn *conn = &server->conns.at[number];

	if (conn->state != CONN_WEBSOCKET || conn->timer != TIMER_ALIVE)
		return;
	server->counters.of[COUNT_OUT_PINGS]++;
	conn_time(server, number, TIMER_PINGED);
	conn_send_frame(server, number, WS_PING, NULL, 0);
}

/* Whose doing is it that an answer is the last? What was to be shown was shown, whatever it says:
 * /health answers 503, and refuses nobody. */
static enum counter answer_cause(const struct site_answer *answer)
{
	if (answer->show != SITE_READY)
		return COUNT_ENDED_ANSWERED;
	switch (answer->status) {
	case 408: return COUNT_ENDED_SILENT;
	case 400: case 413: case 431: case 505: return COUNT_ENDED_PROTOCOL;
	case 429: case 503: return COUNT_ENDED_REFUSED;
	default: return COUNT_ENDED_ANSWERED;
	}
}

static enum counter status_counter(int status)
{
	static const uint16_t statuses[] = { 101, 200, 308, 400, 403, 404, 405, 408, 413, 426,
		429, 431, 503, 505 };
	int i;

	for (i = 0; COUNT_HTTP_101 + i < COUNT_HTTP_OTHER && statuses[i] != status; i++)
		continue;
	return (enum counter)(COUNT_HTTP_101 + i);
}

void conn_send_answer(struct uwt_server *server, uint32_t number, const struct site_answer *answer,
    uint8_t minor, bool with_body)
{
	char head[HTTP_RESPONSE_HEAD_MAX];
	const struct http_response response = { .status = answer->status, .type = answer->type,
		.length = answer->length, .keep_alive = answer->keep_alive, .minor = minor,
		.headers = answer->headers };
	const struct msg_slice pieces[2] = { { head, http_response_head(&response, head) },
		{ answer->body, with_body ? answer->length : 0 } };
	ssize_t sent = 0;

	server->counters.of[status_counter(answer->status)]++;
	/* What is not sent by now goes first. */
	if (conn_unsent(server, number) == 0)
		sent = pieces_send(server, number, pieces, pieces[1].len > 0 ? 2 : 1);
	if (sent < 0)
		conn_broken(server, number);
	else if ((size_t)sent < pieces[0].len + pieces[1].len &&
	    !pieces_queue(server, number, pieces, 2, (size_t)sent))
		conn_starve(server, number);
	if (!answer->keep_alive)
		conn_end(server, number, false, answer_cause(answer));
}
