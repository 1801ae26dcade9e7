/* secure.c - connections that speak TLS: between their sockets and the plaintext; see inside.h */
#include "inside.h"

#include <string.h>
#include <sys/uio.h>

#include "clock.h"

#define HANDSHAKE_BUDGET 5000       /* us of a turn that handshakes may take */
#define HANDSHAKE_GRACE 1000        /* ms that the oldest has before a newcomer takes its place */
#define SECURE_PIECES 64            /* buffers encrypted at a time */
#define RECORDS_MAX 1000            /* of one connection that hold no application data */
#define RECORD_DATA 23              /* application data: a type of record */
#define RECORD_HEAD 5               /* bytes of a record that tell its size */

/* -- what goes ------------------------------------------------------------------------- */

static void collect(void *context, const uint8_t *bytes, size_t length)
{
	struct secure *secure = context;

	/* Cannot be: what one call of TLS makes is bounded, and there is room for it. */
	if (length > SECURE_CIPHER_MAX - secure->length) {
		secure->overflow = true;
		return;
	}
	memcpy(secure->cipher + secure->length, bytes, length);
	secure->length += length;
}

/* Where TLS puts what it has to send; empty again. */
static struct tls_sink collector(struct secure *secure)
{
	secure->length = 0;
	secure->overflow = secure->no_room = false;
	return (struct tls_sink){ secure, collect };
}

/* Hand what was collected to the socket and keep the rest. False if the connection is broken or
 * there is no room. */
static bool collected_send(struct uwt_server *server, uint32_t number)
{
	struct secure *secure = &server->secure;
	struct secure_link *link = &secure->links[number];
	struct iovec piece = { secure->cipher, secure->length };
	ssize_t sent = 0;

	if (secure->overflow)
		return false;
	if (secure->length > 0 && link->out.length == 0)
		sent = socket_send(server, server->conns.at[number].fd, &piece, 1);
	if (sent < 0)
		return false;
	secure->no_room = !buf_append(server->pool, &link->out, secure->cipher + sent,
	    secure->length - (size_t)sent, BUF_OUTPUT);
	return !secure->no_room;
}

/* Encrypt pieces, of at most SECURE_PLAIN_MAX bytes together; the collector has them then. */
static bool pieces_encrypt(struct uwt_server *server, uint32_t number, const struct iovec *pieces,
    int count)
{
	struct tls_sink sink = collector(&server->secure);

	return tls_output(server->secure.tls, number, pieces, count, &sink) == TLS_OPEN;
}

bool secure_flush(struct uwt_server *server, uint32_t number)
{
	struct conn *conn = &server->conns.at[number];
	struct secure_link *link = &server->secure.links[number];
	struct iovec pieces[SECURE_PIECES];

	server->secure.no_room = false;
	for (;;) {
		size_t taken = 0;
		int count;

		if (!chain_send(server, conn->fd, &link->out))
			return false;
		if (link->out.length > 0 || conn->out.length == 0)
			return true;
		count = buf_pieces(server->pool, &conn->out, pieces, SECURE_PIECES);
		if (!pieces_encrypt(server, number, pieces, count))
			return false;
		while (count > 0)
			taken += pieces[--count].iov_len;
		buf_consume(server->pool, &conn->out, taken);
		if (!collected_send(server, number))
			return false;
	}
}

ssize_t secure_send(struct uwt_server *server, uint32_t number, const struct msg_slice *pieces,
    size_t count)
{
	size_t total = 0, at, part, i;

	for (i = 0; i < count; i++) {
		for (at = 0; at < pieces[i].len; at += part) {
			struct iovec piece;

			part = pieces[i].len - at;
			if (part > SECURE_PLAIN_MAX)
				part = SECURE_PLAIN_MAX;
			piece = (struct iovec){ (char *)(uintptr_t)(pieces[i].text + at), part };
			if (!pieces_encrypt(server, number, &piece, 1) ||
			    !collected_send(server, number))
				return -1;
		}
		total += pieces[i].len;
	}
	if (server->secure.links[number].out.length > 0 &&
	    !(server->conns.at[number].flags & CONN_STALLED))
		conn_dirty(server, number);
	return (ssize_t)total;
}

void secure_end(struct uwt_server *server, uint32_t number)
{
	struct tls_sink sink = collector(&server->secure);

	tls_close(server->secure.tls, number, &sink);
	collected_send(server, number);
}

