/* wire.c - see wire.h */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BATCH 256               /* events of one system call */
#define DEAF_BUFFER 4096        /* bytes of a deaf wire's receive buffer */

static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

uint64_t time_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* -- sending ----------------------------------------------------------------------------- */

static void wire_interest(struct wire *wire, int operation)
{
	struct epoll_event event = { .data.ptr = wire };

	event.events = (wire->deaf && wire->state == WIRE_OPEN ? 0u : EPOLLIN) |
	    (wire->writes ? EPOLLOUT : 0u);
	if (epoll_ctl(wire->wires->epoll, operation, wire->fd, &event) != 0)
		die("epoll_ctl");
}

static void wire_want_write(struct wire *wire, bool writes)
{
	if (wire->writes == writes)
		return;
	wire->writes = writes;
	wire_interest(wire, EPOLL_CTL_MOD);
}

static void waiting_add(struct wire *wire, const uint8_t *bytes, size_t length)
{
	if (wire->waiting_length + length > wire->waiting_size) {
		wire->waiting_size = 2 * (wire->waiting_length + length);
		wire->waiting = realloc(wire->waiting, wire->waiting_size);
		if (wire->waiting == NULL)
			die("memory");
	}
	memcpy(wire->waiting + wire->waiting_length, bytes, length);
	wire->waiting_length += length;
}

/* A connection that is broken shows that when it is read. */
static size_t socket_send(struct wire *wire, const uint8_t *bytes, size_t length)
{
	ssize_t sent = send(wire->fd, bytes, length, MSG_NOSIGNAL);

	return sent > 0 ? (size_t)sent : 0;
}

static void socket_output(void *context, const uint8_t *bytes, size_t length)
{
	struct wire *wire = context;
	size_t sent = 0;

	if (wire->waiting_length == 0)
		sent = socket_send(wire, bytes, length);
	if (sent == length)
		return;
	waiting_add(wire, bytes + sent, length - sent);
	wire_want_write(wire, true);
}

static void waiting_send(struct wire *wire)
{
	size_t sent = socket_send(wire, wire->waiting, wire->waiting_length);

	memmove(wire->waiting, wire->waiting + sent, wire->waiting_length - sent);
	wire->waiting_length -= sent;
	if (wire->waiting_length == 0)
		wire_want_write(wire, false);
}

static void wire_output(struct wire *wire, const uint8_t *bytes, size_t length)
{
	if (wire->channel != NULL)
		channel_output(wire->channel, bytes, length);
	else
		socket_output(wire, bytes, length);
}

/* A client's frame head, with the mask; returns its size. */
static size_t frame_head(uint8_t *payload, uint8_t opcode, size_t length)
{
	size_t size = length < 126 ? 6 : length < 65536 ? 8 : 14, i;
	uint8_t *head = payload - size;

	head[0] = 0x80 | opcode;
	head[1] = (uint8_t)(0x80 | (size == 6 ? length : size == 8 ? 126 : 127));
	for (i = 0; i < size - 6; i++)
		head[2 + i] = (uint8_t)(length >> 8 * (size - 7 - i));
	memcpy(payload - 4, mask, 4);
	return size;
}

static void frame_send(struct wire *wire, uint8_t opcode, uint8_t *payload, size_t length)
{
	size_t head = frame_head(payload, opcode, length), i;

	for (i = 0; i < length; i++)
		payload[i] ^= mask[i % 4];
	wire_output(wire, payload - head, head + length);
}

void wire_send(struct wire *wire, uint8_t *payload, size_t length)
{
	frame_send(wire, 0x1, payload, length);
}

/* -- opening and closing ----------------------------------------------------------------- */

static void wire_upgrade(struct wire *wire)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Version: 13\r\n\r\n";

	wire->state = WIRE_UPGRADING;
	wire_output(wire, (const uint8_t *)request, sizeof request - 1);
}

static void plain_input(void *context, const uint8_t *bytes, size_t length);

static void wire_connected(struct wire *wire)
{
	const struct channel_ends ends = { wire, socket_output, plain_input };
	const struct wires *wires = wire->wires;

	wire_want_write(wire, false);
	if (!wires->secure) {
		wire_upgrade(wire);
		return;
	}
	if (wire->channel == NULL)
		wire->channel = channel_new();
	wire->state = WIRE_SECURING;
	channel_start(wire->channel, &ends,
	    wires->resume == WIRE_SHARED && wires->has_session ? &wires->session :
	    wires->resume == WIRE_OWN && wire->has_session ? &wire->session : NULL);
}

static void wire_secured(struct wire *wire)
{
	struct wires *wires = wire->wires;

	wire->resumed = channel_session(wire->channel, &wire->session);
	wire->has_session = true;
	if (!wires->has_session)
		wires->session = wire->session;
	wires->has_session = true;
	wire_upgrade(wire);
}

static void wire_opened(struct wire *wire)
{
	wire->state = WIRE_OPEN;
	if (wire->deaf)
		wire_interest(wire, EPOLL_CTL_MOD);
	wire->wires->opened(wire->wires->context, wire);
}

void wire_open(struct wires *wires, struct wire *wire)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int on = 1, small = DEAF_BUFFER;

	address.sin_port = htons(wires->port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	wire->wires = wires;
	wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (wire->fd < 0)
		die("socket");
	setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (wire->deaf)
		setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	wire->state = WIRE_CONNECTING;
	wire->have = wire->matched = 0;
	wire->left = 0;
	wire->waiting_length = 0;
	if (connect(wire->fd, (struct sockaddr *)&address, sizeof address) != 0 &&
	    errno != EINPROGRESS)
		die("connect");
	wire->writes = true;
	wire_interest(wire, EPOLL_CTL_ADD);
}

