/*
 * floor.c - a server that does for each message what any tracker must have the kernel do, and
 * nothing else: the floor under what an announce can cost.
 *
 *   floor [-p port] [-o offers]
 *
 * It listens on 127.0.0.1, on a free port unless one is given, and prints which. Every upgrade gets
 * the same answer, every message the same reply. A message that is long enough to have offers is
 * cut into as many parts as -o says, and each part is relayed, masked as it is, to another
 * connection chosen at random. What goes to one connection is gathered, and sent once in a turn. At
 * SIGTERM it prints how many messages it had and system calls it made. Linux only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 256               /* events of one system call */
#define READ_SIZE 65536         /* bytes of one recv */
#define PARTIAL_MAX 262144      /* bytes of a message that has not come whole */
#define REPLY_SIZE 114          /* bytes, as a tracker's */
#define AROUND 48               /* bytes that a relay has more than its part of the announce */
#define WITH_OFFERS 256         /* bytes of payload from which a message has offers */

struct conn {
	int fd;                 /* -1: none */
	bool open;              /* upgraded */
	bool dirty;             /* has something to send in this turn */
	bool writes;            /* EPOLLOUT is waited for */
	uint32_t at;            /* where in `live` it stands */
	uint8_t *partial;       /* the start of a message */
	size_t partial_length;
	uint8_t *out;
	size_t out_length, out_size;
};

struct floor {
	int epoll, listener;
	unsigned offers;
	uint16_t port;
	uint32_t limit;         /* descriptors */
	struct conn *conns;     /* by descriptor */
	uint32_t *live;         /* descriptors of open connections */
	uint32_t *dirty;        /* those that have something to send */
	uint32_t live_count, dirty_count;
	uint64_t calls, messages;
	uint64_t random;
	/* what is received, with room for what came before */
	uint8_t input[PARTIAL_MAX + READ_SIZE];
};

static volatile sig_atomic_t ended;

static void note_end(int signal)
{
	(void)signal;
	ended = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* -- output ------------------------------------------------------------------------------ */

static void interest(struct floor *floor, struct conn *conn, int operation)
{
	struct epoll_event event = { .data.fd = conn->fd };

	event.events = EPOLLIN | (conn->writes ? EPOLLOUT : 0u);
	floor->calls++;
	if (epoll_ctl(floor->epoll, operation, conn->fd, &event) != 0)
		die("epoll_ctl");
}

static void out_add(struct floor *floor, struct conn *conn, const void *bytes, size_t length)
{
	if (conn->out_length + length > conn->out_size) {
		conn->out_size = 2 * (conn->out_length + length);
		conn->out = realloc(conn->out, conn->out_size);
		if (conn->out == NULL)
			die("memory");
	}
	memcpy(conn->out + conn->out_length, bytes, length);
	conn->out_length += length;
	if (!conn->dirty) {
		conn->dirty = true;
		floor->dirty[floor->dirty_count++] = (uint32_t)conn->fd;
	}
}

/* Send what there is, and wait if the socket does not take all of it. */
static void out_send(struct floor *floor, struct conn *conn)
{
	ssize_t sent = send(conn->fd, conn->out, conn->out_length, MSG_NOSIGNAL | MSG_DONTWAIT);

	floor->calls++;
	if (sent < 0)
		sent = 0;
	memmove(conn->out, conn->out + sent, conn->out_length - (size_t)sent);
	conn->out_length -= (size_t)sent;
	if (conn->writes != (conn->out_length > 0)) {
		conn->writes = conn->out_length > 0;
		interest(floor, conn, EPOLL_CTL_MOD);
	}
}

static void flush(struct floor *floor)
{
	uint32_t i;

	for (i = 0; i < floor->dirty_count; i++) {
		struct conn *conn = &floor->conns[floor->dirty[i]];

		if (conn->fd >= 0 && conn->dirty)
			out_send(floor, conn);
		conn->dirty = false;
	}
	floor->dirty_count = 0;
}

/* -- messages ---------------------------------------------------------------------------- */

static struct conn *random_conn(struct floor *floor)
{
	floor->random ^= floor->random << 13;
	floor->random ^= floor->random >> 7;
	floor->random ^= floor->random << 17;
	return &floor->conns[floor->live[(floor->random >> 32) * floor->live_count >> 32]];
}

static void relay(struct floor *floor, struct conn *conn, const uint8_t *payload, size_t length)
{
	static const uint8_t around[AROUND];
	size_t part = length / floor->offers, all = part + AROUND;
	uint8_t head[4] = { 0x81, 126, (uint8_t)(all >> 8), (uint8_t)all };
	unsigned i;

	for (i = 0; i < floor->offers; i++) {
		struct conn *other = random_conn(floor);

		if (other == conn)
			continue;
		out_add(floor, other, head, sizeof head);
		out_add(floor, other, payload + i * part, part);
		out_add(floor, other, around, sizeof around);
	}
}

/* Take the message that data begins with. Returns its size, 0 if it is not whole. */
static size_t message_input(struct floor *floor, struct conn *conn, const uint8_t *data,
    size_t length)
{
	static const uint8_t reply[2 + REPLY_SIZE] = { 0x81, REPLY_SIZE };
	size_t head = 6, payload;

	if (length < 14)
		return 0;
	payload = data[1] & 0x7fu;
	if (payload == 126) {
		head = 8;
		payload = (size_t)data[2] << 8 | data[3];
	} else if (payload == 127) {
		head = 14;
		payload = (size_t)data[7] << 16 | (size_t)data[8] << 8 | data[9];
	}
	if (length < head + payload)
		return 0;
	floor->messages++;
	out_add(floor, conn, reply, sizeof reply);
	if (floor->offers > 0 && payload >= WITH_OFFERS)
		relay(floor, conn, data + head, payload);
	return head + payload;
}

/* A request comes whole, because the load sends nothing more before it has its answer. */
static size_t request_input(struct floor *floor, struct conn *conn, size_t length)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

	conn->open = true;
	conn->at = floor->live_count;
	floor->live[floor->live_count++] = (uint32_t)conn->fd;
	out_add(floor, conn, answer, sizeof answer - 1);
	return length;
}

