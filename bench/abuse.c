/* abuse.c - see abuse.h */
#define _GNU_SOURCE
#include "abuse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

#define BATCH 256               /* events of one system call */
#define TRICKLE 200000u         /* ns from a byte of one connection to that of the next */
#define READING 10000000u       /* ns from one reading to the next */
#define REST_MAX 65536          /* bytes */

#define UPGRADE "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" \
	"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" \
	"Sec-WebSocket-Version: 13\r\n\r\n"

struct script {
	unsigned clients;
	const char *start;
	size_t start_length;
	size_t (*rest)(uint8_t *to);    /* writes what is repeated, returns its length */
	uint32_t every;                 /* ns between steps, of one client after the other; 0: none */
	size_t most;                    /* bytes of a step */
};

struct client {
	int fd;
	size_t said;                    /* of start and rest */
};

struct abuse {
	const struct script *script;
	uint16_t port;
	int epoll;
	struct client *clients;
	unsigned turn;                  /* who says its next byte */
	uint64_t next;                  /* ns: when */
	uint64_t ended;
	uint8_t rest[REST_MAX];
	size_t rest_length;
};

/* -- scripts ----------------------------------------------------------------------------- */

/* A frame whose mask is zeros, so that its payload stands as it is. */
static size_t frame(uint8_t *to, uint8_t first, const char *payload, size_t length)
{
	to[0] = first;
	to[1] = (uint8_t)(0x80 | (length < 126 ? length : 126));
	if (length >= 126) {
		to[2] = (uint8_t)(length >> 8);
		to[3] = (uint8_t)length;
		to += 2;
	}
	memset(to + 2, 0, 4);
	memcpy(to + 6, payload, length);
	return length + (length < 126 ? 6 : 8);
}

static const char announce[] = "{\"action\":\"announce\",\"info_hash\":\"abuse000000000000000\","
	"\"peer_id\":\"-WW0102-000000000000\",\"uploaded\":0,\"downloaded\":0,\"left\":1000}";

static size_t rest_announces(uint8_t *to)
{
	size_t length = 0;

	while (length + sizeof announce + 8 <= REST_MAX)
		length += frame(to + length, 0x81, announce, sizeof announce - 1);
	return length;
}

static size_t rest_fragments(uint8_t *to)
{
	size_t length = 0, i;

	while (length + 7 * sizeof announce <= REST_MAX) {
		for (i = 0; i < sizeof announce - 1; i++)
			length += frame(to + length, (uint8_t)((i == 0 ? 0x01 : 0) |
			    (i == sizeof announce - 2 ? 0x80 : 0)), announce + i, 1);
	}
	return length;
}

static size_t rest_pings(uint8_t *to)
{
	size_t length = 0;

	while (length + 10 <= REST_MAX)
		length += frame(to + length, 0x89, "ping", 4);
	return length;
}

/* One announce with much that means nothing. */
static size_t rest_large(uint8_t *to)
{
	static const char padding[] = ",\"padding\":\"";
	static char text[60000];
	size_t length = sizeof announce - 2;

	memcpy(text, announce, length);
	memcpy(text + length, padding, sizeof padding - 1);
	length += sizeof padding - 1;
	memset(text + length, 'x', sizeof text - length - 2);
	memcpy(text + sizeof text - 2, "\"}", 2);
	return frame(to, 0x81, text, sizeof text);
}

static size_t rest_letters(uint8_t *to)
{
	memset(to, 'x', 1024);
	return 1024;
}

static size_t rest_requests(uint8_t *to)
{
	static const char requests[] =
		"GET /stats HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n"
		"GET /stats/history.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
		"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

	memcpy(to, requests, sizeof requests - 1);
	return sizeof requests - 1;
}

static size_t rest_none(uint8_t *to)
{
	(void)to;
	return 0;
}

#define START(text) text, sizeof text - 1