void wire_close(struct wire *wire)
{
	if (wire->state != WIRE_CLOSED)
		close(wire->fd);
	wire->state = WIRE_CLOSED;
}

static void wire_ended(struct wire *wire)
{
	wire_close(wire);
	wire->wires->ended(wire->wires->context, wire);
}

/* -- receiving --------------------------------------------------------------------------- */

/* Look for the end of the response's head. Returns how many bytes were used. */
static size_t upgrade_input(struct wire *wire, const uint8_t *bytes, size_t length)
{
	static const char end[] = "\r\n\r\n", accepted[] = "HTTP/1.1 101";
	size_t i;

	for (i = 0; i < length && wire->matched < 4; i++) {
		if (wire->have < sizeof accepted - 1 &&
		    bytes[i] != (uint8_t)accepted[wire->have++]) {
			fprintf(stderr, "load: the upgrade was refused\n");
			exit(1);
		}
		wire->matched = bytes[i] == (uint8_t)end[wire->matched] ? wire->matched + 1 :
		    bytes[i] == '\r';
	}
	if (wire->matched == 4) {
		wire->have = 0;
		wire_opened(wire);
	}
	return i;
}

static void frame_done(struct wire *wire)
{
	uint8_t pong[WIRE_HEAD_ROOM + WIRE_START];
	uint8_t opcode = wire->head[0] & 0x0f;

	if (opcode == 0x9) {
		memcpy(pong + WIRE_HEAD_ROOM, wire->start, (size_t)wire->length);
		frame_send(wire, 0xa, pong + WIRE_HEAD_ROOM, (size_t)wire->length);
	} else if (opcode < 0x8) {
		wire->wires->message(wire->wires->context, wire, wire->length);
	}
}

/* Take bytes of a frame's head. Returns how many were used. */
static size_t head_input(struct wire *wire, const uint8_t *bytes)
{
	unsigned size, i;

	wire->head[wire->have++] = *bytes;
	size = wire->have < 2 || wire->head[1] < 126 ? 2 : wire->head[1] == 126 ? 4 : 10;
	if (wire->have < size)
		return 1;
	wire->length = size == 2 ? wire->head[1] : 0;
	for (i = 2; i < size; i++)
		wire->length = wire->length << 8 | wire->head[i];
	wire->left = wire->length;
	wire->have = 0;
	if (wire->left == 0)
		frame_done(wire);
	return 1;
}

static size_t payload_input(struct wire *wire, const uint8_t *bytes, size_t length)
{
	uint64_t at = wire->length - wire->left;
	size_t part = length < wire->left ? length : (size_t)wire->left;

	if (at < WIRE_START)
		memcpy(wire->start + at, bytes, part < WIRE_START - at ? part : WIRE_START - at);
	wire->left -= part;
	if (wire->left == 0)
		frame_done(wire);
	return part;
}

static void plain_input(void *context, const uint8_t *bytes, size_t length)
{
	struct wire *wire = context;
	size_t used;

	while (length > 0 && (wire->state == WIRE_UPGRADING || wire->state == WIRE_OPEN)) {
		if (wire->state == WIRE_UPGRADING)
			used = upgrade_input(wire, bytes, length);
		else if (wire->left > 0)
			used = payload_input(wire, bytes, length);
		else
			used = head_input(wire, bytes);
		bytes += used;
		length -= used;
	}
}

static void wire_readable(struct wire *wire)
{
	static uint8_t bytes[262144];
	ssize_t got = recv(wire->fd, bytes, sizeof bytes, 0);
	bool alive = true;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		wire_ended(wire);
		return;
	}
	if (wire->channel == NULL) {
		plain_input(wire, bytes, (size_t)got);
		return;
	}
	alive = channel_input(wire->channel, bytes, (size_t)got);
	if (wire->state == WIRE_SECURING && channel_is_ready(wire->channel))
		wire_secured(wire);
	/* A callback may have opened it anew. */
	if (!alive && wire->state != WIRE_CLOSED && wire->state != WIRE_CONNECTING)
		wire_ended(wire);
}

static void wire_event(struct wire *wire, uint32_t events)
{
	if (wire->state == WIRE_CLOSED)
		return;
	if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN)) {
		wire_ended(wire);
		return;
	}
	if (events & EPOLLOUT) {
		if (wire->state == WIRE_CONNECTING)
			wire_connected(wire);
		else if (wire->waiting_length > 0)
			waiting_send(wire);
	}
	if (events & EPOLLIN)
		wire_readable(wire);
}

/* -- all of them ------------------------------------------------------------------------- */

void wires_init(struct wires *wires, uint16_t port)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	wires->port = port;
	wires->epoll = epoll_create1(0);
	wires->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	if (wires->epoll < 0 || wires->timer < 0 ||
	    epoll_ctl(wires->epoll, EPOLL_CTL_ADD, wires->timer, &event) != 0)
		die("epoll");
}

void wires_wake(struct wires *wires, uint64_t time)
{
	struct itimerspec when = { .it_value = { (time_t)(time / 1000000000u),
		(long)(time % 1000000000u) } };

	timerfd_settime(wires->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

void wires_poll(struct wires *wires, int timeout)
{
	struct epoll_event events[BATCH];
	int count = epoll_wait(wires->epoll, events, BATCH, timeout), i;
	uint64_t expired;

	for (i = 0; i < count; i++) {
		if (events[i].data.ptr != NULL)
			wire_event(events[i].data.ptr, events[i].events);
		else if (read(wires->timer, &expired, sizeof expired) < 0)
			continue;
	}
}