/* -- connections ------------------------------------------------------------------------- */

static void conn_close(struct floor *floor, struct conn *conn)
{
	uint32_t last;

	if (conn->open) {
		last = floor->live[--floor->live_count];
		floor->live[conn->at] = last;
		floor->conns[last].at = conn->at;
	}
	floor->calls++;
	close(conn->fd);
	conn->fd = -1;
	conn->open = conn->writes = false;
	conn->out_length = conn->partial_length = 0;
}

static void partial_keep(struct conn *conn, const uint8_t *data, size_t length)
{
	if (length > 0 && conn->partial == NULL)
		conn->partial = malloc(PARTIAL_MAX);
	if (length > PARTIAL_MAX || (length > 0 && conn->partial == NULL))
		die("a message");
	if (length > 0)
		memcpy(conn->partial, data, length);
	conn->partial_length = length;
}

static void conn_input(struct floor *floor, struct conn *conn)
{
	size_t before = conn->partial_length, used, length;
	uint8_t *data = floor->input;
	ssize_t got;

	if (before > 0)
		memcpy(data, conn->partial, before);
	got = recv(conn->fd, data + before, READ_SIZE, MSG_DONTWAIT);
	floor->calls++;
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		conn_close(floor, conn);
		return;
	}
	length = before + (size_t)got;
	do {
		used = conn->open ? message_input(floor, conn, data, length) :
		    request_input(floor, conn, length);
		data += used;
		length -= used;
	} while (used > 0 && length > 0);
	partial_keep(conn, data, length);
}

static void accept_all(struct floor *floor)
{
	struct conn *conn;
	int fd;

	for (;;) {
		fd = accept4(floor->listener, NULL, NULL, SOCK_NONBLOCK);
		floor->calls++;
		if (fd < 0)
			return;
		conn = &floor->conns[fd];
		conn->fd = fd;
		interest(floor, conn, EPOLL_CTL_ADD);
	}
}

static void turn(struct floor *floor)
{
	struct epoll_event events[BATCH];
	int count = epoll_wait(floor->epoll, events, BATCH, -1), i;

	floor->calls++;
	for (i = 0; i < count; i++) {
		struct conn *conn = &floor->conns[events[i].data.fd];

		if (events[i].data.fd == floor->listener) {
			accept_all(floor);
			continue;
		}
		if (conn->fd >= 0 && events[i].events & EPOLLOUT)
			out_send(floor, conn);
		if (conn->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			conn_input(floor, conn);
	}
	flush(floor);
}

/* -- the program ------------------------------------------------------------------------- */

static void floor_init(struct floor *floor)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	floor->limit = (uint32_t)files.rlim_max;
	floor->conns = calloc(floor->limit, sizeof *floor->conns);
	floor->live = calloc(floor->limit, sizeof *floor->live);
	floor->dirty = calloc(floor->limit, sizeof *floor->dirty);
	floor->random = 88172645463325252u;
	if (floor->conns == NULL || floor->live == NULL || floor->dirty == NULL)
		die("memory");
}

/* What is set for a listener is set for all that it accepts. */
static void floor_listen(struct floor *floor)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct epoll_event event = { .events = EPOLLIN };
	socklen_t size = sizeof address;
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(floor->port);
	floor->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	floor->epoll = epoll_create1(0);
	event.data.fd = floor->listener;
	setsockopt(floor->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(floor->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(floor->listener, (struct sockaddr *)&address, size) != 0 ||
	    listen(floor->listener, 4096) != 0 ||
	    getsockname(floor->listener, (struct sockaddr *)&address, &size) != 0 ||
	    epoll_ctl(floor->epoll, EPOLL_CTL_ADD, floor->listener, &event) != 0)
		die("listen");
	printf("floor: listening on %u\n", (unsigned)ntohs(address.sin_port));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct floor floor;
	struct sigaction action = { .sa_handler = note_end };
	int letter;

	while ((letter = getopt(argc, argv, "p:o:")) != -1) {
		switch (letter) {
		case 'p': floor.port = (uint16_t)strtoul(optarg, NULL, 10); break;
		case 'o': floor.offers = (unsigned)strtoul(optarg, NULL, 10); break;
		default: fprintf(stderr, "usage: floor [-p port] [-o offers]\n"); return 2;
		}
	}
	floor_init(&floor);
	floor_listen(&floor);
	sigaction(SIGTERM, &action, NULL);
	while (!ended)
		turn(&floor);
	printf("floor: %llu messages, %llu system calls\n", (unsigned long long)floor.messages,
	    (unsigned long long)floor.calls);
	return 0;
}