void secure_forget(struct uwt_server *server, uint32_t number)
{
	struct secure_link *link = &server->secure.links[number];

	buf_clear(server->pool, &link->in);
	buf_clear(server->pool, &link->out);
	link->need = link->records = 0;
	tls_forget(server->secure.tls, number);
}

/* -- what comes ------------------------------------------------------------------------ */

/* Let TLS take a record; when there is no room for a further handshake, the oldest one ends. */
static enum tls_result record_take(struct uwt_server *server, uint32_t number,
    const uint8_t *record, size_t size, size_t *plain)
{
	struct secure *secure = &server->secure;
	struct tls_sink sink = collector(secure);
	uint32_t oldest = server->timers[TIMER_HANDSHAKE].first;
	enum tls_result result = tls_input(secure->tls, number, record, size, secure->plain, plain,
	    &sink);

	if (result == TLS_FULL && oldest != 0 && oldest != number) {
		conn_doom(server, oldest, COUNT_ENDED_PLACE);
		result = tls_input(secure->tls, number, record, size, secure->plain, plain, &sink);
	}
	return result;
}

/* What follows from a record, after its plaintext was used. */
static void record_done(struct uwt_server *server, uint32_t number, enum tls_result result)
{
	struct conn *conn = &server->conns.at[number];

	if (conn->state == CONN_DOOMED)
		return;
	if (result == TLS_FULL) {
		conn_doom(server, number, COUNT_ENDED_REFUSED);
	} else if (result == TLS_CLOSED || result == TLS_FAILED) {
		/* Nothing more can be encrypted: only TLS's own last word is left to send. */
		conn->flags &= (uint16_t)~CONN_SECURED;
		buf_clear(server->pool, &conn->out);
		conn_end(server, number, result == TLS_CLOSED, result == TLS_CLOSED ?
		    COUNT_ENDED_PEER : COUNT_ENDED_PROTOCOL);
	}
}

/* Records that carry nothing cost time all the same, and some are answered: a client needs few.
 * Returns whether this one is too many. */
static bool record_is_idle_talk(struct uwt_server *server, uint32_t number, const uint8_t *record)
{
	if (server->conns.at[number].flags & CONN_SECURED && *record == RECORD_DATA)
		return false;
	return ++server->secure.links[number].records > RECORDS_MAX;
}

/* Use one whole record. */
static void record_input(struct uwt_server *server, uint32_t number, const uint8_t *record,
    size_t size)
{
	struct conn *conn = &server->conns.at[number];
	bool handshake = !(conn->flags & CONN_SECURED);
	uint64_t started = handshake ? clock_us() : 0;
	size_t plain;
	enum tls_result result;

	if (record_is_idle_talk(server, number, record)) {
		conn_doom(server, number, COUNT_ENDED_PROTOCOL);
		return;
	}
	result = record_take(server, number, record, size, &plain);
	if (handshake)
		server->secure.spent += (uint32_t)(clock_us() - started);
	if (!collected_send(server, number)) {
		conn_broken(server, number);
		return;
	}
	if (server->secure.links[number].out.length > 0 && !(conn->flags & CONN_STALLED))
		conn_dirty(server, number);
	if (handshake && result == TLS_OPEN)
		conn->flags |= CONN_SECURED;
	/* Further steps win a handshake no time. */
	if (handshake && result == TLS_OPEN)
		conn_time(server, number, TIMER_HEAD);
	else if (result == TLS_HANDSHAKE && conn->timer != TIMER_HANDSHAKE)
		conn_time(server, number, TIMER_HANDSHAKE);
	if (plain > 0)
		conn_input(server, number, server->secure.plain, plain);
	record_done(server, number, result);
}

static void records_keep(struct uwt_server *server, uint32_t number, const uint8_t *data,
    size_t length, size_t need)
{
	struct secure_link *link = &server->secure.links[number];

	link->need = (uint32_t)need;
	if (!conn_keep(server, number, &link->in, data, length))
		conn_starve(server, number);
}

/* For how long is there no room for a further handshake, in ms? */
static uint32_t handshake_wait(const struct uwt_server *server)
{
	uint32_t oldest = server->timers[TIMER_HANDSHAKE].first, age;

	if (tls_totals(server->secure.tls).handshaking < server->options.max_handshakes ||
	    oldest == 0)
		return 0;
	age = conn_age(server, oldest);
	return age < HANDSHAKE_GRACE ? HANDSHAKE_GRACE - age : 0;
}

/* Has a record to wait? Only one that begins a handshake: those that go on are sooner ended, and
 * then make room. */