static const struct script scripts[] = {
	[ABUSE_SILENT] = { 2000, START(""), rest_none, 0, 0 },
	[ABUSE_HEADS] = { 1000, START("GET / HTTP/1.1\r\nX-Long: "), rest_letters, TRICKLE, 1 },
	[ABUSE_BODIES] = { 1000, START(UPGRADE "\x81\xfe\x80\0\0\0\0\0"), rest_letters, TRICKLE, 1 },
	[ABUSE_HELLOS] = { 1000, START("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"), rest_letters, TRICKLE, 1 },
	[ABUSE_FLOOD] = { 2000, START(""), rest_none, 0, 0 },
	[ABUSE_PIPELINE] = { 4, START(UPGRADE), rest_announces, 0, 0 },
	[ABUSE_FRAGMENTS] = { 4, START(UPGRADE), rest_fragments, 0, 0 },
	[ABUSE_PINGS] = { 4, START(UPGRADE), rest_pings, 0, 0 },
	[ABUSE_STREAMS] = { 250, START(UPGRADE), rest_large, 0, 0 },
	[ABUSE_READERS] = { 1, START(""), rest_requests, READING, REST_MAX }
};

/* -- connections ------------------------------------------------------------------------- */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void client_open(struct abuse *abuse, struct client *client)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(abuse->port) };
	bool floods = abuse->script->every == 0 && abuse->rest_length > 0;
	struct epoll_event event = { EPOLLIN | (floods ? EPOLLOUT : 0u), { .ptr = client } };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	client->said = 0;
	if (client->fd < 0)
		fail("load: socket");
	if (connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0 &&
	    errno != EINPROGRESS)
		fail("load: connect");
	if (epoll_ctl(abuse->epoll, EPOLL_CTL_ADD, client->fd, &event) != 0)
		fail("load: epoll_ctl");
}

/* Say what is next, up to so many bytes. A socket that is broken shows that when it is read. */
static void client_say(const struct abuse *abuse, struct client *client, size_t most)
{
	const struct script *script = abuse->script;
	const void *from = script->start + client->said;
	size_t length = script->start_length - client->said, at;
	ssize_t sent;

	if (client->said >= script->start_length) {
		at = (client->said - script->start_length) % abuse->rest_length;
		from = abuse->rest + at;
		length = abuse->rest_length - at < most ? abuse->rest_length - at : most;
	}
	sent = send(client->fd, from, length, MSG_NOSIGNAL);
	if (sent > 0)
		client->said += (size_t)sent;
}

static void client_event(struct abuse *abuse, struct client *client, uint32_t events)
{
	static uint8_t heard[65536];
	ssize_t got;

	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		got = recv(client->fd, heard, sizeof heard, 0);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
			close(client->fd);
			abuse->ended++;
			client_open(abuse, client);
			return;
		}
	}
	if (events & EPOLLOUT)
		client_say(abuse, client, REST_MAX);
}

struct abuse *abuse_new(enum abuse_kind kind, uint16_t port)
{
	struct abuse *abuse = calloc(1, sizeof *abuse);
	unsigned i;

	if (abuse == NULL)
		fail("load: memory");
	abuse->script = &scripts[kind];
	abuse->port = port;
	abuse->rest_length = abuse->script->rest(abuse->rest);
	abuse->epoll = epoll_create1(0);
	abuse->clients = calloc(abuse->script->clients, sizeof *abuse->clients);
	if (abuse->epoll < 0 || abuse->clients == NULL)
		fail("load: memory");
	for (i = 0; i < abuse->script->clients; i++)
		client_open(abuse, &abuse->clients[i]);
	abuse->next = time_now();
	return abuse;
}

static void trickle(struct abuse *abuse)
{
	uint64_t now = time_now();

	for (; abuse->next < now; abuse->next += abuse->script->every) {
		client_say(abuse, &abuse->clients[abuse->turn], abuse->script->most);
		abuse->turn = (abuse->turn + 1) % abuse->script->clients;
	}
}

uint64_t abuse_poll(struct abuse *abuse, int timeout)
{
	struct epoll_event events[BATCH];
	int count, i;

	if (abuse->script->every > 0) {
		trickle(abuse);
		timeout = timeout < 1 ? timeout : 1;
	}
	count = epoll_wait(abuse->epoll, events, BATCH, timeout);
	for (i = 0; i < count; i++)
		client_event(abuse, events[i].data.ptr, events[i].events);
	return abuse->ended;
}