static bool must_queue(const struct uwt_server *server, const struct conn *conn)
{
	return !(conn->flags & CONN_SECURED) && conn->timer != TIMER_HANDSHAKE &&
	    (server->secure.spent >= HANDSHAKE_BUDGET ||
	    server->timers[TIMER_QUEUED].first != 0 || handshake_wait(server) > 0);
}

/* Use whole records, and keep what is left. has_waited: the first need not queue. */
static void records_input(struct uwt_server *server, uint32_t number, const uint8_t *data,
    size_t length, bool has_waited)
{
	struct conn *conn = &server->conns.at[number];

	while (length > 0 && (conn->state == CONN_HEAD || conn->state == CONN_IDLE ||
	    conn->state == CONN_WEBSOCKET)) {
		int size = tls_record_size(data, length);

		if (size < 0) {
			conn_doom(server, number, COUNT_ENDED_PROTOCOL);
		} else if (size == 0 || (size_t)size > length) {
			records_keep(server, number, data, length, size == 0 ? RECORD_HEAD :
			    (size_t)size);
			return;
		} else if (conn->flags & CONN_PAUSED || (conn->flags & CONN_SECURED &&
		    conn->state == CONN_WEBSOCKET &&
		    is_enough(server, number, &server->secure.links[number].in, length))) {
			records_keep(server, number, data, length, 0);
			return;
		} else if (!has_waited && must_queue(server, conn)) {
			records_keep(server, number, data, length, 0);
			if (conn->state != CONN_DOOMED)
				conn_time(server, number, TIMER_QUEUED);
			return;
		} else {
			has_waited = false;
			record_input(server, number, data, (size_t)size);
			data += size;
			length -= (size_t)size;
		}
	}
}

void secure_input(struct uwt_server *server, uint32_t number, uint8_t *data, size_t length)
{
	struct secure_link *link = &server->secure.links[number];
	const struct conn *conn = &server->conns.at[number];
	size_t before = link->in.length;

	if (conn->state == CONN_CLOSING || conn->state == CONN_LINGER)
		return;
	if (before + length < link->need || conn->timer == TIMER_QUEUED) {
		if (before + length > READ_SIZE)
			conn_doom(server, number, COUNT_ENDED_PROTOCOL);
		else
			records_keep(server, number, data, length, link->need);
		return;
	}
	buf_copy(server->pool, &link->in, data - before);
	buf_clear(server->pool, &link->in);
	link->need = 0;
	conn_hold(server, number);
	records_input(server, number, data - before, before + length, false);
}

/* Look again at what was kept: at most what a read gave behind a record that was not whole. It is
 * put where it ends with the memory for input, before which there is room for that record. */
static void kept_input(struct uwt_server *server, uint32_t number, bool has_waited)
{
	struct secure_link *link = &server->secure.links[number];
	size_t length = link->in.length;
	uint8_t *data = server->input + READ_SIZE - length;

	if (length > READ_SIZE + TLS_RECORD_MAX) {
		conn_doom(server, number, COUNT_ENDED_PROTOCOL);
		return;
	}
	buf_copy(server->pool, &link->in, data);
	buf_clear(server->pool, &link->in);
	link->need = 0;
	conn_hold(server, number);
	records_input(server, number, data, length, has_waited);
}

void secure_resume(struct uwt_server *server, uint32_t number)
{
	const struct secure_link *link = &server->secure.links[number];

	if (link->in.length > 0 && link->in.length >= link->need)
		kept_input(server, number, false);
}

bool secure_is_late(const struct uwt_server *server, uint32_t number)
{
	const struct conn *conn = &server->conns.at[number];

	return conn->timer == TIMER_HANDSHAKE && server->secure.spent >= HANDSHAKE_BUDGET;
}

void secure_run_queue(struct uwt_server *server)
{
	struct conn_list *queue = &server->timers[TIMER_QUEUED];
	bool begun = false;

	while (queue->first != 0 && (!begun || server->secure.spent < HANDSHAKE_BUDGET) &&
	    handshake_wait(server) == 0) {
		uint32_t number = queue->first;

		begun = true;
		/* Out of the queue first: or it would wait for itself. */
		conn_time(server, number, TIMER_HEAD);
		kept_input(server, number, true);
	}
	server->secure.spent = 0;
}

int64_t secure_queue_wait(const struct uwt_server *server)
{
	return server->timers[TIMER_QUEUED].first != 0 ? (int64_t)handshake_wait(server) : -1;
}
